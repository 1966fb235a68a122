"""Find derailed decoding: loops in an output, and stretches that it skips."""

from __future__ import annotations

from collections.abc import Sequence

from whisper_ft.evaluation.metrics import Count
from whisper_ft.text.alignment import alignment

MIN_STRETCH = 8  # words of a loop or a skip, at least; fewer are ordinary errors
MAX_PERIOD = 224  # words that a loop repeats, at most: a window has at most 224 tokens


def looped_words(reference: Sequence[str], hypothesis: Sequence[str]) -> Count:
    """Of the hypothesis' words, count those in the third and later copies of a repeated stretch.

    As many as the reference itself repeats are left out.
    """
    excess = len(_looped(hypothesis)) - len(_looped(reference))
    return Count(max(0, excess), len(hypothesis))


def n_loops(
    reference: Sequence[str], hypothesis: Sequence[str], min_words: int = MIN_STRETCH
) -> int:
    """Count loops: runs of at least `min_words` looped words, less those of the reference."""
    counts = [
        sum(run >= min_words for run in _run_lengths(_looped(words)))
        for words in (hypothesis, reference)
    ]
    return max(0, counts[0] - counts[1])


def skips(reference: list[str], hypothesis: list[str], min_words: int = MIN_STRETCH) -> list[range]:
    """Return the stretches of at least `min_words` of the reference's words that were left out."""
    return [
        range(span.start, span.end)
        for span in alignment(reference, hypothesis)
        if span.kind == "delete" and span.end - span.start >= min_words
    ]


def _looped(words: Sequence[str]) -> set[int]:
    looped: set[int] = set()
    for period in range(1, min(len(words) // 3, MAX_PERIOD) + 1):
        run = 0
        for i in range(period, len(words)):
            run = run + 1 if words[i] == words[i - period] else 0
            if run >= 2 * period:
                looped.update(range(i - period + 1, i + 1))
    return looped


def _run_lengths(indices: set[int]) -> list[int]:
    """Return the lengths of the runs of consecutive indices."""
    lengths: list[int] = []
    for index in sorted(indices):
        if index - 1 in indices:
            lengths[-1] += 1
        else:
            lengths.append(1)
    return lengths
