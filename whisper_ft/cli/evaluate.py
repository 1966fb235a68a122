"""The command `evaluate`."""

from __future__ import annotations

from pathlib import Path

from whisper_ft.config.commands import EvaluateConfig
from whisper_ft.evaluation.evaluator import evaluate_plan, make_evaluation_plan
from whisper_ft.evaluation.results import (
    EvaluationResult,
    compare_results,
    evaluations_json,
    sample_lines,
)
from whisper_ft.evaluation.tables import format_comparison, format_result
from whisper_ft.runtime.files import check_output_paths, write_json, write_json_lines


def evaluate(config: EvaluateConfig) -> int:
    """Score checkpoints under right, no and wrong prompts, and compare them.

    What is known is written after each checkpoint, so that an interruption loses only the rest.
    """
    plan = make_evaluation_plan(config)
    outputs = {"--json": [config.json], "--samples": config.samples}
    check_output_paths(outputs, [*config.inputs, *config.others])
    results: list[EvaluationResult] = []
    for result in evaluate_plan(plan):
        results.append(result)
        print(f"\n{result.name}\n{format_result(result)}\n")
        if config.samples:
            write_json_lines(Path(config.samples[len(results) - 1]), sample_lines(result.samples))
        if config.json:
            write_json(Path(config.json), evaluations_json(results))
        if saved := [*filter(None, [config.json]), *config.samples[: len(results)]]:
            print(f"Saved so far: {' '.join(saved)}\n")
    comparisons = compare_results(results)
    if config.json:
        write_json(Path(config.json), evaluations_json(results, comparisons))
    print(format_comparison(results, comparisons, config.differing))
    return 0
