"""Save with torch so that an interrupted write loses nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from whisper_ft.runtime.files import flush_folder, partial_path


def save_atomically(path: Path, content: Any) -> None:
    """Save under a temporary name with `torch.save`, flush to disk, then rename."""
    os.replace(save_partial(path, content), path)
    flush_folder(path.parent)


def save_partial(path: Path, content: Any) -> Path:
    """Save what is to become `path` beside it, flush it, and return the temporary path.

    A failed write removes the temporary file. Raises OSError.
    """
    partial = partial_path(path)
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        partial.unlink(missing_ok=True)
        cause = error.__context__  # torch hides it behind a RuntimeError
        if isinstance(cause, OSError):
            raise OSError(cause.errno, cause.strerror, str(path)) from None
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return partial
