"""Output is off in a library call and on in the command line."""

import logging

import pytest

from whisper_ft.runtime import progress
from whisper_ft.runtime.progress import enable_output, progress_bar


@pytest.fixture
def as_library(monkeypatch):
    """No command has run in this process."""
    monkeypatch.setattr(progress, "_enabled", False)
    monkeypatch.setattr(progress.LOGGER, "handlers", [])


def test_a_library_call_prints_nothing(as_library, capsys):
    assert list(progress_bar([1, 2], "rows")) == [1, 2]
    logging.getLogger("whisper_ft").info("a fact")
    assert capsys.readouterr() == ("", "")


def test_the_command_line_shows_bars_and_marks_warnings(as_library, capsys):
    enable_output()
    enable_output()  # twice adds no second handler
    assert list(progress_bar([1, 2], "rows")) == [1, 2]
    logging.getLogger("whisper_ft").info("a fact")
    logging.getLogger("whisper_ft").warning("a mistake")
    output = capsys.readouterr()
    assert output.out == "a fact\nwarning: a mistake\n" and "rows: 100%" in output.err
    assert list(progress_bar([1], "secret", hidden=True)) == [1]
    assert "secret" not in capsys.readouterr().err
