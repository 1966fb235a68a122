"""The command `check`."""

from __future__ import annotations

from pathlib import Path

from whisper_ft.config.commands import (
    CheckConfig,
)
from whisper_ft.config.options import out_of_bounds
from whisper_ft.data.dataset import Examples
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.prompts import format_coverage, parse_policy, prompt_coverage
from whisper_ft.data.rows import JoinedRows
from whisper_ft.models.loading import Vocabulary, try_load_vocabulary
from whisper_ft.runtime.files import check_output_paths, write_json
from whisper_ft.validation.checks import CheckedManifest, check_manifest
from whisper_ft.validation.preview import show
from whisper_ft.validation.summary import check_audio, compare_manifests, screen, survey


def check(config: CheckConfig) -> int:
    """Report all that is wrong or doubtful in manifests; 1 if anything is wrong."""
    policy = parse_policy(config.prompts, config.distractors)
    vocabulary, wrong = try_load_vocabulary(config.model)
    wrong += out_of_bounds(config)
    check_output_paths([config.json], config.manifests)
    checked = _read(config, vocabulary)
    if not wrong:
        check_audio(checked, config.check_audio, config.seed)
    compare_manifests(checked)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    surveyed = [
        survey(path, found, vocabulary)
        for path, found in zip(config.manifests, checked, strict=True)
    ]
    rows = JoinedRows([found.rows for found in checked])
    if config.json:
        counts = prompt_coverage(policy, rows)
        report = {"problems": wrong, "prompts": counts, "manifests": surveyed}
        write_json(Path(config.json), report)
    for one in surveyed:
        print(*screen(one, every=config.all_warnings), sep="\n")
    if prompts := format_coverage(policy, rows):
        print(prompts)
    if config.preview and vocabulary:
        examples = Examples(
            rows,
            policy,
            vocabulary.tokenizer,
            n_mels=0,  # nothing is heard
            n_text_ctx=vocabulary.n_text_ctx,
            timestamp_rate=config.timestamp_rate,
            seed=config.seed,
        )
        print("", *show(examples, config.preview), sep="\n")
    return int(bool(wrong) or any(found.problems for found in checked))


def _read(config: CheckConfig, vocabulary: Vocabulary | None) -> list[CheckedManifest]:
    manifests = [
        read_manifest(path, language=config.language, task=config.task) for path in config.manifests
    ]
    return [check_manifest(manifest, vocabulary) for manifest in manifests]
