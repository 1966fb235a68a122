"""The command `check`."""

from __future__ import annotations

from pathlib import Path

from whisper_ft.config.commands import (
    CheckConfig,
)
from whisper_ft.config.options import out_of_bounds
from whisper_ft.data.dataset import Examples
from whisper_ft.data.manifest import JoinedRows, read_manifest
from whisper_ft.data.prompts import coverage, coverage_line, parse_policy
from whisper_ft.models.loading import Vocabulary, read_vocabulary
from whisper_ft.runtime.files import check_outputs, write_json
from whisper_ft.validation.checks import CheckedManifest, check_manifest
from whisper_ft.validation.preview import show
from whisper_ft.validation.summary import compare_manifests, listen, screen, survey


def check(config: CheckConfig) -> int:
    """Report all that is wrong or doubtful in manifests; 1 if anything is wrong."""
    policy = parse_policy(config.prompts, config.distractors)
    vocabulary_here, wrong = read_vocabulary(config.model)
    wrong += out_of_bounds(config)
    check_outputs([config.json], config.manifests)
    checked = _read(config, vocabulary_here)
    if not wrong:
        listen(checked, config.listen, config.seed)
    compare_manifests(checked)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    surveyed = [
        survey(path, found, vocabulary_here)
        for path, found in zip(config.manifests, checked, strict=True)
    ]
    rows = JoinedRows([found.rows for found in checked])
    if config.json:
        counts = coverage(policy, rows)
        report = {"problems": wrong, "prompts": counts, "manifests": surveyed}
        write_json(Path(config.json), report)
    for one in surveyed:
        print(*screen(one, every=config.every), sep="\n")
    if prompts := coverage_line(policy, rows):
        print(prompts)
    if config.show and vocabulary_here:
        examples = Examples(
            rows,
            policy,
            vocabulary_here.tokenizer,
            n_mels=0,  # nothing is heard
            n_text_ctx=vocabulary_here.n_text_ctx,
            timestamp_rate=config.timestamp_rate,
            seed=config.seed,
        )
        print("", *show(examples, config.show), sep="\n")
    return int(bool(wrong) or any(found.problems for found in checked))


def _read(config: CheckConfig, vocabulary_here: Vocabulary | None) -> list[CheckedManifest]:
    manifests = [
        read_manifest(path, language=config.language, task=config.task) for path in config.manifests
    ]
    return [check_manifest(manifest, vocabulary_here) for manifest in manifests]
