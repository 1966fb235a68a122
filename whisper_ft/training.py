"""The loop: steps, evaluations, savings, and the ways to stop."""

from __future__ import annotations

import copy
import math
import random
import shlex
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch.amp import GradScaler
from tqdm import tqdm

from whisper_ft.checkpoint import append_lines, keep_lines, save_state, save_weights
from whisper_ft.data import Batch, RowError, WorkerError, make_loader, next_of
from whisper_ft.encoding import encode_rows
from whisper_ft.evaluate import decode_all
from whisper_ft.model import cast, pick_dtype
from whisper_ft.optim import NonFiniteError, learning_rate, make_optimizer, train_step
from whisper_ft.plan import Plan, Refused
from whisper_ft.progress import Progress, told
from whisper_ft.scores import SCORES, details, score
from whisper_ft.speed import keep_freed_memory
from whisper_ft.stopping import Stop, leave_children_be, stop_on_signals
from whisper_ft.visits import batches_of


class Run:
    """A run under way: its plan, and all that changes while it goes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.model = plan.loaded.model
        self.optimizer = make_optimizer(self.model, plan.peak_lr)
        self.scaler = GradScaler(plan.device.type, enabled=plan.amp_dtype == torch.float16)
        self.progress = Progress()
        self.saved: Progress | None = None
        if plan.state_path is not None:
            self._restore(plan.state_path)
        self._drop_later_lines()

    def _restore(self, path: Path) -> None:
        """Take up where a saved state stopped; the plan loaded the model's weights from it."""
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scaler.is_enabled() and state["scaler"]:  # the device, and so fp16, may differ
            self.scaler.load_state_dict(state["scaler"])
        try:
            self.progress = Progress(**state["progress"])
        except TypeError:
            raise Refused(
                [f"{path}: of another version: resume with that, or start anew from best.pt"]
            ) from None
        self.saved = replace(self.progress)
        torch.set_rng_state(state["rng"]["cpu"].clone())
        if self.plan.device.type == "cuda" and state["rng"]["cuda"] is not None:
            torch.cuda.set_rng_state(state["rng"]["cuda"].clone(), self.plan.device)

    def _drop_later_lines(self) -> None:
        """Forget what was logged after the state was saved: it will be computed again."""
        step, evaluated_at = self.progress.step, self.progress.evaluated_at
        keep_lines(
            self.plan.folder / "metrics.jsonl",
            lambda line: line["step"] <= (step if line["kind"] == "step" else evaluated_at),
        )
        keep_lines(self.plan.folder / "samples.jsonl", lambda line: line["step"] <= evaluated_at)

    def save(self) -> None:
        """Write last.pt, then the state; without dev rows the last is also the best."""
        if self.saved == self.progress:
            return
        folder, heads = self.plan.folder, self.plan.loaded.alignment_heads
        for name in ("last.pt",) if self.plan.dev.rows else ("last.pt", "best.pt"):
            save_weights(self.model, folder / name, heads)
        on_gpu = self.plan.device.type == "cuda"
        cuda = torch.cuda.get_rng_state(self.plan.device) if on_gpu else None
        state = {
            "dims": dict(vars(self.model.dims)),
            "alignment_heads": heads,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "progress": asdict(self.progress),
            "rng": {"cpu": torch.get_rng_state(), "cuda": cuda},
        }
        save_state(folder, state)
        self.saved = replace(self.progress)

    def steps(self) -> Generator[list[Batch], None, None]:
        """The batches of each step from here to the end, read ahead by the workers."""
        plan, start = self.plan, self.progress.step * self.plan.step_size
        size = plan.config.batch_size
        loader = make_loader(
            plan.examples,
            batches_of(plan.order, start, plan.total_visits, size, plan.step_size),
            workers=plan.config.workers,
            pin_memory=plan.device.type == "cuda",
        )
        batches = iter(loader)
        leave_children_be()  # torch would raise in mid-update when a worker dies; next() tells too
        for first in range(start, plan.total_visits, plan.step_size):
            n_rows = min(plan.step_size, plan.total_visits - first)
            yield [_next(batches) for _ in range(math.ceil(n_rows / size))]

    def step(self, batches: Sequence[Batch], waited: float) -> dict[str, Any]:
        """Train one step and log it; `waited` is the seconds that its batches took to come."""
        plan, progress, began = self.plan, self.progress, time.perf_counter()
        lr = learning_rate(progress.updates, plan.total_steps, plan.warmup, plan.peak_lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        if plan.config.stochastic_depth:  # its chance is the step's, wherever the run was resumed
            torch.manual_seed(random.Random(f"{plan.config.seed} {progress.step}").getrandbits(63))
        numbers = train_step(self.model, batches, self.optimizer, self.scaler, plan.amp_dtype)
        if self.scaler.is_enabled() and self.scaler.get_scale() < 1:
            raise NonFiniteError("fp16 gradients overflow at every scale, so use --amp bf16 or off")
        progress.step += 1
        progress.updates += not numbers["skipped"]
        if not math.isfinite(numbers["grad_norm"]):
            numbers["grad_norm"] = None  # of a step that fp16 skipped; JSON has no infinity
        seconds = time.perf_counter() - began
        times = {"seconds": seconds, "waited": waited}
        record = {"kind": "step", "step": progress.step, "lr": lr, **numbers, **times}
        append_lines(plan.folder / "metrics.jsonl", [record])
        return record

    def evaluation_due(self) -> bool:
        step = self.progress.step
        due = step % self.plan.eval_every == 0 or step == self.plan.total_steps
        return bool(self.plan.dev.rows) and due and self.progress.evaluated_at < step

    def evaluate(self, stop: Stop) -> None:
        """Decode and score the dev rows with the weights as they would be saved; log and keep.

        Asked to stop, it leaves without a trace: the evaluation stays due for a resumed run.
        """
        plan, progress, dev = self.plan, self.progress, self.plan.dev
        self.optimizer.zero_grad(set_to_none=True)  # room for the copy
        as_saved = copy.deepcopy(self.model).half().float()
        samples = decode_all(
            cast(as_saved, pick_dtype("auto", plan.device)),
            dev,
            f"evaluating step {progress.step}",
            stop=lambda: bool(stop),
        )
        if samples is None:
            return
        scores = score(samples)
        print(f"\nstep {progress.step}{' (stock)' * (not progress.step)}\n{details(scores)}\n")
        progress.evaluated_at = progress.step
        name, right = plan.config.best_by, scores["right"]
        reached, higher = right[name]["rate"], SCORES[name].higher_is_better
        best = False
        if progress.step:
            best = progress.better(reached, right["loss"]["rate"], higher=higher)
        else:
            progress.stock_score = reached
        if best:
            save_weights(self.model, plan.folder / "best.pt", plan.loaded.alignment_heads)
        samples = [{"step": progress.step, **sample} for sample in samples]
        append_lines(plan.folder / "samples.jsonl", samples)
        record = {"kind": "evaluation", "step": progress.step, "best": best, "scores": scores}
        append_lines(plan.folder / "metrics.jsonl", [record])

    def finished(self) -> bool:
        patience = self.plan.config.patience
        worn_out = bool(patience) and self.progress.n_worse >= patience
        at_end = self.progress.step >= self.plan.total_steps
        return worn_out or (at_end and not self.evaluation_due())


def train(plan: Plan) -> int:
    """Train to the end, or to a signal, and say how to go on; returns the exit status.

    A signal, an unreadable row and a dead worker come between steps: the position is saved. A
    loss that is not finite and a lack of memory come within one: the last saved state stays.
    """
    if plan.device.type == "cpu":
        keep_freed_memory()
    run = Run(plan)
    print(plan.summary())
    with stop_on_signals() as stop:
        try:
            if plan.unencoded:
                _encode(plan, stop)
            _loop(run, stop)
        except _NotKept as error:
            print(f"--feature-cache: {plan.config.feature_cache}: {error}: make room, then go on:")
            print(f"  python train.py --resume {shlex.quote(str(plan.folder))}")
            return 1
        except (NonFiniteError, torch.OutOfMemoryError) as error:
            print(_failure(run, error))
            return 1
        except (RowError, WorkerError) as error:
            run.save()
            print(f"stopped after step {run.progress.step}, which is saved: {error}")
            print(f"mend that, then: python train.py --resume {plan.folder}")
            return 1
        run.save()
    if stop.signal is not None and not run.finished():
        print(f"\n{stop.signal.name}: step {run.progress.step} is saved; go on with:")
        print(f"  python train.py --resume {shlex.quote(str(plan.folder))}")
        return 128 + stop.signal
    print(_farewell(run))
    return 0


def _failure(run: Run, error: Exception) -> str:
    """What to do after a step that could not be taken."""
    left = f"the state of step {run.saved.step} is whole" if run.saved else "nothing was saved yet"
    if isinstance(error, NonFiniteError):
        remedy = "look at these rows first, then start a new run with a lower --lr, or --amp off"
    else:
        config = run.plan.config
        remedy = (
            f"a new run with --batch-size {max(1, config.batch_size // 2)} --accumulate "
            f"{2 * config.accumulate} takes the same steps in less memory; so do "
            "--gradient-checkpointing and --freeze-encoder"
        )
    return f"stopped in step {run.progress.step + 1}: {error}\n{left}; {remedy}"


class _NotKept(Exception):
    """Features that could not be written."""


def _encode(plan: Plan, stop: Stop) -> None:
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


def _loop(run: Run, stop: Stop) -> None:
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


def _next(batches: Iterator[Batch | RowError]) -> Batch:
    batch = next_of(batches)
    if isinstance(batch, RowError):
        # not itself: with its traceback it would keep this frame, and so the workers, alive
        raise RowError(str(batch))
    return batch


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
