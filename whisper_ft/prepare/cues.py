"""Turn the cues of a subtitle file into usable ones, and find speech without usable text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import regex

from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS
from whisper_ft.prepare.credits import is_credit
from whisper_ft.prepare.cue import Cue, Gap
from whisper_ft.prepare.cue_text import (
    CueText,
    find_speaker_label,
    join_lines,
    split_cue_text,
)
from whisper_ft.prepare.manifest_writer import Note
from whisper_ft.prepare.raw_cues import read_raw_cues
from whisper_ft.prepare.redrawn_cues import (
    join_redrawn,
    remove_repeated_lines,
    remove_repeated_words,
)

CHARACTERS_PER_SECOND = 15.0  # of speech, for a cue that has no duration
LOST = "\ufffd"  # in place of a character that could not be decoded
MAX_TRIMMED = 1.0  # seconds of a cue after the recording's end, which may be the reader's margin


@dataclass(frozen=True)
class UsableCues:
    """Cues in order that overlap neither each other nor a gap, and the gaps in order."""

    cues: Sequence[Cue]
    gaps: Sequence[Gap] = ()
    language: str = ""  # from whisper's JSON
    task: str = ""  # the same


Stage = Callable[[Sequence[Cue], Note], tuple[list[Cue], list[Gap]]]


def read_cues(
    path: Path,
    duration: float,
    note: Note,
    *,
    encoding: str = "",
    keep_notes: bool = False,
    lead: float = 0.0,
) -> UsableCues:
    """Read the usable cues of a subtitle file for a recording of `duration` seconds.

    Styling is always removed, speaker labels and sound notes unless `keep_notes`. `lead` seconds
    are taken from every time. Every cue that is changed or skipped is reported through `note(place,
    message)`. Raises ValueError for a file that cannot be read.
    """
    raw = read_raw_cues(path, note, encoding)
    cues = _sort_by_start(_count_from_sound(raw.cues, lead, note), note)
    stages: list[Stage] = [
        partial(_keep_words, keep_notes=keep_notes),
        partial(_trim_to_recording, duration=duration),
        _skip_without_duration,
        _skip_too_long,
        _resolve_overlaps,
    ]
    if path.suffix.lower() != ".json":  # whisper's segments never roll up
        stages[:0] = [join_redrawn, remove_repeated_lines, remove_repeated_words]
    gaps: list[Gap] = []
    for stage in stages:
        cues, new_gaps = stage(cues, note)
        gaps += new_gaps
    cues, gaps = _skip_in_gaps(cues, gaps, note)
    all_gaps = sorted(Gap(start, min(end, duration)) for start, end in gaps)
    return UsableCues(cues, all_gaps, raw.language, raw.task)


def _count_from_sound(cues: Sequence[Cue], lead: float, note: Note) -> list[Cue]:
    """Take the seconds before the first sound from all times."""
    if not lead:
        return [*cues]
    kept = []
    for cue in cues:
        if cue.end > lead:
            kept.append(replace(cue, start=max(0.0, cue.start - lead), end=cue.end - lead))
        else:
            note(cue.place, "ends before the sound begins: skipped")
    return kept


def _sort_by_start(cues: Sequence[Cue], note: Note) -> list[Cue]:
    for previous, cue in pairwise(cues):
        if cue.start < previous.start:
            note(
                cue.place,
                f"starts at {cue.start:.2f} s, before the cue above it: sorted by start time",
            )
    return sorted(cues, key=lambda cue: cue.start)


def _keep_words(
    cues: Sequence[Cue], note: Note, *, keep_notes: bool
) -> tuple[list[Cue], list[Gap]]:
    """Reduce cues to their words; untranscribed speech is a gap. All that is removed is noted."""
    label = None if keep_notes else find_speaker_label([cue.text for cue in cues])
    kept, gaps = [], []
    for cue in cues:
        words = _find_words(cue, label, note, keep_notes=keep_notes)
        if words:
            kept.append(replace(cue, text=words))
        elif words is None:
            gaps.append(Gap(cue.start, max(cue.start, cue.end)))
    return kept, gaps


def _find_words(
    cue: Cue, label: regex.Pattern[str] | None, note: Note, *, keep_notes: bool
) -> str | None:
    """Return the words of a cue; "" if nobody speaks, None if their audio cannot be used."""
    if not cue.text.strip():
        note(cue.place, "empty: skipped")
        return ""
    if LOST in cue.text:
        note(cue.place, f"{cue.text!r}: a character is lost: skipped with its audio")
        return None
    if keep_notes:
        return join_lines(cue.text.splitlines())
    spoken = _without_credits(cue, note)
    if not spoken.strip():
        return None
    text = split_cue_text(spoken, label)
    removed = " ".join((*text.labels, *text.sound_notes))
    if text.has_untranscribed_speech:
        shown = text.words if text.is_masked else removed
        note(cue.place, f"{shown!r}: may be speech without its words: skipped with its audio")
        return None
    if not text.words:
        note(cue.place, f"{removed!r}: no words: skipped")
        return ""
    _note_changes(cue.place, text, note)
    return text.words


def _without_credits(cue: Cue, note: Note) -> str:
    """Return the lines of a cue that are speech, and note the others."""
    lines = cue.text.splitlines()
    spoken = [line for line in lines if not is_credit(line)]
    if len(spoken) == len(lines):
        return cue.text
    makers = "\n".join(line for line in lines if is_credit(line))
    done = "removed" if any(map(str.strip, spoken)) else "skipped with its audio"
    note(cue.place, f"{makers!r}: credits, not speech: {done}")
    return "\n".join(spoken)


def _note_changes(place: str, text: CueText, note: Note) -> None:
    for label in text.labels:
        note(place, f"{label!r}: removed: says who speaks")
    for sound_note in text.sound_notes:
        note(place, f"{sound_note!r}: removed as a sound, not words")
    for insertion in text.insertions:
        note(place, f"{insertion!r}: kept as words, without its brackets")


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
            kept.append(replace(previous, end=end, text=join_lines([previous.text, cue.text])))
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
