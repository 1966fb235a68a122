"""A write with torch that is interrupted leaves nothing behind."""

import io
from pathlib import Path

import pytest
import torch

from whisper_ft.runtime.torch_files import save_atomically


def test_ctrl_c_in_a_write_is_no_error_of_torchs(tmp_path, monkeypatch):
    """torch's writer finds a file shorter than it should be, and says that instead."""

    class Interrupted(io.FileIO):
        def write(self, content):
            if self.tell() > 1000:
                raise KeyboardInterrupt
            return super().write(content)

    monkeypatch.setattr(Path, "open", lambda path, mode: Interrupted(path, mode))
    with pytest.raises(KeyboardInterrupt):
        save_atomically(tmp_path / "a.pt", {"a": torch.zeros(10**5)})
    assert not list(tmp_path.iterdir())
