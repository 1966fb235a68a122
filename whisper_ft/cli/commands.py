"""What the commands do, given their settings; each returns the exit status."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from whisper_ft.config.commands import (
    AverageConfig,
    CheckConfig,
    CompareConfig,
    DoctorConfig,
    EvaluateConfig,
    LongformConfig,
    ReportConfig,
    TableConfig,
)
from whisper_ft.config.options import out_of_bounds
from whisper_ft.data.dataset import Examples, RowError
from whisper_ft.data.manifest import Joined, read_manifest
from whisper_ft.data.prompts import coverage, coverage_line, parse_policy
from whisper_ft.evaluation import evaluator as evaluations
from whisper_ft.evaluation import longform, results
from whisper_ft.evaluation.comparison import changes_table
from whisper_ft.evaluation.scoring import insert_table, table
from whisper_ft.models.loading import Vocabulary, average, load, vocabulary
from whisper_ft.models.loss import pick_device
from whisper_ft.reporting.page import write_report
from whisper_ft.runtime.out_of_memory import is_shortage, told
from whisper_ft.training.checkpoint import refuse_outputs, save_weights, write_json, write_lines
from whisper_ft.training.self_test import diagnose
from whisper_ft.validation.checks import Checked, check_manifest, usable_rows
from whisper_ft.validation.preview import show
from whisper_ft.validation.summary import compare_manifests, listen, screen, survey


def check(config: CheckConfig) -> int:
    """Report all that is wrong or doubtful in manifests; 1 if anything is wrong."""
    policy = parse_policy(config.prompts, config.distractors)
    vocabulary_here, wrong = _vocabulary(config.model)
    wrong += out_of_bounds(config)
    refuse_outputs([config.json], config.manifests)
    checked = _read(config, vocabulary_here)
    if not wrong:
        listen(checked, config.listen, config.seed)
    compare_manifests(checked)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    surveyed = [
        survey(path, found, vocabulary_here)
        for path, found in zip(config.manifests, checked, strict=True)
    ]
    rows = Joined([found.rows for found in checked])
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


def evaluate(config: EvaluateConfig) -> int:
    """Score what checkpoints write under right, no and wrong prompts, and what differs."""
    asked = evaluations.plan(config)
    refuse_outputs([config.json, *config.samples], [*config.inputs, *config.others])
    done: dict[str, results.Domains] = {}
    evaluated: list[dict[str, Any]] = []
    for name, samples in asked.decoded():
        done[name] = samples
        evaluated.append(asked.settings | results.result_of(name, samples))
        print(f"\n{name}\n{results.told(evaluated[-1])}\n")
        for path in config.samples[len(evaluated) - 1 : len(evaluated)]:
            write_lines(Path(path), results.lines(samples))
        if config.json:
            write_json(Path(config.json), {"evaluations": evaluated, "changes": []})
        if kept := [*filter(None, [config.json]), *config.samples[: len(evaluated)]]:
            print(f"kept so far, whatever comes next: {' '.join(kept)}\n")
    changes = results.changes(done)
    if config.json:
        write_json(Path(config.json), {"evaluations": evaluated, "changes": changes})
    print(results.compared(evaluated, done, changes, config.differing))
    return 0


def transcribe(config: LongformConfig) -> int:
    """Score stock transcribe() on whole recordings and on silence."""
    vocabulary_here, wrong = _vocabulary(config.checkpoint)
    held = usable_rows(
        config.manifests,
        [vocabulary_here] if vocabulary_here else [],
        language=config.language,
        task=config.task,
        wrong=wrong,
    )
    refuse_outputs([config.json, config.samples], [config.checkpoint, *config.manifests])
    rows = longform.recordings([row for rows in held.values() for row in rows])
    model = load(config.checkpoint, pick_device(config.device)).model
    transcripts = longform.transcripts(model, rows)
    samples = list(tqdm(transcripts, "transcribing", len(rows), unit="recording"))
    result: dict[str, Any] = {
        "name": config.name or config.checkpoint,
        "manifests": [Path(path).name for path in config.manifests],
        "scores": longform.score(samples),
    }
    if config.json:
        write_json(Path(config.json), result)
    if config.samples:
        write_lines(Path(config.samples), samples)
    print(f"\n{longform.summary(result['scores'])}")
    return 0


def show_table(config: TableConfig) -> int:
    """Print the table of some evaluations, or write it into a document."""
    evaluated: list[dict[str, Any]] = []
    for path in config.results:
        try:
            held = json.loads(Path(path).read_text(encoding="utf-8"))["evaluations"]
            table(held)
        except (ValueError, KeyError, TypeError, AttributeError):
            held = []
        if not held:
            raise ValueError(f"{path}: not what evaluate --json writes: make it again")
        evaluated += held
    if not config.into:
        print(table(evaluated))
        return 0
    document = Path(config.into)
    try:
        text = insert_table(document.read_text(encoding="utf-8"), table(evaluated))
    except ValueError as error:
        raise ValueError(f"{document}: {error}") from None
    document.write_text(text, encoding="utf-8")
    return 0


def compare(config: CompareConfig) -> int:
    """Tell what changed between prompts, or between two checkpoints, with paired intervals."""
    if len(config.samples) > 2:
        raise ValueError("give one file of samples, or two: before and after")
    held = [_read_samples(path) for path in config.samples]
    try:
        if len(held) == 2:
            found = results.domain_changes(held[0], held[1], config.score)
        else:
            found = results.prompt_changes(held[0], config.score)
    except (KeyError, TypeError, AttributeError):
        raise ValueError(_NO_SAMPLES.format(" ".join(config.samples))) from None
    print(f"{' -> '.join(config.samples)}\n{changes_table(found, config.score)}")
    return 0


_NO_SAMPLES = "{}: not what evaluate --samples writes: make it again"


def _read_samples(path: str) -> results.Domains:
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")  # a U+2028 is text
        found = results.domains([json.loads(line) for line in lines if line])
    except (ValueError, AttributeError):
        raise ValueError(_NO_SAMPLES.format(path)) from None
    if not found:
        raise ValueError(f"{path}: holds no samples: make it again with evaluate --samples")
    return found


def _vocabulary(model: str) -> tuple[Vocabulary | None, list[str]]:
    """A model's vocabulary, or what is wrong with its name or file, to be said with the rest."""
    try:
        return vocabulary(model), []
    except ValueError as error:
        return None, [str(error)]


def _read(config: CheckConfig, vocabulary_here: Vocabulary | None) -> list[Checked]:
    manifests = [
        read_manifest(path, language=config.language, task=config.task) for path in config.manifests
    ]
    return [check_manifest(manifest, vocabulary_here) for manifest in manifests]


def mix(config: AverageConfig) -> int:
    """Average checkpoints: between stock and fine-tuned weights lies what forgets less."""
    n, out = len(config.checkpoints), Path(config.out)
    shares = config.weights or (1 / n,) * n
    problems = [p for path in config.checkpoints for p in _vocabulary(path)[1]]
    problems += out_of_bounds(config)
    if len(shares) != n:
        problems.append(f"--weights: {len(shares)} for {n} checkpoints: give one a checkpoint")
    elif not math.isclose(sum(shares), 1, abs_tol=1e-3):
        problems.append(f"--weights: they add up to {sum(shares):g}: they must add up to 1")
    if not config.out:
        problems.append("--out: not given: name the .pt to write")
    if problems:
        raise ValueError("\n".join(problems))
    shares = tuple(share / sum(shares) for share in shares)
    mixed = average([load(path) for path in config.checkpoints], shares)
    refuse_outputs([config.out], config.checkpoints)
    save_weights(mixed.model, out, mixed.alignment_heads)
    print(
        f"{out}: "
        + " + ".join(f"{s:g} {p}" for s, p in zip(shares, config.checkpoints, strict=True))
    )
    return 0


def report(config: ReportConfig) -> int:
    """Write a run's curves, scores and rows, with their sound, to one HTML file."""
    if wrong := out_of_bounds(config):
        raise ValueError("\n".join(wrong))
    if config.out and not config.out.endswith(".html"):  # which keeps it off the run's own files
        raise ValueError(f"--out: {config.out}: name a file that ends in .html")
    folder = Path(config.run)
    out = Path(config.out) if config.out else folder / "report.html"
    if not config.out and out.is_symlink():  # of whoever made the folder
        raise ValueError(f"{out}: a link, through which another file would be written: give --out")
    print(write_report(folder, out, step=config.step, n_rows=config.rows))
    return 0


def doctor(config: DoctorConfig) -> int:
    """Print what a bug report needs; 1 if a part does not work here."""
    told, works = diagnose(paths=config.paths)
    print(told)
    return int(not works)


COMMANDS: dict[str, Callable[[Any], int]] = {
    "average": mix,
    "check": check,
    "compare": compare,
    "doctor": doctor,
    "evaluate": evaluate,
    "longform": transcribe,
    "report": report,
    "table": show_table,
}


def run(name: str, config: Any) -> int:
    """Run a command. Raises ValueError or OSError for wrong input, in words for its user."""
    try:
        return COMMANDS[name](config)
    except RowError as error:
        raise ValueError(str(error)) from None
    except (MemoryError, RuntimeError) as error:
        if not is_shortage(error):
            raise
        print(told(error), file=sys.stderr)
        return 1
