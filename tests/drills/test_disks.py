"""Disks fill up, turn read-only and flip bits: the state before is intact, and the run says so."""

import json
import os
import random
import resource
import subprocess
from contextlib import contextmanager

import pytest
import torch
from drill import finished, n_steps, resume_run, start, wait_until
from helpers.runs import assert_same_run

SMALL = 100  # MB of the small disk: a run's folder takes 60


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own. To mount one takes root, as in a container."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@contextmanager
def full(disk):
    filler = disk / "filler"
    with suppress_full(), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    yield
    filler.unlink()


@contextmanager
def suppress_full():
    try:
        yield
    except OSError as error:
        assert error.strerror == "No space left on device"


def assert_nothing_half_written(folder):
    assert not [name for name in os.listdir(folder) if name.endswith(".partial")]
    for name in ("state.pt", "state.previous.pt", "best.pt", "last.pt"):
        if (folder / name).exists():
            torch.load(folder / name, weights_only=True)


@pytest.mark.drill
@pytest.mark.fault("a full disk")
@pytest.mark.parametrize("number", range(5))
def test_a_full_disk_leaves_the_state_before(material, whole, small_disk, number):
    folder = small_disk / "run"
    process = start([*material, "--out", folder])
    step = random.Random(number).randint(2, 5)
    wait_until(lambda: n_steps(folder) >= step, process)
    with full(small_disk):
        assert finished(process) == 1
        assert "No space left on device" in process.output and "is intact" in process.output
        assert f"--resume {folder}" in process.output
        assert_nothing_half_written(folder)
    assert resume_run(folder).returncode == 0
    assert_same_run(whole, folder)


@pytest.mark.drill
@pytest.mark.fault("a folder that turns read-only")
def test_a_folder_that_turns_read_only_leaves_the_state_before(material, whole, folder):
    """Root writes through permissions, but for this capability."""
    prefix = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []
    process = start([*material, "--out", folder], prefix=prefix)
    wait_until(lambda: n_steps(folder) >= 2, process)
    folder.chmod(0o500)
    assert finished(process) == 1
    assert "Permission denied" in process.output and "is intact" in process.output
    refused = resume_run(folder, stderr=-1, prefix=prefix)
    assert refused.returncode == 2 and "cannot be written" in refused.errors
    folder.chmod(0o700)
    assert resume_run(folder).returncode == 0
    assert_same_run(whole, folder)


@pytest.mark.fault("a write that fails")
def test_a_write_that_fails_leaves_the_state_before(material, whole, folder):
    """As on a full disk, by a limit on the size of files, which needs no root."""
    process = start([*material, "--out", folder, "--save-every", "100", "--eval-every", "100"])
    wait_until(lambda: n_steps(folder) >= 2, process)
    process.terminate()
    finished(process)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    process = resume_run(folder, "--workers", "0", preexec_fn=limit)  # workers hand over by files
    assert process.returncode == 1
    assert ".pt: File too large" in process.output and "is intact" in process.output
    assert_nothing_half_written(folder)
    assert resume_run(folder).returncode == 0


@pytest.mark.fault("an output folder that cannot be written")
def test_a_folder_that_cannot_be_written_is_refused(material):
    process = start([*material, "--out", "/proc/run"], stderr=-1)
    assert finished(process) == 2
    assert "--out: /proc/run: cannot be written" in process.errors


def bit_flipped(content, chance):
    flipped = bytearray(content)
    flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


DAMAGES = {
    "truncated": lambda content, chance: content[: chance.randrange(1, len(content))],
    "bit-flipped": bit_flipped,
    "empty": lambda *_: b"",
}


@pytest.fixture(scope="session")
def stopped(material, tmp_path_factory):
    """A run that was stopped after some steps, its flags' material and all."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    process = start([*material, "--out", folder])
    wait_until(lambda: n_steps(folder) >= 4, process)
    process.terminate()
    finished(process)
    return folder


def drills():
    for damage in DAMAGES:
        for number in range(1 if damage == "empty" else 10):
            marks = [pytest.mark.fault(f"a state that is {damage}")]
            yield pytest.param(damage, number, marks=marks)


@pytest.mark.drill
@pytest.mark.parametrize(("damage", "number"), list(drills()))
def test_a_damaged_state_is_noticed_and_the_one_before_goes_on(
    stopped, whole, folder, damage, number
):
    subprocess.run(["cp", "-r", stopped, folder], check=True)
    state = folder / "state.pt"
    state.write_bytes(DAMAGES[damage](state.read_bytes(), random.Random(f"{damage} {number}")))
    process = resume_run(folder)
    assert process.returncode == 0, process.output
    assert "resuming from the state before it" in process.output or damage == "bit-flipped"
    assert_same_run(whole, folder)


@pytest.mark.drill
@pytest.mark.fault("a checkpoint that is damaged")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_noticed_before_use(material, stopped, folder, damage):
    folder.mkdir()
    best = folder / "best.pt"
    content = bytearray((stopped / "best.pt").read_bytes())
    middle = len(content) // 2  # weights, whatever the chance
    content[middle] ^= 1 if damage == "bit-flipped" else 0
    best.write_bytes(
        content if damage == "bit-flipped" else DAMAGES[damage](bytes(content), random.Random(0))
    )
    process = start([*material, "--out", folder / "run", "--model", best], stderr=-1)
    assert finished(process) == 2
    assert f"--model: {best}: " in process.errors and "Traceback" not in process.errors


@pytest.mark.drill
@pytest.mark.fault("both states damaged")
def test_without_a_whole_state_best_pt_is_offered(stopped, folder):
    subprocess.run(["cp", "-r", stopped, folder], check=True)
    for name in ("state.pt", "state.previous.pt"):
        (folder / name).write_bytes(b"")
    process = resume_run(folder, stderr=-1)
    assert process.returncode == 2
    assert "no intact state is left: start a new run with --model" in process.errors


@pytest.mark.drill
@pytest.mark.fault("two runs in one folder")
def test_a_second_run_in_a_folder_is_refused_while_the_first_lives(material, whole, folder):
    process = start([*material, "--out", folder])
    wait_until(lambda: n_steps(folder) >= 1, process)
    os.kill(process.pid, 19)  # SIGSTOP: it lives as long as it takes
    second = resume_run(folder, stderr=-1)
    assert second.returncode == 2
    assert f"process {process.pid} is training there" in second.errors
    process.kill()
    finished(process)
    assert resume_run(folder).returncode == 0  # whatever workers of the killed one are left
    assert_same_run(whole, folder)


@pytest.mark.drill
@pytest.mark.fault("resumed elsewhere")
def test_another_torch_is_a_warning_and_refused_if_asked(stopped, folder):
    subprocess.run(["cp", "-r", stopped, folder], check=True)
    config = json.loads((folder / "config.json").read_text())
    config["versions"]["torch"], config["machine"]["device"] = "2.0.0", "NVIDIA H100"
    (folder / "config.json").write_text(json.dumps(config))
    refused = resume_run(folder, "--strict-resume", stderr=-1)
    assert refused.returncode == 2
    assert "--strict-resume: torch was 2.0.0, is " in refused.errors
    assert "--strict-resume: device was NVIDIA H100, is " in refused.errors
    process = resume_run(folder)
    assert process.returncode == 0 and "floats may differ from here on" in process.output


@pytest.mark.drill
@pytest.mark.fault("other workers")
@pytest.mark.parametrize("workers", [0, 3])
def test_other_workers_go_on_exactly(stopped, whole, folder, workers):
    subprocess.run(["cp", "-r", stopped, folder], check=True)
    assert resume_run(folder, "--workers", workers, "--strict-resume").returncode == 0
    assert_same_run(whole, folder)


@pytest.mark.drill
@pytest.mark.fault("a manifest that changed")
def test_a_changed_manifest_is_refused_until_it_is_restored(own, whole, folder):
    argv, material = own
    process = start([*argv, "--out", folder])
    wait_until(lambda: n_steps(folder) >= 3, process)
    process.kill()
    finished(process)
    path = material / "train.jsonl"
    text = path.read_text()
    path.write_text(text.replace("Kathryn", "Catherine"))
    refused = resume_run(folder, stderr=-1)
    assert refused.returncode == 2
    assert f"{path}: changed since the run began: restore it" in refused.errors
    path.write_text(text)
    assert resume_run(folder).returncode == 0
    states = [torch.load(f / "state.pt", weights_only=True)["model"] for f in (folder, whole)]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
