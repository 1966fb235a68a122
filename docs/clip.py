"""Write the README's example: one clip, without and with its prompt, stock and fine-tuned.

usage: python docs/clip.py [CHECKPOINT]   (without a checkpoint, stock only)
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import soundfile
from whisper.model import Whisper

from whisper_ft.evaluation.tables import insert_table, markdown_cell
from whisper_ft.models.loading import load

ROOT = Path(__file__).parents[1]
MARK = "<!-- clip -->"
STOCK = "tiny.en"
ROW = 73  # line of data/test.jsonl, chosen as one where both the prompt and the training help


def read_clip() -> dict[str, Any]:
    """Return the example's row of the test set."""
    lines = (ROOT / "data" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    row: dict[str, Any] = json.loads(lines[ROW - 1])
    return row


def transcribe(model: Whisper, row: dict[str, Any], prompt: str | None) -> str:
    """Return what stock `transcribe` writes; the audio is read here, so ffmpeg is not needed."""
    samples, _ = soundfile.read(ROOT / "data" / row["audio"], dtype="float32")
    fp16 = model.device.type == "cuda"
    return str(model.transcribe(samples, initial_prompt=prompt, fp16=fp16)["text"]).strip()


def mark_keywords(text: str, keywords: list[str]) -> str:
    """Return a text with its exactly written keywords in bold."""
    for keyword in keywords:
        text = re.sub(rf"\b{re.escape(keyword)}\b", f"**{keyword}**", text)
    return text


def format_clip(row: dict[str, Any], models: dict[str, Whisper]) -> str:
    """Return the example in Markdown, a table row for each model."""
    lines = [
        f"> said: {mark_keywords(row['text'], row['keywords'])}<br>",
        f"> prompt: {row['prompt']}",
        "",
        "| | without a prompt | with the prompt |",
        "|---|---|---|",
    ]
    for name, model in models.items():
        texts = (transcribe(model, row, prompt) for prompt in (None, row["prompt"]))
        cells = (mark_keywords(markdown_cell(text), row["keywords"]) for text in texts)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Decode the clip and write the example into the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", help="fine-tuned .pt, such as runs/demo/best.pt")
    parser.add_argument("--into", type=Path, default=ROOT / "README.md", help="the document")
    args = parser.parse_args()
    models = {f"stock {STOCK}": load(STOCK).model}
    if args.checkpoint:
        models["fine-tuned with prompts"] = load(args.checkpoint).model
    text = args.into.read_text(encoding="utf-8")
    block = format_clip(read_clip(), models)
    args.into.write_text(insert_table(text, block, MARK), encoding="utf-8")
    print(block)


if __name__ == "__main__":
    main()
