"""The command `longform`."""

from __future__ import annotations

from pathlib import Path

from whisper_ft.config.commands import LongformConfig
from whisper_ft.evaluation.longform import transcribe_plan
from whisper_ft.evaluation.longform_plan import make_longform_plan
from whisper_ft.evaluation.longform_tables import format_longform
from whisper_ft.runtime.files import check_output_paths, write_json, write_json_lines


def longform(config: LongformConfig) -> int:
    """Score whisper's own transcribe() on whole recordings and on silence, by initial prompt."""
    plan = make_longform_plan(config)
    outputs = {"--json": [config.json], "--samples": [config.samples]}
    check_output_paths(outputs, [config.checkpoint, *config.manifests])
    result = transcribe_plan(plan)
    if config.json:
        write_json(Path(config.json), result.to_json())
    if config.samples:
        samples = [sample.to_json() for sample in result.samples]
        write_json_lines(Path(config.samples), samples)
    print(f"\n{format_longform(result.scores)}")
    return 0
