"""A cue of subtitles, and a stretch whose speech has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Cue:
    """A stretch of a recording and its text."""

    start: float  # seconds in the file
    end: float
    text: str
    place: str  # file:line
    markup: str = ""  # the text with its styling, if that may tell a redrawn cue


class RawCues(NamedTuple):
    """The cues of a file as written, and what it says of all of them."""

    cues: list[Cue]
    language: str = ""  # of the speech
    task: str = ""  # translate: the text is English, whatever the language; "": not said


class Gap(NamedTuple):
    """A stretch of untranscribed speech: someone speaks, and no usable cue has the words."""

    start: float  # seconds in the file
    end: float
