"""Show rows as the model will see them, token by token."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from whisper.tokenizer import Tokenizer

from whisper_ft.data.dataset import Examples
from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.data.respelling import Perturbation
from whisper_ft.data.row import Row
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.tokens import IGNORE

DIM, RESET = "\033[2m", "\033[0m"  # terminal codes
SEPARATOR = "|"  # between tokens
MAX_LINE = 88  # characters of tokens
LABEL_WIDTH = 8  # characters


def preview(
    rows: Sequence[Row],
    policy: PromptPolicy,
    perturbation: Perturbation,
    vocabulary: Vocabulary,
    *,
    n_rows: int,
    timestamp_rate: float,
    seed: int,
    dim: bool = False,
) -> Iterator[str]:
    """Yield a paragraph for each of some checked rows, drawn by the seed, with their first prompts.

    Masked tokens come before learned ones, dimmed by terminal codes if `dim`. Audio is not read.
    """
    examples = Examples(
        rows,
        policy,
        vocabulary.tokenizer,
        n_mels=0,  # no audio is read
        n_text_ctx=vocabulary.n_text_ctx,
        timestamp_rate=timestamp_rate,
        seed=seed,
        perturbation=perturbation,
    )
    drawn = random.Random(f"show {seed}").sample(range(len(rows)), min(n_rows, len(rows)))
    for index in sorted(drawn):
        yield _format_example(examples, index, dim)


def _format_example(examples: Examples, index: int, dim: bool) -> str:
    row = examples.rows[index]
    seconds = row.duration or 0.0
    drawn = examples.draw_text(ExampleIndex(0, index))
    tokenizer = drawn.tokenizer
    segments = row.resolved_segments(seconds)
    text = examples.tokenize(ExampleIndex(0, index), drawn, segments)
    tokens, targets = text.tokens, text.targets
    n_masked = targets.count(IGNORE)
    title = (
        f"{row.place}  {seconds:.2f} s, {row.language}, {row.task}: "
        f"{n_masked} tokens masked, {len(targets) - n_masked} learned"
    )
    masked = tokens[: n_masked + 1] if n_masked else []
    # sot is given without a prompt, and learned after one
    learned = [*([] if n_masked else tokens[:1]), *targets[n_masked:]]
    masked_lines = _wrap("masked", _spell(tokenizer, masked)) if masked else []
    if dim:
        masked_lines = [f"{DIM}{line}{RESET}" for line in masked_lines]
    if row.keywords:
        title += f"; keywords: {', '.join(row.keywords)}"
    return "\n".join([title, *masked_lines, *_wrap("learned", _spell(tokenizer, learned)), ""])


def _spell(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Return each token as text: bytes that are not a whole character as \\x.., newlines as \\n."""
    encoding = tokenizer.encoding
    texts = (encoding.decode_single_token_bytes(i).decode("utf-8", "backslashreplace") for i in ids)
    return [text.replace("\n", "\\n") for text in texts]


def _wrap(label: str, texts: Sequence[str]) -> list[str]:
    """Return lines of token texts, the first with the label."""
    margin = " " * (LABEL_WIDTH + 2)
    lines, line = [], ""
    for text in texts:
        if line and len(line) + len(text) + 1 > MAX_LINE:
            lines.append(line)
            line = ""
        line += (SEPARATOR if line else "") + text
    lines.append(line)
    return [f"  {label:{LABEL_WIDTH}}{lines[0]}", *(margin + line for line in lines[1:])]
