"""Corpora and subtitled recordings to manifests, through the command."""

import csv
import json

import numpy as np
import pytest
import soundfile
from conftest import tone

from whisper_ft.__main__ import main
from whisper_ft.audio import read_audio
from whisper_ft.check import check_manifest
from whisper_ft.manifest import read_manifest
from whisper_ft.prepare.commands import FORMATS
from whisper_ft.weights import Vocabulary


def sound(path, seconds=1.0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, **options), 16000)


@pytest.fixture
def prepare(tmp_path, monkeypatch, capsys):
    """Run the command; (status, rows written, what was said)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*argv, out="out.jsonl"):
        monkeypatch.setattr("sys.argv", ["whisper_ft", "prepare", *argv, "--out", out])
        status = main()
        said = capsys.readouterr()
        manifest = tmp_path / out if out.endswith(".jsonl") else tmp_path / out / "manifest.jsonl"
        rows = []
        if status == 0:
            rows = [json.loads(line) for line in manifest.read_text().splitlines()]
            read = read_manifest(manifest)
            checked = check_manifest(read, Vocabulary(True, 100, 448))
            assert not checked.problems, checked.problems
        return status, rows, said.out + said.err

    return run


# --- corpora


def test_librispeech_is_its_chapters_in_order(tmp_path, prepare):
    chapter = tmp_path / "LibriSpeech/dev/84/121"
    for i in range(4):
        if i != 2:
            sound(chapter / f"84-121-{i:04}.flac")
    lines = [f"84-121-{i:04} SAY {word}\n" for i, word in enumerate(("ONE", "TWO", "THREE", "4"))]
    (chapter / "84-121.trans.txt").write_text("".join(lines))
    status, rows, said = prepare("librispeech", "LibriSpeech", "--lowercase", "--language", "en")
    assert status == 0 and "84-121-0002.flac: no such file" in said
    assert rows[0] == {
        "audio": "LibriSpeech/dev/84/121/84-121-0000.flac",
        "text": "say one",
        "speaker": "84",
        "recording": "84-121",
        "language": "en",
    }
    # what follows the missing row has no previous text
    assert [row["recording"] for row in rows] == ["84-121", "84-121", "84-121#2"]
    assert "out.jsonl: 3 rows, 1 notes" in said
    assert "trans.txt:3: " in (tmp_path / "out.jsonl.notes.txt").read_text()


def test_ljspeech_is_read_as_it_is_spoken(tmp_path, prepare):
    for i in (1, 2):
        sound(tmp_path / f"LJ/wavs/LJ001-000{i}.wav")
    (tmp_path / "LJ/metadata.csv").write_text(
        'LJ001-0001|in 1455 "he"|in fourteen fifty-five "he"\nbroken\nLJ001-0002|Only this.|\n'
    )
    _, rows, said = prepare("ljspeech", "LJ")
    assert [row["text"] for row in rows] == ['in fourteen fifty-five "he"', "Only this."]
    assert [row["recording"] for row in rows] == ["LJ001", "LJ001#2"]
    assert "metadata.csv:2: 'broken': no |" in said


def test_common_voice_tells_speakers_and_languages(tmp_path, prepare):
    lines = ["client_id\tpath\tsentence\tlocale"]
    for i, locale in enumerate(("de", "zh-CN", "zh-HK", "nb-NO", "sv-SE")):
        sound(tmp_path / f"cv/clips/{i}.wav")
        lines.append(f'abc{i}\t{i}.wav\tSay "hi\t{locale}')
    (tmp_path / "cv/validated.tsv").write_text("\n".join(lines))
    _, rows, _ = prepare("commonvoice", "cv/validated.tsv")
    assert [row["language"] for row in rows] == ["de", "zh", "yue", "no", "sv"]
    assert rows[0]["text"] == 'Say "hi' and rows[0]["speaker"] == "abc0"
    assert rows[0]["audio"] == "cv/clips/0.wav"


def test_kaldi_with_segments_is_stretches_of_recordings(tmp_path, prepare):
    data = tmp_path / "data"
    sound(data / "talk.wav", 50.0)
    (data / "wav.scp").write_text("talk talk.wav\npiped sox x.sph -t wav - |\n")
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
        "text:3: u3: its audio is a command (sox x.sph",
        "text:4: 35.00 s long, and a row is of up to 30 s",
        "text:5: u5: not in data/segments",
        "text:6: end: 'x': not a number",
    ):
        assert words in said


def test_kaldi_without_segments_is_a_file_an_utterance(tmp_path, prepare):
    sound(tmp_path / "data/u1.wav")
    (tmp_path / "data/wav.scp").write_text(f"u1 {tmp_path / 'data/u1.wav'}\n")
    (tmp_path / "data/text").write_text("u1 hello\nu2 gone\n")
    _, rows, said = prepare("kaldi", "data")
    assert rows == [{"audio": "data/u1.wav", "text": "hello"}]
    assert "u2: not in data/wav.scp" in said


def test_nemo_tells_stretches_languages_and_tasks(tmp_path, prepare):
    sound(tmp_path / "a.wav", 10.0)
    records = [
        {"audio_filepath": "a.wav", "duration": 10.0, "text": "hi"},
        {"audio_filepath": "a.wav", "duration": 2.5, "offset": 3.0, "text": "b", "lang": "de"},
        {"audio_filepath": "a.wav", "duration": 10.0, "text": "c", "source_lang": "de",
         "target_lang": "en"},
        {"audio_filepath": "a.wav", "duration": 10.0, "text": "d", "source_lang": "de",
         "target_lang": "fr"},
        {"text": "e"},
    ]  # fmt: skip
    (tmp_path / "m.json").write_text("".join(json.dumps(r) + "\n" for r in records) + "nope\n")
    _, rows, said = prepare("nemo", "m.json")
    assert rows[0] == {"audio": "a.wav", "text": "hi", "duration": 10.0}
    assert rows[1]["start"] == 3.0 and rows[1]["end"] == 5.5 and rows[1]["language"] == "de"
    assert rows[2]["task"] == "translate" and len(rows) == 3
    assert "m.json:4: target_lang: fr: Whisper translates to English only" in said
    assert "m.json:5: not a line of a NeMo" in said and "m.json:6: not a line" in said


def test_a_table_names_its_columns_as_the_manifest_or_as_told(tmp_path, prepare):
    sound(tmp_path / "clips/a.wav", 3.0)
    rows = [
        ("file", "said", "terms", "from", "note"),
        ("a.wav", "Hi, Ann\n Lee", "Ann; Lee", 1, "x"),
    ]
    with (tmp_path / "clips/t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([*rows, ("", "no audio", "", "", ""), ("a.wav", "", "", "", "")])
    columns = ["--columns", "audio=file", "text=said", "keywords=terms", "start=from"]
    _, written, said = prepare("csv", "clips/t.csv", *columns, "--empty-is-silence")
    assert written == [
        {"audio": "clips/a.wav", "text": "Hi, Ann\n Lee", "keywords": ["Ann", "Lee"], "start": 1.0},
        {"audio": "clips/a.wav", "text": ""},
    ]
    assert "t.csv:4: no audio or text in its columns file, said" in said
    assert len(prepare("csv", "clips/t.csv", *columns)[1]) == 1
    (tmp_path / "clips/t.tsv").write_text("audio\ttext\na.wav\tHi.\n")
    assert prepare("tsv", "clips/t.tsv")[1] == [{"audio": "clips/a.wav", "text": "Hi."}]
    status, _, said = prepare("csv", "clips/t.csv")
    assert status == 2 and "give --columns" in said and "holds no row of csv" in said


def test_a_dataset_saved_to_disk_gives_its_files_or_its_bytes(tmp_path, prepare):
    from datasets import Audio, Dataset

    sound(tmp_path / "a.wav")
    sound(tmp_path / "b.wav", hertz=300)
    held = [
        {"path": str(tmp_path / "a.wav"), "bytes": None},
        {"path": "inside.wav", "bytes": (tmp_path / "b.wav").read_bytes()},
    ]
    dataset = Dataset.from_dict(
        {"audio": held, "sentence": ["One.", "Two."], "speaker": ["x", "y"]}
    )
    dataset = dataset.cast_column("audio", Audio(decode=False))
    dataset.save_to_disk(str(tmp_path / "saved"))
    _, rows, _ = prepare("huggingface", "saved", "--language", "en")
    assert (
        rows[0]["audio"] == "out.audio/0000001.wav"
        and rows[0]["text"] == "One."
        and rows[1]["speaker"] == "y"
    )
    assert rows[1]["audio"] == "out.audio/0000002.wav"
    assert (tmp_path / rows[1]["audio"]).read_bytes() == (tmp_path / "b.wav").read_bytes()
    status, _, said = prepare("huggingface", "saved", "--columns", "text=words")
    assert status == 2 and "no column words among audio, sentence, speaker: give --columns" in said


def test_a_noise_folder_makes_rows_in_which_nobody_speaks(tmp_path, prepare):
    sound(tmp_path / "noise/long.wav", 40.0)
    sound(tmp_path / "noise/sub/short.wav", 2.0)
    sound(tmp_path / "noise/click.wav", 0.2)
    (tmp_path / "noise/LICENCE.txt").write_text("free")
    _, rows, said = prepare("noises", "noise", "--rows", "60")
    assert len(rows) == 60 and {row["text"] for row in rows} == {""}
    heard = {row["audio"] for row in rows}
    assert heard == {"noise/long.wav", "noise/sub/short.wav", "out.silence.flac"}
    lengths = [row["end"] - row["start"] for row in rows]
    assert min(lengths) > 0.9 and 20 < max(lengths) <= 30
    assert not read_audio(tmp_path / "out.silence.flac").any()
    assert "LICENCE.txt" in said
    assert rows == prepare("noises", "noise", "--rows", "60")[1]
    (tmp_path / "empty").mkdir()
    assert "no audio of 1 s or more" in prepare("noises", "empty")[2]


# --- subtitles


SRT = "1\n00:00:01,000 --> 00:00:20,000\nOne.\n\n2\n00:00:20,500 --> 00:00:33,000\nTwo.\n"


def test_a_subtitled_recording_becomes_windows_of_the_original(tmp_path, prepare):
    sound(tmp_path / "talk.wav", 40.0)
    (tmp_path / "talk.de.srt").write_text(SRT)
    _, rows, _ = prepare("subtitles", "talk.wav", "talk.de.srt", out="made")
    assert [(row["text"], row["recording"], row["language"]) for row in rows] == [
        ("One.", "talk", "de"),
        ("Two.", "talk", "de"),
    ]
    assert rows[0]["audio"] == str(tmp_path / "talk.wav")
    assert rows[0]["segments"][1]["text"] == "Two." and rows[1]["start"] == 20.5
    assert not (tmp_path / "made/audio").exists()


def test_windows_are_copied_when_asked(tmp_path, prepare):
    sound(tmp_path / "talk.wav", 40.0)
    (tmp_path / "talk.srt").write_text(SRT)
    _, rows, _ = prepare("subtitles", "talk.wav", "talk.srt", "--copy-audio", out="made")
    assert rows[1]["audio"] == "audio/talk-0002.flac" and "start" not in rows[1]
    original = read_audio(tmp_path / "talk.wav", 20.5, 40.0)
    copied = read_audio(tmp_path / "made" / rows[1]["audio"])
    assert np.abs(original - copied).max() < 1e-4


def test_a_folder_is_paired_by_name_and_all_that_lack_a_counterpart_are_named(tmp_path, prepare):
    for name in ("a", "b"):
        sound(tmp_path / f"talks/{name}.wav", 40.0)
    (tmp_path / "talks/a.en.srt").write_text(SRT)
    (tmp_path / "talks/c.vtt").write_text("WEBVTT\n")
    status, _, said = prepare("subtitles", "talks", out="made")
    assert status == 2 and "b.wav: 0 subtitle files of its name" in said
    assert "c.vtt: no recording of its name" in said
    (tmp_path / "talks/c.vtt").rename(tmp_path / "talks/b.vtt")
    status, _, said = prepare("subtitles", "talks", out="made")
    assert status == 2 and "b.vtt: holds no cue" in said
    (tmp_path / "talks/b.vtt").write_text(SRT.replace(",", "."))
    _, rows, _ = prepare("subtitles", "talks", out="made")
    assert [row["recording"] for row in rows] == ["a", "a", "b", "b"]


def test_a_call_with_a_party_a_channel_has_a_recording_for_each(tmp_path, prepare):
    left, right = tone(40.0), tone(40.0, hertz=300)
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), 16000)
    for side in ("ann", "bob"):
        (tmp_path / f"{side}.srt").write_text(SRT.replace("One", side))
    _, rows, _ = prepare("subtitles", "call.wav", "ann.srt", "bob.srt", "--channels", out="made")
    assert [(row.get("channel"), row["text"], row["recording"]) for row in rows] == [
        (0, "ann.", "call channel 0"),
        (0, "Two.", "call channel 0"),
        (1, "bob.", "call channel 1"),
        (1, "Two.", "call channel 1"),
    ]


def test_speech_that_was_left_out_ends_the_previous_text(tmp_path, prepare):
    sound(tmp_path / "talk.wav", 60.0)
    broken = (
        SRT
        + "\n3\n00:00:40,000 --> 00:00:40,000\nLost.\n\n4\n00:00:45,000 --> 00:00:50,000\nNew.\n"
    )
    (tmp_path / "talk.srt").write_text(broken)
    _, rows, said = prepare("subtitles", "talk.wav", "talk.srt", "--language", "en", out="made")
    spoken = [(row["recording"], row["text"]) for row in rows if row["text"]]
    assert spoken == [("talk", "One."), ("talk", "Two."), ("talk#2", "New.")]
    assert "talk.srt:10: lasts 0.00 s: left out, with its speech" in said


# --- the door


def test_the_formats_are_listed_and_wrong_use_is_told(prepare, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["whisper_ft", "prepare", "--help"])
    assert main() == 0
    said = capsys.readouterr().out
    assert all(name in said for name in FORMATS)
    monkeypatch.setattr("sys.argv", ["whisper_ft", "prepare", "nope"])
    assert main() == 2
    assert "no such file or folder" in prepare("nemo", "gone.json")[2]
    assert "--rows: 0: must be at least 1" in prepare("noises", "x", "--rows", "0")[2]


def test_an_interrupted_or_failed_run_leaves_no_half_manifest(tmp_path, prepare):
    (tmp_path / "m.json").write_bytes(b'{"text": "\xff"}\n')
    status, _, said = prepare("nemo", "m.json")
    assert status == 2 and "m.json: not UTF-8" in said
    assert not list(tmp_path.glob("out.jsonl")) + list(tmp_path.glob("*.partial"))


def test_what_prepare_writes_check_can_read_and_the_rest_is_told(tmp_path, prepare):
    sound(tmp_path / "a.wav", 10.0)
    records = [
        {"audio_filepath": "a.wav", "duration": 10.0, "text": None},
        {"audio_filepath": "a.wav", "duration": 10.0, "text": ""},
        {"audio_filepath": "a.wav", "duration": 10.0, "text": "Yes.", "speaker": 92},
    ]
    (tmp_path / "m.json").write_text("".join(json.dumps(r) + "\n" for r in records))
    _, rows, said = prepare("nemo", "m.json")
    assert [(row["text"], row["speaker"]) for row in rows] == [("Yes.", "92")]
    assert "m.json:1: text: None: nothing is told" in said
    assert [row["text"] for row in prepare("nemo", "m.json", "--empty-is-silence")[1]] == [
        "",
        "Yes.",
    ]
    (tmp_path / "t.csv").write_text(
        "audio,text,channel\na.wav,Hi.,-1\na.wav,Hello, world,0\na.wav\n"
    )
    status, _, said = prepare("csv", "t.csv")
    assert status == 2 and "t.csv:2: channel: -1: expected a channel" in said
    assert "t.csv:3: more values than the 3 columns" in said
    assert "t.csv:4: fewer values than the 3 columns" in said


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--columns", "promt=p"), "--columns: promt: give field=column"),
        (("--columns", "text"), "--columns: text: give field=column"),
        (("--delimiter", ";;"), "--delimiter: ';;': give one character"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, prepare, argv, words):
    (tmp_path / "t.csv").write_text("audio,text\n")
    status, _, said = prepare("csv", "t.csv", *argv)
    assert status == 2 and words in said
    assert "is a folder or the source" in prepare("csv", "t.csv", out="t.csv")[2]
    (tmp_path / "d.csv").write_text("audio,text,text\n")
    assert "a name comes twice" in prepare("csv", "d.csv")[2]


def test_a_tsv_has_no_quotes(tmp_path, prepare):
    sound(tmp_path / "a.wav")
    (tmp_path / "t.tsv").write_text('audio\ttext\na.wav\t"Hello\na.wav\tworld"\n')
    assert [row["text"] for row in prepare("tsv", "t.tsv")[1]] == ['"Hello', 'world"']


def test_names_with_dots_are_paired_whole_and_folders_hold_other_files(tmp_path, prepare):
    for name in ("talk.part1", "talk.part2"):
        sound(tmp_path / f"in/{name}.wav", 40.0)
        (tmp_path / f"in/{name}.pt-BR.srt").write_text(SRT)
    for name in (".DS_Store", "README.txt", "info.json"):
        (tmp_path / "in" / name).write_text("{}")
    _, rows, _ = prepare("subtitles", "in", out="in")
    assert {(row["recording"], row["language"]) for row in rows} == {
        ("talk.part1", "pt"),
        ("talk.part2", "pt"),
    }
    assert prepare("subtitles", "in", out="in")[1] == rows  # its own output is no input
    assert "whisper has no such one" in prepare("subtitles", "in", "--language", "klingon")[2]


def test_two_recordings_of_one_name_are_refused(tmp_path, prepare):
    for folder in ("a", "b"):
        sound(tmp_path / folder / "talk.wav", 40.0)
        (tmp_path / folder / "talk.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "a", "b", out="made")
    assert status == 2 and "talk: 2 recordings of that name: rename" in said


def test_where_subtitles_end_early_the_rest_is_no_silence(tmp_path, prepare):
    sound(tmp_path / "talk.wav", 300.0)
    (tmp_path / "talk.srt").write_text(SRT)
    for seed in range(20):
        argv = ("talk.wav", "talk.srt", "--seed", str(seed))
        _, rows, said = prepare("subtitles", *argv, out="made")
        assert max(row["end"] for row in rows) <= 33 + 60
    assert "subtitles end at 33 s, the recording at 300 s" in said
    assert "tells no language" in said


def test_a_channel_that_a_call_lacks_is_refused(tmp_path, prepare):
    sound(tmp_path / "call.wav", 40.0)
    for side in ("ann", "bob"):
        (tmp_path / f"{side}.srt").write_text(SRT)
    status, _, said = prepare("subtitles", "call.wav", "ann.srt", "bob.srt", "--channels")
    assert status == 2 and "call.wav: its channels are 1, and bob.srt is for another" in said
