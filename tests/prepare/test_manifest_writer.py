"""The manifest and the notes beside it."""

from helpers.audio import write_tone
from helpers.manifests import write_manifest


def test_only_a_manifest_is_written_anew(tmp_path, prepare):
    """A table, transcript or noise that is named by mistake is kept."""
    write_tone(tmp_path / "noise/hum.wav", 3.0)
    before = (tmp_path / "noise/hum.wav").read_bytes()
    status, _, said = prepare("noises", "noise", out="noise/hum.wav")
    assert status == 2 and "noise/hum.wav: exists, and was not made by `prepare`" in said
    assert (tmp_path / "noise/hum.wav").read_bytes() == before
    mine = write_manifest(tmp_path / "mine.jsonl", [{"audio": "noise/hum.wav", "text": "Hello."}])
    status, rows, said = prepare("noises", "noise", out="mine.jsonl")
    assert status == 2 and "mine.jsonl: exists, and was not made by `prepare`" in said
    assert "Hello." in mine.read_text()
    assert prepare("noises", "noise", "--rows", "3", out="noise/out.jsonl")[0] == 0
    status, rows, said = prepare("noises", "noise", "--rows", "30", out="noise/out.jsonl")
    assert status == 0 and "0 notes" in said  # neither its own files nor the silence it wrote
    assert {row["audio"] for row in rows} == {"hum.wav", "out.silence.flac"}


def test_a_place_that_cannot_be_written_is_named(tmp_path, prepare):
    write_tone(tmp_path / "noise/hum.wav", 3.0)
    (tmp_path / "file").write_text("no folder")
    status, _, said = prepare("noises", "noise", out="file/out.jsonl")
    assert status == 2 and "--out: " in said and "cannot be written" in said
