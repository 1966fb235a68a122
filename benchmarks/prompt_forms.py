"""How the form of a prompt decides whether stock Whisper writes timestamps.

    python benchmarks/prompt_forms.py [--model tiny.en] [--rows 20] [--into FILE]

For the first rows of data/test.jsonl: the average probability of <|notimestamps|> at the start of
the transcript, after no prompt, after the row's prompt, and after another row's text with times.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from whisper.model import Whisper
from whisper.tokenizer import Tokenizer

from whisper_ft.data.audio import log_mel, read_audio
from whisper_ft.evaluation.tables import insert_table
from whisper_ft.models.loading import load, load_vocabulary
from whisper_ft.text.tokens import Segment, encode_prompt, encode_segments

DATA = Path(__file__).parents[1] / "data"
MARK = "<!-- prompt-forms -->"


def prompts_of(row: dict[str, Any], other: dict[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the ids of each form of prompt."""
    segment = Segment(0.0, other["duration"], other["text"])
    return {
        "none": [],
        "plain text": encode_prompt(tokenizer, row["prompt"]),
        "text with timestamps": encode_segments(tokenizer, [segment]),
    }


def no_timestamps(model: Whisper, features: Tensor, ids: list[int], tokenizer: Tokenizer) -> float:
    """Return the probability of <|notimestamps|> after a prompt and the start of the transcript."""
    start = [tokenizer.sot_prev, *ids] if ids else []
    tokens = torch.tensor([[*start, *tokenizer.sot_sequence]])
    probabilities = model.decoder(tokens, features)[0, -1].float().softmax(-1)
    return float(probabilities[tokenizer.no_timestamps])


@torch.no_grad()
def table(name: str, n_rows: int) -> str:
    """Measure, and return the table in Markdown."""
    model, tokenizer = load(name).model, load_vocabulary(name).tokenizer(language="en")
    rows = [json.loads(line) for line in (DATA / "test.jsonl").open(encoding="utf-8")][:n_rows]
    sums: dict[str, float] = {}
    for row, other in zip(rows, rows[1:] + rows[:1], strict=True):
        mel = log_mel(read_audio(DATA / row["audio"]), model.dims.n_mels)
        features = model.encoder(mel[None])
        for form, ids in prompts_of(row, other, tokenizer).items():
            sums[form] = sums.get(form, 0.0) + no_timestamps(model, features, ids, tokenizer)
    lines = [f"| {form} | {total / len(rows):.2f} |" for form, total in sums.items()]
    return "\n".join(["| prompt | probability of no timestamps |", "|---|---:|", *lines])


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--model", default="tiny.en", help="official name or .pt")
parser.add_argument("--rows", type=int, default=20, help="rows of data/test.jsonl")
parser.add_argument("--into", type=Path, help="document whose table is replaced")
args = parser.parse_args()
text = table(args.model, args.rows)
print(text)
if args.into:
    document = args.into.read_text(encoding="utf-8")
    args.into.write_text(insert_table(document, text, MARK), encoding="utf-8")
