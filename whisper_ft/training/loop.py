"""The loop: steps, evaluations, savings, and the ways to stop."""

from __future__ import annotations

import shlex
import time
from contextlib import closing
from dataclasses import replace

from tqdm import tqdm

from whisper_ft.data.dataset import RowError
from whisper_ft.data.loader import WorkerError
from whisper_ft.runtime.devices import use_deterministic_algorithms
from whisper_ft.runtime.out_of_memory import is_out_of_memory, keep_freed_memory
from whisper_ft.runtime.signals import StopRequest, stop_on_signals
from whisper_ft.training.capacity import advice
from whisper_ft.training.encoder_pass import encode_rows
from whisper_ft.training.run import Run
from whisper_ft.training.setup import Plan
from whisper_ft.training.state import told
from whisper_ft.training.step import NonFiniteError, OutOfMemoryError


def train(plan: Plan) -> int:
    """Train to the end, or to a signal, and say how to go on; returns the exit status.

    A signal, an unreadable row and a dead worker come between steps: the position is saved. A
    loss that is not finite and a lack of memory come within one, and where the disk is full there
    is nothing to save to: the last saved state stays.
    """
    if plan.device.type == "cpu":
        keep_freed_memory()
    if plan.config.deterministic:
        use_deterministic_algorithms()
    run = Run(plan)
    print(_opening(run))
    resume = f"python train.py --resume {shlex.quote(str(plan.folder))}"
    with stop_on_signals() as stop:
        try:
            try:
                if plan.unencoded:
                    _encode(plan, stop)
                _loop(run, stop)
            except (RowError, WorkerError) as error:
                run.save()
                print(f"stopped after step {run.progress.step}, which is saved: {error}")
                print(f"mend that, then: {resume}")
                return 1
            run.save()
        except _NotKept as error:
            print(f"--feature-cache: {plan.config.feature_cache}: {error}: make room, then go on:")
            print(f"  {resume}")
            return 1
        except OSError as error:
            what = f"{error.filename or plan.folder}: {error.strerror or error}"
            print(f"stopped after step {run.progress.step}: {what}")
            print(f"{_left(run)}; make room, or mend that, then: {resume}")
            return 1
        except (NonFiniteError, OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not is_out_of_memory(error):
                raise
            print(f"stopped in step {run.progress.step + 1}: {error}")
            print(f"{_left(run)}; {_remedy(run, error)}")
            return 1
    if stop.signal is not None and not run.finished():
        print(f"\n{stop.signal.name}: step {run.progress.step} is saved; go on with:\n  {resume}")
        return 128 + stop.signal
    print(_farewell(run))
    return 0


def _opening(run: Run) -> str:
    said = run.plan.summary()
    if run.saved and run.finished():
        said += f"\nfinished already, at step {run.saved.step}"
    elif run.saved:
        said += f"\ngoing on from step {run.saved.step} of {run.plan.total_steps}"
    return said


def _left(run: Run) -> str:
    return f"the state of step {run.saved.step} is whole" if run.saved else "nothing was saved yet"


def _remedy(run: Run, error: Exception) -> str:
    """What to do after a step that could not be taken."""
    if isinstance(error, NonFiniteError):
        return "look at these rows first, then start a new run with a lower --lr, or --amp off"
    plan = run.plan
    tried = replace(plan.config, batch_size=run.progress.at_once or plan.config.batch_size)
    try:
        needs = advice(tried, plan.amp_dtype, plan.loaded.model.dims)
    except (ImportError, MemoryError, RuntimeError):  # there may be too little even for that
        needs = "--gradient-checkpointing, --freeze-encoder and a smaller --batch-size take less"
    return f"{needs}: start a new run, in another --out, with one of these or a smaller model"


class _NotKept(Exception):
    """Features that could not be written."""


def _encode(plan: Plan, stop: StopRequest) -> None:
    try:
        encode_rows(
            plan.loaded.model,
            plan.examples,
            plan.unencoded,
            amp_dtype=plan.amp_dtype,
            batch_size=plan.config.batch_size,
            workers=plan.config.workers,
            stop=lambda: bool(stop),
        )
    except OSError as error:
        raise _NotKept(error.strerror or str(error)) from error


def _loop(run: Run, stop: StopRequest) -> None:
    plan, progress = run.plan, run.progress
    steps = run.steps()
    bar = tqdm(total=plan.total_steps, initial=progress.step, unit="step", smoothing=0.1)
    with bar, closing(steps):
        while not stop:
            if run.evaluation_due():
                run.evaluate(stop)
                if progress.step and not stop:
                    run.save()
            if stop or run.finished():
                return
            began = time.perf_counter()
            batches = next(steps)
            done = run.step(batches, time.perf_counter() - began)
            seconds = done["seconds"] + done["waited"]
            bar.update()
            bar.set_postfix_str(
                f"loss {done['loss']:.3f}, {done['n_rows'] / seconds:.1f} rows/s, "
                f"{done['n_targets'] / seconds:.0f} tokens/s"
            )
            if progress.step % plan.config.save_every == 0:
                run.save()


def _farewell(run: Run) -> str:
    folder, progress, heads = run.plan.folder, run.progress, run.plan.loaded.alignment_heads
    if run.plan.dev.rows:
        best = f"best.pt is of step {progress.best_step}: "
        best += told(progress, run.plan.dev, run.plan.config.best_by)
    else:
        best = (
            f"best.pt is the last, of step {progress.step}: there were no --dev rows to choose by"
        )
    word_times = f'    model.set_alignment_heads(b"{heads}")  # for word_timestamps=True\n'
    return (
        f"{best}. Use it with stock openai-whisper:\n"
        f'    model = whisper.load_model("{folder / "best.pt"}")\n'
        f"{word_times if heads else ''}"
        '    model.transcribe("call.wav", initial_prompt="Kathryn Smyth, Jon Reid.")\n'
        f"    $ whisper call.wav --model {shlex.quote(str(folder / 'best.pt'))} "
        '--initial_prompt "Kathryn Smyth."'
    )
