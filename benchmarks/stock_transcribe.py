"""Whether whisper's own transcribe() confirms an evaluation, row by row.

    python benchmarks/stock_transcribe.py MANIFEST CHECKPOINT ... --rows 80

Each row is decoded twice under the same right, no and wrong prompts: by `evaluate`, and by stock
`transcribe(initial_prompt=...)` in its default mode (a beam of one, temperatures that fall back,
windows that follow times). Prints both error rates and in how many rows both write the same words.
Languages that write no spaces have no such rates.
"""

import argparse
from dataclasses import replace

import torch
import whisper
from recipes.table import counts

from whisper_ft import evaluate
from whisper_ft.data.dataset import read_row_audio
from whisper_ft.data.manifest import read_manifest
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import CONDITIONS
from whisper_ft.evaluation.scored_text import ScoredText

NAMES = {"wer": "WER", "b_wer": "B-WER", "u_wer": "U-WER"}


def transcribe_samples(model, rows, samples):
    """Return the samples with the outputs of stock transcribe()."""
    changed = []
    for sample in samples:
        audio, _ = read_row_audio(rows[sample.place], timestamps=False)
        outputs = {}
        for condition in CONDITIONS:
            if (output := sample.outputs[condition]) is not None:
                prompt = sample.prompts[condition] if condition != "none" else None
                options = {"initial_prompt": prompt or None}
                options |= {"language": sample.language, "task": sample.task}
                torch.manual_seed(0)  # it samples where greedy decoding fails
                found = model.transcribe(audio, fp16=False, **options)
                output = replace(output, text=found["text"].strip(), segments=())
            outputs[condition] = output
        changed.append(replace(sample, outputs=outputs))
    return changed


def rates(samples, kind):
    """Return the error rates of a kind under right, no and wrong prompts, in per cent."""
    values = []
    for condition in CONDITIONS:
        some = (counts(sample, condition)[kind] for sample in samples if sample.outputs[condition])
        rate = Count.sum(some).rate
        values.append("-" if rate is None else f"{100 * rate:.1f}")
    return " / ".join(values)


def written_words(sample, condition):
    """Return the words of an output as a score counts them."""
    _, written = ScoredText(sample, condition, cased=False).words
    return written


def n_equal(samples, others):
    """Return (equal, all) outputs, compared as the words that are scored."""
    pairs = [
        written_words(a, condition) == written_words(b, condition)
        for a, b in zip(samples, others, strict=True)
        for condition in CONDITIONS
        if a.outputs[condition] is not None
    ]
    return sum(pairs), len(pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest")
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--rows", type=int, default=80)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = {row.place: row for row in read_manifest(args.manifest).rows}
    print("| checkpoint | decoded by | " + " | ".join(NAMES.values()) + " | same words |")
    print("|---|---|" + "---|" * (len(NAMES) + 1))
    for checkpoint in args.checkpoints:
        (result,) = evaluate([checkpoint], [args.manifest], rows=args.rows, dtype="float32")
        (samples,) = result.samples.values()
        stock = transcribe_samples(whisper.load_model(checkpoint, "cpu"), rows, samples)
        same = "{} of {}".format(*n_equal(samples, stock))
        for name, some, last in (("`evaluate`", samples, ""), ("`transcribe`", stock, same)):
            cells = [rates(some, kind) for kind in NAMES]
            print("| " + " | ".join([checkpoint, name, *cells, last]) + " |", flush=True)


if __name__ == "__main__":
    main()
