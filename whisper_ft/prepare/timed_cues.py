"""Cut timed words into cues about as long as Whisper's own segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from whisper_ft.prepare.cue import Cue
from whisper_ft.prepare.restored_words import ends_sentence
from whisper_ft.prepare.timed_words import TimedWord
from whisper_ft.text.alignment import join_words

# Whisper's own segments of read speech last 2 to 6 s, 5 s in the middle (benchmarks/NOTES.md).
LONG_PAUSE = 1.0  # seconds; ends a cue
PAUSE = 0.3  # seconds between words; ends a cue that lasts LONG
SHORT, LONG, LONGEST = 1.5, 4.0, 8.0  # seconds of a cue
CLAUSE_ENDS = frozenset(",;:，、；：،—")


def cut_cues(words: Sequence[TimedWord], place: str) -> Iterator[Cue]:
    """Yield the cues of consecutive words; `place` is that of all of them.

    A cue ends with a sentence if it lasts SHORT or with a clause or at a pause if it lasts LONG, at
    a long pause always, and after LONGEST between any two words.
    """
    first = 0
    for i, (timed, following) in enumerate(pairwise([*words, None]), start=1):
        assert timed is not None
        seconds = timed.end - words[first].start
        if following is None or _ends_cue(timed, following, seconds):
            text = join_words([w.word for w in words[first:i]])
            yield Cue(words[first].start, max(timed.end, words[first].start + 0.02), text, place)
            first = i


def _ends_cue(timed: TimedWord, following: TimedWord, seconds: float) -> bool:
    """Return whether a cue that has lasted some seconds ends after a word."""
    pause = following.start - timed.end
    if pause >= LONG_PAUSE:
        return True
    if timed.word.joined and timed.word.suffix and timed.word.suffix.isascii():  # in well-known
        return False
    if ends_sentence(timed.word):
        return seconds >= SHORT
    has_clause_end = any(character in CLAUSE_ENDS for character in timed.word.suffix)
    return seconds >= LONGEST or (seconds >= LONG and (has_clause_end or pause >= PAUSE))
