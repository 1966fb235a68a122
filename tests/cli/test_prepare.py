"""The command `prepare`."""

from whisper_ft.cli.main import main
from whisper_ft.prepare.corpus_formats import CORPUS_FORMATS


def test_the_formats_are_listed_and_wrong_use_is_explained(prepare, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["whisper_ft", "prepare", "--help"])
    assert main() == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("subtitles", "noises", *CORPUS_FORMATS))
    monkeypatch.setattr("sys.argv", ["whisper_ft", "prepare", "nope"])
    assert main() == 2
    assert "no such file or folder" in prepare("nemo", "gone.json")[2]
    assert "--rows: 0: must be at least 1" in prepare("noises", "x", "--rows", "0")[2]
