"""Turn the cues of a subtitle file into usable ones, and find speech without usable text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS
from whisper_ft.prepare.cue_text import CueText, split_cue_text
from whisper_ft.prepare.manifest_writer import Note
from whisper_ft.prepare.raw_cues import Cue, read_raw_cues

CHARACTERS_PER_SECOND = 15.0  # of speech, for a cue that has no duration
MAX_TRIMMED = 1.0  # seconds of a cue after the recording's end, which may be the reader's margin
FLASH = 0.5  # seconds, of a caption between two states of roll-up captions
MAX_PAUSE = 0.1  # seconds between cues that repeat each other's lines


class Gap(NamedTuple):
    """A stretch of untranscribed speech: someone speaks, and no usable cue has the words."""

    start: float  # seconds in the file
    end: float


@dataclass(frozen=True)
class UsableCues:
    """Cues in order that overlap neither each other nor a gap, and the gaps in order."""

    cues: Sequence[Cue]
    gaps: Sequence[Gap] = ()
    language: str = ""  # from whisper's JSON


Stage = Callable[[Sequence[Cue], Note], tuple[list[Cue], list[Gap]]]


def read_cues(
    path: Path, duration: float, note: Note, *, encoding: str = "", keep_notes: bool = False
) -> UsableCues:
    """Read the usable cues of a subtitle file for a recording of `duration` seconds.

    Styling is always removed, speaker labels and sound notes unless `keep_notes`. Every cue that is
    changed or skipped is reported through `note(place, message)`. Raises ValueError for a file that
    cannot be read.
    """
    raw_cues, language = read_raw_cues(path, note, encoding)
    cues = _sort_by_start(raw_cues, note)
    stages: list[Stage] = [
        partial(_keep_words, keep_notes=keep_notes),
        partial(_trim_to_recording, duration=duration),
        _skip_without_duration,
        _skip_too_long,
        _resolve_overlaps,
    ]
    if path.suffix.lower() != ".json":  # whisper's segments never roll up
        stages.insert(0, _remove_repeated_lines)
    gaps: list[Gap] = []
    for stage in stages:
        cues, new_gaps = stage(cues, note)
        gaps += new_gaps
    cues, gaps = _skip_in_gaps(cues, gaps, note)
    return UsableCues(cues, sorted(Gap(start, min(end, duration)) for start, end in gaps), language)


def _sort_by_start(cues: Sequence[Cue], note: Note) -> list[Cue]:
    for previous, cue in pairwise(cues):
        if cue.start < previous.start:
            note(
                cue.place,
                f"starts at {cue.start:.2f} s, before the cue above it: sorted by start time",
            )
    return sorted(cues, key=lambda cue: cue.start)


def _remove_repeated_lines(cues: Sequence[Cue], note: Note) -> tuple[list[Cue], list[Gap]]:
    """Keep each line of roll-up captions once; they show a line again below the one before it.

    A cue that repeats the one before it for longer may be speech that was repeated: a gap.
    """
    kept: list[Cue] = []
    gaps: list[Gap] = []
    previous_lines: list[str] = []  # of the cue before, repeated ones included
    previous_end = -1.0
    for cue in cues:
        lines = [" ".join(line.split()) for line in cue.text.splitlines() if line.strip()]
        is_adjacent = cue.start - previous_end <= MAX_PAUSE
        new_lines = lines[_n_repeated(previous_lines, lines) :] if is_adjacent else lines
        if lines and not new_lines and cue.end - cue.start <= FLASH:
            note(cue.place, "repeats the cue before it: skipped")
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


def _n_repeated(previous_lines: Sequence[str], lines: Sequence[str]) -> int:
    """Return how many lines at the start of a cue are the last lines of the one before it."""
    longest = min(len(lines), len(previous_lines))
    return next((n for n in range(longest, 0, -1) if previous_lines[-n:] == lines[:n]), 0)


def _keep_words(
    cues: Sequence[Cue], note: Note, *, keep_notes: bool
) -> tuple[list[Cue], list[Gap]]:
    """Reduce cues to their words; untranscribed speech that a sound note reports is a gap."""
    kept, gaps = [], []
    for cue in cues:
        text = _plain_text(cue.text) if keep_notes else split_cue_text(cue.text)
        shown_notes = " ".join(text.sound_notes)
        if not cue.text.strip():
            note(cue.place, "empty: skipped")
        elif text.has_untranscribed_speech:
            note(
                cue.place,
                f"{shown_notes!r}: may be speech without its words: skipped with its audio",
            )
            gaps.append(Gap(cue.start, max(cue.start, cue.end)))
        elif not text.words:
            note(cue.place, f"{shown_notes!r}: no words: skipped")
        else:
            for sound_note in text.sound_notes:
                if sound_note[0] in "(*":
                    note(cue.place, f"{sound_note!r}: removed as a sound, not words")
            kept.append(replace(cue, text=text.words))
    return kept, gaps


def _plain_text(text: str) -> CueText:
    """Take all of a cue for words."""
    return CueText(" ".join(text.split()), [])


def _trim_to_recording(
    cues: Sequence[Cue], note: Note, *, duration: float
) -> tuple[list[Cue], list[Gap]]:
    kept, gaps = [], []
    for cue in cues:
        excess = cue.end - duration  # seconds
        if cue.start >= duration:
            note(cue.place, f"starts at {cue.start:.2f} s, after the end of the recording: skipped")
        elif excess > MAX_TRIMMED:
            note(cue.place, f"ends {excess:.2f} s after the recording: skipped with its audio")
            gaps.append(Gap(cue.start, duration))
        else:
            if excess > CUT_SLACK:
                note(cue.place, f"ends {excess:.2f} s after the recording: trimmed")
            kept.append(replace(cue, end=min(cue.end, duration)))
    return kept, gaps


def _skip_without_duration(cues: Sequence[Cue], note: Note) -> tuple[list[Cue], list[Gap]]:
    """Skip cues without a duration; their speech lasts until the next cue at most."""
    kept, gaps = [], []
    for i, cue in enumerate(cues):
        if cue.end > cue.start:
            kept.append(cue)
            continue
        note(cue.place, f"lasts {cue.end - cue.start:.2f} s: skipped with its audio")
        possible_ends = [cue.start + len(cue.text) / CHARACTERS_PER_SECOND]
        possible_ends += [later.start for later in cues[i + 1 : i + 2] if later.start > cue.start]
        gaps.append(Gap(cue.start, min(possible_ends)))
    return kept, gaps


def _skip_too_long(cues: Sequence[Cue], note: Note) -> tuple[list[Cue], list[Gap]]:
    """Skip cues longer than a window: untranscribed speech, or a caption shown over other cues."""
    kept, gaps = [], []
    for cue in cues:
        seconds = round(cue.end - cue.start, 3)
        if seconds <= MAX_SECONDS:
            kept.append(cue)
            continue
        others = (c for c in cues if c is not cue and c.end - c.start <= MAX_SECONDS)
        covered = sum(max(0.0, min(c.end, cue.end) - max(c.start, cue.start)) for c in others)
        if covered > seconds / 2:
            note(
                cue.place,
                f"lasts {seconds:.1f} s and covers other cues: skipped as a caption, audio kept",
            )
        else:
            note(
                cue.place,
                f"lasts {seconds:.1f} s, more than {MAX_SECONDS:.0f} s: skipped with its audio",
            )
            gaps.append(Gap(cue.start, cue.end))
    return kept, gaps


def _resolve_overlaps(cues: Sequence[Cue], note: Note) -> tuple[list[Cue], list[Gap]]:
    """End the earlier of two overlapping cues sooner.

    If half of a cue is overlapped, merge the two; if the result exceeds 30 s, skip both.
    """
    kept: list[Cue] = []
    gaps: list[Gap] = []
    for cue in cues:
        overlap = kept[-1].end - cue.start if kept else 0.0
        if overlap <= 0:
            kept.append(cue)
            continue
        previous = kept.pop()
        end = max(previous.end, cue.end)
        problem = f"overlaps the cue before it by {overlap:.2f} s"
        if overlap <= min(previous.end - previous.start, cue.end - cue.start) / 2:
            note(cue.place, f"{problem}: the earlier cue now ends sooner")
            kept += [replace(previous, end=cue.start), cue]
        elif end - previous.start <= MAX_SECONDS:
            note(cue.place, f"{problem}: merged")
            kept.append(replace(previous, end=end, text=f"{previous.text} {cue.text}"))
        else:
            note(cue.place, f"{problem}: both skipped with their audio")
            gaps.append(Gap(previous.start, end))
    return kept, gaps


def _skip_in_gaps(
    cues: Sequence[Cue], gaps: Sequence[Gap], note: Note
) -> tuple[list[Cue], list[Gap]]:
    """Skip cues that overlap a gap; each extends the gaps, which may then reach other cues."""
    kept, all_gaps = list(cues), list(gaps)
    while True:
        touching = [cue for cue in kept if _overlaps_gap(cue, all_gaps)]
        if not touching:
            return kept, all_gaps
        for cue in touching:
            note(cue.place, "overlaps speech that was skipped: skipped with its audio")
            all_gaps.append(Gap(cue.start, cue.end))
        kept = [cue for cue in kept if cue not in touching]


def _overlaps_gap(cue: Cue, gaps: Sequence[Gap]) -> bool:
    slack = min(CUT_SLACK, (cue.end - cue.start) / 2)  # seconds of a cue that may lie in a gap
    return any(min(cue.end, end) - max(cue.start, start) > slack for start, end in gaps)
