"""Ogg files that follow each other in one file (RFC 3533, section 4), each by libsndfile."""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

CHANGES = "changes its rate or channels in the middle: convert it, or split it there"
FIRST_PAGE = re.compile(rb"OggS\0[\2\6]")  # of a link


@lru_cache(maxsize=10_000)
def find_links(path: Path, _: int) -> tuple[int, ...]:
    """Return the byte at which each link of a chain begins; the second argument is its stamp."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return tuple(match.start() for match in FIRST_PAGE.finditer(content))


class _Shape(NamedTuple):
    """The samples of a chain."""

    rate: int  # Hz
    n_channels: int
    starts: tuple[int, ...]  # the first sample of each link, and the one after the last


@lru_cache(maxsize=1_000)
def _measure(path: Path, links: tuple[int, ...], _: int) -> _Shape:
    """Open each link once; the last argument is the file's stamp."""
    kinds, starts = set(), [0]
    for link in range(len(links)):
        with _open(path, links, link) as file:
            kinds.add((file.samplerate, file.channels))
            starts.append(starts[-1] + file.frames)
    if len(kinds) > 1:
        raise ValueError(CHANGES)
    ((rate, n_channels),) = kinds
    return _Shape(rate, n_channels, tuple(starts))


def _open(path: Path, links: tuple[int, ...], link: int) -> soundfile.SoundFile:
    start, *rest = links[link : link + 2]
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(rest[0] - start if rest else -1)
    return soundfile.SoundFile(io.BytesIO(content))


class OggChain:
    """Read a chain as soundfile reads one file; only the links of a stretch are opened.

    Raises LibsndfileError for a link that cannot be read, ValueError for links of different
    rates or channels.
    """

    format = "OGG"

    def __init__(self, path: Path, links: tuple[int, ...], stamp: int) -> None:
        self._path, self._links = path, links
        shape = _measure(path, links, stamp)
        self.samplerate, self.channels = shape.rate, shape.n_channels
        self._starts, self.frames = shape.starts, shape.starts[-1]
        self._position = 0

    def __enter__(self) -> OggChain:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: no link is kept open."""

    def seek(self, sample: int) -> None:
        """Let the next read begin at a sample."""
        self._position = sample

    def read(self, n_samples: int, *, dtype: str, always_2d: bool) -> NDArray[np.float32]:
        """Return samples [n_samples, n_channels], fewer where the chain ends."""
        chunks = []
        last = min(self._position + n_samples, self.frames)
        while self._position < last:
            link = bisect_right(self._starts, self._position) - 1
            end = min(last, self._starts[link + 1])
            with _open(self._path, self._links, link) as file:
                file.seek(self._position - self._starts[link])
                chunks.append(file.read(end - self._position, dtype=dtype, always_2d=always_2d))
            self._position = end
        return np.concatenate(chunks)
