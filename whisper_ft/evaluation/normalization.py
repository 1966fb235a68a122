"""Normalise text before words are counted: whisper's way, and one that keeps vowel signs.

Whisper's basic normaliser replaces every mark by a space. In scripts that write vowels, tones or
missing vowels as marks, it divides words there and hides what is wrong in them: Manohar and Pillai
2024, "What is lost in Normalization?" (arXiv 2409.02449).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

Normalizer = Callable[[str], str]

# Readers of Arabic and Hebrew need no vowels, and few writers write them; tatweel is a longer line.
# Variation selectors choose the picture of a symbol.
OPTIONAL_MARKS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\ufe00-\ufe0f]"
)
BRACKETED = re.compile(r"[<\[][^>\]]*[>\]]|\([^)]+?\)")
DOTTED_I = str.maketrans({"İ": "i", "I": "ı"})  # a dotless one is another letter in these languages
TURKIC = ("tr", "az")


@cache
def whisper_normalizer(language: str, task: str) -> Normalizer:
    """Return whisper's normaliser for the output's language: a translation is English."""
    english = language == "en" or task == "translate"
    normalize: Normalizer = EnglishTextNormalizer() if english else BasicTextNormalizer()
    return normalize


@cache
def marked_normalizer(language: str, task: str) -> Normalizer:
    """Return a normaliser that keeps marks; for English it is whisper's.

    As whisper's basic one, it works on lower case in NFKC, leaves out what stands in brackets, and
    replaces symbols and punctuation by spaces. Marks stay, except OPTIONAL_MARKS, which go without
    leaving a space. In Turkish and Azerbaijani, `İ` becomes `i` and `I` becomes `ı`.
    """
    if language == "en" or task == "translate":
        return whisper_normalizer(language, task)
    is_turkic = language in TURKIC

    def normalize(text: str) -> str:
        lower = (text.translate(DOTTED_I) if is_turkic else text).lower()
        kept = OPTIONAL_MARKS.sub("", unicodedata.normalize("NFKC", BRACKETED.sub("", lower)))
        plain = "".join(" " if unicodedata.category(c)[0] in "SP" else c for c in kept)
        return " ".join(plain.split())

    return normalize
