"""Datasets of Hugging Face `datasets` to manifests."""

from datetime import timedelta

import pytest
from helpers.audio import write_tone


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
