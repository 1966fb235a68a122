"""A run's folder, read."""

import json

import pytest
from helpers.samples import sample

from whisper_ft.evaluation.logged_evaluation import LoggedEvaluation
from whisper_ft.evaluation.logged_interpolation import LoggedInterpolation, ShareScores
from whisper_ft.evaluation.prompt_gap import PromptLosses
from whisper_ft.evaluation.scoring import score
from whisper_ft.reporting.run_folder import RUN_FORMAT, LoggedStep, read_run
from whisper_ft.runtime.files import Fingerprint
from whisper_ft.training import checkpoint

SETTINGS = {"model": "tiny.en", "train": ["t.jsonl"], "dev": ["d.jsonl"], "lr": None}
SAMPLE = sample("Call Reid.", "Call Reid.", "Call read.", None)
SCORES = score([SAMPLE])
LOSSES = PromptLosses.of_scores(SCORES)


@pytest.fixture
def folder(tmp_path):
    """A run of two steps and three evaluations."""
    config = {
        "format": 2,
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
        lines.append({"kind": "evaluation", "step": step, "best": best, "scores": scores,
                      "train_losses": LOSSES.to_json()})  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    samples = [{"step": step, **SAMPLE.to_json()} for step in (0, 1, 2)]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in samples))
    return tmp_path


def test_steps_evaluations_and_samples_are_read(folder):
    run = read_run(folder)
    assert run.steps == (LoggedStep(1, 1.0, 1e-5, None), LoggedStep(2, 1.0, 1e-5, None))
    assert run.evaluations[1] == LoggedEvaluation(1, True, SCORES, LOSSES)
    assert run.samples(1) == [SAMPLE] and run.samples(7) == []
    assert run.settings.dev == ("d.jsonl",) and run.settings.lr is None
    assert run.fingerprints == {"d.jsonl": Fingerprint(1, "ab")}


def test_how_best_pt_was_mixed_is_read_and_damage_there_is_named(folder):
    assert read_run(folder).interpolation is None
    shares = tuple(ShareScores(share, 0.1, 1.0, None) for share in (0.0, 0.5, 1.0))
    mixed = LoggedInterpolation(2, 1, 0.5, "wer", 4, 4, "row", shares, shares, SCORES)
    log = folder / "metrics.jsonl"
    log.write_text(log.read_text() + json.dumps(mixed.to_json()) + "\n")
    assert read_run(folder).interpolation == mixed
    log.write_text(log.read_text().replace('"n_choosing": 4', '"n_choosing": null'))
    with pytest.raises(ValueError, match=r"metrics\.jsonl:6: damaged, or another version wrote it"):
        read_run(folder)


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


def test_a_run_of_another_format_is_told_from_a_damaged_one(folder):
    assert RUN_FORMAT == checkpoint.RUN_FORMAT
    config = json.loads((folder / "config.json").read_text())
    for number, age in ((1, "an earlier"), (3, "another"), (2.0, "another"), (None, "another")):
        (folder / "config.json").write_text(json.dumps({**config, "format": number}))
        with pytest.raises(
            ValueError, match=rf"json: written by {age} version \(format {number}\)"
        ):
            read_run(folder)
    del config["format"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match=r"earlier version \(format 1\); this version reads format 2"
    ):
        read_run(folder)


def test_the_damaged_line_is_named(folder):
    for name in ("metrics.jsonl", "samples.jsonl"):
        lines = (folder / name).read_text().splitlines()
        lines[1:2] = ['{"cut', '{"kind": "step", "step": 0}']
        (folder / name).write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl:3: damaged, or .* \(KeyError: 'loss'\)"):
        read_run(folder)
    (folder / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"samples\.jsonl:3: damaged, or another version wrote it"):
        read_run(folder).samples(0)
