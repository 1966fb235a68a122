"""Ogg files that follow each other in one file (RFC 3533, section 4), each by libsndfile."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path

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


class OggChain:
    """Read a chain as soundfile reads one file.

    Raises LibsndfileError for a link that cannot be read, ValueError for links of different
    rates or channels.
    """

    format = "OGG"

    def __init__(self, path: Path, links: tuple[int, ...]) -> None:
        self._path, self._links = path, links
        files = [self._open(link) for link in range(len(links))]
        self.samplerate, self.channels = files[0].samplerate, files[0].channels
        if any((f.samplerate, f.channels) != (self.samplerate, self.channels) for f in files):
            raise ValueError(CHANGES)
        self._starts = np.cumsum([0, *(file.frames for file in files)])  # samples
        self.frames = int(self._starts[-1])
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
            link = int(np.searchsorted(self._starts, self._position, side="right")) - 1
            file = self._open(link)
            file.seek(self._position - int(self._starts[link]))
            end = min(last, int(self._starts[link + 1]))
            chunks.append(file.read(end - self._position, dtype=dtype, always_2d=always_2d))
            self._position = end
        return np.concatenate(chunks)

    def _open(self, link: int) -> soundfile.SoundFile:
        start, *rest = self._links[link : link + 2]
        with self._path.open("rb") as file:
            file.seek(start)
            content = file.read(rest[0] - start if rest else -1)
        return soundfile.SoundFile(io.BytesIO(content))
