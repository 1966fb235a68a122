"""Damage that a text does not show: letters in pieces, invisible characters, wrong decoding."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import regex

from whisper_ft.text.counts import format_count

# Not U+200C and U+200D, which join and part letters in Persian and Indic scripts.
INVISIBLE = re.compile(
    "[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
ODD_SPACE = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
# Marks such as dashes and quotes that were decoded as Latin-1; five bytes mean nothing there.
WINDOWS = re.compile("[\x80\x82-\x8c\x8e\x91-\x9c\x9e\x9f]")
CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
# Latin ligatures of PDFs, letters of Hebrew with points, and the forms of joined Arabic letters;
# not whole phrases such as U+FDFA.
PRESENTATION = re.compile("[\ufb00-\ufb06\ufb1d-\ufb4f\ufb50-\ufdef\ufe70-\ufefc]")
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


def repair_text(text: str) -> str:
    """Return a text without the damage that can be repaired, also where it happened twice."""
    while True:
        repaired = text
        for kind in KINDS:
            repaired = kind.repair(repaired)
        repaired = " ".join(repaired.split())
        if repaired == text:
            return text
        text = repaired


def _find_mojibake(text: str) -> list[str]:
    return [match[0] for match in NOT_ASCII.finditer(text) if _decode_again(match[0]) != match[0]]


def _repair_mojibake(text: str) -> str:
    return NOT_ASCII.sub(lambda match: _decode_again(match[0]), text)


def _repair_windows(text: str) -> str:
    return WINDOWS.sub(lambda match: match[0].encode("latin-1").decode("cp1252"), text)


def _decode_again(characters: str) -> str:
    """Return what UTF-8 was meant by characters of Windows-1252; themselves if they are none."""
    try:
        # Windows-1252 leaves five bytes undefined: they are written as control characters.
        content = b"".join(
            character.encode("latin-1" if "\x80" <= character <= "\x9f" else "cp1252")
            for character in characters
        )
        return content.decode("utf-8")
    except UnicodeError:
        return characters


def _find_decomposed(text: str) -> list[str]:
    if unicodedata.is_normalized("NFC", text):
        return []
    clusters: list[str] = regex.findall(r"\X", text)
    return [cluster for cluster in clusters if not unicodedata.is_normalized("NFC", cluster)]


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _repair_presentation(text: str) -> str:
    return PRESENTATION.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


# In the order of their repair: what was decoded wrongly may hold all others.
KINDS = (
    _Kind("wrongly decoded character", _find_mojibake, _repair_mojibake),
    _Kind("Windows-1252 character", WINDOWS.findall, _repair_windows),
    _Kind("presentation form", PRESENTATION.findall, _repair_presentation),
    _Kind("decomposed letter", _find_decomposed, _compose),
    _Kind("invisible character", INVISIBLE.findall, partial(INVISIBLE.sub, "")),
    _Kind("control character", CONTROL.findall, partial(CONTROL.sub, "")),
    _Kind("odd space", ODD_SPACE.findall, partial(ODD_SPACE.sub, " ")),
)
