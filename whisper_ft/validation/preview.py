"""Rows as the model will see them, spelled out for a person."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence

from whisper.tokenizer import Tokenizer

from whisper_ft.data.dataset import Examples
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.text.tokens import IGNORE, build_example

DIM, PLAIN = "\033[2m", "\033[0m"
BETWEEN = "|"  # tokens


def show(examples: Examples, n_rows: int) -> Iterator[str]:
    """A paragraph each of some rows, drawn by the seed, with the prompts of their first visit.

    What is read and masked stands before what is learned, dimmed on a terminal. Rows are checked
    ones; their audio is not read.
    """
    indices = range(len(examples.rows))
    drawn = random.Random(f"show {examples.seed}").sample(indices, min(n_rows, len(indices)))
    for index in sorted(drawn):
        row = examples.rows[index]
        tokenizer, prompt, timestamps = examples.draw_prompt(ExampleIndex(0, index))
        tokens, targets = build_example(
            tokenizer,
            row.text,
            prompt,
            segments=row.resolved_segments(row.duration or 0.0),
            timestamps=timestamps,
            blank=examples.is_blank(ExampleIndex(0, index), timestamps),
            n_text_ctx=examples.n_text_ctx,
        )
        n_masked = targets.count(IGNORE)
        head = (
            f"{row.place}  {row.duration or 0.0:.2f} s, {row.language}, {row.task}: "
            f"{n_masked} tokens masked, {len(targets) - n_masked} learned"
        )
        masked = _spelled(tokenizer, tokens[: n_masked + 1]) if n_masked else []
        # a row without a prompt is given sot; with one it learns sot too
        first = [] if n_masked else tokens[:1]
        yield "\n".join(
            [
                head,
                *(_dimmed(line) for line in _wrapped("masked", masked) if masked),
                *_wrapped("learned", _spelled(tokenizer, [*first, *targets[n_masked:]])),
                "",
            ]
        )


def _spelled(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Each id as text: bytes that are no whole character as \\x.., line ends as \\n."""
    encoding = tokenizer.encoding
    pieces = (
        encoding.decode_single_token_bytes(i).decode("utf-8", "backslashreplace") for i in ids
    )
    return [piece.replace("\n", "\\n") for piece in pieces]


def _wrapped(name: str, pieces: Sequence[str]) -> list[str]:
    margin = " " * 10
    lines, line = [], ""
    for piece in pieces:
        if line and len(line) + len(piece) + 1 > 88:
            lines.append(line)
            line = ""
        line += (BETWEEN if line else "") + piece
    lines.append(line)
    return [f"  {name:8}{lines[0]}", *(margin + line for line in lines[1:])]


def _dimmed(line: str) -> str:
    return f"{DIM}{line}{PLAIN}" if sys.stdout.isatty() else line
