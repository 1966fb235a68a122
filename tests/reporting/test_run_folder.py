"""A run's folder, read."""

import json

import pytest
from helpers.samples import sample

from whisper_ft.evaluation.scoring import score
from whisper_ft.reporting.run_folder import LoggedEvaluation, LoggedStep, read_run
from whisper_ft.runtime.files import Fingerprint

SETTINGS = {"model": "tiny.en", "train": ["t.jsonl"], "dev": ["d.jsonl"], "lr": None}
SAMPLE = sample("Call Reid.", "Call Reid.", "Call read.", None)
SCORES = score([SAMPLE])


@pytest.fixture
def folder(tmp_path):
    """A run of two steps and three evaluations."""
    config = {
        "settings": SETTINGS,
        "versions": {"torch": "2.9"},
        "manifests": {"d.jsonl": {"size": 1, "sha256": "ab"}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    lines = [
        {"kind": "step", "step": n, "loss": 1.0, "lr": 1e-5, "grad_norm": None} for n in (1, 2)
    ]
    for step, best in ((0, False), (1, True), (2, False)):
        scores = SCORES.to_json()
        lines.append({"kind": "evaluation", "step": step, "best": best, "scores": scores})
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    samples = [{"step": step, **SAMPLE.to_json()} for step in (0, 1, 2)]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in samples))
    return tmp_path


def test_steps_evaluations_and_samples_are_read(folder):
    run = read_run(folder)
    assert run.steps == (LoggedStep(1, 1.0, 1e-5, None), LoggedStep(2, 1.0, 1e-5, None))
    assert run.evaluations[1] == LoggedEvaluation(1, True, SCORES)
    assert run.samples(1) == [SAMPLE] and run.samples(7) == []
    assert run.settings.dev == ("d.jsonl",) and run.settings.lr is None
    assert run.fingerprints == {"d.jsonl": Fingerprint(1, "ab")}


def test_the_best_evaluation_is_shown_or_the_last_if_none_is_best_or_the_one_asked_for(folder):
    run = read_run(folder)
    assert run.evaluation(None).step == 1 and run.evaluation(2).step == 2
    with pytest.raises(ValueError, match=r"--step: 7: .* choose one of: 0 1 2"):
        run.evaluation(7)
    log = folder / "metrics.jsonl"
    log.write_text(log.read_text().replace('"best": true', '"best": false'))
    assert read_run(folder).evaluation(None).step == 2
    log.write_text("")
    assert read_run(folder).evaluation(None) is None


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not a run"):
        read_run(tmp_path)
