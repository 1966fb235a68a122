"""The command `compare`."""

import json
import os

import pytest
from helpers.models import random_whisper, save_whisper
from helpers.samples import sample

from whisper_ft.config.commands import CompareConfig
from whisper_ft.evaluation.scoring import SCORES


@pytest.fixture
def second(tmp_path):
    """Another random model's checkpoint, of the same size."""
    return save_whisper(random_whisper(seed=1), tmp_path / "second.pt")


def test_compare_reads_samples_and_says_what_is_none(run, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(
            json.dumps(sample("a b c d", "a b c d", "a b c", "a b c d", place=f"m:{i}").to_json())
            + "\n"
            for i in range(3)
        )
    )

    status, said = run("compare", path)
    assert status == 0 and "no prompt -> right" in said
    status, said = run("compare", path, path, "--score", "raw_wer")
    assert status == 0 and "+0.0   [+0.0, +0.0]" in said
    path.write_text("")
    status, said = run("compare", path)
    assert status == 2 and "a.jsonl: holds no samples:" in said
    path.write_text("{}\n")
    status, said = run("compare", path)
    assert status == 2 and "a.jsonl:1: not a sample that can be read (KeyError: " in said


def test_the_first_line_that_cannot_be_read_is_named(run, tmp_path):
    path = tmp_path / "a.jsonl"
    good = json.dumps(sample("a", "a", "a", "a").to_json())
    old = json.dumps({k: v for k, v in json.loads(good).items() if k != "prompt_terms"})
    for bad in (old, good[:-9], "5", "\udcff"):
        path.write_text(f"{good}\n\n{bad}\n{good}\n", errors="surrogateescape")
        status, said = run("compare", path)
        assert status == 2 and "a.jsonl:3: not a sample that can be read (" in said
        assert "an earlier version may have written it" in said and "evaluate --samples" in said


def test_a_missing_file_a_folder_and_a_pipe_are_told_with_the_remedy(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("gone", "no such file"), ("", "a folder, not a file"), ("pipe", "not a regular file"),
    ):  # fmt: skip
        status, said = run("compare", tmp_path / name)
        words = f"{tmp_path / name}: {problem}: give a file that `evaluate --samples` wrote"
        assert status == 2 and words in said


@pytest.mark.slow
def test_compare_keeps_the_domains_of_a_file_apart(run, corpus, model_path, second, tmp_path):
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    argv = ("evaluate", model_path, second, corpus[0], "--others", corpus[1], "--samples", *files)
    evaluated = run(*argv)[1]
    compared = run("compare", *files)[1].strip().split("\n", 1)[1]
    assert compared in evaluated
    assert [line.split()[:2] for line in compared.splitlines()[1:4]] == [
        ["right", "5"], ["none", "5"], ["wrong", "5"]
    ]  # fmt: skip
    alone = run("compare", files[0])[1]
    assert f"{corpus[1].name} no prompt -> right" in alone and "5" in alone.splitlines()[2]


def test_compare_reads_any_line_separator_in_a_text_and_a_runs_last_step(run, tmp_path):
    def line(step, text):
        return {"step": step, **sample("a", *[text] * 3, prompts=[text] * 3).to_json()}

    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(line(step, "b\u2028c"), ensure_ascii=False) + "\n"
                            for step in (0, 5)))  # fmt: skip
    status, said = run("compare", path)
    assert status == 0 and "no prompt -> right         1    200.0%    200.0%" in said
    path.write_text(json.dumps({**line(0, "b"), "reference": None}) + "\n")
    assert "samples.jsonl:1: not a sample that can be read (TypeError" in run("compare", path)[1]


def test_every_score_can_be_compared():
    assert CompareConfig.__dataclass_fields__["score"].metadata["choices"] == tuple(SCORES)
