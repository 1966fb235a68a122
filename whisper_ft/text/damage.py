"""Damage that a text does not show: letters in pieces, invisible characters, wrong decoding."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import regex
from ftfy import fix_encoding  # knows which texts are likely and which are not

from whisper_ft.text.counts import format_count

# Not U+200C and U+200D, which join and part letters in Persian and Indic scripts.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\u3164\ufeff]"
)
ODD_SPACE = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u2800]")
CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
OBJECT = re.compile("[\ufff9-\ufffc\ue000-\uf8ff]")  # pictures, and bullets of a font's own
# Latin ligatures of PDFs, letters of Hebrew with points, and the forms of joined Arabic letters;
# not whole phrases such as U+FDFA.
PRESENTATION = re.compile("[\ufb00-\ufb06\ufb1d-\ufb4f\ufb50-\ufdef\ufe70-\ufefc]")
SPACES = re.compile(" +")
NOT_ASCII = re.compile("[^\x00-\x7f]+")
REPLACEMENT = "\ufffd"
PLACEHOLDERS = ("None", "nan", "NaN", "null", "NULL", "<NA>", "N/A", "#N/A", "undefined")


class Damage(NamedTuple):
    """A kind of damage in a text."""

    what: str  # such as "3 decomposed letters"
    example: str
    is_repairable: bool


class _Kind(NamedTuple):
    name: str
    find: Callable[[str], list[str]]
    repair: Callable[[str], str]


def find_damage(text: str) -> Iterator[Damage]:
    """Yield each kind of damage in a text, with how often it occurs and an example."""
    if text.strip() in PLACEHOLDERS:
        yield Damage("a missing value written as text", text.strip(), False)
    if text.isascii() and text.isprintable():
        return
    for kind in KINDS:
        if found := kind.find(text):
            yield Damage(format_count(len(found), kind.name), found[0], True)
    if n := text.count(REPLACEMENT):
        yield Damage(format_count(n, "lost character"), REPLACEMENT, False)
    if found := OBJECT.findall(text):
        yield Damage(format_count(len(found), "symbol of no alphabet"), found[0], False)


def repair_text(text: str) -> str:
    """Return a text without the damage that can be repaired, also where it happened twice."""
    while True:
        repaired = text
        for kind in KINDS:
            repaired = kind.repair(repaired)
        repaired = SPACES.sub(" ", repaired).strip()
        if repaired == text:
            return text
        text = repaired


def _find_mojibake(text: str) -> list[str]:
    repaired = fix_encoding(text)
    if repaired == text:
        return []
    return [run for run in NOT_ASCII.findall(text) if run not in repaired] or [text[:20]]


def _find_decomposed(text: str) -> list[str]:
    if unicodedata.is_normalized("NFC", text):
        return []
    clusters: list[str] = regex.findall(r"\X", text)
    return [cluster for cluster in clusters if _compose(cluster) != cluster]


def _compose(text: str) -> str:
    """Return a text in NFC, but for letters that it would part, such as Bengali's with a dot."""
    if unicodedata.is_normalized("NFC", text):
        return text
    clusters = [(c, unicodedata.normalize("NFC", c)) for c in regex.findall(r"\X", text)]
    return "".join(c if len(composed) > len(c) else composed for c, composed in clusters)


def _repair_presentation(text: str) -> str:
    return PRESENTATION.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


# In the order of their repair: what was decoded wrongly may hold all others.
KINDS = (
    _Kind("wrongly decoded character", _find_mojibake, fix_encoding),
    _Kind("presentation form", PRESENTATION.findall, _repair_presentation),
    _Kind("decomposed letter", _find_decomposed, _compose),
    _Kind("invisible character", INVISIBLE.findall, partial(INVISIBLE.sub, "")),
    _Kind("control character", CONTROL.findall, partial(CONTROL.sub, "")),
    _Kind("odd space", ODD_SPACE.findall, partial(ODD_SPACE.sub, " ")),
)
