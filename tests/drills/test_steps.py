"""Steps that cannot be taken, and audio that is not what it was: no weight is spoiled by either."""

import json
import re
import resource
from pathlib import Path

import pytest
import soundfile
import torch
from drill import finished, n_steps, resume_run, start, wait_until
from helpers.audio import tone
from helpers.models import random_whisper
from helpers.runs import assert_same_run, trajectory
from whisper.model import ModelDimensions, Whisper


def assert_finite(folder):
    state = torch.load(folder / "state.pt", weights_only=True)["model"]
    paths = (path for path in (folder / "best.pt", folder / "last.pt") if path.exists())
    for weights in (state, *(torch.load(p, weights_only=True)["model_state_dict"] for p in paths)):
        assert all(tensor.isfinite().all() for tensor in weights.values())


@pytest.mark.fault("a loss that is not finite")
@pytest.mark.parametrize(
    "amp", ["fp16", *(pytest.param(amp, marks=pytest.mark.drill) for amp in ("off", "bf16"))]
)
def test_a_loss_that_is_not_finite_stops_the_run_before_the_weights(material, folder, amp):
    """A rate that no one would choose: the weights overflow within steps."""
    steps = ["--lr", "1e37", "--warmup", "3", "--max-steps", "60", "--eval-every", "100"]
    process = start([*material, "--out", folder, *steps, "--amp", amp])
    assert finished(process) == 1, process.output
    assert re.search(r"not (a )?finite|overflow", process.output) and "lower --lr" in process.output
    if (folder / "state.pt").exists():
        assert_finite(folder)


@pytest.mark.drill
@pytest.mark.fault("fp16 that always overflows")
def test_fp16_that_overflows_at_every_scale_stops_with_advice(material, folder, tmp_path):
    model = random_whisper()
    with torch.no_grad():
        model.decoder.blocks[0].mlp[2].weight *= 1e6
    torch.save(
        {"dims": vars(model.dims), "model_state_dict": model.state_dict()}, tmp_path / "m.pt"
    )
    flags = ["--model", tmp_path / "m.pt", "--amp", "fp16", "--max-steps", "60"]
    process = start([*material, "--out", folder, *flags])
    assert finished(process) == 1
    assert "--amp bf16 or off" in process.output or "not a finite number" in process.output


def wide(path, width=256) -> Path:
    """Save a model whose steps take far more memory than the rest of a process."""
    torch.manual_seed(0)
    model = Whisper(ModelDimensions(80, 1500, width, 4, 1, 51864, 448, width, 4, 1))
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, path)
    return path


def address_space(gigabytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes * 1e9),) * 2)

    return limit


def status(process):
    """What Linux tells of a process."""
    return Path(f"/proc/{process.pid}/status")


def peak_address_space(process):
    """Return the most gigabytes of addresses that a run took, and wait for it to end."""
    peak = 0
    while process.poll() is None:
        if found := re.search(r"VmPeak:\s+(\d+) kB", status(process).read_text()):
            peak = int(found[1])
    finished(process)
    return peak * 1024 / 1e9


@pytest.mark.drill
@pytest.mark.fault("memory that runs short")
def test_memory_that_runs_short_makes_steps_of_smaller_parts(material, tmp_path):
    """The limit lies in the middle between what 8 rows at once take and what 16 do."""
    flags = [*material, "--model", wide(tmp_path / "wide.pt"), "--max-steps", "2", "--workers", "0"]
    flags += ["--device", "cpu"]  # CUDA takes addresses for all of its memory
    flags += ["--eval-every", "100", "--save-every", "100", "--accumulate", "1"]
    flags += ["--kl-weight", "0"]  # a teacher that might not fit is left out, and losses differ
    flags += ["--interpolate", "off"]  # mixing loads another model, which is no matter of steps
    peaks = [
        peak_address_space(start([*flags, "--batch-size", n, "--out", tmp_path / f"of{n}"]))
        for n in (8, 16)
    ]
    assert peaks[1] - peaks[0] > 0.15
    limit = address_space(sum(peaks) / 2)
    out = tmp_path / "run"
    process = start([*flags, "--batch-size", "16", "--out", out], stderr=-1, preexec_fn=limit)
    assert finished(process) == 0, process.output + process.errors
    output = process.output + process.errors
    assert "with 16 rows per pass; continuing with 8 (effective batch unchanged)" in output
    losses = [line["loss"] for line in trajectory(out) if line["kind"] == "step"]
    wanted = [line["loss"] for line in trajectory(tmp_path / "of16") if line["kind"] == "step"]
    assert losses == pytest.approx(wanted, rel=1e-5)


@pytest.mark.drill
@pytest.mark.fault("memory that is too short")
def test_memory_for_not_even_a_row_names_what_takes_less(material, folder, tmp_path):
    flags = [*material, "--model", wide(tmp_path / "wide.pt", 1024), "--workers", "0"]
    flags += ["--device", "cpu"]
    at = flags.index("--dev")
    del flags[at : at + 2]  # to decode takes more than a step of one row
    process = start([*flags, "--batch-size", 1, "--out", folder], stderr=-1)
    wait_until((folder / "config.json").exists, process)
    now = int(re.search(r"VmSize:\s+(\d+) kB", status(process).read_text())[1]) * 1024
    resource.prlimit(process.pid, resource.RLIMIT_AS, (now + 500_000_000,) * 2)
    assert finished(process) == 1, process.output + process.errors
    assert "Stopped in step 1" in process.output, process.errors
    assert "GB with --freeze-encoder" in process.output and "Traceback" not in process.errors


@pytest.mark.drill
@pytest.mark.fault("audio that vanishes")
def test_audio_that_vanishes_in_mid_run_stops_it_saved(own, folder):
    argv, material = own
    process = start([*argv, "--out", folder, "--max-steps", "1000", "--eval-every", "1000"])
    wait_until(lambda: n_steps(folder) >= 2, process)
    (material / "2.wav").rename(material / "elsewhere.wav")
    assert finished(process) == 1
    assert "train.jsonl:3: " in process.output and "2.wav" in process.output
    assert f"--resume {folder}" in process.output
    (material / "elsewhere.wav").rename(material / "2.wav")
    process = start(["--resume", folder])
    at = n_steps(folder)
    wait_until(lambda: n_steps(folder) > at, process)
    process.kill()
    finished(process)


@pytest.mark.drill
@pytest.mark.fault("audio that changes")
def test_audio_that_changes_in_mid_run_stops_it_saved(own, folder):
    argv, material = own
    process = start([*argv, "--out", folder, "--max-steps", "1000", "--eval-every", "1000"])
    wait_until(lambda: n_steps(folder) >= 2, process)
    soundfile.write(material / "2.wav", tone(1.0, hertz=99), 16000)
    assert finished(process) == 1
    assert "train.jsonl:3: " in process.output and "changed since it was checked" in process.output
    soundfile.write(material / "2.wav", tone(1.5, hertz=99), 16000)
    refused = resume_run(folder, stderr=-1)
    assert refused.returncode == 2 and "the usable rows changed" in refused.errors


@pytest.mark.drill
@pytest.mark.fault("features that are damaged")
def test_damaged_features_stop_the_run_saved(material, folder, tmp_path):
    cache = tmp_path / "cache"
    flags = ["--freeze-encoder", "--feature-cache", cache, "--eval-every", "1000"]
    process = start([*material, "--out", folder, *flags, "--max-steps", "1000"])
    wait_until(lambda: n_steps(folder) >= 2, process)
    for path in cache.rglob("*.npy"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert finished(process) == 1
    assert "damaged: remove it" in process.output and f"--resume {folder}" in process.output


@pytest.mark.fault("the same run twice")
@pytest.mark.drill
@pytest.mark.parametrize("amp", ["off", "bf16"])
def test_deterministic_runs_have_the_same_losses(material, tmp_path, amp):
    for name, workers in (("one", 0), ("other", 2)):
        flags = ["--deterministic", "--amp", amp, "--workers", workers]
        process = start([*material, *flags, "--out", tmp_path / name], stderr=-1)
        assert finished(process) == 0, process.errors
    assert_same_run(tmp_path / "one", tmp_path / "other")
    assert json.loads((tmp_path / "one" / "config.json").read_text())["settings"]["deterministic"]
