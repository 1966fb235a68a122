"""What may be a mistake in a row: it can be trained on, and perhaps should not be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from whisper.tokenizer import Tokenizer

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS
from whisper_ft.data.row import Row
from whisper_ft.text.terms import reveals_text, term_count
from whisper_ft.text.tokens import (
    MAX_FIRST_TIMESTAMP,
    MAX_NEW_TOKENS,
    Segment,
    encode_prompt,
    encode_segments,
    encode_text,
    is_unspaced,
)

RATES = {False: (1.0, 30.0), True: (0.4, 15.0)}  # characters a second, by whether unspaced
CLIPPED, CLIPPED_SHARE = 0.999, 0.001  # a sample's level; the share of them that is heard
SILENT = 0.003  # level, -50 dB: a loud speaker's pause
# By how Unicode's names of letters begin; languages not listed are written in LATIN.
SCRIPTS = {
    ("CYRILLIC",): "ru uk bg mk be kk mn tg tt ba",
    ("CYRILLIC", "LATIN"): "sr bs uz az tk",
    ("GREEK",): "el",
    ("ARABIC",): "ar fa ur ps sd",
    ("HEBREW",): "he yi",
    ("DEVANAGARI",): "hi mr ne sa",
    ("BENGALI",): "bn as",
    ("GURMUKHI", "ARABIC"): "pa",
    ("GUJARATI",): "gu",
    ("TAMIL",): "ta",
    ("TELUGU",): "te",
    ("KANNADA",): "kn",
    ("MALAYALAM",): "ml",
    ("SINHALA",): "si",
    ("THAI",): "th",
    ("LAO",): "lo",
    ("MYANMAR",): "my",
    ("KHMER",): "km",
    ("TIBETAN",): "bo",
    ("GEORGIAN",): "ka",
    ("ARMENIAN",): "hy",
    ("ETHIOPIC",): "am",
    ("HANGUL", "CJK"): "ko",
    ("CJK", "BOPOMOFO"): "zh yue",
    ("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH"): "ja",
}
SCRIPTS_OF = {code: names for names, codes in SCRIPTS.items() for code in codes.split()}


def warnings(row: Row, segments: Sequence[Segment], tokenizer: Tokenizer) -> Iterator[str]:
    """Each as `field: value: what it may mean`; `segments` are the row's, resolved."""
    yield from _segment_warnings(row, segments)
    yield from _prompt_warnings(row, tokenizer)
    yield from _text_warnings(row, segments, tokenizer)
    if reveals_text(", ".join(("", *row.keywords)), row.text):
        yield "keywords: one holds the whole text: no glossary is made of them"
    for term in row.keywords:
        if not term_count(term, row.text):
            yield f"keywords: {term!r}: in the text in another case only: spell it as the text does"


def joined(segments: Sequence[Segment]) -> str:
    """Texts of segments as a row's text should have them, white space collapsed."""
    return " ".join(" ".join(segment.text for segment in segments).split())


def audio_warnings(row: Row, samples: np.ndarray) -> Iterator[str]:
    """What may be wrong with a row's audio, once it is heard."""
    level = np.abs(samples)
    if (level >= CLIPPED).mean() > CLIPPED_SHARE:
        share = (level >= CLIPPED).mean()
        yield f"audio: {share:.1%} of the samples are clipped: record it at a lower level"
    if row.text.strip() and level.max() < SILENT:
        yield f"audio: never louder than {level.max():.4f}: is it silence?"


def _segment_warnings(row: Row, segments: Sequence[Segment]) -> Iterator[str]:
    if row.text and not row.text.strip():
        yield "text: only white space: it counts as silence, which is written as an empty text"
    if joined(segments) != " ".join(row.text.split()):
        yield "segments: their texts do not join to the text: timestamped visits learn another text"
    if segments[0].start > MAX_FIRST_TIMESTAMP:
        yield (
            f"segments: the first starts at {segments[0].start} s, and stock decoding writes no "
            f"first timestamp after {MAX_FIRST_TIMESTAMP:.1f} s: start the row later"
        )


def _prompt_warnings(row: Row, tokenizer: Tokenizer) -> Iterator[str]:
    n_prompt = len(encode_prompt(tokenizer, row.prompt))
    if n_prompt > MAX_PROMPT_TOKENS:
        yield f"prompt: {n_prompt} tokens: the first {n_prompt - MAX_PROMPT_TOKENS} are cut off"
    if reveals_text(row.prompt, row.text):
        yield "prompt: holds the whole text: the model learns to copy it, and hears nothing"


def _text_warnings(row: Row, segments: Sequence[Segment], tokenizer: Tokenizer) -> Iterator[str]:
    ids = encode_segments(tokenizer, segments)
    if len(ids) > MAX_NEW_TOKENS:
        yield f"text: {len(ids)} tokens: decoding stops after {MAX_NEW_TOKENS}: split the row"
    written = dict.fromkeys(encode_text(tokenizer, row.text))
    never = [i for i in written if i in tokenizer.non_speech_tokens]
    if never:  # by `DecodingOptions.suppress_tokens`
        shown = " ".join(tokenizer.decode([i]).strip() for i in never)
        yield f"text: {shown!r}: stock decoding never writes it: spell it out or leave it out"
    if (script := _wrong_script(row)) is not None:
        code = row.language
        asked = f"is the language {code!r}?" if code == row.written_language else "is it English?"
        yield f"text: mostly in {script} letters: {asked}"
    elif row.text.strip() and not any(c.isalpha() for c in row.text):
        yield f"text: {row.text[:40]!r}: no letters: write what is said in words"
    seconds = sum((s.end or s.start) - s.start for s in segments)
    slow, fast = RATES[is_unspaced(row.language, row.task)]
    if row.text.strip() and seconds and not slow <= (rate := len(row.text) / seconds) <= fast:
        yield f"text: {rate:.1f} characters a second: is it all that is said, and no more?"


def _wrong_script(row: Row) -> str | None:
    """The script of most letters of a text, where its language is not written in it."""
    right = ("LATIN",) if row.task == "translate" else SCRIPTS_OF.get(row.language, ("LATIN",))
    names = [_script(c) for c in row.text if c.isalpha()]
    if not names or sum(name in right for name in names) >= len(names) / 2:
        return None
    return max(dict.fromkeys(names), key=names.count).capitalize()


@lru_cache(maxsize=10_000)
def _script(letter: str) -> str:
    return re.split(r"[ -]", unicodedata.name(letter, "unnamed"))[0]
