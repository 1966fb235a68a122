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


def test_a_third_column_of_ljspeech_that_is_no_text_is_not_used(tmp_path, prepare):
    for i in (1, 2, 3):
        write_tone(tmp_path / f"LJ/wavs/a{i}.wav")
    (tmp_path / "LJ/metadata.csv").write_text(
        "a1|Author of the danger|john\na2|Hello there.|john\na3|John was late.|john\n"
    )
    _, rows, said = prepare("ljspeech", "LJ")
    assert [row["text"] for row in rows] == [
        "Author of the danger",
        "Hello there.",
        "John was late.",
    ]
    assert (
        "metadata.csv:1: column 3 is not the text of column 2 again: not used, such as 'john'"
        in said
    )
    (tmp_path / "LJ/metadata.csv").write_text("a1|in 1455 he|in fourteen fifty-five he|john\n")
    _, rows, said = prepare("ljspeech", "LJ")
    assert rows[0]["text"] == "in fourteen fifty-five he"
    assert "metadata.csv:1: more than 3 columns: not used, such as 'john'" in said


def test_common_voices_question_is_not_what_was_said_before(tmp_path, prepare):
    write_tone(tmp_path / "cv/audios/a.wav")
    names = "client_id\taudio_id\taudio_file\tprompt_id\tprompt\ttranscription\tlanguage\tsplit"
    line = "ann\t7\ta.wav\t3\tWhat do you eat?\tI eat bread.\tde\ttrain"
    (tmp_path / "cv/ss.tsv").write_text(f"{names}\n{line}\n")
    _, rows, said = prepare("commonvoice", "cv/ss.tsv")
    assert rows == [
        {"audio": "cv/audios/a.wav", "text": "I eat bread.", "speaker": "ann", "language": "de"}
    ]
    assert "ss.tsv:1: columns that are not used: audio_id, prompt_id, prompt, split" in said
    (tmp_path / "cv/a.wav").write_bytes((tmp_path / "cv/audios/a.wav").read_bytes())
    columns = ["--columns", "audio=audio_file", "text=transcription"]
    _, rows, said = prepare("tsv", "cv/ss.tsv", *columns)
    assert "prompt" not in rows[0] and rows[0]["language"] == "de"
    assert "columns that are not used: client_id, audio_id, prompt_id, prompt, split" in said
    _, rows, _ = prepare("tsv", "cv/ss.tsv", *columns, "prompt=prompt")
    assert rows[0]["prompt"] == "What do you eat?"


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


def test_a_manifest_of_jumons_tool_has_its_times_and_prompts(tmp_path, prepare):
    write_tone(tmp_path / "work/audio/a.wav", 5.0)
    records = [
        {"audio_path": "audio/a.wav", "language": "en",
         "text": "<|0.20|>Hello there.<|2.00|><|2.00|>Fine.<|4.50|>",
         "prompt": "<|0.00|>So.<|1.00|>"},
        {"audio_path": "audio/a.wav", "text": "Hello.", "language": "en", "prompt": "", "x": 1},
        {"path": "a.wav"},
    ]  # fmt: skip
    (tmp_path / "work/data").mkdir()
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "work/data/train.json").write_text(lines)
    _, rows, said = prepare("jumon", "work/data/train.json")
    assert rows == [
        {"audio": "work/audio/a.wav", "text": "Hello there. Fine.", "prompt": "So.",
         "segments": [{"start": 0.2, "end": 2.0, "text": "Hello there."},
                      {"start": 2.0, "end": 4.5, "text": "Fine."}], "language": "en"},
        {"audio": "work/audio/a.wav", "text": "Hello.", "language": "en"},
    ]  # fmt: skip
    assert "train.json:3: no audio_path: is it a manifest of that tool?" in said


def test_a_manifest_of_yeyupiaolings_tool_has_its_sentences(tmp_path, prepare):
    write_tone(tmp_path / "dataset/0.wav", 8.0)
    sentences = [
        {"start": 0, "end": 2.5, "text": "近几年"},
        {"start": 2.5, "end": 7, "text": "很好"},
    ]
    records = [
        {"audio": {"path": "dataset/0.wav"}, "sentence": "近几年 很好", "language": "Chinese",
         "sentences": sentences, "duration": 8.0},
        {"audio": {"path": "dataset/0.wav", "start_time": 1.0, "end_time": 3.0},
         "sentence": "几年", "sentences": []},
        {"audio": "dataset/0.wav", "sentence": "x"},
    ]  # fmt: skip
    (tmp_path / "train.json").write_text("".join(json.dumps(r) + "\n" for r in records))
    _, rows, said = prepare("yeyupiaoling", "train.json", "--language", "zh")
    assert rows == [
        {"audio": "dataset/0.wav", "text": "近几年 很好", "segments": sentences,
         "duration": 8.0, "language": "zh"},
        {"audio": "dataset/0.wav", "text": "几年", "start": 1.0, "end": 3.0, "language": "zh"},
    ]  # fmt: skip
    assert "train.json:3: not a line of Whisper-Finetune" in said


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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"audio;text\na.wav;Hi.\n", "t.csv:1: columns are divided by ';'"),
        (b"sep=;\r\naudio;text\r\na.wav;Hi.\r\n", None),
        (b"sep=;\r\naudio;text;start\r\na.wav;Hi.;0,5\r\n", None),
        (b"audio|text\na.wav|Hi.\n", "t.csv:1: columns are divided by '|'"),
        (b"audio,text,,\na.wav,Hi.,,\n", None),
        (b"audio,text\na.wav,Hi.,,\n", None),
        (b"audio,text\n\na.wav,Hi.\n\n", None),
        ("audio,text\na.wav,Hi.\n".encode("utf-16"), None),
        ("audio,text\na.wav,Hi.\n".encode("utf-16-le"), None),
        ("audio,text\na.wav,Hi.\n".encode("utf-8-sig"), None),
    ],
)
def test_a_table_as_spreadsheets_write_it_is_read(tmp_path, prepare, content, told):
    write_tone(tmp_path / "a.wav")
    (tmp_path / "t.csv").write_bytes(content)
    _, rows, said = prepare("csv", "t.csv")
    start = {"start": 0.5} if b"0,5" in content else {}
    assert rows == [{"audio": "a.wav", "text": "Hi.", **start}]
    assert told is None or told in said


def test_a_source_of_another_format_is_refused_with_a_description_of_it(tmp_path, prepare):
    (tmp_path / "folder").mkdir()
    status, _, said = prepare("commonvoice", "folder")
    assert status == 2 and "folder: Is a directory: commonvoice is a TSV of Common Voice" in said
    status, _, said = prepare("kaldi", "folder")
    assert status == 2 and "folder/text: No such file or directory: kaldi is a data folder" in said


@pytest.mark.parametrize(
    ("cell", "keywords"),
    [
        ("Ann; Bob", ["Ann", "Bob"]),
        ('"Ann,Bob"', ["Ann", "Bob"]),
        ("\"['Ann', 'Bob']\"", ["Ann", "Bob"]),
        ('"Ann, and"', ["Ann, and"]),
        ("\"['Ann' 'Bob']\"", ["Ann", "Bob"]),
        ('"[""Ann"", null, ""Bob \\ud83d\\ude00""]"', ["Ann", "Bob 😀"]),
        ('"[Ann, Bob]"', ["Ann", "Bob"]),
    ],
)
def test_keywords_of_a_cell_are_divided_as_people_write_them(tmp_path, prepare, cell, keywords):
    write_tone(tmp_path / "a.wav")
    (tmp_path / "t.csv").write_text(f'audio,text,keywords\na.wav,"call Ann, and Bob 😀",{cell}\n')
    _, rows, _ = prepare("csv", "t.csv")
    assert rows[0]["keywords"] == keywords


def test_a_start_and_a_duration_give_the_end(tmp_path, prepare):
    write_tone(tmp_path / "a.wav", 20.0)
    (tmp_path / "t.csv").write_text("audio,text,start,duration\na.wav,Hi.,2,4\n")
    _, rows, _ = prepare("csv", "t.csv")
    assert (rows[0]["start"], rows[0]["end"]) == (2.0, 6.0)


def test_a_column_of_nemo_that_comes_late_is_told_and_a_missing_one_named(tmp_path, prepare):
    write_tone(tmp_path / "a.wav", 1.0)
    row = {"audio_filepath": "a.wav", "duration": 1.0, "text": "Hi."}
    lines = [row, row | {"language": "es"}, {"audio": "a.wav"}]
    (tmp_path / "m.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, rows, said = prepare("nemo", "m.json")
    assert len(rows) == 2 and "m.json:2: columns that are not used: language" in said
    assert "m.json:3: not a line of a NeMo manifest (no 'duration')" in said
