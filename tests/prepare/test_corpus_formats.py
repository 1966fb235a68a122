"""Corpora of each format to manifests."""

import csv
import json
import re
from datetime import timedelta

import numpy as np
import pytest
import soundfile
from helpers.audio import write_tone

from whisper_ft.prepare.kaldi import parse_wav


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
    assert (
        status == 2
        and "no words among its columns audio, sentence, speaker: give --columns text=..." in said
    )


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


def test_every_type_of_a_datasets_column_is_converted_or_refused(tmp_path, prepare):
    from datasets import ClassLabel, Dataset, Features, List, Translation, Value

    audio = {"array": [0.1] * 16000, "sampling_rate": 16000}
    names = ClassLabel(names=["ann", "bob"])
    features = Features(
        {
            "audio": {"array": List(Value("float32")), "sampling_rate": Value("int64")},
            "text": Value("large_string"),
            "speaker": names,
            "keywords": List(Value("string")),
            "start": Value("duration[ms]"),
            "title": Translation(["de", "en"]),
        }
    )
    row = {
        "audio": audio,
        "text": "Hi, Ann.",
        "speaker": 1,
        "keywords": ["Ann"],
        "start": timedelta(seconds=0.25),
        "title": {"de": "a", "en": "b"},
    }
    Dataset.from_list([row], features=features).save_to_disk(str(tmp_path / "saved"))
    _, rows, said = prepare("huggingface", "saved")
    assert rows == [
        {
            "audio": "out.audio/0000001.flac",
            "text": "Hi, Ann.",
            "speaker": "bob",
            "keywords": ["Ann"],
            "start": 0.25,
        }
    ]
    assert "columns that are not used: title" in said
    status, _, said = prepare("huggingface", "saved", "--columns", "text=title")
    assert status == 2
    assert "column title: its type Translation cannot be the field text" in said


def test_parquet_files_are_a_dataset(tmp_path, prepare):
    from datasets import Audio, Dataset

    write_tone(tmp_path / "a.wav")
    content = (tmp_path / "a.wav").read_bytes()
    table = {"audio": [{"path": None, "bytes": content}] * 2, "sentence": ["One.", None]}
    dataset = Dataset.from_dict(table).cast_column("audio", Audio(decode=False))
    (tmp_path / "hub/data").mkdir(parents=True)
    dataset.to_parquet(str(tmp_path / "hub/data/train-00000-of-00001.parquet"))
    for source in ("hub", "hub/data", "hub/data/train-00000-of-00001.parquet"):
        _, rows, said = prepare("huggingface", source)
        assert rows == [{"audio": "out.audio/0000001.wav", "text": "One."}]
        assert "row 2: text: missing: add a transcript" in said
    dataset.to_parquet(str(tmp_path / "hub/data/test-00000-of-00001.parquet"))
    status, _, said = prepare("huggingface", "hub")
    assert status == 2
    assert "hub: contains the splits data/test, data/train: give the folder of one" in said


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("data/train-00000-of-00001-ab12.parquet", "data/test-00000-of-00001-ff0a.parquet"),
         "data/test, data/train"),
        (("default/train/0000.parquet", "default/test/0000.parquet"),
         "default/test, default/train"),
        (("train.parquet", "test.parquet"), "test, train"),
        (("en/train-00000-of-00001.parquet", "de/train-00000-of-00001.parquet"),
         "de/train, en/train"),
        (("train-00000-of-00002.parquet", "train-00001-of-00002.parquet"), ""),
    ],
)  # fmt: skip
def test_splits_of_parquet_files_are_not_mixed(tmp_path, prepare, names, splits):
    from datasets import Audio, Dataset

    write_tone(tmp_path / "a.wav")
    table = {"audio": [{"path": None, "bytes": (tmp_path / "a.wav").read_bytes()}], "text": ["A."]}
    dataset = Dataset.from_dict(table).cast_column("audio", Audio(decode=False))
    for name in names:
        (tmp_path / "hub" / name).parent.mkdir(parents=True, exist_ok=True)
        dataset.to_parquet(str(tmp_path / "hub" / name))
    status, rows, said = prepare("huggingface", "hub")
    assert (status, len(rows)) == ((2, 0) if splits else (0, 2))
    assert not splits or f"hub: contains the splits {splits}: give the folder of one" in said


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


def test_a_tsv_of_pandas_has_quotes(tmp_path, prepare):
    write_tone(tmp_path / "a.wav")
    (tmp_path / "t.tsv").write_text('audio\ttext\na.wav\t"He said ""hi"""\na.wav\tFine.\n')
    assert [row["text"] for row in prepare("tsv", "t.tsv")[1]] == ['He said "hi"', "Fine."]
    (tmp_path / "t.tsv").write_text('"audio"\t"text"\n"a.wav"\t"Fine."\n')
    assert [row["text"] for row in prepare("tsv", "t.tsv")[1]] == ["Fine."]
