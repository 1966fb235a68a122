"""Corpora of each format to manifests."""

import csv
import json

import pytest
from helpers.audio import write_tone


def test_librispeech_is_its_chapters_in_order(tmp_path, prepare):
    chapter = tmp_path / "LibriSpeech/dev/84/121"
    for i in range(4):
        if i != 2:
            write_tone(chapter / f"84-121-{i:04}.flac")
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
    assert "out.jsonl: 3 rows, 1 note\n" in said
    assert "trans.txt:3: " in (tmp_path / "out.jsonl.notes.txt").read_text()


def test_ljspeech_is_read_as_it_is_spoken(tmp_path, prepare):
    for i in (1, 2):
        write_tone(tmp_path / f"LJ/wavs/LJ001-000{i}.wav")
    (tmp_path / "LJ/metadata.csv").write_text(
        'LJ001-0001|in 1455 "he"|in fourteen fifty-five "he"\nbroken\nLJ001-0002|Only this.|\n'
    )
    _, rows, said = prepare("ljspeech", "LJ")
    assert [row["text"] for row in rows] == ['in fourteen fifty-five "he"', "Only this."]
    assert [row["recording"] for row in rows] == ["LJ001", "LJ001#2"]
    assert "metadata.csv:2: 'broken': no |" in said


def test_common_voice_has_speakers_and_languages(tmp_path, prepare):
    lines = ["client_id\tpath\tsentence\tlocale"]
    for i, locale in enumerate(("de", "zh-CN", "zh-HK", "nb-NO", "sv-SE")):
        write_tone(tmp_path / f"cv/clips/{i}.wav")
        lines.append(f'abc{i}\t{i}.wav\tSay "hi\t{locale}')
    (tmp_path / "cv/validated.tsv").write_text("\n".join(lines))
    _, rows, _ = prepare("commonvoice", "cv/validated.tsv")
    assert [row["language"] for row in rows] == ["de", "zh", "yue", "no", "sv"]
    assert rows[0]["text"] == 'Say "hi' and rows[0]["speaker"] == "abc0"
    assert rows[0]["audio"] == "cv/clips/0.wav"


def test_kaldi_with_segments_is_stretches_of_recordings(tmp_path, prepare):
    data = tmp_path / "data"
    write_tone(data / "talk.wav", 50.0)
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


def test_nemo_has_stretches_languages_and_tasks(tmp_path, prepare):
    write_tone(tmp_path / "a.wav", 10.0)
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


def test_a_table_names_its_columns_as_the_manifest_or_by_columns(tmp_path, prepare):
    write_tone(tmp_path / "clips/a.wav", 3.0)
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
    assert "t.csv:4: no audio" in said
    assert len(prepare("csv", "clips/t.csv", *columns)[1]) == 1
    (tmp_path / "clips/t.tsv").write_text("audio\ttext\na.wav\tHi.\n")
    assert prepare("tsv", "clips/t.tsv")[1] == [{"audio": "clips/a.wav", "text": "Hi."}]
    status, _, said = prepare("csv", "clips/t.csv")
    assert status == 2 and said.count("no audio or text among its columns file, said") == 1
    assert "give --columns audio=... text=..." in said
    (tmp_path / "s.csv").write_text("audio;text\na.wav;Hi.\n")
    status, _, said = prepare("csv", "s.csv")
    assert status == 2 and "among its columns audio;text: give --delimiter" in said


def test_a_dataset_saved_to_disk_gives_its_files_or_its_bytes(tmp_path, prepare):
    from datasets import Audio, Dataset

    write_tone(tmp_path / "a.wav")
    write_tone(tmp_path / "b.wav", hertz=300)
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


def test_a_tsv_has_no_quotes(tmp_path, prepare):
    write_tone(tmp_path / "a.wav")
    (tmp_path / "t.tsv").write_text('audio\ttext\na.wav\t"Hello\na.wav\tworld"\n')
    assert [row["text"] for row in prepare("tsv", "t.tsv")[1]] == ['"Hello', 'world"']


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


def test_a_source_of_another_format_is_refused_with_a_description_of_it(tmp_path, prepare):
    (tmp_path / "folder").mkdir()
    status, _, said = prepare("commonvoice", "folder")
    assert status == 2 and "folder: Is a directory: commonvoice is a TSV of Common Voice" in said
    status, _, said = prepare("kaldi", "folder")
    assert status == 2 and "folder/text: No such file or directory: kaldi is a data folder" in said
