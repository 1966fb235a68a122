"""Compare terms and texts: normalisation, counts of a term, leaks."""

from __future__ import annotations

import unicodedata

# Scripts written without spaces, or (Korean) with particles written on: a neighbouring letter of
# theirs does not make a longer word.
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x9FFF),  # Han
    (0xAC00, 0xD7AF),  # Hangul
)


LEAK_WORDS, LEAK_LETTERS = 4, 20  # of a text that another holds by no chance


def term_count(term: str, text: str, *, cased: bool = True) -> int:
    """How often a term stands in a text: NFC, white space collapsed, not inside a longer word."""
    term, text = normalize_text(term, cased=cased), normalize_text(text, cased=cased)
    found, at = 0, text.find(term) if term else -1
    while at >= 0:
        end = at + len(term)
        if not (_joined(text[at - 1 : at], term[0]) or _joined(text[end : end + 1], term[-1])):
            found += 1
            at = text.find(term, end)
        else:
            at = text.find(term, at + 1)
    return found


def normalize_text(text: str, *, cased: bool = True) -> str:
    """A text as keywords compare: NFC, white space collapsed, casefolded unless case counts."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return text if cased else text.casefold()


def reveals_text(prompt: str, text: str) -> bool:
    """Whether a prompt holds a text of some length, or is a short one: it could be copied."""
    held, said = normalize_text(prompt, cased=False), normalize_text(text, cased=False)
    return bool(said) and (held == said or (is_distinctive(said) and said in held))


def is_distinctive(text: str) -> bool:
    """Whether a text is so long that another has the same words by no chance."""
    return len(text.split()) >= LEAK_WORDS or len(text) >= LEAK_LETTERS


def _joined(neighbour: str, edge: str) -> bool:
    """Whether a neighbouring character makes a term's edge the inside of a longer word."""
    if not neighbour or any(
        low <= ord(letter) <= high for letter in (neighbour, edge) for low, high in UNSPACED
    ):
        return False
    return unicodedata.category(neighbour)[0] in "LMN" and unicodedata.category(edge)[0] in "LMN"
