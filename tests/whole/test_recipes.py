"""The harness that compares recipes of training."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.samples import sample

from whisper_ft.evaluation.samples import Sample

RECIPES = Path(__file__).parents[2] / "benchmarks" / "recipes"


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPES))
    monkeypatch.syspath_prepend(str(RECIPES.parent))


def test_speakers_that_are_held_out_are_in_no_training_row(harness):
    from hold_out import hold_out

    rows = [
        {
            "speaker": f"s{i % 5}",
            "recording": f"r{i % 10}",
            "keywords": ["x"] * (i % 2),
            "text": f"{i}",
        }
        for i in range(100)
    ]
    kept, chosen = hold_out(rows, n_speakers=2, n_rows=20)
    assert len({row["speaker"] for row in chosen}) == 2 and len(chosen) == 20
    assert not {row["speaker"] for row in kept} & {row["speaker"] for row in chosen}
    assert len(kept) == 60 and hold_out(rows, 2, 20) == (kept, chosen)


def scores_file(path, texts, keywords=("Reid",)):
    """Write samples with these outputs under the right prompt, and the reference otherwise."""
    samples = [
        sample("call Reid now", text, "call Reid now", "call Reid now", keywords=keywords,
               place=f"m.jsonl:{i}")
        for i, text in enumerate(texts, start=1)
    ]  # fmt: skip
    path.write_text(json.dumps({"samples": [s.to_json() for s in samples]}))


def test_a_table_compares_recipes_with_stock_and_counts_a_loop_as_one_wrong_row(harness, tmp_path):
    from table import markdown_table

    scores_file(tmp_path / "stock.json", ["call read now"] * 10)
    scores_file(tmp_path / "good.50.0.json", ["call Reid now"] * 10)
    scores_file(tmp_path / "good.50.1.json", ["call Reid now"] * 9 + ["now " * 40])
    lines = markdown_table(tmp_path).splitlines()
    assert lines[2].startswith("| stock (1) | 33.3 / 0.0 / 0.0 | 100.0 / 0.0 / 0.0 | 0.0 ")
    assert lines[3].startswith("| good, 50 % (2) | 5.0 / 0.0 / 0.0 | 5.0 / 0.0 / 0.0 | 5.0 ")
    assert "| -95.0 [-100.0, -85.0] |" in lines[3]


@pytest.mark.slow
def test_a_recipe_is_trained_scored_and_not_done_again(argv, tmp_path):
    recipes = tmp_path / "recipes.json"
    flags = {"common": "--lr 1e-3 --batch-size 2", "none": "--prompts own=0", "lists": ""}
    recipes.write_text(json.dumps(flags))
    model = shutil.copy(argv[1], tmp_path / "random.en.pt")  # a name with a dot, as tiny.en
    command = [sys.executable, str(RECIPES / "run.py"), str(recipes), "--model", str(model)]
    command += ["--train", argv[3], "--score", argv[5], "--out", str(tmp_path / "out")]
    command += ["--steps", "2"]
    first = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "| lists, 100 % (1) |" in first.stdout, first.stderr
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.json")}
    assert len(kept) == 9 and not list((tmp_path / "out").rglob("state*.pt"))
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert again.stdout.splitlines()[-5:] == first.stdout.splitlines()[-5:], again.stderr
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.json")}


def test_real_speech_is_tabled_from_the_counts_of_its_rows(harness, tmp_path):
    from real_speech import markdown_table, row_counts

    scores_file(tmp_path / "scores", ["call read now", "call Reid now", "now " * 40])
    samples = [
        Sample.from_json(s) for s in json.loads((tmp_path / "scores").read_text())["samples"]
    ]
    assert row_counts(samples, "right") == [[1, 1, 0, 2], [0, 1, 0, 2], [1, 1, 2, 2]]
    counts = {condition: row_counts(samples, condition) for condition in ("right", "none", "wrong")}
    (tmp_path / "tiny.json").write_text(
        json.dumps({"model": "tiny", "checkpoints": {"stock": counts}})
    )
    head, rule, line = markdown_table(tmp_path).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|") == 9
    assert line.startswith("| tiny | stock | 44.4 [0.0, 100.0] | 0.0 [0.0, 0.0] |")
    assert "| 66.7 [0.0, 100.0] |" in line


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/choose-a-recipe.md"])
def test_pages_have_the_table_of_the_committed_counts(harness, page):
    from real_speech import MARK, markdown_table

    text = (RECIPES.parents[1] / page).read_text(encoding="utf-8")
    assert text.split(MARK)[1].strip() == markdown_table()


@pytest.mark.slow
def test_real_speech_is_trained_scored_and_written(argv, tmp_path):
    model = shutil.copy(argv[1], tmp_path / "random.en.pt")
    command = [sys.executable, str(RECIPES.parent / "real_speech.py"), "--model", str(model)]
    command += ["--train", argv[3], "--dev", argv[5], "--test", argv[5], "--steps", "2"]
    command += ["--out", str(tmp_path / "out"), "--results", str(tmp_path / "results")]
    command += ["--flags", "--lr 1e-3 --batch-size 2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "| tuned with prompts |" in done.stdout, done.stderr
    (path,) = (tmp_path / "results").iterdir()
    content = json.loads(path.read_text())
    assert len(content["utterances"]["test"]) == len(content["checkpoints"]["stock"]["none"])
