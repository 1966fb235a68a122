"""Cues that can be trained on, and the stretches where someone speaks whose words cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from whisper_ft.audio import MAX_SECONDS
from whisper_ft.manifest import CUT_SLACK
from whisper_ft.prepare.raw_cues import Cue, Tell, read_raw_cues

CHARACTERS_A_SECOND = 15.0  # of speech whose cue does not tell how long it is
MAX_TRIMMED = 1.0  # seconds of a cue after the recording's end, which may be the reader's margin
TOUCHING = 0.1  # seconds between cues that repeat each other's lines
NOTE = re.compile(r"\[[^\]]*\]|(?<!\S)\*[^*\d]+\*(?!\w)|\([^()]*\)|[♩♪♫♬]+|(?<!\S)#+(?=\s|$)")
NO_SPEECH = re.compile(
    r"music|musi[ck]|músic|musique|appla|laugh|chuckl|giggl|sigh|cough|sneez|breath|gasp|groan"
    r"|silence|pause|cheer|clap|door|phone|ring|bell|beep|buzz|wind|rain|thunder|knock|footstep"
    r"|bark|engine|siren|gun|shot|explo|bird|noise|static|click|bang|crash|whistl|water|slam",
    re.I,
)
UNHEARD = re.compile(r"inaudible|unintelligible|indistinct|crosstalk|foreign|speak|chatter", re.I)
DASH = re.compile(r"^\s*(?:(?:-|–|—|>>+)\s*)+")
LABEL = re.compile(
    r"^(?:[A-Z][A-Z0-9.'’-]*(?: [A-Z0-9.'’-]+){0,2}|[Ss]peaker[ _]?\w{1,3}):\s+(?=\D)"
)


@dataclass
class Cues:
    """Usable cues in order, none overlapping, and the stretches of speech whose words are not.

    No cue touches such a hole.
    """

    cues: list[Cue] = field(default_factory=list)
    holes: list[tuple[float, float]] = field(default_factory=list)
    language: str = ""  # as whisper's JSON tells it


def read_cues(
    path: Path, duration: float, tell: Tell, *, encoding: str = "", keep_notes: bool = False
) -> Cues:
    """The cues of a subtitle file for a recording of `duration` seconds.

    Styling goes always; speaker labels and sound notes unless `keep_notes`. Whatever is mended or
    left out is told as `tell(place, what)`. Raises ValueError for a file that cannot be read.
    """
    raw, language = read_raw_cues(path, tell, encoding)
    found = Cues(language=language)
    spoken = _in_words(_without_repeats(_in_order(raw, tell), tell), found.holes, tell, keep_notes)
    lasting = _with_length(_within(spoken, duration, found.holes, tell), found.holes, tell)
    apart = _apart(_without_long(lasting, found.holes, tell), found.holes, tell)
    found.cues = _clear_of(apart, found.holes, tell)
    found.holes = sorted((start, min(end, duration)) for start, end in found.holes)
    return found


def without_notes(text: str) -> str:
    """A cue's words: no sound notes, speaker labels or dashes of dialogue."""

    def blank(found: re.Match) -> str:
        note = found.group()
        # in parentheses something may be said
        said = note.startswith("(") and not (note.isupper() or NO_SPEECH.search(note))
        return note if said else " "

    lines = [DASH.sub("", line) for line in NOTE.sub(blank, text).splitlines()]
    unlabelled = [LABEL.sub("", line) for line in lines]
    shouts = all(line.isupper() for line in unlabelled if line.strip())
    return " ".join(" ".join(lines if shouts else unlabelled).split())


def _in_order(cues: list[Cue], tell: Tell) -> list[Cue]:
    for before, cue in pairwise(cues):
        if cue.start < before.start:
            tell(cue.place, f"starts at {cue.start:.2f} s, before the cue above it: sorted")
    return sorted(cues, key=lambda cue: cue.start)


def _without_repeats(cues: Sequence[Cue], tell: Tell) -> list[Cue]:
    """Captions that roll up show a line again below the one before it: each is said once."""
    kept: list[Cue] = []
    shown: list[str] = []  # lines of the cue before, repeated ones included
    until = -1.0
    for cue in cues:
        lines = [" ".join(line.split()) for line in cue.text.splitlines() if line.strip()]
        new = lines
        if cue.start - until <= TOUCHING:
            overlap = next(
                (n for n in range(min(len(lines), len(shown)), 0, -1) if shown[-n:] == lines[:n]), 0
            )
            new = lines[overlap:]
        if lines and not new:
            tell(cue.place, "repeats the cue before it: left out")
        else:
            kept.append(replace(cue, text="\n".join(new)))
        shown, until = lines or shown, max(until, cue.end)
    return kept


def _in_words(
    cues: Sequence[Cue], holes: list[tuple[float, float]], tell: Tell, keep_notes: bool
) -> list[Cue]:
    """Cues reduced to what is said; speech that only a note tells of is a hole."""
    spoken = []
    for cue in cues:
        notes = [] if keep_notes else NOTE.findall(cue.text)
        text = " ".join(cue.text.split()) if keep_notes else without_notes(cue.text)
        unheard = any(UNHEARD.search(note) for note in notes)
        known = all(NO_SPEECH.search(note) or not any(map(str.isalpha, note)) for note in notes)
        if not cue.text.strip():
            tell(cue.place, "empty")
        elif unheard or (not text and not known):
            tell(cue.place, f"{' '.join(notes)!r}: left out, with its speech")
            holes.append((cue.start, max(cue.start, cue.end)))
        elif not text:
            tell(cue.place, f"{' '.join(notes)!r}: no words")
        else:
            spoken.append(replace(cue, text=text))
    return spoken


def _within(
    cues: Sequence[Cue], duration: float, holes: list[tuple[float, float]], tell: Tell
) -> list[Cue]:
    kept = []
    for cue in cues:
        after = cue.end - duration
        if cue.start >= duration:
            tell(cue.place, f"starts at {cue.start:.2f} s, after the recording's end: left out")
        elif after > MAX_TRIMMED:
            tell(cue.place, f"ends {after:.2f} s after the recording: left out, with its speech")
            holes.append((cue.start, duration))
        else:
            if after > CUT_SLACK:
                tell(cue.place, f"ends {after:.2f} s after the recording: trimmed")
            kept.append(replace(cue, end=min(cue.end, duration)))
    return kept


def _with_length(cues: Sequence[Cue], holes: list[tuple[float, float]], tell: Tell) -> list[Cue]:
    """Leave out cues without a length; what they say lasts until the next cue at most."""
    kept = []
    for i, cue in enumerate(cues):
        if cue.end > cue.start:
            kept.append(cue)
            continue
        tell(cue.place, f"lasts {cue.end - cue.start:.2f} s: left out, with its speech")
        ends = [cue.start + len(cue.text) / CHARACTERS_A_SECOND]
        ends += [after.start for after in cues[i + 1 : i + 2] if after.start > cue.start]
        holes.append((cue.start, min(ends)))
    return kept


def _without_long(cues: Sequence[Cue], holes: list[tuple[float, float]], tell: Tell) -> list[Cue]:
    """Leave out cues that no window holds: speech to stay away from, or a caption over others."""
    kept = []
    for cue in cues:
        seconds = cue.end - cue.start
        if seconds <= MAX_SECONDS:
            kept.append(cue)
            continue
        others = (c for c in cues if c is not cue and c.end - c.start <= MAX_SECONDS)
        covered = sum(max(0.0, min(c.end, cue.end) - max(c.start, cue.start)) for c in others)
        if covered > seconds / 2:
            tell(cue.place, f"lasts {seconds:.1f} s over other cues: left out alone, as a caption")
        else:
            tell(cue.place, f"lasts {seconds:.1f} s, more than 30: left out, with its speech")
            holes.append((cue.start, cue.end))
    return kept


def _apart(cues: Sequence[Cue], holes: list[tuple[float, float]], tell: Tell) -> list[Cue]:
    """Cues without overlaps.

    The earlier ends sooner; where half is overlapped, both are one; where that is over 30 s, both
    are left out.
    """
    apart: list[Cue] = []
    for cue in cues:
        overlap = apart[-1].end - cue.start if apart else 0.0
        if overlap <= 0:
            apart.append(cue)
            continue
        last = apart.pop()
        end = max(last.end, cue.end)
        said = f"overlaps the cue before it by {overlap:.2f} s"
        if overlap <= min(last.end - last.start, cue.end - cue.start) / 2:
            tell(cue.place, f"{said}: that one ends sooner")
            apart += [replace(last, end=cue.start), cue]
        elif end - last.start <= MAX_SECONDS:
            tell(cue.place, f"{said}: made one")
            apart.append(replace(last, end=end, text=f"{last.text} {cue.text}"))
        else:
            tell(cue.place, f"{said}: both left out, with their speech")
            holes.append((last.start, end))
    return apart


def _clear_of(cues: Sequence[Cue], holes: list[tuple[float, float]], tell: Tell) -> list[Cue]:
    """Cues that touch no hole; one that does is part of it, which may reach others."""
    clear = list(cues)
    while True:
        touched = [
            cue
            for cue in clear
            if any(min(cue.end, end) - max(cue.start, start) > CUT_SLACK for start, end in holes)
        ]
        if not touched:
            return clear
        for cue in touched:
            tell(cue.place, "overlaps speech that was left out: left out with it")
            holes.append((cue.start, cue.end))
        clear = [cue for cue in clear if cue not in touched]
