"""Progress bars and log lines: off in a library call, on in the command line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
LOG_SECONDS = 30.0  # between states of a bar in a file
LOGGER = logging.getLogger("whisper_ft")
_enabled = False


def enable_output() -> None:
    """Show progress bars and print log messages, as the command line does."""
    global _enabled
    _enabled = True
    if not any(isinstance(handler, _Handler) for handler in LOGGER.handlers):
        LOGGER.addHandler(_Handler())
        LOGGER.setLevel(logging.INFO)


def progress_bar(
    iterable: Iterable[T] | None = None,
    description: str = "",
    *,
    hidden: bool = False,
    **options: Any,
) -> tqdm[T]:
    """Return a tqdm bar, hidden unless `enable_output` was called; `options` are tqdm's."""
    disable = hidden or not _enabled
    if not sys.stderr.isatty():  # a log, in which every state of the bar stays
        options = {"mininterval": LOG_SECONDS, "maxinterval": LOG_SECONDS} | options
    bar: tqdm[T] = tqdm(iterable, description, disable=disable, **options)  # type: ignore[assignment]
    return bar


class _Handler(logging.Handler):
    """Print messages to standard output without breaking a bar."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        tqdm.write(prefix + record.getMessage(), file=sys.stdout)
