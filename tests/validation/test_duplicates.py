"""Rows that share audio or words with an earlier manifest."""

import numpy as np
import pytest
import soundfile
from helpers.audio import tone
from helpers.validation import write_and_check

from whisper_ft.validation.duplicates import compare_manifests, describe_shared_rows


def test_rows_that_an_earlier_manifest_contains_have_a_warning(folder):
    train = write_and_check(
        folder,
        {"audio": "0.wav", "text": "Hello there, Ann."},
        {"audio": "1.wav", "text": "How are you?", "speaker": "x"},
        name="train.jsonl",
    )
    dev = write_and_check(
        folder,
        {"audio": "0.wav", "text": "Hello!"},
        {"audio": "2.wav", "text": "how are  you?", "speaker": "x"},
        {"audio": "2.wav", "text": "How are you?", "speaker": "y", "start": 1.0},
        name="dev.jsonl",
    )
    of_train, of_dev = compare_manifests([train.rows, dev.rows])
    assert not of_train
    assert [warning.what.split(" in ")[0] for warning in of_dev] == [
        "audio: 2.0 s of it are also",
        "text: also spoken by the same speaker",
    ]


def test_words_of_unknown_speakers_have_a_warning_only_if_they_are_distinctive(folder):
    texts = ("Yes.", "One two three four.")
    both = [
        write_and_check(
            folder, *[{"audio": f"{i}.wav", "text": text} for text in texts], name=f"{i}.jsonl"
        )
        for i in range(2)
    ]
    _, warnings = compare_manifests([checked.rows for checked in both])
    assert [warning.what for warning in warnings] == [f"text: also spoken in '{folder}/0.jsonl:2'"]


@pytest.mark.parametrize(
    ("stretch", "seconds"),
    [
        ({"start": 1.0, "end": 2.0}, 0.5),  # the end of the earlier row is its beginning
        ({"start": 0.2, "end": 0.8}, 0.3),
        ({"start": 1.5, "end": 2.0}, None),  # right after it
        ({"start": 0.0, "end": 0.48}, None),  # the slack of times
        ({"start": 1.0, "end": 2.0, "channel": 0}, 0.5),  # a part of the mix
    ],
)
def test_stretches_that_overlap_are_the_same_audio(folder, stretch, seconds):
    train = write_and_check(
        folder,
        {"audio": "0.wav", "text": "Hello there, Ann.", "start": 0.5, "end": 1.5},
        {"audio": "0.wav", "text": "Hello there, Ann.", "start": 0.4, "end": 0.55},
        name="train.jsonl",
    )
    dev = write_and_check(
        folder, {"audio": "./0.wav", "text": "Hi, Bo.", **stretch}, name="dev.jsonl"
    )
    _, warnings = compare_manifests([train.rows, dev.rows])
    messages = [w.what for w in warnings if w.what.startswith("audio")]
    expected = f"audio: {seconds} s of it are also in '{folder}/train.jsonl:1'"
    assert messages == ([] if seconds is None else [expected])


def test_another_channel_is_other_audio(folder):
    soundfile.write(folder / "call.wav", np.stack([tone(2.0), tone(2.0)], axis=1), 16000)
    both = [
        write_and_check(
            folder, {"audio": "call.wav", "text": f"Hi, {n}.", "channel": i}, name=f"{i}.jsonl"
        )
        for i, n in enumerate(("Ann", "Bo"))
    ]
    assert compare_manifests([checked.rows for checked in both]) == [[], []]


def test_dev_rows_that_are_training_rows_are_counted_and_one_is_named(folder):
    texts = ("Hello there, Ann.", "How are you?", "Good bye to everyone here.")
    train = write_and_check(
        folder, *[{"audio": f"{i}.wav", "text": text} for i, text in enumerate(texts)], name="t"
    )
    dev = write_and_check(
        folder,
        {"audio": "a.wav", "end": 1.0, "text": "Something else."},
        {"audio": "1.wav", "text": "How are you?"},
        {"audio": "a.wav", "text": texts[2]},
        name="d",
    )
    assert describe_shared_rows(dev.rows[:1], [train.rows]) == ""
    assert describe_shared_rows([], [train.rows]) == ""
    parts = [{"audio": "0.wav", "text": "x", "start": i, "end": i + 1} for i in range(2)]
    twice = write_and_check(folder, *parts, name="parts")
    assert "--dev: 2 of 2 rows" in describe_shared_rows(twice.rows, [train.rows])
    said = describe_shared_rows(dev.rows, [train.rows[:1], train.rows[1:]])
    assert said.startswith("--dev: 2 of 3 rows share audio or words with training rows")
    assert f"'{folder}/d:2' with '{folder}/t:2'" in said


def test_links_to_files_and_folders_are_the_same_audio(folder):
    (folder / "link.wav").symlink_to("0.wav")
    (folder / "folder").symlink_to(".")
    train = write_and_check(folder, {"audio": "0.wav", "text": "Hello!"}, name="train.jsonl")
    names = ["link.wav", "folder/0.wav", "folder/link.wav", "1.wav"]
    rows = [{"audio": name, "text": f"Other words {i}."} for i, name in enumerate(names)]
    dev = write_and_check(folder, *rows, name="dev.jsonl")
    _, warnings = compare_manifests([train.rows, dev.rows])
    assert [warning.place for warning in warnings] == [f"{folder}/dev.jsonl:{n}" for n in (1, 2, 3)]
    assert all(warning.what.startswith("audio: 2.0 s") for warning in warnings)
