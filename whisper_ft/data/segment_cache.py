"""Remember the segments that a model found in rows, in a JSON Lines file."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from whisper_ft.data.audio_info import file_stamp
from whisper_ft.data.row import Row
from whisper_ft.runtime.files import append_json_lines, read_json_lines
from whisper_ft.text.tokens import Segment

LOGGER = logging.getLogger("whisper_ft")


class SegmentCache:
    """Segments by key, read once and appended to.

    Several files may be joined, and a line that an interruption cut short or that is damaged is
    skipped: its segments are found again. Where the file cannot be read or written, segments are
    kept in memory, and a warning says so once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._segments: dict[str, tuple[Segment, ...]] = {}
        self._is_on_disk = True
        try:
            self._read()
        except OSError as error:
            self._leave_disk(error)

    def _read(self) -> None:
        for record in read_json_lines(self.path):
            with suppress(KeyError, TypeError, ValueError):
                self._segments[record["key"]] = _parse_segments(record["segments"])
        if self.path.exists() and not self.path.read_bytes().endswith(b"\n"):
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")  # else the next line would join the one that was cut short

    def _leave_disk(self, error: OSError) -> None:
        self._is_on_disk = False
        LOGGER.warning(
            f"{self.path}: {error.strerror or error}: the segments found now are not remembered, "
            "and the next run finds them again"
        )

    def __len__(self) -> int:
        return len(self._segments)

    def get(self, key: str) -> tuple[Segment, ...] | None:
        """Return the segments of a key, in order; None for an unknown key."""
        return self._segments.get(key)

    def add(self, found: Mapping[str, Sequence[Segment]]) -> None:
        """Remember segments, in memory and on disk."""
        self._segments |= {key: tuple(segments) for key, segments in found.items()}
        records = [
            {"key": key, "segments": [[*segment] for segment in segments]}
            for key, segments in found.items()
        ]
        if not self._is_on_disk:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            append_json_lines(self.path, records)
        except OSError as error:
            self._leave_disk(error)


def segment_key(row: Row, *inputs: str) -> str:
    """Return the key of a row's segments: its audio files, their stamps, and other `inputs`.

    `inputs` name all else that decides the segments, such as the row's text and a hash of the
    model. Raises OSError for an audio file that cannot be read.
    """
    parts = [
        (os.path.abspath(p.audio), file_stamp(p.audio), p.start, p.end, p.channel)
        for p in row.parts or (row,)
    ]
    content = json.dumps([parts, row.language, row.task, *inputs])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _parse_segments(values: Iterable[Sequence[Any]]) -> tuple[Segment, ...]:
    """Return segments as `add` wrote them. Raises ValueError or TypeError for anything else."""
    segments = []
    for start, end, text in values:
        times = [float(start), *([] if end is None else [float(end)])]
        if not (isinstance(text, str) and all(map(math.isfinite, times))):
            raise ValueError(f"{start} to {end}: {text!r}")
        segments.append(Segment(times[0], None if end is None else times[1], text))
    return tuple(segments)
