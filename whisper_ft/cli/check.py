"""The command `check`."""

from __future__ import annotations

import sys
from pathlib import Path

from whisper_ft.config.commands import CheckConfig
from whisper_ft.config.options import out_of_bounds
from whisper_ft.data.found_keywords import AS_WRITTEN, read_keyword_rules
from whisper_ft.data.manifest import IN_PLACE
from whisper_ft.data.moved_folders import MovedFolders
from whisper_ft.data.prompts import parse_policy
from whisper_ft.data.respelling import Lexicon, Perturbation
from whisper_ft.models.loading import try_load_vocabulary
from whisper_ft.runtime.files import check_output_paths, write_json
from whisper_ft.runtime.problems import collect
from whisper_ft.validation.preview import preview
from whisper_ft.validation.report import check_manifests, format_report


def check(config: CheckConfig) -> int:
    """Report problems and warnings of manifests; return 1 if there are problems."""
    wrong: list[str] = []
    rules, moved = AS_WRITTEN, IN_PLACE
    with collect(wrong):
        rules = read_keyword_rules(config.keywords, config.glossary)
    with collect(wrong):
        moved = MovedFolders.of(config.relocate)
    with collect(wrong):
        policy = parse_policy(config.prompts, config.distractors, rules.glossary.terms)
    with collect(wrong):
        check_output_paths({"--json": [config.json]}, config.manifests)
    if wrong:
        raise ValueError("\n".join(wrong))
    vocabulary, problems = try_load_vocabulary(config.model)
    report = check_manifests(
        config.manifests,
        vocabulary,
        policy,
        language=config.language,
        task=config.task,
        n_audio_rows=config.check_audio,
        seed=config.seed,
        keywords=rules,
        moved=moved,
        problems=[*problems, *out_of_bounds(config)],
    )
    if config.json:
        write_json(Path(config.json), report.to_json())
    print(*format_report(report, all_warnings=config.all_warnings), sep="\n")
    if config.preview and vocabulary:
        paragraphs = preview(
            report.rows,
            policy,
            Perturbation(
                config.respell,
                config.lookalikes,
                config.contrast,
                Lexicon.of_rows(report.rows, rules.glossary.terms),
            ),
            vocabulary,
            n_rows=config.preview,
            timestamp_rate=config.timestamp_rate,
            seed=config.seed,
            dim=sys.stdout.isatty(),
        )
        print("", *paragraphs, sep="\n")
    return int(report.has_problems)
