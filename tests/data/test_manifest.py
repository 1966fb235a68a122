"""Reading manifests: what a file holds, and what is wrong with it."""

import json

import pytest
from helpers.audio import write_tone

from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.row_parsing import MAX_LINE
from whisper_ft.text.tokens import Segment

GOOD = {"audio": "a.wav", "text": "Call Reid."}


def test_a_row_has_every_field_typed(tmp_path):
    path = tmp_path / "m.jsonl"
    fields = {
        **GOOD,
        "prompt": "Reid.",
        "keywords": ["Reid", "two  words"],
        "segments": [{"start": 0, "end": 1.5, "text": "Call Reid."}],
        "start": 2,
        "end": 4.5,
        "channel": 1,
        "duration": 2.5,
        "language": "de",
        "task": "translate",
        "recording": "r1",
        "speaker": "s1",
    }
    path.write_text("\ufeff" + json.dumps(fields) + "\r\n\n", encoding="utf-8")
    manifest = read_manifest(path)
    (row,) = manifest.rows
    assert not manifest.problems and not manifest.warnings
    assert row.audio == tmp_path / "a.wav" and row.place == f"{path}:1"
    assert row.keywords == ("Reid", "two words")
    assert row.segments == (Segment(0.0, 1.5, "Call Reid."),)
    assert (row.start, row.end, row.channel, row.language, row.task) == (
        2,
        4.5,
        1,
        "de",
        "translate",
    )


def test_language_and_task_default_to_the_settings(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    (row,) = read_manifest(path, language="fr", task="translate").rows
    assert (row.language, row.task) == ("fr", "translate")


def test_an_absolute_path_stays(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({**GOOD, "audio": "/data/a.wav"}), encoding="utf-8")
    assert str(read_manifest(path).rows[0].audio) == "/data/a.wav"


def test_all_problems_of_all_lines_come_at_once(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(
        '{"text": 1, "start": "x"}\nnot json\n[1]\n' + json.dumps(GOOD), encoding="utf-8"
    )
    manifest = read_manifest(path)
    assert len(manifest.rows) == 1
    assert [str(p).split(": ")[0] for p in manifest.problems] == [
        f"{path}:{n}" for n in (1, 1, 1, 2, 3)
    ]
    assert "audio: missing" in str(manifest.problems[2])


def test_an_unknown_field_is_a_warning_once(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text((json.dumps({**GOOD, "snr": 3}) + "\n") * 3, encoding="utf-8")
    manifest = read_manifest(path)
    assert len(manifest.rows) == 3 and not manifest.problems
    assert [str(warning) for warning in manifest.warnings] == [
        f"{path}:1: unknown field 'snr' is not used"
    ]


def test_a_file_that_is_missing_empty_or_not_text_says_so(tmp_path):
    (tmp_path / "empty").write_text("\n \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfb\x90\x00")
    said = [
        str(p) for n in ("none", "empty", "binary") for p in read_manifest(tmp_path / n).problems
    ]
    assert "cannot be read (No such file" in said[0]
    assert "holds no rows" in said[1]
    assert "binary:1: not UTF-8" in said[2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[\n{"audio": "a.wav", "text": ""},\n{"audio": "b.wav", "text": ""}\n]', "a JSON array"),
        ("audio,text\na.wav,Hi.\n", "no line is JSON: `prepare csv` makes a manifest"),
        (b"\xff\xfb\n\x90\xff\n".decode("latin-1"), "no line is JSON"),
    ],
)
def test_a_file_of_another_format_is_one_problem(tmp_path, content, words):
    path = tmp_path / "m.jsonl"
    path.write_bytes(content.encode("latin-1"))
    (problem,) = read_manifest(path).problems
    assert problem.what.startswith(words)


def test_a_device_is_not_read():
    (problem, *_) = read_manifest("/dev/zero").problems
    assert "/dev/zero: cannot be read (not a regular file)" in str(problem)


def test_empty_lines_and_bad_ones_keep_their_numbers(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('\n{"audio": "a.wav", "text": "A"}\n\nno\n{"audio": "b.wav", "text": "B"}')
    manifest = read_manifest(path)
    assert [row.place for row in manifest.rows] == [f"{path}:2", f"{path}:5"]
    assert [problem.place for problem in manifest.problems] == [f"{path}:4"]
    assert [row.follows for row in manifest.rows] == [False, False]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_line_may_have_a_million_bytes_and_no_more(tmp_path, bom):
    longest = json.dumps(GOOD).encode().ljust(MAX_LINE)
    lines = [longest, longest + b" ", b"x" * 3 * MAX_LINE, json.dumps(GOOD).encode()]
    path = tmp_path / "m.jsonl"
    path.write_bytes(bom + b"\n".join(lines))
    manifest = read_manifest(path)
    assert [row.place for row in manifest.rows] == [f"{path}:1", f"{path}:4"]
    assert [problem.place for problem in manifest.problems] == [f"{path}:2", f"{path}:3"]
    assert all("more than 1000000 bytes" in problem.what for problem in manifest.problems)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_manifest_in_utf_16_is_read_and_told(tmp_path, encoding):
    path = tmp_path / "m.jsonl"
    lines = [json.dumps({**GOOD, "text": f"Zoë {i}"}, ensure_ascii=False) for i in range(3)]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    manifest = read_manifest(path)
    assert [row.text for row in manifest.rows] == ["Zoë 0", "Zoë 1", "Zoë 2"]
    assert [row.place for row in manifest.rows] == [f"{path}:{n}" for n in (1, 2, 3)]
    (warning,) = manifest.warnings
    assert warning.what.startswith("is in UTF-") and not manifest.problems


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [
        (r"clips\a.wav", "clips/a.wav"),
        ("clips/Zoe\u0308.wav", "clips/Zo\u00eb.wav"),
        ("clips/Zo\u00eb.wav", "clips/Zoe\u0308.wav"),
        ("clips\\Zoe\u0308.wav", "clips/Zo\u00eb.wav"),
    ],
)
def test_a_path_that_is_spelled_otherwise_on_disk_is_found_and_told(tmp_path, written, on_disk):
    write_tone(tmp_path / on_disk)
    lines = [json.dumps({**GOOD, "audio": written})] * 2
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    manifest = read_manifest(tmp_path / "m.jsonl")
    assert [row.audio for row in manifest.rows] == [tmp_path / on_disk] * 2
    (warning,) = manifest.warnings
    assert warning.what == f"audio: {written!r} is read as {on_disk!r}: correct it and its like"


def test_a_path_that_may_mean_two_files_is_neither(tmp_path):
    for name in ("clips/Zo\u00eb.wav", "clips/Zoe\u0308.wav"):
        write_tone(tmp_path / name)
    written = "clips\\Zo\u00eb.wav"
    (tmp_path / "m.jsonl").write_text(json.dumps({**GOOD, "audio": written}))
    (row,) = read_manifest(tmp_path / "m.jsonl").rows
    assert row.audio == tmp_path / written


def test_folder_and_file_may_be_spelled_in_two_forms_and_no_name_stops_the_others(tmp_path):
    write_tone(tmp_path / "Me\u0301dia/\u00e9t\u00e9.wav")
    lines = [
        json.dumps({**GOOD, "audio": name})
        for name in ("M\u00e9dia/e\u0301te\u0301.wav", "\u00e9" * 300, "a.wav")
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    first, *others = (row.audio for row in read_manifest(tmp_path / "m.jsonl").rows)
    assert first.is_file() and others == [tmp_path / ("\u00e9" * 300), tmp_path / "a.wav"]
