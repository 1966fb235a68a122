"""Turn language tags of corpora and file names into Whisper's language codes."""

from __future__ import annotations

from langcodes import standardize_tag
from langcodes.tag_parser import LanguageTagError
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

# Codes for which Whisper uses an older one, or for which the language alone is not enough.
WHISPER_CODES = {"nb": "no", "jv": "jw", "fil": "tl", "cmn": "zh", "zh-HK": "yue"}


def whisper_code(tag: str) -> str:
    """Return Whisper's code for a tag such as `ger`, `pt_BR` or `zh-HK`, or for an English name.

    Returns "" for a language that Whisper lacks. langcodes resolves the variants of ISO 639 and its
    retired codes.
    """
    name = TO_LANGUAGE_CODE.get(tag.lower())
    try:
        standard_tag = standardize_tag(name or tag)
    except LanguageTagError:
        return ""
    code = WHISPER_CODES.get(standard_tag) or standard_tag.partition("-")[0]
    code = WHISPER_CODES.get(code, code)
    return code if code in LANGUAGES else ""
