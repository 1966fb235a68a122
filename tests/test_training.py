"""How weights change, and that stopping and resuming is the same run."""

import dataclasses
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import whisper
from conftest import random_whisper, write_manifest
from torch.amp import GradScaler
from torch.optim import SGD

from whisper_ft import training
from whisper_ft.config import TrainConfig, parse
from whisper_ft.data import Batch, Examples, Visit, collate
from whisper_ft.manifest import read_manifest
from whisper_ft.model import parameter_groups
from whisper_ft.optim import NonFiniteError, learning_rate, train_step
from whisper_ft.plan import make_plan
from whisper_ft.prompts import PromptPolicy
from whisper_ft.resuming import resume_plan
from whisper_ft.training import Progress, train
from whisper_ft.weights import Vocabulary

ROOT = Path(__file__).parent.parent


@pytest.fixture
def argv(corpus, model_path, tmp_path):
    """Flags of a run of seven steps on a random model."""
    return [
        *("--model", str(model_path), "--train", str(corpus[0]), "--dev", str(corpus[1])),
        *("--lr", "1e-3", "--batch-size", "2", "--accumulate", "2", "--max-steps", "7"),
        *("--eval-every", "3", "--save-every", "2", "--workers", "0", "--epochs", "100"),
        *("--out", str(tmp_path / "run")),
    ]


def plan_of(argv):
    config, given = parse(TrainConfig, argv, "train.py")
    return resume_plan(config, given) if config.resume else make_plan(config)


def lines(folder, name="metrics.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def trajectory(folder):
    """Everything logged but the time it took."""
    times = ("seconds", "waited")
    return [{k: v for k, v in line.items() if k not in times} for line in lines(folder)]


def assert_same_run(one, other):
    """Equal states, bit for bit, weights, logs and samples."""
    states = [torch.load(folder / "state.pt", weights_only=True) for folder in (one, other)]
    assert states[0]["progress"] == states[1]["progress"]
    for name, tensor in states[0]["model"].items():
        assert torch.equal(tensor, states[1]["model"][name]), name
    for index, slot in states[0]["optimizer"]["state"].items():
        for name, tensor in slot.items():
            assert torch.equal(tensor, states[1]["optimizer"]["state"][index][name])
    for checkpoint in ("best.pt", "last.pt"):
        weights = [torch.load(folder / checkpoint)["model_state_dict"] for folder in (one, other)]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert trajectory(one) == trajectory(other)
    assert lines(one, "samples.jsonl") == lines(other, "samples.jsonl")


# ---- one step


@pytest.fixture
def examples(corpus):
    rows = read_manifest(corpus[0]).rows
    tokenizer_of = Vocabulary(False, 99, 448).tokenizer
    return Examples(rows, PromptPolicy(0.5), tokenizer_of, 80, 448, timestamp_rate=0.5, seed=0)


def batches(examples, *sizes):
    visits = iter(Visit(0, i % 5) for i in range(100))
    return [collate([examples[next(visits)] for _ in range(size)]) for size in sizes]


def one_step(examples, *sizes, **settings):
    model = random_whisper()
    optimizer = SGD(parameter_groups(model, 0.0), lr=0.1)
    numbers = train_step(
        model, batches(examples, *sizes), optimizer, GradScaler("cpu", enabled=False)
    )
    return numbers, model


def test_accumulation_over_uneven_batches_is_the_step_of_one_large_batch(examples):
    whole, model = one_step(examples, 5)
    for sizes in ((1, 4), (3, 1, 1)):
        parts, other = one_step(examples, *sizes)
        assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)
        assert parts["grad_norm"] == pytest.approx(whole["grad_norm"], rel=1e-4)
        assert parts["n_targets"] == whole["n_targets"] and parts["n_rows"] == 5
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.allclose(p, q, atol=1e-6)


def test_the_loss_is_the_mean_over_learned_tokens(examples):
    numbers, _ = one_step(examples, 3)
    (batch,) = batches(examples, 3)
    logits = random_whisper()(batch.mel, batch.tokens)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    assert numbers["loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_the_gradient_is_clipped_to_norm_1(examples):
    numbers, model = one_step(examples, 3)
    moved = [p - q for p, q in zip(model.parameters(), random_whisper().parameters(), strict=True)]
    norm = math.sqrt(sum(d.pow(2).sum().item() for d in moved)) / 0.1
    assert numbers["grad_norm"] > 1 and norm == pytest.approx(1.0, rel=1e-3)


def poisoned(batch: Batch) -> Batch:
    return dataclasses.replace(batch, mel=batch.mel * math.nan)


@pytest.mark.parametrize("amp_dtype", [None, torch.bfloat16, torch.float16])
def test_a_loss_that_is_not_finite_names_its_rows_and_leaves_the_weights(examples, amp_dtype):
    model = random_whisper()
    optimizer = SGD(parameter_groups(model, 0.0), lr=0.1)
    good, bad = batches(examples, 2, 2)
    scaler = GradScaler("cpu", enabled=amp_dtype == torch.float16)
    with pytest.raises(NonFiniteError) as stopped:
        train_step(model, [good, poisoned(bad)], optimizer, scaler, amp_dtype)
    assert str(stopped.value).endswith(", ".join(bad.places))
    for p, q in zip(model.parameters(), random_whisper().parameters(), strict=True):
        assert torch.equal(p, q)


def test_an_fp16_overflow_skips_the_step_and_lowers_the_scale(examples):
    model = random_whisper()
    optimizer = SGD(parameter_groups(model, 0.0), lr=0.1)
    scaler = GradScaler("cpu", init_scale=2.0**100)
    numbers = train_step(model, batches(examples, 2), optimizer, scaler, torch.float16)
    assert numbers["skipped"] and scaler.get_scale() == 2.0**99
    for p, q in zip(model.parameters(), random_whisper().parameters(), strict=True):
        assert torch.equal(p, q)
    scaler = GradScaler("cpu", init_scale=1024.0)
    assert not train_step(model, batches(examples, 2), optimizer, scaler, torch.float16)["skipped"]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.02), (torch.float16, 0.005)])
def test_mixed_precision_has_float32s_loss_and_float32_weights(examples, dtype, tolerance):
    control, _ = one_step(examples, 3)
    model = random_whisper()
    optimizer = SGD(parameter_groups(model, 0.0), lr=0.1)
    scaler = GradScaler("cpu", init_scale=128.0, enabled=dtype == torch.float16)
    numbers = train_step(model, batches(examples, 3), optimizer, scaler, dtype)
    assert numbers["loss"] == pytest.approx(control["loss"], rel=tolerance)
    assert numbers["grad_norm"] == pytest.approx(control["grad_norm"], rel=5 * tolerance)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_the_learning_rate_rises_to_its_peak_and_falls_to_0_linearly():
    rates = [learning_rate(update, 10, 4, 1.0) for update in range(10)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert learning_rate(0, 10, 0, 1.0) == 1.0


def test_the_best_evaluation_has_the_lowest_wer_then_loss_and_never_is_stocks():
    progress = Progress(step=1)
    assert progress.better(0.5, 2.0)
    progress.step = 2
    assert not progress.better(0.5, 2.0) and progress.n_worse == 1
    assert progress.better(0.5, 1.9) and progress.n_worse == 0
    assert not progress.better(None, 1.0)
    assert (progress.best_step, progress.best_wer) == (2, 0.5)


# ---- a whole run


def test_a_run_leaves_all_that_it_promises(argv, tmp_path, capsys):
    assert train(plan_of(argv)) == 0
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "metrics.jsonl", "samples.jsonl"),
        *("best.pt", "last.pt", "state.pt", "state.previous.pt"),
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
    said = capsys.readouterr().out
    assert "(stock)" in said and "initial_prompt=" in said and "are free" in said
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
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert scores == json.loads(json.dumps(said[best]))


def test_without_dev_rows_the_last_is_best_said_aloud(argv, tmp_path, capsys):
    del argv[4:6]
    assert train(plan_of(argv)) == 0
    assert "there were no --dev rows to choose by" in capsys.readouterr().out
    folder = tmp_path / "run"
    assert (folder / "best.pt").read_bytes()[-2000:] and not (folder / "samples.jsonl").exists()
    best, last = (torch.load(folder / n)["model_state_dict"] for n in ("best.pt", "last.pt"))
    assert all(torch.equal(best[name], last[name]) for name in best)


def test_a_frozen_encoder_stays_as_it_was(argv, tmp_path, model):
    train(plan_of([*argv, "--freeze-encoder"]))
    tuned = torch.load(tmp_path / "run" / "state.pt")["model"]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, tuned[name]) == name.startswith("encoder."), name


def test_patience_ends_a_run_that_gets_no_better(argv, tmp_path):
    argv[argv.index("--lr") + 1] = "1e-12"
    argv[argv.index("--eval-every") + 1] = "1"
    assert train(plan_of([*argv, "--patience", "2"])) == 0
    progress = torch.load(tmp_path / "run" / "state.pt")["progress"]
    assert progress["step"] < 7 and progress["n_worse"] == 2


def test_epochs_and_max_steps_the_smaller_wins(argv):
    argv[argv.index("--epochs") + 1] = "2"
    assert plan_of(argv).total_steps == 3  # 10 visits, 4 a step
    assert plan_of([*argv[:-1], argv[-1] + "2", "--max-steps", "2"]).total_steps == 2


def test_several_manifests_are_mixed_by_their_weights(argv, corpus):
    argv[3:4] = [str(corpus[0]), str(corpus[1])]
    plan = plan_of([*argv, "--train-weights", "1", ".5"])
    assert len(plan.examples.rows) == 7 and plan.order.epoch_length == 6
    visited = [visit.row for visit in plan.order.epoch(0)]
    assert sorted(visited)[:5] == [0, 1, 2, 3, 4] and max(visited) in (5, 6)


# ---- bad input


def test_everything_wrong_is_said_at_once_and_nothing_is_written(argv, corpus, tmp_path):
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


def test_bad_rows_can_be_left_out_each_named(argv, corpus, capsys):
    rows = [json.loads(line) for line in corpus[0].read_text().splitlines()]
    rows[3]["audio"] = "gone.wav"
    write_manifest(corpus[0], rows)
    plan = plan_of([*argv, "--skip-bad-rows"])
    said = capsys.readouterr().out
    assert len(plan.examples.rows) == 4
    assert "left out: " in said and "train.jsonl:4: audio" in said and "4 remain" in said


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
    with pytest.raises(ValueError, match=r"--out: .*holds a run: go on with it by --resume"):
        plan_of(argv)


# ---- stopping and resuming


def resumed(folder, *more):
    return plan_of(["--resume", str(folder), *more])


class StopHere(Exception):
    pass


@pytest.fixture(params=[["--amp", "off"], ["--amp", "bf16"], ["--amp", "fp16", "--freeze-encoder"]])
def whole_run(request, argv, tmp_path):
    argv = [*argv, *request.param]
    argv[argv.index("--out") + 1] = str(tmp_path / "whole")
    train(plan_of(argv))
    argv[argv.index("--out") + 1] = str(tmp_path / "run")
    return argv


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_three_steps_resume_and_four_more_are_the_floats_of_seven(
    whole_run, tmp_path, monkeypatch, stop_after
):
    real = training.train_step

    def stopping(model, batches, optimizer, scaler, amp_dtype):
        numbers = real(model, batches, optimizer, scaler, amp_dtype)
        if int(os.environ.get("STEPS", "0")) == stop_after - 1:
            signal.raise_signal(signal.SIGTERM)
        os.environ["STEPS"] = str(int(os.environ.get("STEPS", "0")) + 1)
        return numbers

    monkeypatch.setenv("STEPS", "0")
    with monkeypatch.context() as patch:
        patch.setattr(training, "train_step", stopping)
        assert train(plan_of(whole_run)) == 128 + signal.SIGTERM
    folder = tmp_path / "run"
    assert torch.load(folder / "state.pt")["progress"]["step"] == stop_after
    assert train(resumed(folder)) == 0
    assert_same_run(tmp_path / "whole", folder)


@pytest.mark.parametrize(("n_decoded", "last_whole"), [(4, 0), (8, 6)])  # the second, the last
def test_a_stop_in_an_evaluation_leaves_it_due(argv, tmp_path, monkeypatch, n_decoded, last_whole):
    argv[argv.index("--out") + 1] = str(tmp_path / "whole")
    train(plan_of(argv))
    argv[argv.index("--out") + 1] = str(tmp_path / "run")
    real, calls = training.decode_rows, []

    def interrupted(model, prompted):
        for i, sample in enumerate(real(model, prompted)):
            calls.append(i)
            if len(calls) == n_decoded:
                signal.raise_signal(signal.SIGINT)
            yield sample

    with monkeypatch.context() as patch:
        patch.setattr(training, "decode_rows", interrupted)
        assert train(plan_of(argv)) == 128 + signal.SIGINT
    folder = tmp_path / "run"
    assert max(s["step"] for s in lines(folder, "samples.jsonl")) == last_whole
    assert train(resumed(folder)) == 0
    assert_same_run(tmp_path / "whole", folder)


def test_a_second_ctrl_c_does_not_wait(argv, tmp_path, monkeypatch):
    def twice(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training, "train_step", twice)
    with pytest.raises(KeyboardInterrupt):
        train(plan_of(argv))


def test_killed_at_any_moment_a_run_resumes_to_the_same_weights(argv, tmp_path):
    argv[argv.index("--out") + 1] = str(tmp_path / "whole")
    train(plan_of([*argv, "--save-every", "1"]))
    folder = tmp_path / "run"
    argv[argv.index("--out") + 1] = str(folder)
    command = [sys.executable, str(ROOT / "train.py")]
    chance = random.Random()  # unseeded: another moment every time, said if the test fails
    for _ in range(3):
        moment, delay = chance.randint(1, 8), chance.uniform(0, 0.3)
        print(f"kill {delay:.3f} s after line {moment} of the log")
        exists = (folder / "config.json").exists()
        more = ["--resume", str(folder)] if exists else [*argv, "--save-every", "1"]
        process = subprocess.Popen([*command, *more, "--workers", "1"], stdout=subprocess.DEVNULL)
        log = folder / "metrics.jsonl"
        while process.poll() is None:
            if log.exists() and log.read_text().count("\n") >= moment:
                time.sleep(delay)  # now in the step, now in a write, now in an evaluation
                process.kill()
                break
            time.sleep(0.002)
        process.wait()
    subprocess.run([*command, "--resume", str(folder)], check=True)
    assert_same_run(tmp_path / "whole", folder)


def test_killed_before_anything_was_saved_the_run_begins_again(argv, tmp_path, capsys):
    plan_of(argv)  # config.json is written, and no more
    assert train(resumed(tmp_path / "run")) == 0
    assert "nothing was saved yet" in capsys.readouterr().out


def test_more_workers_give_the_same_run(argv, tmp_path):
    train(plan_of(argv))
    argv[argv.index("--out") + 1] = str(tmp_path / "other")
    argv[argv.index("--workers") + 1] = "2"
    train(plan_of(argv))
    assert_same_run(tmp_path / "run", tmp_path / "other")


def test_a_resumed_run_keeps_its_settings_and_its_manifests(argv, corpus, tmp_path):
    train(plan_of(argv))
    folder = tmp_path / "run"
    with pytest.raises(ValueError, match=r"--lr: a resumed run keeps .*\n--max-steps: a resumed"):
        resumed(folder, "--lr", "1e-5", "--max-steps", "9")
    assert resumed(folder, "--workers", "1", "--save-every", "5").config.save_every == 5
    corpus[0].write_text(corpus[0].read_text() + "\n")
    with pytest.raises(ValueError, match=r"train.jsonl: changed since the run began"):
        resumed(folder)
    with pytest.raises(ValueError, match="holds no run"):
        resumed(tmp_path / "nowhere")


def test_a_run_that_left_rows_out_resumes_only_with_the_same_ones(argv, corpus, tmp_path):
    train(plan_of([*argv, "--skip-bad-rows"]))
    (corpus[0].parent / "2.wav").unlink()
    with pytest.raises(ValueError, match=r"other rows .*'train': 5.*'train': 4.*restore"):
        resumed(tmp_path / "run")


def test_an_out_folder_that_cannot_be_made_is_refused(argv, tmp_path):
    (tmp_path / "file").touch()
    argv[argv.index("--out") + 1] = str(tmp_path / "file" / "run")
    with pytest.raises(ValueError, match=r"--out: .*file/run: cannot be written \(Not a directory"):
        plan_of(argv)


def test_a_full_disk_is_seen_before_the_first_step(argv, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"0.0 GB are free and the run needs 0.1"):
        plan_of(argv)


def test_the_door_says_problems_in_words_with_status_2(tmp_path):
    command = [sys.executable, str(ROOT / "train.py"), "--model", "nope", "--out", str(tmp_path)]
    done = subprocess.run([*command, "--batch-size", "0"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "--batch-size: 0" in done.stderr and "--model: nope: neither a file" in done.stderr


def test_a_finished_run_resumed_says_so_and_changes_nothing(argv, tmp_path, capsys):
    train(plan_of(argv))
    before = (tmp_path / "run" / "state.pt").read_bytes()
    assert train(resumed(tmp_path / "run")) == 0
    assert "best.pt is of step" in capsys.readouterr().out
    assert (tmp_path / "run" / "state.pt").read_bytes() == before


def test_a_run_resumes_from_any_folder(argv, corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv[3], argv[5] = "train.jsonl", "dev.jsonl"
    plan_of(argv)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resumed(tmp_path / "run").examples.rows


def test_a_damaged_config_and_an_empty_name_are_refused(argv, tmp_path):
    plan_of(argv)
    (tmp_path / "run" / "config.json").write_text('{"settings": ')
    with pytest.raises(ValueError, match=r"config.json: damaged"):
        resumed(tmp_path / "run")
    command = [sys.executable, str(ROOT / "train.py"), "--resume", ""]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "holds no run" in done.stderr


def test_warm_up_longer_than_the_run_is_refused(argv):
    with pytest.raises(ValueError, match=r"--warmup: 7: the run has 7 steps"):
        plan_of([*argv, "--warmup", "7"])


def test_a_state_of_another_precision_resumes_with_a_word(argv, tmp_path, monkeypatch, capsys):
    """As when a run of a CPU goes on on a GPU whose `auto` is fp16."""
    train(plan_of([*argv, "--amp", "bf16"]))
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace('"amp": "bf16"', '"amp": "fp16"'))
    assert train(resumed(tmp_path / "run")) == 0
    assert "torch.bfloat16 before, torch.float16 on this device" in capsys.readouterr().out


def test_lack_of_memory_names_the_settings_that_help(argv, monkeypatch, capsys):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "train_step", full)
    assert train(plan_of(argv)) == 1
    said = capsys.readouterr().out
    assert "stopped in step 1" in said and "nothing was saved yet" in said
    assert "--batch-size 1 --accumulate 4" in said


def started(argv, *more):
    """A run in a process group of its own, past its first step."""
    command = [sys.executable, str(ROOT / "train.py"), *argv, "--workers", "2", *more]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    log = Path(argv[argv.index("--out") + 1]) / "metrics.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") > 1):
        time.sleep(0.01)
    return process


def workers_of(process):
    """Process ids of a process' children (Linux)."""
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_whole_group_saves_and_leaves_no_worker(argv, tmp_path, number):
    argv[argv.index("--max-steps") + 1] = "1000"
    process = started([*argv, "--eval-every", "1000"])
    children = workers_of(process)
    os.killpg(process.pid, number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"{signal.Signals(number).name}: step" in said and "--resume" in said
    assert (tmp_path / "run" / "state.pt").exists()
    assert len(children) == 2 and not any(Path(f"/proc/{child}").exists() for child in children)


def test_a_dead_worker_stops_the_run_saved(argv, tmp_path):
    argv[argv.index("--max-steps") + 1] = "1000"
    process = started([*argv, "--eval-every", "1000"])
    os.kill(workers_of(process)[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "a worker process died" in said and "--resume" in said
    assert (tmp_path / "run" / "state.pt").exists()


def test_audio_that_vanishes_in_mid_run_stops_it_saved_and_named(argv, corpus, tmp_path, capsys):
    plan = plan_of(argv)
    plan.examples.rows[2].audio.unlink()
    assert train(plan) == 1
    said = capsys.readouterr().out
    assert "train.jsonl:3: " in said and "2.wav" in said and "--resume" in said
    assert (tmp_path / "run" / "state.pt").exists()


def test_a_loss_that_is_not_finite_stops_the_run_with_the_last_state_whole(
    argv, tmp_path, monkeypatch, capsys
):
    real, calls = training.train_step, []

    def fails_on_fourth(model, batches, *rest):
        calls.append(1)
        return real(model, [poisoned(b) for b in batches] if len(calls) == 4 else batches, *rest)

    monkeypatch.setattr(training, "train_step", fails_on_fourth)
    assert train(plan_of(argv)) == 1
    said = capsys.readouterr().out
    assert (
        "stopped in step 4: the loss is not a finite number on" in said and "train.jsonl:" in said
    )
    state = torch.load(tmp_path / "run" / "state.pt")
    assert state["progress"]["step"] == 3  # saved with the evaluation
    assert all(
        tensor.isfinite().all() for tensor in state["model"].values() if tensor.is_floating_point()
    )
