"""Lists of terms in little memory, which forked workers share."""

from __future__ import annotations

import marshal
from array import array


class PackedTerms:
    """A tuple of terms for each row, in two buffers without a Python object per row."""

    def __init__(self) -> None:
        self._packed = bytearray()
        self._ends = array("q", [0])

    def append(self, terms: tuple[str, ...]) -> None:
        """Add the terms of the next row."""
        if terms:
            self._packed += marshal.dumps(terms)
        self._ends.append(len(self._packed))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> tuple[str, ...]:
        """Return the terms of a row, from 0."""
        start, end = self._ends[number], self._ends[number + 1]
        if start == end:
            return ()
        # marshal is safe here: these bytes were made by this process, or by its parent
        terms: tuple[str, ...] = marshal.loads(self._packed[start:end])
        return terms
