"""Stock, tuned without prompts, tuned with prompts: word errors on real speech, for the README.

    python benchmarks/real_speech.py --train held/train.jsonl --dev held/choice.jsonl \
        --test dev.jsonl --out runs/real --model tiny.en [--into README.md ...]

Trains `--model` twice with the defaults, once with `--prompts own=0`. The encoder is frozen and its
output cached; `--dev` chooses the mixture with stock's weights, and `--test` is scored once. The
counts of every row, and the names of all utterances, go into `--results`.
`--into` makes the table of all models there. The same command goes on after a stop.

The manifests are made from the public corpus: `whisper-ft prepare librispeech --lowercase FOLDER`,
and `recipes/hold_out.py` to keep speakers for `--dev`.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

import torch

from whisper_ft import evaluate
from whisper_ft.evaluation.bootstrap import intervals
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import CONDITIONS
from whisper_ft.evaluation.tables import insert_table
from whisper_ft.runtime.files import read_json_lines

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "recipes"))

from run import train_once  # noqa: E402
from table import counts  # noqa: E402

RESULTS = HERE / "results" / "real_speech"
MARK = "<!-- real speech -->"
COMMON = ["--eval-every", "1000000", "--eval-rows", "80", "--longform-minutes", "0"]
RUNS = {"tuned without prompts": ["--prompts", "own=0"], "tuned with prompts": []}
REBUILD = (
    "whisper-ft prepare librispeech LibriSpeech/train-clean-5 --lowercase --out corpus.jsonl (and "
    "train-clean-100), kept to these utterances; the keywords of a row are its words outside the "
    "5,000 commonest of LibriSpeech"
)
KINDS = {"WER": (0, 1, 2, 3), "B-WER": (0, 1), "U-WER": (2, 3)}  # places in a row's counts


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--dev", nargs="+", required=True)
    parser.add_argument("--test", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--flags", default="", help="more flags of train, for both runs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--into", type=Path, nargs="*", default=[])
    return parser.parse_args()


def utterances(manifests):
    """Return the names of the recordings of manifests, such as 4406-16882-0000."""
    rows = (row for path in manifests for row in read_json_lines(Path(path)))
    return [Path(row["audio"]).stem for row in rows]


def row_counts(samples, condition):
    """Return [B errors, B words, U errors, U words] of each row; None for a row not decoded."""
    rows = []
    for sample in samples:
        if sample.outputs[condition] is None:
            rows.append(None)
            continue
        some = counts(sample, condition)
        biased, other = some["b_wer"], some["u_wer"]
        rows.append([biased.part, biased.total, other.part, other.total])
    return rows


def score(checkpoint, manifests):
    """Decode a checkpoint in float32 and return its counts by condition."""
    (result,) = evaluate([checkpoint], manifests, dtype="float32")
    samples = next(iter(result.samples.values()))
    return {condition: row_counts(samples, condition) for condition in CONDITIONS}


def cell(rows, kind):
    """Return the error rate of some rows in per cent, with its interval over rows."""
    places = KINDS[kind]
    errors = [
        Count(sum(row[i] for i in places[::2]), sum(row[i] for i in places[1::2]))
        for row in rows
        if row is not None
    ]
    (bounds,) = intervals([[count] for count in errors])
    if bounds is None:
        return "-"
    low, high = (100 * bound for bound in bounds)
    return f"{100 * Count.sum(errors).rate:.1f} [{low:.1f}, {high:.1f}]"


def markdown_table(results=RESULTS):
    """Return the table of every model whose counts are in a folder."""
    heads = [
        f"{kind}: right" if c == "right" else c for kind in ("WER", "B-WER") for c in CONDITIONS
    ]
    lines = ["| " + " | ".join(["model", "", *heads]) + " |", "|---|---|" + "---:|" * len(heads)]
    for path in sorted(results.glob("*.json"), reverse=True):
        content = json.loads(path.read_text("utf-8"))
        for name, by_condition in content["checkpoints"].items():
            cells = [cell(by_condition[c], kind) for kind in ("WER", "B-WER") for c in CONDITIONS]
            lines.append("| " + " | ".join([content["model"], name, *cells]) + " |")
    return "\n".join(lines)


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    model = Path(args.model).stem if args.model.endswith(".pt") else args.model
    path = args.results / f"{model}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoints = {"stock": args.model}
    common = [*COMMON, "--dev", *args.dev, *shlex.split(args.flags)]
    for name, flags in RUNS.items():
        folder = args.out / f"{model}-{args.steps}-{args.seed}-{name.replace(' ', '-')}"
        train_once(args, [*common, *flags], folder, args.seed)
        checkpoints[name] = folder / "best.pt"
    content = {
        "model": model,
        "steps": args.steps,
        "seed": args.seed,
        "rebuild": REBUILD,
        "utterances": {part: utterances(getattr(args, part)) for part in ("train", "dev", "test")},
        "checkpoints": {name: score(each, args.test) for name, each in checkpoints.items()},
    }
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    for document in args.into:
        text = insert_table(document.read_text("utf-8"), markdown_table(args.results), MARK)
        document.write_text(text, encoding="utf-8")
    print(markdown_table(args.results))


if __name__ == "__main__":
    main()
