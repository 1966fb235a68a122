"""The lines of metrics.jsonl are what was logged, and come back equal."""

import json

from helpers.runs import lines, plan_of

from whisper_ft.evaluation.logged_evaluation import LoggedEvaluation
from whisper_ft.training.log import StepLog, evaluation_of
from whisper_ft.training.loop import train


def test_lines_read_back_are_the_lines_written(argv, tmp_path):
    folder = train(plan_of([*argv, "--max-steps", "3"])).folder
    for line in lines(folder):
        kind = StepLog if line["kind"] == "step" else LoggedEvaluation
        assert json.loads(json.dumps(kind.from_json(line).to_json())) == line
    evaluation = evaluation_of(folder, 3)
    assert evaluation.step == 3 and evaluation.scores["right"]["wer"].total > 0
    assert evaluation_of(folder, 2) is None and evaluation_of(tmp_path, 3) is None


def test_a_step_says_how_long_it_computed_and_how_long_it_waited_for_its_data(argv):
    folder = train(plan_of([*argv, "--max-steps", "1"])).folder
    step = next(line for line in lines(folder) if line["kind"] == "step")
    assert step["step_seconds"] > 0 and step["data_seconds"] > 0
