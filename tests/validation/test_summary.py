"""What may be a mistake, row by row and on one screen."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from helpers.audio import tone
from helpers.manifests import row, write_manifest
from whisper.tokenizer import get_tokenizer

from whisper_ft.cli.main import main
from whisper_ft.data.manifest import read_manifest
from whisper_ft.models.loading import Vocabulary
from whisper_ft.validation.checks import CheckedManifest, check_manifest
from whisper_ft.validation.summary import check_audio, compare_manifests, screen, survey
from whisper_ft.validation.warnings import audio_warnings, warnings

MULTILINGUAL = Vocabulary(True, 99, 448)


def doubts_of(seconds=2.0, **fields):
    one = row(**fields)
    tokenizer = get_tokenizer(True, language=one.language, task=one.task)
    return list(warnings(one, one.resolved_segments(seconds), tokenizer))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": "See [this] & that."}, "text: '[ ]': stock decoding never writes it"),
        ({"text": "2024"}, "text: '2024': no letters"),
        ({"text": "Привет всем", "language": "en"}, "text: mostly in Cyrillic letters"),
        ({"text": "hello there", "language": "ru"}, "text: mostly in Latin letters"),
        (
            {"text": "你好", "language": "ja", "task": "translate"},
            "text: mostly in Cjk letters: is it English?",
        ),
        ({"text": "  "}, "text: only white space: it counts as silence"),
        ({"text": "a" * 70}, "text: 35.0 characters a second"),
        ({"text": "o", "seconds": 2.0}, "text: 0.5 characters a second"),
        (
            {"text": "Call Ann at noon.", "prompt": "Ann. call  ann at NOON."},
            "prompt: holds the whole text",
        ),
        (
            {"text": "turn left at Oak", "keywords": ("turn left at Oak",)},
            "keywords: one holds the whole text",
        ),
    ],
)
def test_a_doubtful_row_is_told_with_its_value(fields, words):
    (doubt,) = doubts_of(**fields)
    assert doubt.startswith(words)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "Hello, there. It's 5 o'clock!"},
        {"text": "日本語のカタカナ", "language": "ja"},
        {"text": "안녕하세요", "language": "ko"},
        {"text": "Zdravo svima", "language": "sr"},
        {"text": "Здраво свима", "language": "sr"},
        {"text": "Hello there", "language": "ja", "task": "translate"},
        {"text": "नमस्ते दुनिया", "language": "hi"},
        {"text": "Yes, Ann.", "prompt": "Yes, Ann. No, Ann."},  # too short to be a leak
        {"text": ""},
    ],
)
def test_a_usual_row_raises_no_doubt(fields):
    assert doubts_of(**fields) == []


def test_clipped_and_silent_sound_is_heard():
    loud = np.clip(5 * tone(1.0), -1, 1)
    assert "of the samples are clipped" in next(audio_warnings(row(), loud))
    assert "never louder than 0.0001" in next(audio_warnings(row(), tone(1.0) / 3000))
    assert not list(audio_warnings(row(""), tone(1.0) / 3000))
    assert not list(audio_warnings(row(), tone(1.0)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", tone(2.0, hertz=200 + i), 16000)
    soundfile.write(tmp_path / "quiet.wav", tone(2.0) / 3000, 16000)
    return tmp_path


def checked(folder, name, *rows):
    manifest = read_manifest(write_manifest(folder / name, list(rows)))
    return check_manifest(manifest, MULTILINGUAL)


def test_rows_that_an_earlier_manifest_holds_are_doubted(folder):
    train = checked(
        folder,
        "train.jsonl",
        {"audio": "0.wav", "text": "Hello there, Ann."},
        {"audio": "1.wav", "text": "How are you?", "speaker": "x"},
    )
    dev = checked(
        folder,
        "dev.jsonl",
        {"audio": "0.wav", "text": "Hello!"},
        {"audio": "2.wav", "text": "how are  you?", "speaker": "x"},
        {"audio": "2.wav", "text": "How are you?", "speaker": "y", "start": 1.0},
    )
    compare_manifests([train, dev])
    assert not train.warnings
    assert [doubt.what.split(" in ")[0] for doubt in dev.warnings] == [
        "audio: 2.0 s of it stand",
        "text: said by the same speaker",
    ]


def test_words_of_unknown_speakers_are_doubted_only_where_chance_is_no_reason(folder):
    texts = ("Yes.", "One two three four.")
    both = [
        checked(folder, f"{i}.jsonl", *[{"audio": f"{i}.wav", "text": text} for text in texts])
        for i in range(2)
    ]
    compare_manifests(both)
    assert [d.what for d in both[1].warnings] == [f"text: said in '{folder}/0.jsonl:2' too"]


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
    train = checked(
        folder,
        "train.jsonl",
        {"audio": "0.wav", "text": "Hello there, Ann.", "start": 0.5, "end": 1.5},
        {"audio": "0.wav", "text": "Hello there, Ann.", "start": 0.4, "end": 0.55},
    )
    dev = checked(folder, "dev.jsonl", {"audio": "./0.wav", "text": "Hi, Bo.", **stretch})
    compare_manifests([train, dev])
    found = [d.what for d in dev.warnings if d.what.startswith("audio")]
    told = f"audio: {seconds} s of it stand in '{folder}/train.jsonl:1' too"
    assert found == ([] if seconds is None else [told])


def test_another_channel_is_other_audio(folder):
    soundfile.write(folder / "call.wav", np.stack([tone(2.0), tone(2.0)], axis=1), 16000)
    both = [
        checked(folder, f"{i}.jsonl", {"audio": "call.wav", "text": f"Hi, {n}.", "channel": i})
        for i, n in enumerate(("Ann", "Bo"))
    ]
    compare_manifests(both)
    assert not both[1].warnings


def test_only_so_many_rows_are_heard_and_what_cannot_be_is_a_problem(folder):
    found = checked(folder, "m.jsonl", *[{"audio": "quiet.wav", "text": "Hello there."}] * 6)
    check_audio([found], 4, seed=0)
    assert len(found.warnings) == 4
    (folder / "quiet.wav").unlink()
    found.warnings.clear()
    check_audio([found], 1, seed=0)
    assert "quiet.wav" in str(found.problems[0]) and not found.warnings


def test_the_screen_tells_hours_languages_lengths_cut_prompts_and_doubts_by_kind(folder):
    rows = [{"audio": "0.wav", "text": f"Say [{word}].", "language": "en"} for word in "abcdef"]
    german = {"audio": "1.wav", "text": "Guten Tag.", "language": "de", "prompt": "wort " * 300}
    found = checked(folder, "m.jsonl", *rows, german)
    surveyed = survey("m.jsonl", found, MULTILINGUAL)
    assert surveyed["cut_prompts"]["rows"] == 1 and surveyed["cut_prompts"]["most"] > 70
    assert sum(surveyed["tokens"].values()) == 7
    said = "\n".join(screen(surveyed, every=False))
    for words in (
        "m.jsonl: 7 rows, 0.00 h; 1 with prompt",
        "languages: en 6 (0.00 h), de 1 (0.00 h)",
        "1-16      7 " + "#" * 40,
        "1 prompts lose their beginning",
        "6 x text: '[': stock decoding never writes it",
        "(line 1, 2, 3, 4, ...)",
        "0 problems, 7 doubts: --all-warnings lists each",
    ):
        assert words in said, words
    listed = "\n".join(screen(surveyed, every=True))
    assert listed.count("doubtful: ") == 7


def test_an_empty_manifest_has_a_screen_too():
    surveyed = survey("m.jsonl", CheckedManifest(), None)
    assert list(screen(surveyed, every=False)) == [
        "m.jsonl: 0 rows, 0.00 h",
        "  0 problems, 0 doubts",
    ]


def test_check_writes_json_and_shows_rows(folder, model_path, monkeypatch, capsys):
    path = write_manifest(
        folder / "m.jsonl",
        [{"audio": f"{i}.wav", "text": "Call Reid.", "prompt": "Reid, Mohr."} for i in range(3)],
    )
    argv = [
        "check",
        path,
        "--model",
        model_path,
        "--json",
        folder / "report.json",
        "--preview",
        "2",
    ]
    monkeypatch.setattr("sys.argv", ["whisper_ft", *map(str, argv), "--prompts", "own=1"])
    assert main() == 0
    said = capsys.readouterr().out
    report = json.loads((folder / "report.json").read_text())
    (manifest,) = report["manifests"]
    assert manifest["rows"] == 3 and manifest["problems"] == report["problems"] == []
    assert said.count("<|startofprev|>| Reid|,| Moh|r|.") == 2
    assert said.count("learned <|startoftranscript|>") == 2 and said.count("<|endoftext|>") == 2


def test_shown_rows_are_dimmed_on_a_terminal_where_they_are_masked(folder, monkeypatch):
    from whisper_ft.data.dataset import Examples
    from whisper_ft.data.prompts import PromptPolicy
    from whisper_ft.validation import preview as show_module

    rows = [replace(row("Call\nReid.", prompt="Über Reid"), duration=2.0, place="m:1")]
    english = Vocabulary(False, 99, 448)
    examples = Examples(rows, PromptPolicy(own=1.0), english.tokenizer, 0, 448, 0.0, seed=0)
    monkeypatch.setattr(show_module.sys.stdout, "isatty", lambda: True, raising=False)
    (said,) = show_module.show(examples, 5)
    _, masked, learned, *_ = said.split("\n")
    assert masked.startswith("\033[2m  masked") and masked.endswith("\033[0m")
    assert "\033" not in learned and "\\n" in learned and "Über" in masked.replace("|", "")


def test_many_problems_stand_together_by_kind_and_few_one_by_one(folder):
    lines = [{"audio": "0.wav", "text": "Hi there.", "language": f"x{i}"} for i in range(30)]
    found = checked(folder, "m.jsonl", *lines, {"audio": "gone.wav", "text": "Hi."})
    said = list(screen(survey("m.jsonl", found, MULTILINGUAL), every=False))
    assert (
        "  wrong:    30 x language: 'x0': whisper has no such language: give a code such as en"
        in (line.partition(" (line 1, 2, 3, 4, ...)")[0] for line in said)
    )
    assert len(said) < 10 and said[-1] == "  31 problems, 0 doubts: --all-warnings lists each"
    assert len(list(screen(survey("m.jsonl", found, MULTILINGUAL), every=True))) > 31
    few = checked(folder, "few.jsonl", {"audio": "gone.wav", "text": "Hi."})
    said = "\n".join(screen(survey("few.jsonl", few, MULTILINGUAL), every=False))
    assert f"{folder}/few.jsonl:1: audio: {folder}/gone.wav: no such file" in said


def test_problems_are_told_in_the_order_of_their_lines(folder):
    rows = [{"audio": "gone.wav", "text": "Hi."}, {"audio": "0.wav", "text": 1}]
    found = checked(folder, "m.jsonl", *rows, *rows)
    assert [p.place.rpartition(":")[2] for p in found.problems] == ["1", "2", "3", "4"]
