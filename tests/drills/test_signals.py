"""Killed or asked to stop at any moment, a run goes on to the same weights, bit for bit."""

import os
import random
import signal
import time
from itertools import product

import psutil
import pytest
from drill import (
    EVAL_EVERY,
    N_STEPS,
    finished,
    mixes,
    n_steps,
    resume_run,
    start,
    wait_until,
    workers_of,
    writes,
)
from helpers.runs import assert_same_run

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MOMENTS = {
    "a step": lambda folder, step: n_steps(folder) >= step,
    "a checkpoint's write": lambda folder, step: n_steps(folder) >= step and writes(folder),
    "an evaluation": lambda folder, step: (
        n_steps(folder) >= max(EVAL_EVERY, step - step % EVAL_EVERY)  # which follows at once
    ),
    "the choice of a mixture": lambda folder, step: mixes(folder),
    "a mixture's write": lambda folder, step: any(folder.glob("tuned.pt*")),
}


DELAYS = {  # seconds, at most
    "a step": 0.1,
    "a checkpoint's write": 0.02,
    "an evaluation": 0.1,
    "the choice of a mixture": 0.2,
    "a mixture's write": 0.02,
}


def drills(*counts):
    """(moment, number) of each SIGKILL; the first alone is not left to `make drills`."""
    for moment, count in zip(MOMENTS, counts, strict=True):
        for number in range(count):
            marks = [pytest.mark.fault(f"SIGKILL in {moment}")]
            is_first = moment == "a step" and not number
            yield pytest.param(
                moment, number, marks=marks if is_first else [*marks, pytest.mark.drill]
            )


@pytest.mark.parametrize(("moment", "number"), list(drills(20, 15, 15, 10, 10)))
def test_killed_at_any_moment_a_run_resumes_to_the_same_weights(
    material, whole, folder, moment, number
):
    chance = random.Random(f"{moment} {number}")
    step, delay = chance.randint(1, N_STEPS - 1), chance.uniform(0, DELAYS[moment])
    process = start([*material, "--out", folder])
    wait_until(lambda: MOMENTS[moment](folder, step), process)
    time.sleep(delay)
    assert process.poll() is None
    process.kill()
    finished(process)
    assert resume_run(folder).returncode == 0
    assert_same_run(whole, folder)


def gone(processes):
    """Whether all have ended; a killed run's workers see it within seconds."""
    return not psutil.wait_procs(processes, timeout=10)[1]


@pytest.mark.fault("SIGTERM, SIGHUP or Ctrl-C")
@pytest.mark.parametrize(
    ("number", "to_group"),
    [
        (signal.SIGINT, True),
        *(
            pytest.param(n, to, marks=pytest.mark.drill)
            for n, to in product(SIGNALS, (True, False))
        ),
    ],
)
def test_a_signal_saves_says_so_and_leaves_no_worker(material, whole, folder, number, to_group):
    process = start([*material, "--out", folder, "--save-every", "100"])
    wait_until(lambda: n_steps(folder) >= 2, process)
    workers = workers_of(process)
    assert len(workers) == 1
    (os.killpg if to_group else os.kill)(process.pid, number)
    assert finished(process) == 128 + number
    assert (
        f"{number.name}: the state of step" in process.output
        and f"--resume {folder}" in process.output
    )
    assert gone(workers)
    assert resume_run(folder).returncode == 0
    assert_same_run(whole, folder)


@pytest.mark.fault("Ctrl-C twice")
@pytest.mark.drill
@pytest.mark.parametrize("number", range(10))
def test_a_second_ctrl_c_does_not_wait(material, whole, folder, number):
    """The later ones come in what the first has begun: a checkpoint's write."""
    process = start([*material, "--out", folder], stderr=-1)
    wait_until(lambda: n_steps(folder) >= 2, process)
    workers = workers_of(process)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.002 * (1 + number))
    os.killpg(process.pid, signal.SIGINT)
    assert finished(process) == 130 and gone(workers)
    assert "Traceback" not in process.errors
    assert resume_run(folder).returncode == 0
    assert_same_run(whole, folder)


@pytest.mark.drill
@pytest.mark.fault("a worker killed")
def test_a_dead_worker_stops_the_run_saved(material, whole, folder):
    process = start([*material, "--out", folder])
    wait_until(lambda: n_steps(folder) >= 1, process)
    workers_of(process)[0].kill()
    assert finished(process) == 1
    assert "a worker process died" in process.output and f"--resume {folder}" in process.output
    assert resume_run(folder).returncode == 0
    assert_same_run(whole, folder)


@pytest.mark.drill
@pytest.mark.fault("killed before the first step")
@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_killed_before_the_first_step_it_begins_again(material, whole, folder, delay):
    process = start([*material, "--out", folder])
    wait_until((folder / "config.json").exists, process)
    time.sleep(delay)
    process.kill()
    finished(process)
    assert resume_run(folder).returncode == 0
    assert_same_run(whole, folder)
