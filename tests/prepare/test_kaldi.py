"""Data folders of Kaldi to manifests."""

import re

import numpy as np
import pytest
import soundfile
from helpers.audio import write_tone

from whisper_ft.prepare.kaldi import parse_wav


@pytest.mark.parametrize(
    ("entry", "path", "channel"),
    [
        ("a b.wav", "a b.wav", None),
        ("flac -c -d -s a.flac |", "a.flac", None),
        ("flac -cds 'a b.flac'|", "a b.flac", None),
        ("sph2pipe -f wav -p -c 2 /data/a.sph |", "/data/a.sph", 1),
        ("/opt/bin/sph2pipe -f wav a.sph |", "a.sph", None),
        ("sox a.mp3 -t wav - |", "a.mp3", None),
        ("sox -t wav a.wav -r 16000 -b 16 -t wav - rate 16k |", "a.wav", None),
        ("cat a.wav |", "a.wav", None),
        ("ffmpeg -v 8 -i a.mp3 -f wav -ar 16000 -|", "a.mp3", None),
        ("sph2pipe -f wav -c 1 a.sph | sox -t wav - -r 16k -t wav - |", "a.sph", 0),
    ],
)
def test_a_command_that_copies_a_file_stands_for_it(entry, path, channel):
    wav = parse_wav(entry)
    assert (wav.path, wav.channel) == (path, channel)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("sox a.wav -t wav - speed 1.1 |", "speed 1.1 changes the sound"),
        ("sox a.wav -t wav - remix 1 |", "remix 1 changes the sound"),
        ("sox -v 0.9 a.wav -t wav - |", "-v may change the sound"),
        ("sox -r 8000 a.wav -t wav - |", "-r before a file is read as its rate"),
        ("sox a.wav b.wav |", "its output is not -"),
        ("sox a.wav -t wav - trim 5 10 |", "trim 5 10 changes the sound"),
        ("flac -c -d -s --skip=10 a.flac |", "--skip=10 may change the sound"),
        ("flac -c -d -s a.flac | wav-reverberate --shift-output=true - - |", "is not known"),
        ("sph2pipe -f wav -t 5:10 a.sph |", "-t may change the sound"),
        ("ffmpeg -ss 5 -i a.mp3 -f wav - |", "-ss may change the sound"),
        ("ffmpeg -i a.mp3 -af volume=2 -f wav - |", "-af may change the sound"),
        ("rm -rf / |", "rm is not known"),
        ("cat a.wav; rm a.wav |", "3 files"),
        ("cat $(touch ran) |", "2 files"),
        ("cat 'a.wav |", "No closing quotation"),
        ("cat a.wav | cat b.wav |", "cat has no single file"),
        ("|", "no program"),
    ],
)
def test_a_command_that_changes_the_sound_is_refused(entry, why):
    with pytest.raises(ValueError, match=f"that is not run .*{re.escape(why)}.*write its output"):
        parse_wav(entry)


def test_kaldis_channels_are_the_parties_of_a_call(tmp_path, prepare):
    data = tmp_path / "data"
    data.mkdir()
    soundfile.write(data / "call.wav", np.zeros((9 * 16000, 2)), 16000)
    (data / "wav.scp").write_text(
        "call call.wav\ncall-B call.wav\npiped sph2pipe -f wav -c 2 call.wav |\n"
    )
    (data / "segments").write_text(
        "u1 call 0 2 0\nu2 call 1 3 1\nu3 call-B 3 4\nu4 piped 4 5\nu5 call 5 6 -1\n"
    )
    (data / "reco2file_and_channel").write_text("call-B call B\npiped call A\n")
    (data / "utt2lang").write_text("u1 eng\n")
    (data / "text").write_text("".join(f"u{i} word {i}\n" for i in range(1, 6)))
    _, rows, _ = prepare("kaldi", "data")
    assert [row.get("channel") for row in rows] == [0, 1, 1, 1, None]
    assert [row["recording"] for row in rows] == ["call 0", "call 1", "call-B 1", "piped 1", "call"]
    assert rows[0]["language"] == "en"


def test_kaldi_with_segments_is_stretches_of_recordings(tmp_path, prepare):
    data = tmp_path / "data"
    write_tone(data / "talk.wav", 50.0)
    (data / "wav.scp").write_text("talk talk.wav\npiped sox x.sph -t wav - speed 2 |\n")
    (data / "segments").write_text(
        "u1 talk 0.0 4.5\nu2 talk 5 9\nu3 piped 0 1\nu4 talk 10 45\nu6 talk 46 x\n"
    )
    (data / "utt2spk").write_text("u1 ann\nu2\tbob\n")
    (data / "text").write_text("u1 hello there\nu2\tyes\nu3 no\nu4 long\nu5 gone\nu6 odd\n")
    _, rows, said = prepare("kaldi", "data")
    assert rows == [
        {"audio": "data/talk.wav", "text": "hello there", "speaker": "ann", "recording": "talk",
         "start": 0.0, "end": 4.5},
        {"audio": "data/talk.wav", "text": "yes", "speaker": "bob", "recording": "talk",
         "start": 5.0, "end": 9.0},
    ]  # fmt: skip
    for words in (
        "text:3: u3: its audio is a command that is not run (sox x.sph -t wav - speed 2 |: speed 2 "
        "changes the sound): write its output to a file",
        "text:4: 35.00 s: a row may last 30 s",
        "text:5: u5: not in data/segments",
        "text:6: end: 'x': not a number of seconds",
    ):
        assert words in said


def test_kaldi_without_segments_is_a_file_an_utterance(tmp_path, prepare):
    write_tone(tmp_path / "data/u1.wav")
    (tmp_path / "data/wav.scp").write_text(f"u1 {tmp_path / 'data/u1.wav'}\n")
    (tmp_path / "data/text").write_text("u1 hello\nu2 gone\n")
    _, rows, said = prepare("kaldi", "data")
    assert rows == [{"audio": "data/u1.wav", "text": "hello"}]
    assert "u2: not in data/wav.scp" in said


@pytest.mark.parametrize("folder", ["recipe", "recipe/data", "recipe/data/train", "."])
def test_kaldis_paths_are_relative_to_the_recipe_or_wherever_they_are_found(
    tmp_path, prepare, folder
):
    write_tone(tmp_path / folder / "wav/a.wav")
    data = tmp_path / "recipe/data/train"
    data.mkdir(parents=True, exist_ok=True)
    (data / "wav.scp").write_text("a wav/a.wav\n")
    (data / "text").write_text("a hello there\n")
    _, rows, _ = prepare("kaldi", "recipe/data/train")
    assert (tmp_path / rows[0]["audio"]).resolve() == (tmp_path / folder / "wav/a.wav").resolve()
