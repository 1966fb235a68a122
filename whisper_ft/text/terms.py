"""Compare terms and texts: normalise them, count a term, find a text in a prompt."""

from __future__ import annotations

import re
import unicodedata

# Scripts without spaces between words, and Korean, which attaches particles to words: in these, a
# letter beside a term does not make it part of a longer word.
SPACELESS = (  # a character class: scripts without spaces
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff"  # kana
    "\u3400-\u9fff"  # Han
)
UNSPACED = SPACELESS + "\uac00-\ud7af"  # Hangul
UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
LEAK_WORDS, LEAK_LETTERS = 4, 20  # a text this long hardly occurs in another one by chance


def normalize_text(text: str, *, cased: bool = True) -> str:
    """Return a text in NFC with single spaces, and casefolded unless case counts."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return text if cased else text.casefold()


def term_count(term: str, text: str, *, cased: bool = True) -> int:
    """Count how often a term occurs in a text, both normalised, but not inside a longer word."""
    term, text = normalize_text(term, cased=cased), normalize_text(text, cased=cased)
    count, start = 0, text.find(term) if term else -1
    while start >= 0:
        end = start + len(term)
        if joins_word(text[start - 1 : start], term[0]) or joins_word(
            text[end : end + 1], term[-1]
        ):
            start = text.find(term, start + 1)
        else:
            count += 1
            start = text.find(term, end)
    return count


def reveals_text(prompt: str, text: str) -> bool:
    """Return whether a prompt contains a transcript, which training could then learn to copy.

    A short transcript counts only if it is the whole prompt.
    """
    prompt, text = normalize_text(prompt, cased=False), normalize_text(text, cased=False)
    return bool(text) and (prompt == text or (is_distinctive(text) and text in prompt))


def is_distinctive(text: str) -> bool:
    """Return whether a text is so long that it hardly occurs in another one by chance."""
    return len(text.split()) >= LEAK_WORDS or len(text) >= LEAK_LETTERS


def joins_word(neighbour: str, edge: str) -> bool:
    """Return whether a term's edge and the character beside it belong to one word."""
    if not neighbour or UNSPACED_LETTER.search(neighbour + edge):
        return False
    return unicodedata.category(neighbour)[0] in "LMN" and unicodedata.category(edge)[0] in "LMN"
