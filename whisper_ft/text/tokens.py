"""The contract with Whisper's decoder: which ids it reads, and which it must say next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # importing whisper takes seconds
    from whisper.tokenizer import Tokenizer

IGNORE = -100  # a target that is not learned: torch's default ignore_index
SECONDS_PER_STEP = 0.02  # of a timestamp token
MAX_NEW_TOKENS = 224  # new tokens that whisper's decoder writes at most
MAX_FIRST_TIMESTAMP = (
    1.0  # seconds: the first timestamp is at most `DecodingOptions.max_initial_timestamp`
)
MAX_TIMESTAMP_STEP = 1500  # <|30.00|>, the last timestamp token
# As `Tokenizer.split_to_word_tokens` lists them: text of these starts without a space.
UNSPACED_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


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
    """(tokens, targets) of equal length; `targets[i]` should follow `tokens[i]`, -100 is masked.

    tokens  = [sot_prev] + prompt + sot_sequence + text
    targets = [-100] * P          + sot_sequence + text + [eot]

    Exactly the P prompt tokens are masked and all others learned (Whisper paper, section 2.3);
    without a prompt there is no sot_prev, and the first target follows sot. `prompt` is text or
    ids, as in `whisper.DecodingOptions`. With `timestamps` every segment's text stands between
    its times, and a last one without an end, which the window cuts, leaves its start alone;
    without, `<|notimestamps|>` ends sot_sequence. An empty text is silence: `sot, no_speech, eot`;
    `blank`, it is `<|0.00|>, eot` after sot_sequence, which decoding with timestamps can write. A
    prompt that does not fit loses ids from its left.

    Raises ValueError for timestamps without segments, for segments that go backwards, and for a
    text that does not fit by itself.
    """
    if not text.strip() and blank:
        said = [*tokenizer.sot_sequence, tokenizer.timestamp_begin]
    elif not text.strip():
        said = [tokenizer.sot, tokenizer.no_speech]
    elif timestamps:
        said = [*tokenizer.sot_sequence, *encode_segments(tokenizer, segments)]
    else:
        said = [*tokenizer.sot_sequence_including_notimestamps, *encode_text(tokenizer, text)]
    if len(said) > n_text_ctx:
        raise ValueError(
            f"the text needs {len(said)} tokens, special ones included, and n_text_ctx is "
            f"{n_text_ctx}: split the row"
        )
    room = min(n_text_ctx // 2 - 1, n_text_ctx - 1 - len(said))
    prompt_ids = keep_last(encode_prompt(tokenizer, prompt), room)
    if not prompt_ids:
        return said, [*said[1:], tokenizer.eot]
    tokens = [tokenizer.sot_prev, *prompt_ids, *said]
    return tokens, [IGNORE] * len(prompt_ids) + [*said, tokenizer.eot]


def encode_prompt(tokenizer: Tokenizer, prompt: str | Sequence[int]) -> list[int]:
    """A prompt's ids, uncut, as whisper's decoder encodes them; none for white space alone.

    Unlike there, `<|...|>` in a string is text.
    """
    if not isinstance(prompt, str):
        return [int(token) for token in prompt]
    stripped = prompt.strip()
    return tokenizer.encode(" " + stripped, disallowed_special=()) if stripped else []


def encode_text(tokenizer: Tokenizer, text: str) -> list[int]:
    """A transcript's ids: after a space, but for languages written without."""
    space = "" if is_unspaced(tokenizer.language, tokenizer.task) else " "
    stripped = text.strip()
    return tokenizer.encode(space + stripped, disallowed_special=()) if stripped else []


def is_unspaced(language: str | None, task: str | None) -> bool:
    """Whether a text is written without spaces; a translation is English, whatever the language."""
    return language in UNSPACED_LANGUAGES and task != "translate"


def encode_segments(tokenizer: Tokenizer, segments: Sequence[Segment] | None) -> list[int]:
    """`<|start|> text <|end|>` of each segment; `<|start|>` alone of a last one without an end.

    So the paper ends a window that cuts a segment (section 2.3). Raises ValueError where times go
    backwards, and for a segment without an end that is not the last or stands alone.
    """
    if not segments:
        raise ValueError("timestamps need segments: pass [Segment(0, duration, text)]")
    if segments[0].end is None or any(segment.end is None for segment in segments[:-1]):
        raise ValueError("only the last of several segments may run over the window's end: trim")
    ids, previous = [], 0.0
    for start, end, text in segments:
        if not previous <= start <= (start if end is None else end):
            raise ValueError(f"segment {start} to {end} s comes after {previous} s: sort and trim")
        ids.append(timestamp_id(tokenizer, start))
        if end is not None:
            ids += [*encode_text(tokenizer, text), timestamp_id(tokenizer, end)]
            previous = end
    return ids


def decode_segments(tokenizer: Tokenizer, ids: Sequence[int]) -> list[Segment]:
    """What decoded ids say, and when: what `encode_segments` would encode. Text without a first
    time starts at 0, text without a last one has no end."""
    found: list[Segment] = []
    start, text = 0.0, list[int]()
    for token in ids:
        if token < tokenizer.timestamp_begin:
            text.append(token)
            continue
        time = round((token - tokenizer.timestamp_begin) * SECONDS_PER_STEP, 2)
        if text:
            found.append(Segment(start, time, tokenizer.decode(text).strip()))
        start, text = time, []
    return found + ([Segment(start, None, tokenizer.decode(text).strip())] if text else [])


def timestamp_id(tokenizer: Tokenizer, seconds: float) -> int:
    """The id of a time's token, to the nearest 0.02 s and at most 30 s."""
    return tokenizer.timestamp_begin + min(round(seconds / SECONDS_PER_STEP), MAX_TIMESTAMP_STEP)


def keep_last(ids: Sequence[int], n: int) -> list[int]:
    """The last n of some ids; none for n <= 0, where ids[-n:] would keep all."""
    return list(ids[-n:]) if n > 0 else []


class Segment(NamedTuple):
    """A stretch of a row that is decoded between two timestamps."""

    start: float  # seconds from the row's start
    end: float | None  # seconds from the row's start; None: after the row's end, which cuts it
    text: str
