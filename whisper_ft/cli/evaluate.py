"""The command `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whisper_ft.config.commands import (
    EvaluateConfig,
)
from whisper_ft.evaluation import evaluator, results
from whisper_ft.runtime.files import check_output_paths, write_json, write_json_lines


def evaluate(config: EvaluateConfig) -> int:
    """Score what checkpoints write under right, no and wrong prompts, and what differs."""
    asked = evaluator.plan(config)
    check_output_paths([config.json, *config.samples], [*config.inputs, *config.others])
    done: dict[str, results.Domains] = {}
    evaluated: list[dict[str, Any]] = []
    for name, samples in asked.decoded():
        done[name] = samples
        evaluated.append(asked.settings | results.result_of(name, samples))
        print(f"\n{name}\n{results.told(evaluated[-1])}\n")
        for path in config.samples[len(evaluated) - 1 : len(evaluated)]:
            write_json_lines(Path(path), results.lines(samples))
        if config.json:
            write_json(Path(config.json), {"evaluations": evaluated, "changes": []})
        if kept := [*filter(None, [config.json]), *config.samples[: len(evaluated)]]:
            print(f"kept so far, whatever comes next: {' '.join(kept)}\n")
    changes = results.changes(done)
    if config.json:
        write_json(Path(config.json), {"evaluations": evaluated, "changes": changes})
    print(results.compared(evaluated, done, changes, config.differing))
    return 0
