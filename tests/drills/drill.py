"""A run to disturb, the same run undisturbed, and ways to disturb a process."""

import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from helpers.manifests import write_corpus
from helpers.models import random_whisper, save_whisper
from helpers.runs import EXACT

ROOT = Path(__file__).parent.parent.parent
N_STEPS, EVAL_EVERY = 7, 3


@pytest.fixture(autouse=True)
def fault(request, record_property):
    """Record to which line of the table a drill belongs."""
    if marker := request.node.get_closest_marker("fault"):
        record_property("fault", marker.args[0])


@pytest.fixture(scope="session")
def material(tmp_path_factory) -> list[str]:
    """Flags of a run of seven steps and four evaluations that saves after each step.

    It ends by mixing trained and stock weights.
    """
    folder = tmp_path_factory.mktemp("material")
    train, dev = write_corpus(folder, prompts=False, n_dev=8)
    model_path = save_whisper(random_whisper(), folder / "random.pt")
    return [
        *("--model", str(model_path), "--train", str(train), "--dev", str(dev)),
        *("--lr", "1e-3", "--batch-size", "2", "--accumulate", "2", "--epochs", "100"),
        *("--max-steps", str(N_STEPS), "--eval-every", str(EVAL_EVERY), "--save-every", "1"),
        *("--workers", "1", "--amp", "off", *EXACT),
        *("--learn", "texts", "--kl-weight", "0.1"),  # moves far enough to be mixed; has a teacher
    ]


@pytest.fixture(scope="session")
def whole(material, tmp_path_factory) -> Path:
    """The folder of that run, undisturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert finished(start([*material, "--out", folder])) == 0
    assert (folder / "tuned.pt").exists()  # best.pt is a mixture
    return folder


@pytest.fixture
def own(material, tmp_path):
    """The material in a folder of one's own, to spoil."""
    source = Path(material[1]).parent
    target = tmp_path / "material"
    shutil.copytree(source, target)
    return [flag.replace(str(source), str(target)) for flag in material], target


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "run"


def start(argv, **options) -> subprocess.Popen:
    """Start `train.py` in a process group of its own, with its output kept."""
    return subprocess.Popen(
        [*options.pop("prefix", ()), sys.executable, str(ROOT / "train.py"), *map(str, argv)],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.DEVNULL),
        text=True,
        start_new_session=True,
        **options,
    )


def finished(process: subprocess.Popen) -> int:
    """Wait for a process to end and return its status; keep its output and errors."""
    process.output, process.errors = process.communicate(timeout=120)
    return process.returncode


def resume_run(folder, *more, **options) -> subprocess.Popen:
    """Resume a run and wait for it to end."""
    process = start(["--resume", folder, *more], **options)
    finished(process)
    return process


def wait_until(happened: Callable[[], bool], process: subprocess.Popen) -> None:
    """Return as soon as it happened; fail if the process ended before."""
    while not happened():
        assert process.poll() is None, process.communicate()
        time.sleep(0.0005)


def n_steps(folder: Path) -> int:
    """Return how many steps a run has logged, counting whole lines only."""
    log = folder / "metrics.jsonl"
    return log.read_bytes().count(b'"kind": "step"') if log.exists() else 0


def mixes(folder: Path) -> bool:
    """Return whether a run's last evaluation is saved, so that it mixes its weights now."""
    log, state = folder / "metrics.jsonl", folder / "state.pt"
    if n_steps(folder) < N_STEPS:
        return False
    n_evaluations = log.read_bytes().count(b'"kind": "evaluation"')
    with suppress(FileNotFoundError):  # a new state is about to take its name
        is_saved = state.stat().st_mtime_ns > log.stat().st_mtime_ns
        return is_saved and n_evaluations == 1 + math.ceil(N_STEPS / EVAL_EVERY)
    return False


def writes(folder: Path) -> bool:
    """Return whether a checkpoint is being written."""
    return folder.exists() and any(name.endswith(".partial") for name in os.listdir(folder))


def workers_of(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)
