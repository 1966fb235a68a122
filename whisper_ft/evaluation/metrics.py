"""Scores as counts that add: (errors, total) per row, summed, divided once at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import reduce
from typing import NamedTuple

import jiwer

from whisper_ft.text.terms import LEAK_WORDS, normalize_text, term_count


class Count(NamedTuple):
    """`part` of `total`; counts of rows add up, and only the sum is divided."""

    part: float = 0
    total: int = 0

    def plus(self, other: Count) -> Count:
        return Count(self.part + other.part, self.total + other.total)

    @staticmethod
    def sum(counts: Iterable[Count]) -> Count:
        return reduce(Count.plus, counts, Count())

    @property
    def rate(self) -> float | None:
        return self.part / self.total if self.total else None


def word_errors(reference: str, hypothesis: str) -> Count:
    """Substitutions, deletions and insertions of words, of the reference's number of words."""
    biased, other = split_word_errors(reference, hypothesis, ())
    return biased.plus(other)


def character_errors(reference: str, hypothesis: str) -> Count:
    """The same of characters, white space apart."""
    return word_errors(" ".join("".join(reference.split())), " ".join("".join(hypothesis.split())))


def split_word_errors(
    reference: str, hypothesis: str, biased_words: Collection[str]
) -> tuple[Count, Count]:
    """Word errors on the biased words and on the rest (B-WER, U-WER of Le et al. 2021).

    An insertion counts as biased when the inserted word is in the list.
    """
    wanted, written = reference.split(), hypothesis.split()
    biased_set = frozenset(biased_words)
    errors = [0, 0]
    for kind, *span in alignment(wanted, written):
        if kind != "equal":
            start, end, hyp_start, hyp_end = span
            words = written[hyp_start:hyp_end] if kind == "insert" else wanted[start:end]
            for word in words:
                errors[word in biased_set] += 1
    n_biased = sum(word in biased_set for word in wanted)
    return Count(errors[True], n_biased), Count(errors[False], len(wanted) - n_biased)


def alignment(reference: list[str], hypothesis: list[str]) -> list[tuple[str, int, int, int, int]]:
    """Stretches (kind, start, end in reference, start, end in hypothesis) of words; "equal" or not.

    Other kinds are jiwer's "substitute", "delete" and "insert".
    """
    if not reference:  # jiwer refuses an empty reference
        return [("insert", 0, 0, 0, len(hypothesis))]
    output = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return [
        (c.type, c.ref_start_idx, c.ref_end_idx, c.hyp_start_idx, c.hyp_end_idx)
        for c in output.alignments[0]
    ]


def keyword_hits(
    keywords: Sequence[str], reference: str, hypothesis: str, *, cased: bool = True
) -> Count:
    """Of the keywords' occurrences in the reference, how many the hypothesis spells the same."""
    found = Count()
    for term in dict.fromkeys(normalize_text(keyword, cased=cased) for keyword in keywords):
        total = term_count(term, reference, cased=cased)
        found = found.plus(Count(min(total, term_count(term, hypothesis, cased=cased)), total))
    return found


def term_precision(
    terms: Sequence[str], reference: str, hypothesis: str, *, cased: bool = True
) -> Count:
    """Of the terms' occurrences in the hypothesis, how many were said; the rest are insertions."""
    found = Count()
    for term in dict.fromkeys(normalize_text(term, cased=cased) for term in terms):
        if total := term_count(term, hypothesis, cased=cased):
            found = found.plus(Count(min(total, term_count(term, reference, cased=cased)), total))
    return found


def leaked_words(
    prompt: Sequence[str], reference: list[str], hypothesis: list[str], least: int = LEAK_WORDS
) -> Count:
    """Of the hypothesis' words, those copied from the prompt: in runs that the reference lacks.

    A run has at least so many words, or is a shorter prompt of two or more; its words that are
    right all the same do not count.
    """
    least = min(least, max(2, len(prompt)))
    held, said = _spaced(prompt), _spaced(reference)
    copied: set[int] = set()
    start = 0
    while start <= len(hypothesis) - least:
        end = start + least
        if _spaced(hypothesis[start:end]) not in held:
            start += 1
            continue
        while end < len(hypothesis) and _spaced(hypothesis[start : end + 1]) in held:
            end += 1
        if _spaced(hypothesis[start:end]) not in said:
            copied.update(range(start, end))
        start = end - least + 1
    if copied:
        for kind, _, _, first, last in alignment(reference, hypothesis):
            if kind == "equal":
                copied.difference_update(range(first, last))
    return Count(len(copied), len(hypothesis))


def looped_words(reference: Sequence[str], hypothesis: Sequence[str]) -> Count:
    """Of the hypothesis' words, those in the third and later copies of a stretch said in a row.

    As many as the reference itself repeats are left out.
    """
    excess = _n_looped(hypothesis) - _n_looped(reference)
    return Count(max(0, excess), len(hypothesis))


def _n_looped(words: Sequence[str]) -> int:
    looped: set[int] = set()
    for period in range(1, len(words) // 3 + 1):
        run = 0
        for i in range(period, len(words)):
            run = run + 1 if words[i] == words[i - period] else 0
            if run >= 2 * period:
                looped.update(range(i - period + 1, i + 1))
    return len(looped)


class Timed(NamedTuple):
    """Words, and the seconds at which segments start before one and end after one."""

    words: list[str]
    starts: dict[int, float]
    ends: dict[int, float]


def timed(
    segments: Sequence[tuple[float, float | None, str]], split: Callable[[str], list[str]]
) -> Timed:
    """The words of segments (start, end, text), split as they are to be compared."""
    found = Timed([], {}, {})
    for start, end, text in segments:
        if words := split(text):
            found.starts[len(found.words)] = start
            found.words.extend(words)
            if end is not None:
                found.ends[len(found.words) - 1] = end
    return found


def boundary_errors(said: Timed, written: Timed) -> tuple[Count, Count]:
    """(seconds off, of so many times; those times, of the reference's).

    A segment's start is compared where a written one starts before the same word, its end where
    one ends after the same word.
    """
    off, n_found = 0.0, 0
    for kind, first, last, hyp_first, _ in alignment(said.words, written.words):
        for word in range(first, last) if kind == "equal" else ():
            for here, there in ((said.starts, written.starts), (said.ends, written.ends)):
                other = hyp_first + word - first
                if word in here and other in there:
                    off += abs(here[word] - there[other])
                    n_found += 1
    return Count(off, n_found), Count(n_found, len(said.starts) + len(said.ends))


def _spaced(words: Sequence[str]) -> str:
    """Words as a text in which one is found whole."""
    return f" {' '.join(words)} "
