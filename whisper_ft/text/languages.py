"""Language tags as corpora and file names have them, in Whisper's codes."""

from __future__ import annotations

import langcodes
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

# What Whisper writes otherwise than today's standard, or cannot tell by the language alone.
OWN = {"nb": "no", "jv": "jw", "fil": "tl", "cmn": "zh", "zh-HK": "yue"}


def whisper_code(tag: str) -> str:
    """Whisper's code for a tag such as `ger`, `pt_BR` or `zh-HK`, or an English name; "" for none.

    By langcodes, which knows the three ways of ISO 639 to write a language, and its former ones.
    """
    name = TO_LANGUAGE_CODE.get(tag.lower())
    try:
        standard = langcodes.standardize_tag(name or tag)
    except langcodes.LanguageTagError:
        return ""
    code = OWN.get(standard) or standard.partition("-")[0]
    code = OWN.get(code, code)
    return code if code in LANGUAGES else ""
