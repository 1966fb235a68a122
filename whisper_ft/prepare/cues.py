"""Cues that can be trained on, and the stretches where someone speaks whose words cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS
from whisper_ft.prepare.raw_cues import Cue, Tell, read_raw_cues

CHARACTERS_A_SECOND = 15.0  # of speech whose cue does not tell how long it is
MAX_TRIMMED = 1.0  # seconds of a cue after the recording's end, which may be the reader's margin
FLASH = 0.5  # seconds, of a caption between two states of those that roll up
TOUCHING = 0.1  # seconds between cues that repeat each other's lines
NOTE = re.compile(r"\[[^\]]{0,300}\]|(?<!\S)\*[^*\d]+\*(?!\w)|\([^()]*\)|[♩♪♫♬]+|(?<!\S)#+(?=\s|$)")
MAX_NOTE = 4  # words of a note that stands as words may, in parentheses or between asterisks
NO_SPEECH = re.compile(
    r"\b(?:musi[ckq]\w*|músic\w*|applau\w*|laugh\w*|chuckl\w*|giggl\w*|sigh\w*|cough\w*"
    r"|sneez\w*|breath\w*|gasp\w*|groan\w*|silence|pauses?|cheer\w*|clap\w*|doors?|phones?"
    r"|ring\w*|bells?|beep\w*|buzz\w*|wind|rain|thunder|knock\w*|footsteps?|bark\w*|engines?"
    r"|sirens?|guns?|gunshots?|shots?|explosions?|birds?|nois\w*|static|click\w*|bang\w*|crash\w*"
    r"|whistl\w*|water|slam\w*)\b",
    re.I,
)
UNHEARD = re.compile(
    r"\b(?:inaudible|unintelligible|indistinct\w*|crosstalk|foreign|speaks?|speaking|chatter\w*)\b",
    re.I,
)
DASH = re.compile(r"^\s*(?:(?:-|–|—|>>+)\s*)+")
SPEAKER = r"(?:speaker|spk)[ _-]?\w{1,3}"
NAMED = re.compile(
    rf"^[^\S\n]*(?:\[[^\]]{{0,300}}\][^\S\n]*:|\[{SPEAKER}\]|\({SPEAKER}\)[^\S\n]*:?)", re.I | re.M
)
LABEL = re.compile(rf"^(?:[A-Z][A-Z0-9.'’-]*(?: [A-Z0-9.'’-]+){{0,2}}|(?i:{SPEAKER})):\s+(?=\D)")


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
    ordered = _in_order(raw, tell)
    if path.suffix.lower() != ".json":  # whisper's segments never roll up
        ordered = _without_repeats(ordered, found.holes, tell)
    spoken = _in_words(ordered, found.holes, tell, keep_notes)
    lasting = _with_length(_within(spoken, duration, found.holes, tell), found.holes, tell)
    apart = _apart(_without_long(lasting, found.holes, tell), found.holes, tell)
    found.cues = _clear_of(apart, found.holes, tell)
    found.holes = sorted((start, min(end, duration)) for start, end in found.holes)
    return found


def without_notes(text: str) -> str:
    """A cue's words: no sound notes, speaker labels or dashes of dialogue."""
    heard = NOTE.sub(lambda found: " " if _is_note(found.group()) else found.group(), text)
    lines = [DASH.sub("", line) for line in heard.splitlines()]
    unlabelled = [LABEL.sub("", line) for line in lines]
    shouts = all(line.isupper() for line in unlabelled if line.strip())
    return " ".join(" ".join(lines if shouts else unlabelled).split())


def _is_note(note: str) -> bool:
    """Whether what stands in brackets or the like is not said.

    In parentheses, or between asterisks, something may be.
    """
    if note[0] not in "(*":
        return True
    a_sound = NO_SPEECH.search(note) and len(note.split()) <= MAX_NOTE
    return bool(a_sound or UNHEARD.search(note) or (note.isupper() and note[0] == "("))


def _in_order(cues: list[Cue], tell: Tell) -> list[Cue]:
    for before, cue in pairwise(cues):
        if cue.start < before.start:
            tell(cue.place, f"starts at {cue.start:.2f} s, before the cue above it: sorted")
    return sorted(cues, key=lambda cue: cue.start)


def _without_repeats(
    cues: Sequence[Cue], holes: list[tuple[float, float]], tell: Tell
) -> list[Cue]:
    """Captions that roll up show a line again below the one before it: each is said once.

    One that shows nothing new for a while may be said again: nobody can tell.
    """
    kept: list[Cue] = []
    format_score: list[str] = []  # lines of the cue before, repeated ones included
    until = -1.0
    for cue in cues:
        lines = [" ".join(line.split()) for line in cue.text.splitlines() if line.strip()]
        new = lines
        if cue.start - until <= TOUCHING:
            overlap = next(
                (
                    n
                    for n in range(min(len(lines), len(format_score)), 0, -1)
                    if format_score[-n:] == lines[:n]
                ),
                0,
            )
            new = lines[overlap:]
        if lines and not new and cue.end - cue.start <= FLASH:
            tell(cue.place, "repeats the cue before it: left out")
        elif lines and not new:
            tell(cue.place, "repeats the cue before it for a while: left out, with its speech")
            holes.append((cue.start, cue.end))
        else:
            kept.append(replace(cue, text="\n".join(new)))
        format_score, until = lines or format_score, max(until, cue.end)
    return kept


def _in_words(
    cues: Sequence[Cue], holes: list[tuple[float, float]], tell: Tell, keep_notes: bool
) -> list[Cue]:
    """Cues reduced to what is said; speech that only a note tells of is a hole."""
    spoken = []
    for cue in cues:
        named = NAMED.sub(lambda f: f.group() if UNHEARD.search(f.group()) else "", cue.text)
        notes = [] if keep_notes else [note for note in NOTE.findall(named) if _is_note(note)]
        text = " ".join(cue.text.split()) if keep_notes else without_notes(named)
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
            for note in (note for note in notes if note[0] in "(*"):
                tell(cue.place, f"{note!r}: taken for a sound, not words")
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
        seconds = round(cue.end - cue.start, 3)
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
            if any(min(cue.end, end) - max(cue.start, start) > _slack(cue) for start, end in holes)
        ]
        if not touched:
            return clear
        for cue in touched:
            tell(cue.place, "overlaps speech that was left out: left out with it")
            holes.append((cue.start, cue.end))
        clear = [cue for cue in clear if cue not in touched]


def _slack(cue: Cue) -> float:
    """Seconds of a cue that may lie in a hole."""
    return min(CUT_SLACK, (cue.end - cue.start) / 2)
