"""Count errors per row: (errors, total) pairs that are summed over rows and divided once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import reduce
from typing import NamedTuple

from whisper_ft.text.alignment import alignment
from whisper_ft.text.terms import LEAK_WORDS, normalize_text, term_count


class Count(NamedTuple):
    """`part` of `total`. Counts of rows add up, and only their sum is divided."""

    part: float = 0
    total: int = 0

    def plus(self, other: Count) -> Count:
        """Return the sum of two counts."""
        return Count(self.part + other.part, self.total + other.total)

    @staticmethod
    def sum(counts: Iterable[Count]) -> Count:
        """Return the sum of any number of counts."""
        return reduce(Count.plus, counts, Count())

    @property
    def rate(self) -> float | None:
        """part / total; None when the total is 0."""
        return self.part / self.total if self.total else None


def word_errors(reference: str, hypothesis: str) -> Count:
    """Count substitutions, deletions and insertions of words, of the reference's words."""
    biased, other = split_word_errors(reference, hypothesis, ())
    return biased.plus(other)


def character_errors(reference: str, hypothesis: str) -> Count:
    """Count substitutions, deletions and insertions of characters other than white space."""
    return word_errors(" ".join("".join(reference.split())), " ".join("".join(hypothesis.split())))


def split_word_errors(
    reference: str, hypothesis: str, biased_words: Collection[str]
) -> tuple[Count, Count]:
    """Count word errors on the biased words and on the rest (B-WER, U-WER of Le et al. 2021).

    An insertion counts as biased when the inserted word is in the list.
    """
    reference_words, hypothesis_words = reference.split(), hypothesis.split()
    biased_set = frozenset(biased_words)
    n_errors = [0, 0]  # other, biased
    for span in alignment(reference_words, hypothesis_words):
        if span.kind == "equal":
            continue
        wrong_words = reference_words[span.start : span.end]
        if span.kind == "insert":
            wrong_words = hypothesis_words[span.hypothesis_start : span.hypothesis_end]
        for word in wrong_words:
            n_errors[word in biased_set] += 1
    n_biased = sum(word in biased_set for word in reference_words)
    return Count(n_errors[True], n_biased), Count(n_errors[False], len(reference_words) - n_biased)


def keyword_recall(
    keywords: Sequence[str], reference: str, hypothesis: str, *, cased: bool = True
) -> Count:
    """Of the keywords' occurrences in the reference, count those that the hypothesis has too."""
    count = Count()
    for term in dict.fromkeys(normalize_text(keyword, cased=cased) for keyword in keywords):
        total = term_count(term, reference, cased=cased)
        count = count.plus(Count(min(total, term_count(term, hypothesis, cased=cased)), total))
    return count


def keyword_precision(
    terms: Sequence[str], reference: str, hypothesis: str, *, cased: bool = True
) -> Count:
    """Of the terms' occurrences in the hypothesis, count those that the reference has too."""
    return keyword_recall(terms, hypothesis, reference, cased=cased)


def leaked_words(
    prompt: Sequence[str], reference: list[str], hypothesis: list[str], min_words: int = LEAK_WORDS
) -> Count:
    """Of the hypothesis' words, count those copied from the prompt in runs the reference lacks.

    A run has at least `min_words` words, or is the whole of a shorter prompt of two or more. Words
    of a run that are right all the same do not count.
    """
    min_words = min(min_words, max(2, len(prompt)))
    prompt_text, reference_text = _spaced(prompt), _spaced(reference)
    copied: set[int] = set()
    start = 0
    while start <= len(hypothesis) - min_words:
        end = start + min_words
        if _spaced(hypothesis[start:end]) not in prompt_text:
            start += 1
            continue
        while end < len(hypothesis) and _spaced(hypothesis[start : end + 1]) in prompt_text:
            end += 1
        if _spaced(hypothesis[start:end]) not in reference_text:
            copied.update(range(start, end))
        start = end - min_words + 1
    if copied:
        for span in alignment(reference, hypothesis):
            if span.kind == "equal":
                copied.difference_update(range(span.hypothesis_start, span.hypothesis_end))
    return Count(len(copied), len(hypothesis))


class TimedWords(NamedTuple):
    """The words of segments, and the seconds at which segments start before or end after one."""

    words: list[str]
    starts: dict[int, float]  # by index of the word
    ends: dict[int, float]


def time_words(
    segments: Sequence[tuple[float, float | None, str]], split: Callable[[str], list[str]]
) -> TimedWords:
    """Return the words of segments (start, end, text); `split` makes the words to compare."""
    timed = TimedWords([], {}, {})
    for start, end, text in segments:
        if words := split(text):
            timed.starts[len(timed.words)] = start
            timed.words.extend(words)
            if end is not None:
                timed.ends[len(timed.words) - 1] = end
    return timed


def boundary_errors(reference: TimedWords, hypothesis: TimedWords) -> tuple[Count, Count]:
    """Return (seconds of error of the times compared; times compared of the reference's).

    A segment's start is compared where a segment of the hypothesis starts before the same word, its
    end where one ends after the same word.
    """
    seconds, n_compared = 0.0, 0
    pairs = ((reference.starts, hypothesis.starts), (reference.ends, hypothesis.ends))
    for span in alignment(reference.words, hypothesis.words):
        for word in range(span.start, span.end) if span.kind == "equal" else ():
            hypothesis_word = span.hypothesis_start + word - span.start
            for reference_times, hypothesis_times in pairs:
                if word in reference_times and hypothesis_word in hypothesis_times:
                    seconds += abs(reference_times[word] - hypothesis_times[hypothesis_word])
                    n_compared += 1
    n_times = len(reference.starts) + len(reference.ends)
    return Count(seconds, n_compared), Count(n_compared, n_times)


def correct_words(reference: list[str], hypothesis: list[str]) -> set[int]:
    """Return the indices of the reference's words that the hypothesis has in their place."""
    spans = (span for span in alignment(reference, hypothesis) if span.kind == "equal")
    return {index for span in spans for index in range(span.start, span.end)}


def _spaced(words: Sequence[str]) -> str:
    """Join words with spaces, outer ones too, so that a word is only found whole."""
    return f" {' '.join(words)} "
