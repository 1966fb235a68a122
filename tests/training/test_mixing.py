"""At a run's end best.pt becomes the best mixture of trained and stock weights, killed or not."""

import dataclasses
import json
import shutil
import signal

import pytest
import torch
from helpers.manifests import write_corpus
from helpers.models import random_whisper
from helpers.runs import EXACT, assert_same_run, lines, plan_of, train_until_signal

from whisper_ft.evaluation import decode_rows
from whisper_ft.evaluation.decode_rows import decode_all
from whisper_ft.evaluation.logged_interpolation import LoggedInterpolation
from whisper_ft.evaluation.scoring import score
from whisper_ft.models.loading import load
from whisper_ft.training import interpolation, mixing
from whisper_ft.training.interpolation import find_obstacle, make_parts
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Flags of a run of three steps whose best mixture holds a quarter of the trained weights."""
    folder = tmp_path_factory.mktemp("mixed")
    manifests = write_corpus(folder, prompts=False, n_dev=8)
    model = random_whisper()
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, folder / "m.pt")
    return [
        *("--model", str(folder / "m.pt")),
        *("--train", str(manifests[0]), "--dev", str(manifests[1])),
        *("--lr", "1e-3", "--batch-size", "2", "--accumulate", "2", "--epochs", "100"),
        *("--max-steps", "3", "--eval-every", "2", "--workers", "0", "--amp", "off", *EXACT),
        *("--learn", "texts", "--contrast", "0"),
    ]


class Killed(BaseException):
    """Stands for SIGKILL: nothing handles it."""


@pytest.fixture(scope="module")
def trained(material, tmp_path_factory):
    """A run that was killed after its last save, before any share was scored."""
    folder = tmp_path_factory.mktemp("trained") / "run"

    def killed(*_):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpolation, "make_parts", killed)
        patch.setattr("whisper_ft.training.loop.describe_interpolation_plan", lambda plan: "")
        with pytest.raises(Killed):
            train(plan_of([*material, "--out", str(folder)]))
    assert not (folder / "tuned.pt").exists()
    return folder


@pytest.fixture(scope="module")
def whole(material, tmp_path_factory):
    """The folder and the result of that run, undisturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, train(plan_of([*material, "--out", str(folder)]))


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the run that is trained and not yet mixed."""
    return shutil.copytree(trained, tmp_path / "run")


def resumed(folder, *more):
    return plan_of(["--resume", str(folder), *more])


def weights(path):
    return torch.load(path, weights_only=True)["model_state_dict"]


def test_best_pt_is_the_mixture_and_tuned_pt_keeps_the_trained_weights(whole, material):
    folder, result = whole
    mixed = result.interpolation
    assert mixed.share == 0.5 and mixed.tuned_step == result.best_step
    stock, tuned = random_whisper().state_dict(), weights(folder / "tuned.pt")
    for name, tensor in weights(folder / "best.pt").items():
        wanted = 0.5 * tuned[name].float() + 0.5 * stock[name]
        assert torch.equal(tensor, wanted.half()), name
    assert any(not torch.equal(tuned[name], stock[name].half()) for name in tuned)
    assert lines(folder)[-1] == json.loads(json.dumps(mixed.to_json()))
    assert result.scores == mixed.scores
    assert result.message.startswith(
        f"best.pt is 0.5 of the tuned weights (of step {mixed.tuned_step}, kept in tuned.pt) and "
        "0.5 of stock's: dev prompted_wer 100.0 % on the 4 rows that did not choose this, 100.0 % "
        "tuned alone, "
    )


def test_the_printed_scores_are_those_of_the_file_on_rows_that_did_not_choose(whole, material):
    folder, result = whole
    plan = resumed(folder)
    plan.lock.close()
    choosing, scoring, _ = make_parts(plan)
    assert sorted(choosing.numbers + scoring.numbers) == list(range(8))
    samples = decode_all(load(str(folder / "best.pt")).model, scoring.dev, "")
    assert score(samples) == result.scores
    mixed = result.interpolation
    samples = decode_all(load(str(folder / "tuned.pt")).model, choosing.dev, "")
    tuned = next(scores for scores in mixed.choosing if scores.share == 1)
    assert score(samples)["right"]["loss"].rate == pytest.approx(tuned.loss)
    assert [scores.share for scores in mixed.choosing] == [0.0, 1.0, 0.75, 0.5, 0.25]
    assert [scores.share for scores in mixed.scoring] == [0.0, 0.5, 1.0]


def kill_at(patch, moment):
    """Have the mixing end without a trace of why, at a moment."""
    real, calls = {}, []

    def replace(name, killing):
        real[name] = getattr(mixing, name)
        patch.setattr(mixing, name, killing)

    def killed(*_):
        raise Killed

    def after(*args):
        real["save_weights"](*args)
        raise Killed

    def in_third(*args, **options):
        calls.append(1)
        return killed() if len(calls) == 3 else real["decode_all"](*args, **options)

    name, killing = {
        "while shares are scored": ("decode_all", in_third),
        "before tuned.pt": ("copy_atomically", killed),
        "between tuned.pt and best.pt": ("save_weights", killed),
        "after best.pt": ("save_weights", after),
    }[moment]
    replace(name, killing)


@pytest.mark.parametrize(
    "moment",
    [
        "while shares are scored",
        "before tuned.pt",
        "between tuned.pt and best.pt",
        "after best.pt",
    ],
)
def test_killed_at_any_moment_the_mixing_ends_the_same(whole, folder, monkeypatch, moment):
    with monkeypatch.context() as patch:
        kill_at(patch, moment)
        with pytest.raises(Killed):
            train(resumed(folder))
    assert not any(line["kind"] == "interpolation" for line in lines(folder))
    result = train(resumed(folder))
    assert result.reason == "finished" and result.interpolation == whole[1].interpolation
    assert_same_run(whole[0], folder)


def test_ctrl_c_while_shares_are_scored_leaves_no_trace_and_it_stays_due(
    whole, folder, monkeypatch
):
    real, calls = decode_rows.decode_rows, []

    def interrupted(model, prompted, **options):
        for sample in real(model, prompted, **options):
            calls.append(1)
            if len(calls) == 6:
                signal.raise_signal(signal.SIGINT)
            yield sample

    before = (folder / "best.pt").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(decode_rows, "decode_rows", interrupted)
        result = train_until_signal(resumed(folder))
    assert (result.reason, result.signal) == ("stopped", signal.SIGINT)
    assert "the state of step 3 is saved. Resume with:" in result.message
    assert (folder / "best.pt").read_bytes() == before and not (folder / "tuned.pt").exists()
    assert train(resumed(folder)).reason == "finished"
    assert_same_run(whole[0], folder)


def test_a_damaged_state_trains_again_from_the_one_before_and_mixes_the_same(
    whole, tmp_path, logged
):
    folder = shutil.copytree(whole[0], tmp_path / "run")
    (folder / "state.pt").write_bytes(b"")
    assert train(resumed(folder)).reason == "finished"
    assert "resuming from step 3 of 3" in logged()  # before its evaluation
    assert_same_run(whole[0], folder)


def test_a_mixed_run_resumed_says_so_and_changes_nothing(whole, tmp_path, logged):
    folder = shutil.copytree(whole[0], tmp_path / "run")
    before = [(folder / name).read_bytes() for name in ("best.pt", "metrics.jsonl")]
    result = train(resumed(folder))
    assert (result.message, result.interpolation) == (whole[1].message, whole[1].interpolation)
    assert "already finished, at step 3" in logged()
    assert [(folder / name).read_bytes() for name in ("best.pt", "metrics.jsonl")] == before
    assert_same_run(whole[0], folder)


def test_samples_that_were_lost_are_decoded_again(whole, folder):
    (folder / "samples.jsonl").unlink()
    mixed, wanted = train(resumed(folder)).interpolation, whole[1].interpolation
    assert mixed.share == wanted.share and mixed.scores == wanted.scores
    assert mixed.choosing[0].score == wanted.choosing[0].score


def test_a_mixture_that_is_the_tuned_weights_leaves_best_pt_as_it_is(folder, monkeypatch):
    before = (folder / "best.pt").read_bytes()
    monkeypatch.setattr(interpolation, "choose_share", lambda *_: 1.0)
    result = train(resumed(folder))
    assert result.message.startswith(
        f"best.pt is from step {result.best_step}, since no mixture with stock's weights is "
        "better: dev prompted_wer 100.0 % on the 4 rows that did not choose this, "
    )
    assert (folder / "best.pt").read_bytes() == before and not (folder / "tuned.pt").exists()


@pytest.mark.parametrize("loss", ["gone", "changed"])
def test_a_lost_model_is_said_before_anything_is_done_and_off_goes_on(
    material, folder, monkeypatch, loss
):
    path, saved = lose(material, folder, loss)
    with (folder / "metrics.jsonl").open("a") as log:
        log.write('5\n{"kind": "interpolation", "share"')  # cut in writing
    with pytest.raises(SetupError) as refused:
        resumed(folder)
    assert str(refused.value) == (
        f"{path}: {loss} since the run began. At the end its weights are mixed into best.pt: "
        "restore it, or add --interpolate off"
    )
    result = train(resumed(folder, "--interpolate", "off"))
    assert result.reason == "finished" and result.interpolation is None
    assert result.message.startswith("best.pt is from step ")
    path.write_bytes(saved)
    assert train(resumed(folder)).interpolation.share == 0.5  # a change of mind


@pytest.mark.parametrize("loss", ["gone", "changed"])
def test_a_lost_model_that_is_a_teacher_must_be_restored_while_steps_are_left(
    material, folder, loss
):
    path, _ = lose(material, folder, loss)
    change_settings(folder, kl_weight=0.1)
    with pytest.raises(SetupError, match="or add --interpolate off"):
        resumed(folder)
    assert train(resumed(folder, "--interpolate", "off")).reason == "finished"
    state = torch.load(folder / "state.pt", weights_only=True)
    state["progress"] |= {"step": 2, "n_updates": 2, "evaluated_step": 2}  # a step is left
    torch.save(state, folder / "state.pt")
    with pytest.raises(SetupError) as refused:
        resumed(folder, "--interpolate", "off")
    assert str(refused.value) == (
        f"{path}: {loss} since the run began. It is the teacher of --kl-weight: restore it, or "
        f"start a new run with --model {folder / 'best.pt'}"
    )
    for state in folder.glob("state*.pt"):
        state.unlink()
    with pytest.raises(SetupError, match=f"{loss} since the run began. No state was saved yet: "):
        resumed(folder)


def change_settings(folder, **settings):
    config = json.loads((folder / "config.json").read_text())
    config["settings"] |= settings
    (folder / "config.json").write_text(json.dumps(config))


def lose(material, folder, loss):
    """Give the run a model file of its own, and remove or change it."""
    path = folder.parent / "own.pt"
    shutil.copy(material[1], path)
    config = folder / "config.json"
    config.write_text(config.read_text().replace(material[1], str(path)))
    saved = path.read_bytes()
    path.write_bytes(saved[:-1] + b"x")
    if loss == "gone":
        path.unlink()
    return path, saved


def test_a_model_that_is_lost_while_the_run_trains_is_said_at_the_end(
    whole, material, folder, monkeypatch
):
    path, saved = lose(material, folder, "gone")
    path.write_bytes(saved)
    plan = resumed(folder)
    path.unlink()
    result = train(plan, command="python train.py")
    assert result.reason == "failed"
    assert result.message == (
        "All 3 steps are taken and saved, but best.pt cannot be mixed with the weights before "
        f"training: {path}: gone since the run began\nRestore it, then resume with:\n"
        f"  python train.py --resume {folder}\nor leave best.pt as it is:\n"
        f"  python train.py --resume {folder} --interpolate off"
    )
    path.write_bytes(saved)
    assert train(resumed(folder)).reason == "finished"
    assert_same_run(whole[0], folder)


def test_a_run_that_patience_ends_is_mixed_too_and_a_file_of_before_is_no_trained_weights(
    material, tmp_path
):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "tuned.pt").write_bytes(b"of another run")
    argv = [*material, "--out", str(folder), "--patience", "1", "--lr", "1e-12"]
    argv[argv.index("--eval-every") + 1] = "1"
    result = train(plan_of(argv))
    assert result.n_steps == 2 and result.interpolation.step == 2
    assert result.interpolation.tuned_step == 1
    if result.interpolation.share < 1:
        assert weights(folder / "tuned.pt")
    else:
        assert not (folder / "tuned.pt").exists()


def test_general_speech_is_scored_with_each_share_and_its_manifest_is_the_runs(
    material, trained, tmp_path
):
    manifest = tmp_path / "others"
    manifest.mkdir()
    _, others = write_corpus(manifest, prompts=False, n_dev=9)
    argv = [*material, "--out", str(tmp_path / "run"), "--others", str(others)]
    plan = plan_of(argv)
    assert len(plan.others.rows) == 9
    result = train(plan)
    mixed = result.interpolation
    assert all(scores.others is not None for scores in (*mixed.choosing, *mixed.scoring))
    assert "; on --others 100.0 %, " in result.message
    resumed(tmp_path / "run", "--interpolate", "off").lock.close()  # a change of mind
    others.write_text(others.read_text() + "\n")
    with pytest.raises(SetupError, match=r"dev.jsonl: changed since the run began"):
        resumed(tmp_path / "run")


def test_too_few_other_rows_and_others_without_dev_rows_are_refused(material, tmp_path):
    _, others = write_corpus(tmp_path, n_dev=3)
    argv = [*material, "--out", str(tmp_path / "run"), "--others", str(others)]
    with pytest.raises(SetupError, match="--others: 3 rows: too few to choose by: give 8 or more"):
        plan_of(argv)
    at = argv.index("--dev")
    del argv[at : at + 2]
    with pytest.raises(SetupError, match="--others: without --dev rows nothing is chosen"):
        plan_of(argv)
    with pytest.raises(SetupError, match="--others: only --interpolate auto uses it"):
        plan_of([*argv, "--interpolate", "off"])


def test_what_will_happen_and_what_it_costs_or_why_not_is_said_at_the_start(material, tmp_path):
    plan = plan_of([*material, "--out", str(tmp_path / "mixed")])
    assert interpolation.describe_interpolation_plan(plan) == (
        "at the end best.pt becomes a mixture of the trained weights and those before training. "
        "4 dev rows choose the share of the trained weights (0.25, 0.5, 0.75, 1), and 4 others "
        "score it. This takes as long as 2.0 evaluations"
    )
    few = plan_of([*material, "--out", str(tmp_path / "few"), "--eval-rows", "7"])
    said = "best.pt will not be mixed with the weights before training: 7 dev rows of an"
    assert interpolation.describe_interpolation_plan(few).startswith(said)
    off = plan_of([*material, "--out", str(tmp_path / "off"), "--interpolate", "off"])
    assert interpolation.describe_interpolation_plan(off).endswith(": --interpolate off")
    assert not find_obstacle(plan.config, plan.dev)
    one = dataclasses.replace(plan, dev=plan.dev.subset(range(8)))
    one.dev.rows[:] = [dataclasses.replace(row, recording="talk") for row in one.dev.rows]
    assert interpolation.describe_interpolation_plan(one).endswith(
        "The recordings of the dev rows cannot be halved: both halves hold rows of the same ones, "
        "so that the score may be too good"
    )


def test_the_line_of_the_log_comes_back_and_other_data_is_refused(whole):
    line = lines(whole[0])[-1]
    assert LoggedInterpolation.from_json(line) == whole[1].interpolation
    for name, value in (("share", "half"), ("choosing", [{}]), ("n_scoring", 1.5)):
        with pytest.raises((KeyError, TypeError)):
            LoggedInterpolation.from_json({**line, name: value})
