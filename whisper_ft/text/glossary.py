"""A user's list of terms: which of them a text holds, and how the text spells them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import regex

from whisper_ft.text.terms import UNSPACED, normalize_text, reveals_text, term_count

# A character of a script without spaces, or a run of others. A text with a term has all its keys.
KEY = regex.compile(rf"[{UNSPACED}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]+", regex.VERSION1)


@dataclass(frozen=True)
class Glossary:
    """Different terms, in the order of the list."""

    terms: tuple[str, ...] = ()
    _by_key: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of_lines(cls, lines: Iterable[str]) -> Glossary:
        """Make a glossary of lines with one term each; without empty ones, repetitions, comments.

        A comment begins with a number sign and a space.
        """
        said = (line for line in lines if not line.startswith("# "))
        terms = tuple(dict.fromkeys(filter(None, map(normalize_text, said))))
        counts = Counter(key for term in terms for key in set(_keys(term)))
        by_key: defaultdict[str, list[str]] = defaultdict(list)
        for term in terms:  # by its rarest key, as many terms may begin alike
            by_key[min(_keys(term), key=counts.__getitem__)].append(term)
        return cls(terms, {key: tuple(some) for key, some in by_key.items()})

    @property
    def digest(self) -> str:
        """A short hash of the terms; "" without any."""
        joined = "\n".join(self.terms).encode()
        return hashlib.sha256(joined).hexdigest()[:8] if self.terms else ""

    def find(self, text: str) -> tuple[str, ...]:
        """Return the terms that a text holds, spelled as in the text.

        Case counts in a text of mixed case, but for a term without capitals that begins a
        sentence. A term that is the whole text is left out.
        """
        keys = _keys(text) if self.terms else []
        found = (
            next((form for form in _forms(term, text) if term_count(form, text)), "")
            for key in dict.fromkeys(keys)
            for term in self._by_key.get(key, ())
        )
        forms = dict.fromkeys(form for form in found if form and not reveals_text(form, text))
        return tuple(form for form in forms if _keys(form) != keys)  # the text but for punctuation


def write_like(term: str, case: str) -> str:
    """Return a term as texts in "lower", "upper" or "mixed" case write it."""
    return {"lower": term.lower(), "upper": term.upper()}.get(case, term)


def _keys(text: str) -> list[str]:
    return KEY.findall(normalize_text(text, cased=False)) or [""]


def _forms(term: str, text: str) -> tuple[str, ...]:
    """Return how a text may spell a term."""
    if text == text.lower():
        return (term.lower(),)
    if text == text.upper():
        return (term.upper(),)
    return (term, term[0].upper() + term[1:]) if term == term.lower() else (term,)
