"""Turn language tags and names of every kind into Whisper's language codes."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

from langcodes import standardize_tag, tag_distance
from langcodes.tag_parser import LanguageTagError
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

# Codes for which Whisper uses an older one, or for which the language alone is not enough.
WHISPER_CODES = {"nb": "no", "jv": "jw", "fil": "tl", "cmn": "zh", "zh-HK": "yue"}
COUNTRIES = {"jp": "ja", "cn": "zh", "kr": "ko"}  # codes that are often taken for languages
MAX_DISTANCE = 40  # of CLDR, from 0 to 134: its speakers often know the other language
N_NEAREST = 3


@lru_cache(maxsize=1000)
def language_code(tag: str) -> str:
    """Return Whisper's code for a tag or a name; the tag in lower case where Whisper lacks it."""
    return whisper_code(tag) or tag.lower()


def whisper_code(tag: str) -> str:
    """Return Whisper's code for a tag such as `ger`, `pt_BR` or `zh-HK`, or for an English name.

    Returns "" for a language that Whisper lacks. langcodes resolves the variants of ISO 639 and its
    retired codes.
    """
    name = TO_LANGUAGE_CODE.get(tag.lower()) or COUNTRIES.get(tag.lower())
    try:
        standard_tag = standardize_tag(name or tag)
    except LanguageTagError:
        return ""
    language, *subtags = standard_tag.split("-")
    regions = [subtag for subtag in subtags if len(subtag) == 2]  # not Hant
    code = WHISPER_CODES.get("-".join((language, *regions))) or language
    if code not in LANGUAGES:  # such as Standard Arabic, of the macrolanguage Arabic
        with suppress(LanguageTagError):
            code = standardize_tag(code, macro=True).partition("-")[0]
    code = WHISPER_CODES.get(code, code)
    return code if code in LANGUAGES else ""


def check_language(tag: str) -> str:
    """Return Whisper's code for the value of --language; "" for none. Raises ValueError."""
    if tag and not whisper_code(tag):
        nearest = " or ".join(nearest_languages(tag))
        instead = f", or that of a near one: {nearest}" if nearest else ""
        raise ValueError(
            f"--language: {tag!r}: whisper has no such language: give a code such as en{instead}"
        )
    return whisper_code(tag)


def nearest_languages(tag: str, n_languages: int = len(LANGUAGES)) -> list[str]:
    """Return the codes among Whisper's first `n_languages` that are nearest to a language it lacks.

    Near are languages that its speakers often know, by CLDR's language matching. The list may be
    empty, as for a tag that is none.
    """
    distances = []
    for code in list(LANGUAGES)[:n_languages]:
        try:
            distances.append((tag_distance(tag, code), code))
        except LanguageTagError:
            return []
    return [code for distance, code in sorted(distances)[:N_NEAREST] if distance <= MAX_DISTANCE]
