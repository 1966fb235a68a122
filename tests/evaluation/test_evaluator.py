"""Several checkpoints on the same rows: by the command, on random models."""

import json
from dataclasses import replace

import pytest
import torch
from helpers.manifests import write_manifest
from helpers.models import random_whisper, save_whisper
from helpers.runs import lines

from whisper_ft.evaluation.decode_rows import decode_all
from whisper_ft.evaluation.evaluator import evaluate
from whisper_ft.evaluation.results import EvaluationResult, compare_results
from whisper_ft.evaluation.samples import CONDITIONS, Sample
from whisper_ft.evaluation.scoring import Scores, score
from whisper_ft.models.loading import load
from whisper_ft.runtime import progress


@pytest.fixture
def second(tmp_path):
    """Another random model's checkpoint, of the same size."""
    return save_whisper(random_whisper(seed=1), tmp_path / "second.pt")


@pytest.mark.slow
def test_checkpoints_are_scored_on_the_same_rows_and_compared(run, corpus, model_path, second,
                                                              tmp_path):  # fmt: skip
    out = tmp_path / "out.json"
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    status, said = run(
        *("evaluate", model_path, second, corpus[0], "--others", corpus[1]),
        *("--name", "one", "two", "--json", out, "--samples", *files),
    )
    assert status == 0
    written = json.loads(out.read_text())
    assert [result["name"] for result in written["evaluations"]] == ["one", "two"]
    both = [lines(tmp_path, file.name) for file in files]
    assert [s["place"] for s in both[0]] == [s["place"] for s in both[1]]
    assert [s["prompts"] for s in both[0]] == [s["prompts"] for s in both[1]]
    assert [s["outputs"] for s in both[0]] != [s["outputs"] for s in both[1]]
    for result, samples in zip(written["evaluations"], both, strict=True):
        assert result["n_rows"] == 5 and len(samples) == 7
        samples = [Sample.from_json(one) for one in samples]
        assert score(samples[:5]) == Scores.from_json(result["scores"])
        others = {path: Scores.from_json(scores) for path, scores in result["others"].items()}
        assert others == {str(corpus[1]): score(samples[5:])}
    labels = [change["label"] for change in written["comparisons"][0]["changes"]]
    assert labels == ["right", "none", "wrong", f"{corpus[1]}, none", f"{corpus[1]}, right"]
    for words in ("one -> two", "| one |", "| two |", "WER on others"):
        assert words in said
    assert f"| none | wrong | {corpus[1].parent.name}/{corpus[1].name}, none |" in said


@pytest.mark.slow
def test_a_checkpoint_beside_itself_shows_no_difference(run, corpus, model_path, tmp_path):
    twin = tmp_path / "twin.pt"
    twin.write_bytes(model_path.read_bytes())
    out = tmp_path / "out.json"
    status, said = run("evaluate", model_path, twin, corpus[0], "--json", out)
    assert status == 0 and "Rows that differ most" not in said
    for compared in json.loads(out.read_text())["comparisons"]:
        for change in compared["changes"]:
            assert change["before"] == change["after"] and not change["verdict"]


@pytest.mark.slow
def test_mixtures_of_two_begin_and_end_as_they_do(run, corpus, model_path, second, tmp_path):
    out = {name: tmp_path / f"{name}.json" for name in ("mixed", "apart")}
    status, said = run("evaluate", model_path, second, corpus[0], "--interpolate", "0", "0.5", "1",
                       "--name", "old", "new", "--json", out["mixed"])  # fmt: skip
    assert status == 0 and "| 0.5 old + 0.5 new |" in said
    assert run("evaluate", model_path, second, corpus[0], "--json", out["apart"])[0] == 0
    mixed, apart = (json.loads(path.read_text())["evaluations"] for path in out.values())
    for end, alone in zip((mixed[0], mixed[-1]), apart, strict=True):
        for condition in CONDITIONS:
            assert end["scores"][condition]["wer"] == alone["scores"][condition]["wer"]
            losses = [one["scores"][condition]["loss"]["rate"] for one in (end, alone)]
            assert losses[0] == pytest.approx(losses[1], rel=1e-3)  # saved in fp16
    assert mixed[1]["scores"] not in [mixed[0]["scores"], mixed[2]["scores"]]


def test_all_that_is_wrong_is_said_at_once(run, corpus, model_path, tmp_path):
    status, said = run(
        *("evaluate", "nosuch.pt", model_path, "gone.jsonl", "--interpolate", "2", "--name", "a"),
        *("--samples", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--device", "tpu"),
    )
    assert status == 2
    for words in ("nosuch.pt: neither", "gone.jsonl: cannot be read", "--interpolate: 2.0: must",
                  "--name: 1 different value for 2", "--samples: 2 different values for 1",
                  "--device: tpu"):  # fmt: skip
        assert words in said, words
    assert "no manifest" in run("evaluate", model_path)[1]
    assert "no checkpoint" in run("evaluate", corpus[0])[1]
    assert "give exactly two" in run("evaluate", model_path, corpus[0], "--interpolate", "1")[1]
    twice = run("evaluate", model_path, model_path, corpus[0], corpus[0])[1]
    assert "the same checkpoint is given twice" in twice
    assert "the same manifest is given twice" in twice


def test_a_second_checkpoint_that_cannot_be_read_is_refused_before_the_first_decodes(
    run, corpus, model_path, second, monkeypatch
):
    content = torch.load(second)
    content["model_state_dict"].popitem()
    torch.save(content, second)
    monkeypatch.setattr("whisper_ft.evaluation.evaluator.decode_all", None)
    status, said = run("evaluate", model_path, second, corpus[0])
    assert status == 2 and "second.pt: its weights do not fit its dims" in said


@pytest.mark.slow
def test_what_was_scored_is_kept_when_the_next_checkpoint_is_interrupted(
    run, corpus, model_path, second, tmp_path, monkeypatch
):
    calls = []

    def interrupted(*args, **options):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return decode_all(*args, **options)

    monkeypatch.setattr("whisper_ft.evaluation.evaluator.decode_all", interrupted)
    out = tmp_path / "o.json"
    status, said = run("evaluate", model_path, second, corpus[0], "--json", out)
    assert status == 130 and "stopped" in said and f"Saved so far: {out}" in said
    assert [r["name"] for r in json.loads(out.read_text())["evaluations"]] == [str(model_path)]


def test_what_is_no_model_and_no_manifest_is_named_for_what_it_was_meant(
    run, corpus, model_path, tmp_path
):
    assert (
        "tiny.em: neither a file nor an official name" in run("evaluate", "tiny.em", corpus[0])[1]
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.pt").write_text("")
    assert "a run's folder: give" in run("evaluate", tmp_path / "run", corpus[0])[1]
    said = run("evaluate", model_path, corpus[0], "--others", model_path)[1]
    assert "random.pt: a checkpoint: give manifests only" in said and said.count("\n") == 1
    assert "after the manifests" in run("evaluate", model_path, "--name", "x", corpus[0])[1]
    before = corpus[0].read_bytes()
    assert run("evaluate", model_path, corpus[0], "--json", corpus[0])[0] == 2
    assert corpus[0].read_bytes() == before
    shares = ("--interpolate", ".33333333", ".33333334")
    assert (
        "the same weight of --interpolate is given twice"
        in run("evaluate", model_path, corpus[0], *shares)[1]
    )


@pytest.mark.slow
def test_rows_without_any_prompt_are_scored_under_none(run, corpus, model_path, tmp_path):
    rows = [json.loads(line) for line in corpus[0].read_text().splitlines()]
    write_manifest(corpus[0], [{"audio": row["audio"], "text": row["text"]} for row in rows])
    out, samples = tmp_path / "o.json", tmp_path / "s.jsonl"
    argv = ("evaluate", model_path, corpus[0], "--json", out, "--samples", samples)
    status, said = run(*argv, "--beam-size", "1")
    assert status == 0 and "No row has a wrong prompt" in said
    (result,) = json.loads(out.read_text())["evaluations"]
    assert result["scores"]["wrong"]["n_rows"] == 0 and result["beam_size"] == 1
    assert run("compare", samples)[0] == 0


def test_a_library_user_gets_results_with_samples_and_nothing_is_printed(
    corpus, model_path, second, capsys, monkeypatch
):
    monkeypatch.setattr(progress, "_enabled", False)  # as in a library's process
    before, after = evaluate([model_path, second], corpus[0], others=[str(corpus[1])], rows=2)
    assert before.name == str(model_path) and before.n_rows == 2
    samples = before.samples[str(corpus[0])]
    assert before.scores == score(samples) and before.scores["right"]["wer"].rate is not None
    assert list(after.others) == [str(corpus[1])]
    assert [c.score for c in compare_results([before, after])] == ["wer", "keyword_recall"]
    written = json.loads(json.dumps(before.to_json()))
    assert EvaluationResult.from_json(written) == replace(before, samples={})
    assert capsys.readouterr() == ("", "")
    with pytest.raises(TypeError, match="beams"):
        evaluate([model_path], [corpus[0]], beams=5)


def test_a_model_in_place_of_its_path_is_refused_by_name(model, model_path, corpus):
    loaded = load(str(model_path))
    for given in (loaded, [loaded], model, [str(model_path), model]):
        with pytest.raises(TypeError, match="is not a path: give paths or official names"):
            evaluate(given, corpus[0])
    with pytest.raises(TypeError, match="manifests: NoneType is not a path: give paths"):
        evaluate(model_path, None)


def test_options_of_a_wrong_type_are_all_named_at_once(model_path, corpus):
    with pytest.raises(ValueError) as refused:
        evaluate(model_path, corpus[1], others="more.jsonl", rows="5", dtype="float8")
    assert str(refused.value).splitlines() == [
        "--others: 'more.jsonl': expected a tuple of texts",
        "--rows: '5': expected a whole number, or None",
        "--dtype: 'float8': expected one of auto, float32, float16, bfloat16",
    ]


@pytest.mark.slow
def test_rows_without_prompts_are_scored_with_lists_of_keywords_that_were_found(
    corpus, model_path, tmp_path
):
    rows = [json.loads(line) for line in corpus[0].read_text().splitlines()]
    path = write_manifest(
        tmp_path / "bare.jsonl", [{"audio": row["audio"], "text": row["text"]} for row in rows]
    )
    (found,) = evaluate(model_path, path)
    (bare,) = evaluate(model_path, path, keywords="off")
    assert found.settings.keyword_source.startswith("auto (rules 1, ")
    assert bare.settings.keyword_source == "manifest"
    assert found.scores["right"]["keyword_recall"].rate is not None
    assert bare.scores["right"]["keyword_recall"].rate is None
    assert EvaluationResult.from_json(found.to_json()).settings == found.settings
    (sample, *_), (other, *_) = (next(iter(r.samples.values())) for r in (found, bare))
    assert sample.prompts["right"] and not other.prompts["right"]
    assert Sample.from_json(sample.to_json()) == sample
    with pytest.raises(ValueError, match="were not found in the same way"):
        compare_results([found, bare])


def test_a_glossary_that_is_not_there_is_a_problem_like_others(corpus, model_path):
    with pytest.raises(ValueError, match=r"--glossary: gone.txt: no such file"):
        evaluate(model_path, corpus[0], glossary="gone.txt")
