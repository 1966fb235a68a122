"""Scores as counts that add: (errors, total) per row, summed, divided once at the end."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import NamedTuple

import jiwer
import numpy as np

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


class Count(NamedTuple):
    """`part` of `total`; counts of rows add up, and only the sum is divided."""

    part: float = 0
    total: int = 0

    def plus(self, other: Count) -> Count:
        return Count(self.part + other.part, self.total + other.total)

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


def term_count(term: str, text: str, *, cased: bool = True) -> int:
    """How often a term stands in a text: NFC, white space collapsed, not inside a longer word."""
    term, text = plain(term, cased=cased), plain(text, cased=cased)
    found, at = 0, text.find(term) if term else -1
    while at >= 0:
        end = at + len(term)
        if not (_joined(text[at - 1 : at], term[0]) or _joined(text[end : end + 1], term[-1])):
            found += 1
            at = text.find(term, end)
        else:
            at = text.find(term, at + 1)
    return found


def keyword_hits(
    keywords: Sequence[str], reference: str, hypothesis: str, *, cased: bool = True
) -> Count:
    """Of the keywords' occurrences in the reference, how many the hypothesis spells the same."""
    found = Count()
    for term in dict.fromkeys(plain(keyword, cased=cased) for keyword in keywords):
        total = term_count(term, reference, cased=cased)
        found = found.plus(Count(min(total, term_count(term, hypothesis, cased=cased)), total))
    return found


def plain(text: str, *, cased: bool = True) -> str:
    """A text as keywords compare: NFC, white space collapsed, casefolded unless case counts."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return text if cased else text.casefold()


def gives_away(prompt: str, text: str) -> bool:
    """Whether a prompt holds a text of some length, or is a short one: it could be copied."""
    held, said = plain(prompt, cased=False), plain(text, cased=False)
    return bool(said) and (held == said or (is_long(said) and said in held))


def is_long(text: str) -> bool:
    """Whether a text is so long that another has the same words by no chance."""
    return len(text.split()) >= LEAK_WORDS or len(text) >= LEAK_LETTERS


def _joined(neighbour: str, edge: str) -> bool:
    """Whether a neighbouring character makes a term's edge the inside of a longer word."""
    if not neighbour or any(
        low <= ord(letter) <= high for letter in (neighbour, edge) for low, high in UNSPACED
    ):
        return False
    return unicodedata.category(neighbour)[0] in "LMN" and unicodedata.category(edge)[0] in "LMN"


def bootstrap_interval(
    counts: Sequence[Count], groups: Sequence[str] = (), *, n_samples: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """95 % percentile interval of the pooled rate, resampling rows, or whole groups of them.

    `groups` names each row's group (its recording); empty resamples single rows. None where
    nothing was counted.
    """
    rates = _resampled([counts], groups, n_samples, seed)
    return None if rates is None else _middle(rates[:, 0])


def paired_interval(
    before: Sequence[Count],
    after: Sequence[Count],
    groups: Sequence[str] = (),
    *,
    n_samples: int = 2000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """95 % percentile interval of how much the pooled rate rises from `before` to `after`.

    Both are counts of the same rows: what is hard about a row drops out of the difference.
    """
    rates = _resampled([before, after], groups, n_samples, seed)
    return None if rates is None else _middle(rates[:, 1] - rates[:, 0])


def _resampled(
    columns: Sequence[Sequence[Count]], groups: Sequence[str], n_samples: int, seed: int
) -> np.ndarray | None:
    """Pooled rates [n, columns] of the same rows, or groups of them, drawn again and again."""
    sums: dict[str, list[Count]] = {}
    for i, row in enumerate(zip(*columns, strict=True)):
        group = groups[i] if groups else str(i)
        held = sums.get(group, [Count()] * len(columns))
        sums[group] = [total.plus(count) for total, count in zip(held, row, strict=True)]
    table = np.array(list(sums.values()), dtype=np.float64).reshape(-1, len(columns), 2)
    if len(table) < 2 or not table[:, :, 1].sum(axis=0).all():
        return None  # one row, or one recording, tells nothing of others
    rng = np.random.default_rng(seed)
    draws = (rng.integers(len(table), size=len(table)) for _ in range(n_samples))
    totals = np.stack([table[drawn].sum(axis=0) for drawn in draws])
    totals = totals[(totals[:, :, 1] > 0).all(axis=1)]
    return totals[:, :, 0] / totals[:, :, 1]


def _middle(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
