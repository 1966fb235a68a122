"""A whole run: what it leaves, what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import whisper
from helpers.manifests import write_manifest
from helpers.models import random_whisper
from helpers.runs import lines, plan_of

from whisper_ft.evaluation.conditions import PromptedRows
from whisper_ft.evaluation.scoring import Scores
from whisper_ft.training.endings import describe_best
from whisper_ft.training.loop import train
from whisper_ft.training.plan import describe_plan
from whisper_ft.training.result import TrainResult
from whisper_ft.training.state import Progress

ROOT = Path(__file__).parents[2]


def test_the_best_evaluation_has_the_best_score_then_loss():
    progress = Progress(step=1)
    assert progress.update_best(0.5, 2.0)
    progress.step = 2
    assert not progress.update_best(0.5, 2.0) and progress.n_without_improvement == 1
    assert progress.update_best(0.5, 1.9) and progress.n_without_improvement == 0
    assert not progress.update_best(None, 1.0)
    assert (progress.best_step, progress.best_score) == (2, 0.5)
    assert progress.update_best(0.6, 3.0, higher_is_better=True) and not progress.update_best(
        0.5, 1.0, higher_is_better=True
    )


def test_a_score_that_nothing_was_counted_of_leaves_the_choice_to_the_loss():
    progress = Progress(step=1)
    assert progress.update_best(None, 2.0, higher_is_better=True)
    assert not progress.update_best(None, 2.1, higher_is_better=True) and progress.update_best(
        None, 1.9, higher_is_better=True
    )


# ---- a whole run


def test_a_run_leaves_everything_it_promises(argv, tmp_path, logged):
    result = train(plan_of(argv))
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "metrics.jsonl", "samples.jsonl"),
        *("best.pt", "last.pt", "state.pt", "state.previous.pt", ".lock"),
    }
    log = lines(folder)
    assert [line["step"] for line in log if line["kind"] == "step"] == [1, 2, 3, 4, 5, 6, 7]
    assert [line["step"] for line in log if line["kind"] == "evaluation"] == [0, 3, 6, 7]
    losses = [line["loss"] for line in log if line["kind"] == "step"]
    assert losses[-1] < losses[0]
    assert {sample["step"] for sample in lines(folder, "samples.jsonl")} == {0, 3, 6, 7}
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["lr"] == 1e-3 and "torch" in config["versions"]
    assert set(config["manifests"]) == {argv[3], argv[5]}
    assert config["format"] == 2
    text = logged()
    assert "(stock)" in text and "are free" in text
    best = torch.load(folder / "state.pt")["progress"]["best_step"]
    scores = next(line["scores"] for line in log[1:] if line["step"] == best and "best" in line)
    assert result == TrainResult(
        folder=folder,
        best=folder / "best.pt",
        last=folder / "last.pt",
        n_steps=7,
        reason="finished",
        message=result.message,
        best_step=best,
        scores=Scores.from_json(scores),
    )
    assert result.message.startswith(f"best.pt is from step {best}: dev wer ")
    model = whisper.load_model(str(folder / "best.pt"), device="cpu")
    assert not torch.equal(
        model.encoder.conv1.weight, random_whisper().encoder.conv1.weight.half().float()
    )


def test_the_score_is_of_the_checkpoint_as_saved(argv, tmp_path):
    """best.pt evaluated by the command scores what the run said of it."""
    train(plan_of([*argv, "--eval-rows", "2"]))
    folder = tmp_path / "run"
    said = {line["step"]: line["scores"] for line in lines(folder) if line["kind"] == "evaluation"}
    best = torch.load(folder / "state.pt")["progress"]["best_step"]
    command = [sys.executable, "-m", "whisper_ft", "evaluate", str(folder / "best.pt"), argv[5]]
    subprocess.run([*command, "--json", str(tmp_path / "scores.json")], check=True, cwd=ROOT)
    scores = json.loads((tmp_path / "scores.json").read_text())["evaluations"][0]["scores"]
    assert scores == json.loads(json.dumps(said[best]))


def test_without_dev_rows_the_last_is_best_and_the_result_says_so(argv, tmp_path):
    del argv[4:6]
    result = train(plan_of(argv))
    assert "there are no --dev rows to choose by" in result.message
    assert result.best_step is None and result.scores is None
    folder = tmp_path / "run"
    assert (folder / "best.pt").read_bytes()[-2000:] and not (folder / "samples.jsonl").exists()
    best, last = (torch.load(folder / n)["model_state_dict"] for n in ("best.pt", "last.pt"))
    assert all(torch.equal(best[name], last[name]) for name in best)


def test_a_frozen_encoder_stays_as_it_was(argv, tmp_path, model):
    train(plan_of([*argv, "--freeze-encoder"]))
    tuned = torch.load(tmp_path / "run" / "state.pt", map_location="cpu")["model"]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, tuned[name]) == name.startswith("encoder."), name


def test_the_best_checkpoint_is_so_by_the_score_that_was_named(argv, tmp_path):
    train(plan_of([*argv, "--best-by", "loss"]))
    log = [line for line in lines(tmp_path / "run") if line["kind"] == "evaluation"][1:]
    losses = {line["step"]: line["scores"]["right"]["loss"]["rate"] for line in log}
    progress = torch.load(tmp_path / "run" / "state.pt")["progress"]
    assert progress["best_score"] == min(losses.values())
    assert losses[progress["best_step"]] == min(losses.values())


def test_a_score_that_dev_rows_lack_cannot_choose(argv, corpus):
    rows = [json.loads(line) for line in corpus[1].read_text().splitlines()]
    write_manifest(corpus[1], [{"audio": row["audio"], "text": row["text"]} for row in rows])
    with pytest.raises(ValueError, match="--best-by: keyword_recall: no dev row has keywords"):
        plan_of([*argv, "--best-by", "keyword_recall"])


def test_patience_ends_a_run_that_gets_no_better(argv, tmp_path):
    argv[argv.index("--lr") + 1] = "1e-12"
    argv[argv.index("--eval-every") + 1] = "1"
    assert train(plan_of([*argv, "--patience", "2"])).reason == "finished"
    progress = torch.load(tmp_path / "run" / "state.pt")["progress"]
    assert progress["step"] < 7 and progress["n_without_improvement"] == 2


def test_epochs_and_max_steps_the_smaller_wins(argv):
    argv[argv.index("--epochs") + 1] = "2"
    assert plan_of(argv).schedule.total_steps == 3  # 10 visits, 4 a step
    assert plan_of([*argv[:-1], argv[-1] + "2", "--max-steps", "2"]).schedule.total_steps == 2


def test_several_manifests_are_mixed_by_their_weights(argv, corpus):
    argv[3:4] = [str(corpus[0]), str(corpus[1])]
    plan = plan_of([*argv, "--train-weights", "1", ".5"])
    assert len(plan.examples.rows) == 7 and plan.sampler.epoch_length == 6
    visited = [visit.row for visit in plan.sampler.epoch(0)]
    assert sorted(visited)[:5] == [0, 1, 2, 3, 4] and max(visited) in (5, 6)


# ---- bad input


def test_every_problem_is_reported_at_once_and_nothing_is_written(argv, corpus, tmp_path):
    rows = [json.loads(line) for line in corpus[0].read_text().splitlines()]
    rows[1]["promt"], rows[3]["audio"] = "x", "gone.wav"
    write_manifest(corpus[0], rows)
    argv += ["--prompts", "own=2", "--device", "cuda:99", "--batch-size", "0"]
    with pytest.raises(ValueError) as refused:
        plan_of(argv)
    said = str(refused.value)
    for words in (
        "train.jsonl:2: unknown field",
        "train.jsonl:4: audio",
        "--prompts",
        "--device",
        "--batch",
    ):
        assert words in said
    assert not (tmp_path / "run").exists()


def test_bad_rows_can_be_left_out_each_named(argv, corpus, logged):
    rows = [json.loads(line) for line in corpus[0].read_text().splitlines()]
    rows[3]["audio"] = "gone.wav"
    write_manifest(corpus[0], rows)
    plan = plan_of([*argv, "--skip-bad-rows"])
    text = logged()
    assert len(plan.examples.rows) == 4
    assert "left out: " in text and "train.jsonl:4: audio" in text and "4 remain" in text


def test_a_manifest_with_no_usable_row_is_an_error_even_then(argv, corpus):
    write_manifest(corpus[0], [{"audio": "gone.wav", "text": "x"}])
    with pytest.raises(ValueError, match=r"gone.wav: no such file"):
        plan_of([*argv, "--skip-bad-rows"])


def test_an_unknown_model_is_named_beside_the_rows_problems(argv, corpus):
    write_manifest(corpus[0], [{"audio": "gone.wav", "text": "x"}])
    argv[1] = "smal"
    with pytest.raises(ValueError, match=r"--model: smal: neither.*\n.*gone.wav"):
        plan_of(argv)


def test_a_folder_that_holds_a_run_is_refused(argv, tmp_path):
    train(plan_of(argv))
    with pytest.raises(ValueError, match=r"--out: .*holds a run: resume it with --resume"):
        plan_of(argv)


def test_the_end_reports_the_best_score_beside_the_stock_one_and_with_which_prompts():
    with_prompts = PromptedRows([None], ["Reid."], [None])
    progress = Progress(stock_score=0.2, best_score=0.1)
    assert describe_best(progress, with_prompts, "wer") == (
        "dev wer 10.0 % with the right prompts, 20.0 % before training"
    )
    worse = Progress(stock_score=0.1, best_score=0.2)
    without = PromptedRows([None], [""], [None])
    said = describe_best(worse, without, "wer")
    assert said.startswith(
        "dev wer 20.0 % without prompts, 10.0 % before training (training made it worse"
    )
    assert "worse" not in describe_best(worse, without, "keyword_recall")  # more of them is better
    assert describe_best(Progress(), with_prompts, "wer") == "dev wer is not defined"


def test_a_plan_describes_which_prompts_its_rows_have_and_when_they_have_none(argv):
    said = describe_plan(plan_of([*argv, "--prompts", "own=.3,keywords=.2"]))
    assert "rows with each kind of prompt, of 5: own 2, keywords 5\n" in said
    argv[argv.index("--out") + 1] += "2"
    said = describe_plan(plan_of([*argv, "--prompts", "previous=.3"]))
    assert (
        "no row has a prompt of the kinds previous: training will use no prompts of these kinds\n"
        in said
    )
