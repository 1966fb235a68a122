"""Collect what is wrong with several settings, so that all of it can be told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collect(problems: list[str]) -> Iterator[None]:
    """Add the message of a ValueError to `problems` and go on after the block."""
    try:
        yield
    except ValueError as error:
        problems.append(str(error))
