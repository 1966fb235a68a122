"""The contract with Whisper's decoder: the tokens that it reads and the targets that it learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # importing whisper takes seconds
    from whisper.tokenizer import Tokenizer

IGNORE = -100  # a target that is not learned: torch's default ignore_index
SECONDS_PER_STEP = 0.02  # between two timestamp tokens
MAX_NEW_TOKENS = 224  # whisper's decoder writes at most this many
# The latest first timestamp, in seconds: whisper's `DecodingOptions.max_initial_timestamp`.
MAX_FIRST_TIMESTAMP = 1.0
MAX_TIMESTAMP_STEP = 1500  # <|30.00|>, the last timestamp token
# Languages written without spaces, as in whisper's `Tokenizer.split_to_word_tokens`.
UNSPACED_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


class Segment(NamedTuple):
    """A part of a row that is decoded between two timestamps."""

    start: float  # seconds from the start of the row
    end: float | None  # seconds from the start of the row; None if the row ends before the segment
    text: str


def build_example(
    tokenizer: Tokenizer,
    text: str,
    prompt: str | Sequence[int] = "",
    *,
    segments: Sequence[Segment] | None = None,
    timestamps: bool = False,
    blank: bool = False,
    n_text_ctx: int = 448,
) -> tuple[list[int], list[int]]:
    """Return (tokens, targets) of equal length, where `targets[i]` should follow `tokens[i]`.

        tokens  = [sot_prev] + prompt + sot_sequence + text
        targets = [-100] * P          + sot_sequence + text + [eot]

    Exactly the P prompt tokens are masked by -100 and everything else is learned (Whisper paper,
    section 2.3). Without a prompt there is no `sot_prev`, and the first target follows `sot`.

    `prompt` is text or token ids, as in `whisper.DecodingOptions`. A prompt that does not fit loses
    tokens from its left, so that the context nearest to the speech stays; the text is never cut.
    With `timestamps`, the text of each segment stands between its two times; without, the
    `sot_sequence` ends with `<|notimestamps|>`. An empty text is silence: `sot, no_speech, eot`.
    If `blank`, silence is `<|0.00|>, eot` after the `sot_sequence` instead, which decoding with
    timestamps can write.

    Raises ValueError for timestamps without segments, for segments that are out of order, and for
    a text that does not fit even without a prompt.
    """
    spoken = _encode_spoken(tokenizer, text, segments, timestamps=timestamps, blank=blank)
    if len(spoken) > n_text_ctx:
        raise ValueError(
            f"the text needs {len(spoken)} tokens, special tokens included, but n_text_ctx is "
            f"{n_text_ctx}: split the row"
        )
    max_prompt_tokens = min(n_text_ctx // 2 - 1, n_text_ctx - 1 - len(spoken))
    prompt_ids = keep_last(encode_prompt(tokenizer, prompt), max_prompt_tokens)
    if not prompt_ids:
        return spoken, [*spoken[1:], tokenizer.eot]
    tokens = [tokenizer.sot_prev, *prompt_ids, *spoken]
    return tokens, [IGNORE] * len(prompt_ids) + [*spoken, tokenizer.eot]


def encode_prompt(tokenizer: Tokenizer, prompt: str | Sequence[int]) -> list[int]:
    """Return the token ids of a prompt, not cut, as whisper's decoder encodes it.

    White space alone is no prompt. Unlike in whisper, `<|...|>` in a text is plain text.
    """
    if not isinstance(prompt, str):
        return [int(token) for token in prompt]
    stripped = prompt.strip()
    return tokenizer.encode(" " + stripped, disallowed_special=()) if stripped else []


def encode_text(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return the token ids of a transcript, after a space if its language is written with them."""
    space = "" if is_unspaced(tokenizer.language, tokenizer.task) else " "
    stripped = text.strip()
    return tokenizer.encode(space + stripped, disallowed_special=()) if stripped else []


def encode_segments(tokenizer: Tokenizer, segments: Sequence[Segment] | None) -> list[int]:
    """Return the token ids of `<|start|> text <|end|>` for each segment.

    The last segment may have no end, if the row cuts it: then only its `<|start|>` is written
    (Whisper paper, section 2.3). Raises ValueError without segments, for times out of order, and
    for a segment without an end that is not the last or is the only one.
    """
    if not segments:
        raise ValueError("timestamps need segments: pass [Segment(0, duration, text)]")
    if segments[0].end is None or any(segment.end is None for segment in segments[:-1]):
        raise ValueError("only the last of several segments may lack an end: trim the segments")
    ids, previous_end = [], 0.0
    for start, end, text in segments:
        if not previous_end <= start <= (start if end is None else end):
            raise ValueError(
                f"segment {start} to {end} s comes after {previous_end} s: sort and trim"
            )
        ids.append(timestamp_id(tokenizer, start))
        if end is not None:
            ids += [*encode_text(tokenizer, text), timestamp_id(tokenizer, end)]
            previous_end = end
    return ids


def decode_segments(tokenizer: Tokenizer, ids: Sequence[int]) -> list[Segment]:
    """Return the segments that decoded token ids describe: the inverse of `encode_segments`.

    Text before the first timestamp starts at 0. Text after the last one has no end.
    """
    segments: list[Segment] = []
    start, text_ids = 0.0, list[int]()
    for token in ids:
        if token < tokenizer.timestamp_begin:
            text_ids.append(token)
            continue
        time = round((token - tokenizer.timestamp_begin) * SECONDS_PER_STEP, 2)
        if text_ids:
            segments.append(Segment(start, time, tokenizer.decode(text_ids).strip()))
        start, text_ids = time, []
    if text_ids:
        segments.append(Segment(start, None, tokenizer.decode(text_ids).strip()))
    return segments


def timestamp_id(tokenizer: Tokenizer, seconds: float) -> int:
    """Return the id of a time's token, to the nearest 0.02 s and at most 30 s."""
    first: int = tokenizer.timestamp_begin
    return first + min(round(seconds / SECONDS_PER_STEP), MAX_TIMESTAMP_STEP)


def is_unspaced(language: str | None, task: str | None) -> bool:
    """Return whether a transcript is written without spaces; a translation is always English."""
    return language in UNSPACED_LANGUAGES and task != "translate"


def keep_last(ids: Sequence[int], n: int) -> list[int]:
    """Return the last n ids, and none for n <= 0, where `ids[-n:]` would return them all."""
    return list(ids[-n:]) if n > 0 else []


def _encode_spoken(
    tokenizer: Tokenizer,
    text: str,
    segments: Sequence[Segment] | None,
    *,
    timestamps: bool,
    blank: bool,
) -> list[int]:
    """Return the ids of what follows the prompt: the start sequence and the text."""
    if not text.strip() and blank:
        return [*tokenizer.sot_sequence, tokenizer.timestamp_begin]
    if not text.strip():
        return [tokenizer.sot, tokenizer.no_speech]
    if timestamps:
        return [*tokenizer.sot_sequence, *encode_segments(tokenizer, segments)]
    return [*tokenizer.sot_sequence_including_notimestamps, *encode_text(tokenizer, text)]
