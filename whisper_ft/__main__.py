"""The commands: `python -m whisper_ft check | compare | evaluate | longform | prepare | table`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from whisper_ft import longform
from whisper_ft.check import Checked, check_manifest
from whisper_ft.checkpoint import append_lines, write_json
from whisper_ft.compare import changes_table, evaluations_compared, prompts_compared
from whisper_ft.conditions import evaluation_rows
from whisper_ft.config import (
    CheckConfig,
    CompareConfig,
    EvaluateConfig,
    LongformConfig,
    TableConfig,
)
from whisper_ft.data import Examples, RowError
from whisper_ft.evaluate import decode_rows, details, insert_table, score, table
from whisper_ft.flags import out_of_bounds, parse
from whisper_ft.manifest import Row, read_manifest
from whisper_ft.model import pick_device
from whisper_ft.prepare.commands import prepare
from whisper_ft.prompts import coverage, coverage_line, parse_policy
from whisper_ft.show import show
from whisper_ft.survey import compare_manifests, listen, screen, survey
from whisper_ft.weights import Vocabulary, load, vocabulary


def check(argv: Sequence[str]) -> int:
    """Report all that is wrong or doubtful in manifests; 1 if anything is wrong."""
    config, _ = parse(CheckConfig, argv, "python -m whisper_ft check")
    policy = parse_policy(config.prompts, config.distractors)
    vocabulary_here, wrong = _vocabulary(config.model)
    wrong += out_of_bounds(config)
    _refuse_unwritable(config.json)
    checked = _read(config, vocabulary_here)
    if not wrong:
        listen(checked, config.listen, config.seed)
    compare_manifests(checked)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    surveyed = [
        survey(path, found, vocabulary_here)
        for path, found in zip(config.manifests, checked, strict=True)
    ]
    rows = [row for found in checked for row in found.rows]
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


def evaluate(argv: Sequence[str]) -> int:
    """Decode and score manifests under right, no and wrong prompts."""
    config, _ = parse(EvaluateConfig, argv, "python -m whisper_ft evaluate")
    rows = _usable_rows(config)
    model = load(config.checkpoint, pick_device(config.device)).model
    prompted = evaluation_rows(rows, seed=config.seed, n_rows=config.rows)
    decoded = decode_rows(model, prompted, timestamps=not config.without_timestamps)
    samples = list(tqdm(decoded, "decoding", len(prompted.rows), unit="row"))
    result: dict[str, Any] = {
        "name": config.name or config.checkpoint,
        "manifests": [Path(path).name for path in config.manifests],
        "rows": len(samples),
        "seed": config.seed,
        "timestamps": not config.without_timestamps,
        "scores": score(samples),
    }
    _write(config, result, samples)
    print(f"\n{details(result['scores'])}\n\n{table([result])}")
    return 0


def transcribe(argv: Sequence[str]) -> int:
    """Score stock transcribe() on whole recordings and on silence."""
    config, _ = parse(LongformConfig, argv, "python -m whisper_ft longform")
    rows = longform.recordings(_usable_rows(config))
    model = load(config.checkpoint, pick_device(config.device)).model
    transcripts = longform.transcripts(model, rows)
    samples = list(tqdm(transcripts, "transcribing", len(rows), unit="recording"))
    result: dict[str, Any] = {
        "name": config.name or config.checkpoint,
        "manifests": [Path(path).name for path in config.manifests],
        "scores": longform.score(samples),
    }
    _write(config, result, samples)
    print(f"\n{longform.summary(result['scores'])}")
    return 0


def _usable_rows(config: EvaluateConfig | LongformConfig) -> list[Row]:
    """The rows to score. Raises ValueError with all problems, of what is to be written too."""
    vocabulary_here, wrong = _vocabulary(config.checkpoint)
    checked = _read(config, vocabulary_here)
    wrong += out_of_bounds(config)
    if problems := wrong + [str(problem) for found in checked for problem in found.problems]:
        raise ValueError("\n".join(problems))
    _refuse_unwritable(config.json, config.samples)
    return [row for found in checked for row in found.rows]


def _refuse_unwritable(*paths: str) -> None:
    """Raises OSError before the work for what could not be written after it."""
    for path in map(Path, filter(None, paths)):
        path.parent.mkdir(parents=True, exist_ok=True)
        was_there = path.exists()
        path.open("a").close()
        if not was_there:
            path.unlink()


def _write(
    config: EvaluateConfig | LongformConfig, result: dict[str, Any], samples: list[dict[str, Any]]
) -> None:
    if config.json:
        write_json(Path(config.json), result)
    if config.samples:
        Path(config.samples).unlink(missing_ok=True)
        append_lines(Path(config.samples), samples)


def show_table(argv: Sequence[str]) -> int:
    """Print the table of some evaluations, or write it into a document."""
    config, _ = parse(TableConfig, argv, "python -m whisper_ft table")
    results = []
    for path in config.results:
        try:
            results.append(json.loads(Path(path).read_text(encoding="utf-8")))
            table(results)
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}: not what evaluate --json writes: make it again") from None
    if not config.into:
        print(table(results))
        return 0
    document = Path(config.into)
    text = insert_table(document.read_text(encoding="utf-8"), table(results))
    document.write_text(text, encoding="utf-8")
    return 0


def compare(argv: Sequence[str]) -> int:
    """Tell what changed between prompts, or between two checkpoints, with paired intervals."""
    config, _ = parse(CompareConfig, argv, "python -m whisper_ft compare")
    if len(config.samples) > 2:
        raise ValueError("give one file of samples, or two: before and after")
    held = []
    for path in config.samples:
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
            held.append([json.loads(line) for line in lines])
            details(score(held[-1]))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}: not what evaluate --samples writes: make it again") from None
        if not held[-1]:
            raise ValueError(f"{path}: holds no samples: make it again with evaluate --samples")
    if len(held) == 1:
        changes = prompts_compared(held[0], config.score)
    else:
        changes = evaluations_compared(held[0], held[1], config.score)
    print(changes_table(changes, config.score))
    return 0


def _vocabulary(model: str) -> tuple[Vocabulary | None, list[str]]:
    """A model's vocabulary, or what is wrong with its name or file, to be said with the rest."""
    try:
        return vocabulary(model), []
    except ValueError as error:
        return None, [str(error)]


def _read(
    config: CheckConfig | EvaluateConfig | LongformConfig, vocabulary_here: Vocabulary | None
) -> list[Checked]:
    manifests = [
        read_manifest(path, language=config.language, task=config.task) for path in config.manifests
    ]
    return [check_manifest(manifest, vocabulary_here) for manifest in manifests]


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "check": check,
    "compare": compare,
    "evaluate": evaluate,
    "longform": transcribe,
    "prepare": prepare,
    "table": show_table,
}


def main() -> int:
    """Run a command; wrong input is a message and status 2, never a traceback."""
    argv = sys.argv[1:]
    if not argv or argv[0] not in COMMANDS:
        lines = [f"  {name:10}{command.__doc__}" for name, command in COMMANDS.items()]
        if argv and argv[0] not in ("-h", "--help"):
            print(f"{argv[0]}: no such command", file=sys.stderr)
        print(
            "usage: python -m whisper_ft COMMAND ... (COMMAND --help tells more)", *lines, sep="\n"
        )
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    try:
        return COMMANDS[argv[0]](argv[1:])
    except BrokenPipeError:  # whoever read the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell tells of SIGPIPE
    except (ValueError, OSError, RowError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
