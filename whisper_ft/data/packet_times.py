"""Find holes between the times of packets, which a recorder leaves that pauses or loses some.

Players pause there. Decoders do not, and so neither does Whisper: every later time has two
meanings, that of captions and that of transcripts.
"""

from __future__ import annotations

import shlex
from collections import Counter
from fractions import Fraction
from pathlib import Path

MAX_HOLE_SECONDS = 0.5  # that may be missing in all
MAX_JITTER_SECONDS = 0.02  # of a time


class PacketTimes:
    """Compares the times of packets or frames with how long they last: a hole is between them."""

    def __init__(self, rate: Fraction, *, frames_are_alike: bool = False) -> None:
        self.rate = rate  # units of time in a second
        self.frames_are_alike = frames_are_alike
        self.first: float | None = None  # times
        self.end: float = 0
        self.filled: float = 0  # time that packets fill
        self.starts: dict[float, float] = {}  # first packet that lasts so long
        self.counts = Counter[float]()  # of packets that last so long
        self.gap_at: float | None = None

    def add(self, start: float, duration: float, lost: float = 0) -> None:
        """Add a packet that begins at a time, after what is `lost` by damage."""
        if self.first is None or start < self.first:  # the next file of a chain
            self.first, self.end, self.filled = start, start, 0
        if self.gap_at is None and start - self.end > MAX_JITTER_SECONDS * self.rate:
            self.gap_at = self.end
        self.end = start + duration
        self.filled += duration + lost
        if self.frames_are_alike:
            self.counts[duration] += 1
            self.starts.setdefault(duration, start)

    @property
    def usual(self) -> float:
        """How long a packet lasts; 0 if they are not alike."""
        return self.counts.most_common(1)[0][0] if self.counts else 0

    @property
    def stretched(self) -> float:
        """The time by which packets last too long; in MP4, one before a hole lasts to its end."""
        usual = self.usual
        return sum((d - usual) * n for d, n in self.counts.items() if d > 1.5 * usual)

    @property
    def missing(self) -> float:
        """The seconds in which nothing is decoded."""
        gaps = self.end - (self.first or 0) - self.filled if self.gap_at is not None else 0
        return float((gaps + self.stretched) / self.rate)

    def expect_no_hole(self, path: Path) -> None:
        """Raise ValueError if more than MAX_HOLE_SECONDS are missing in all."""
        if self.missing <= MAX_HOLE_SECONDS:
            return
        usual = self.usual
        ends = [start + usual for d, start in self.starts.items() if d > 1.5 * usual]
        at = min([*ends, *([] if self.gap_at is None else [self.gap_at])])
        seconds = float((at - (self.first or 0)) / self.rate)
        name = shlex.quote(path.name)
        raise ValueError(
            f"{self.missing:.2f} s are missing after {seconds:.2f} s, where players pause and "
            "Whisper does not: convert it, for times as players show them by "
            f"`ffmpeg -i {name} -af aresample=async=1 new.flac`, for those of Whisper's "
            f"transcripts by `ffmpeg -i {name} new.flac`"
        )
