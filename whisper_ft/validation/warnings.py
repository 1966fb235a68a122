"""Warn about usable rows that may contain a mistake."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from whisper.tokenizer import Tokenizer

from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS
from whisper_ft.data.row import Row
from whisper_ft.text.damage import find_damage
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

# (lowest, highest) plausible characters per second, by whether words are written without spaces
SPEECH_RATES = {False: (1.0, 30.0), True: (0.4, 15.0)}
# First words of Unicode's letter names: languages; others are written in LATIN.
LANGUAGES_BY_SCRIPTS = {
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
SCRIPTS_BY_LANGUAGE = {
    code: scripts for scripts, codes in LANGUAGES_BY_SCRIPTS.items() for code in codes.split()
}


def row_warnings(row: Row, segments: Sequence[Segment], tokenizer: Tokenizer) -> Iterator[str]:
    """Yield each warning as `field: value: what it may mean`; `segments` are the resolved ones."""
    yield from _segment_warnings(row, segments)
    yield from _prompt_warnings(row, tokenizer)
    yield from _text_warnings(row, segments, tokenizer)
    yield from _keyword_warnings(row)
    yield from _damage_warnings(row)


def join_texts(segments: Sequence[Segment]) -> str:
    """Return the texts of segments as a row's text should have them, white space collapsed."""
    return " ".join(" ".join(segment.text for segment in segments).split())


def _segment_warnings(row: Row, segments: Sequence[Segment]) -> Iterator[str]:
    if row.text and not row.text.strip():
        yield "text: only white space: it counts as silence: write an empty text for silence"
    if join_texts(segments) != " ".join(row.text.split()):
        yield (
            "segments: their joined texts are not the text: examples with timestamps learn the "
            "texts of the segments"
        )
    if segments[0].start > MAX_FIRST_TIMESTAMP:
        yield (
            f"segments: the first starts at {segments[0].start} s: stock decoding writes no first "
            f"timestamp after {MAX_FIRST_TIMESTAMP:.1f} s: start the row later"
        )


def _prompt_warnings(row: Row, tokenizer: Tokenizer) -> Iterator[str]:
    n_tokens = len(encode_prompt(tokenizer, row.prompt))
    if n_tokens > MAX_PROMPT_TOKENS:
        n_cut = n_tokens - MAX_PROMPT_TOKENS
        yield f"prompt: {n_tokens} tokens: the first {n_cut} are cut off: shorten the prompt"
    if reveals_text(row.prompt, row.text):
        yield "prompt: contains the whole text: the model learns to copy it, not to listen"


def _text_warnings(row: Row, segments: Sequence[Segment], tokenizer: Tokenizer) -> Iterator[str]:
    n_tokens = len(encode_segments(tokenizer, segments))
    if n_tokens > MAX_NEW_TOKENS:
        yield f"text: {n_tokens} tokens: decoding stops after {MAX_NEW_TOKENS}: split the row"
    text_tokens = dict.fromkeys(encode_text(tokenizer, row.text))
    suppressed = [i for i in text_tokens if i in tokenizer.non_speech_tokens]
    if suppressed:  # by the default of `DecodingOptions.suppress_tokens`
        symbols = " ".join(tokenizer.decode([i]).strip() for i in suppressed)
        yield f"text: {symbols!r}: stock decoding never writes it: spell it out or remove it"
    if (script := _unexpected_script(row)) is not None:
        is_spoken = row.language == row.written_language
        question = f"is the language {row.language!r}?" if is_spoken else "is it English?"
        yield f"text: mostly in {script} letters: {question}"
    elif row.text.strip() and not any(c.isalpha() for c in row.text):
        yield f"text: {row.text[:40]!r}: no letters: write the words that are spoken"
    if (rate := _implausible_rate(row, segments)) is not None:
        yield (
            f"text: {rate:.1f} characters per second: is the text complete, and does it belong to "
            "this audio?"
        )


def _keyword_warnings(row: Row) -> Iterator[str]:
    if reveals_text(", ".join(("", *row.keywords)), row.text):
        yield "keywords: one contains the whole text: they are not used in keyword prompts"
    for term in row.keywords:
        if not term_count(term, row.text):
            yield f"keywords: {term!r}: the text has it in another case: spell it as in the text"


def _damage_warnings(row: Row) -> Iterator[str]:
    for field in ("text", "prompt"):
        for damage in find_damage(getattr(row, field)):
            remedy = (
                "`python -m whisper_ft prepare repair MANIFEST --out NEW` repairs them"
                if damage.is_repairable
                else "write what is said, or remove the row"
            )
            yield f"{field}: {damage.what}, such as {damage.example!a}: {remedy}"


def _implausible_rate(row: Row, segments: Sequence[Segment]) -> float | None:
    """Return the characters per second of a text if nobody speaks at that rate."""
    seconds = sum((s.end or s.start) - s.start for s in segments)
    if not row.text.strip() or not seconds:
        return None
    lowest, highest = SPEECH_RATES[is_unspaced(row.language, row.task)]
    rate = len(row.text) / seconds
    return None if lowest <= rate <= highest else rate


def _unexpected_script(row: Row) -> str | None:
    """Return the script of most letters of a text if its language is not written in it."""
    by_language = SCRIPTS_BY_LANGUAGE.get(row.language, ("LATIN",))
    expected = ("LATIN",) if row.task == "translate" else by_language
    scripts = [_script(c) for c in row.text if c.isalpha()]
    if not scripts or sum(script in expected for script in scripts) >= len(scripts) / 2:
        return None
    return max(dict.fromkeys(scripts), key=scripts.count).capitalize()


@lru_cache(maxsize=10_000)
def _script(letter: str) -> str:
    return re.split(r"[ -]", unicodedata.name(letter, "unnamed"))[0]
