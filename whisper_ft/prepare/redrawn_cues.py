"""Cues that show again what the one before them shows: karaoke and roll-up captions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from whisper_ft.prepare.cue import Cue, Gap
from whisper_ft.prepare.manifest_writer import Note
from whisper_ft.text.counts import format_count

FLASH = 0.5  # seconds, of a caption between two states of roll-up captions
MAX_PAUSE = 0.1  # seconds between cues that repeat each other's lines
MAX_ROLL_PAUSE = 10.0  # the same, where the times of words tell which line is new
WORD_TIME = re.compile(r"<(?:\d+:)?\d\d:\d\d[.,]\d+>")
MAX_REDRAW_PAUSE = 2.0  # seconds between cues that differ in their styling alone
MIN_ROLLED = 5  # cues that begin with words of the one before them, where that is the habit
MIN_ROLLED_RATE = 0.6  # of a file's cues
MIN_REPEATED = 2  # words; one word may be said twice
MIN_REVEALED = 3  # cues of which each adds words to the one before it


def join_redrawn(cues: Sequence[Cue], note: Note) -> tuple[list[Cue], list[Gap]]:
    """Join cues that highlight or reveal the words of one text; each lasts as long as all of them.

    The words are highlighted, as by `whisper --highlight_words True`, if the same text follows in
    another styling. They are revealed if each of three cues or more continues the line of the one
    before it. The gaps are always none.
    """
    highlighted = [_join(group, note) for group in _groups(cues, _highlights)]
    joined: list[Cue] = []
    for group in _groups(highlighted, _reveals):
        joined += [_join(group, note)] if len(group) >= MIN_REVEALED else group
    return joined, []


def _groups(cues: Sequence[Cue], redraws: Callable[[Sequence[Cue], Cue], bool]) -> list[list[Cue]]:
    """Return the cues in order, each with those after it that redraw it."""
    groups: list[list[Cue]] = []
    for cue in cues:
        if groups and redraws(groups[-1], cue):
            groups[-1].append(cue)
        else:
            groups.append([cue])
    return groups


def _highlights(group: Sequence[Cue], cue: Cue) -> bool:
    """Return whether a cue shows the words of the ones before it in another styling.

    A highlight that goes back begins again: the words may have been said twice.
    """
    previous = group[-1]
    places = [place for place in map(_highlight_place, group) if place is not None]
    place = _highlight_place(cue)
    return (
        cue.start - previous.end <= MAX_REDRAW_PAUSE
        and bool(cue.text.strip())
        and cue.text.split() == previous.text.split()
        and cue.markup.split() != previous.markup.split()
        and (cue.start - previous.end <= MAX_PAUSE or None not in (place, *places[-1:]))
        and (place is None or not places or place > places[-1])
    )


def _highlight_place(cue: Cue) -> int | None:
    """Return where the first styling of a cue stands; None without any."""
    places = [place for mark in ("<", "{\\") if (place := cue.markup.find(mark)) >= 0]
    return min(places, default=None)


def _reveals(group: Sequence[Cue], cue: Cue) -> bool:
    """Return whether a cue shows the words of the one before it and, on the same line, more."""
    previous = group[-1]
    shown, more = previous.text.strip(), cue.text.strip()
    return (
        cue.start - previous.end <= MAX_PAUSE
        and bool(shown)
        and more.startswith(shown)
        and more[len(shown) :][:1] == " "
    )


def _join(group: Sequence[Cue], note: Note) -> Cue:
    first, last = group[0], group[-1]
    if len(group) == 1:
        return first
    note(
        first.place,
        f"shown again by {format_count(len(group) - 1, 'cue')} after it: joined with them",
    )
    return replace(last, start=first.start, end=max(cue.end for cue in group), place=first.place)


def remove_repeated_lines(cues: Sequence[Cue], note: Note) -> tuple[list[Cue], list[Gap]]:
    """Keep each line of roll-up captions once; they show a line again below the one before it.

    A cue that repeats the one before it for longer may be speech that was repeated: a gap.
    """
    kept: list[Cue] = []
    gaps: list[Gap] = []
    previous_lines: list[str] = []  # of the cue before, repeated ones included
    previous_end = -1.0
    for cue in cues:
        lines = [" ".join(line.split()) for line in cue.text.splitlines() if line.strip()]
        is_adjacent = cue.start - previous_end <= (
            MAX_ROLL_PAUSE if _marks_new_line(cue) else MAX_PAUSE
        )
        new_lines = lines[_n_repeated(previous_lines, lines) :] if is_adjacent else lines
        if kept and lines and not new_lines and cue.end - cue.start <= FLASH:
            note(cue.place, "repeats the cue before it, which lasts longer now")
            kept[-1] = replace(kept[-1], end=max(kept[-1].end, cue.end))
        elif lines and not new_lines:
            note(
                cue.place,
                f"repeats the cue before it for more than {FLASH} s: skipped with its audio",
            )
            gaps.append(Gap(cue.start, cue.end))
        else:
            kept.append(replace(cue, text="\n".join(new_lines)))
        previous_lines, previous_end = lines or previous_lines, max(previous_end, cue.end)
    return kept, gaps


def _marks_new_line(cue: Cue) -> bool:
    """Return whether a cue has times of words, as in YouTube's captions, and not in its first line.

    The lines without any were shown before.
    """
    lines = [line for line in cue.markup.splitlines() if line.strip()]
    marked = [bool(WORD_TIME.search(line)) for line in lines]
    return any(marked) and not marked[0]


def _n_repeated(previous_lines: Sequence[str], lines: Sequence[str]) -> int:
    """Return how many lines at the start of a cue are the last lines of the one before it."""
    longest = min(len(lines), len(previous_lines))
    return next((n for n in range(longest, 0, -1) if previous_lines[-n:] == lines[:n]), 0)


def remove_repeated_words(cues: Sequence[Cue], note: Note) -> tuple[list[Cue], list[Gap]]:
    """Keep each word of roll-up captions once if cues begin with the end of the one before them.

    Such captions had two lines and were written as one. In a file where few cues do so, words were
    said twice. The gaps are always none.
    """
    repeated = [0]
    for previous, cue in pairwise(cues):
        is_adjacent = cue.start - previous.end <= MAX_PAUSE
        n_words = _n_repeated(previous.text.split(), cue.text.split()) if is_adjacent else 0
        is_whole = n_words == len(previous.text.split())
        repeated.append(n_words if n_words >= MIN_REPEATED or is_whole else 0)
    if sum(map(bool, repeated)) < max(MIN_ROLLED, MIN_ROLLED_RATE * (len(cues) - 1)):
        return [*cues], []
    kept = []
    for cue, n_words in zip(cues, repeated, strict=False):
        words = cue.text.split()
        if n_words:
            shown = " ".join(words[:n_words])
            note(cue.place, f"{shown!r}: removed: the end of the cue before it, shown again")
            cue = replace(cue, text=" ".join(words[n_words:]))
        kept.append(cue)
    return kept, []
