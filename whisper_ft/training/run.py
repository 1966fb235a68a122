"""A run in progress: its steps, its evaluations, and what of it is saved."""

from __future__ import annotations

import copy
import gc
import logging
import math
import random
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch.amp import GradScaler

from whisper_ft.data.dataset import RowError
from whisper_ft.data.loader import Batch, make_loader, next_batch, open_batches
from whisper_ft.data.sampler import batch_indices
from whisper_ft.evaluation.best_score import best_score, is_higher_better
from whisper_ft.evaluation.decode_rows import decode_all, prompted_losses
from whisper_ft.evaluation.logged_evaluation import LoggedEvaluation
from whisper_ft.evaluation.prompt_gap import (
    PromptGaps,
    PromptLosses,
    describe_learned_by_heart,
)
from whisper_ft.evaluation.scoring import Scores, score
from whisper_ft.evaluation.tables import score_table
from whisper_ft.models.loss import PromptedLoss
from whisper_ft.models.parameters import cast_matrices
from whisper_ft.models.saving import save_weights
from whisper_ft.runtime.devices import pick_dtype
from whisper_ft.runtime.files import append_json_lines, filter_json_lines
from whisper_ft.runtime.out_of_memory import is_out_of_memory, release_memory
from whisper_ft.runtime.signals import StopRequest
from whisper_ft.training.checkpoint import BEST, LAST, TUNED, save_state
from whisper_ft.training.interpolation import interpolation_due
from whisper_ft.training.log import METRICS, SAMPLES, StepLog
from whisper_ft.training.longform_check import longform_check_due
from whisper_ft.training.optimizer import learning_rate, make_optimizer, restore_moments
from whisper_ft.training.plan import Plan, SetupError
from whisper_ft.training.state import Progress, RunState, not_a_state
from whisper_ft.training.step import NonFiniteError, OutOfMemoryError, StepResult, train_step

LOGGER = logging.getLogger("whisper_ft")


class Run:
    """A run in progress: its plan, and everything that changes with its steps."""

    def __init__(self, plan: Plan) -> None:
        """Start, or restore the plan's state. Raises SetupError for a state of another run."""
        self.plan = plan
        self.model = plan.loaded.model
        self.prompted_loss = PromptedLoss(self.model, plan.teacher)
        self.optimizer = make_optimizer(self.model, plan.schedule.peak_lr)
        self.scaler = GradScaler(plan.device.type, enabled=plan.amp_dtype == torch.float16)
        self.progress = Progress()
        self.saved: Progress | None = None  # as the newest state has it
        self.evaluated: Scores | None = None  # of the last evaluation of this process
        self.unreadable: set[str] = set()  # rows left out, as they were logged
        if plan.state_path is not None:
            self._restore(plan.state_path)
        self._drop_later_lines()

    def _restore(self, path: Path) -> None:
        """Continue from a saved state; the plan loaded the model's weights from it."""
        try:
            state = RunState.read(path)
            if state.progress.step > self.plan.schedule.total_steps:
                raise ValueError(f"step {state.progress.step} of {self.plan.schedule.total_steps}")
            restore_moments(self.optimizer, state.optimizer["state"])
            if self.scaler.is_enabled() and state.scaler:  # the precision may have changed
                self.scaler.load_state_dict(state.scaler)
            torch.set_rng_state(state.cpu_rng.clone())
            if self.plan.device.type == "cuda" and state.cuda_rng is not None:
                torch.cuda.set_rng_state(state.cuda_rng.clone(), self.plan.device)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            raise SetupError([not_a_state(path, error)]) from None
        self.progress = state.progress
        self.saved = replace(self.progress)

    def _drop_later_lines(self) -> None:
        """Remove what was logged after the state was saved: it will be computed again."""
        step, evaluated = self.progress.step, self.progress.evaluated_step
        filter_json_lines(
            self.plan.folder / METRICS,
            lambda line: line["step"] <= (step if line["kind"] == "step" else evaluated),
        )
        filter_json_lines(self.plan.folder / SAMPLES, lambda line: line["step"] <= evaluated)

    def save(self) -> None:
        """Write last.pt and the state, if anything changed; without dev rows best.pt too."""
        if self.saved == self.progress:
            return
        self._check_finite()
        folder, heads = self.plan.folder, self.plan.loaded.alignment_heads
        for name in (LAST,) if self.plan.dev.rows else (LAST, BEST):
            save_weights(self.model, folder / name, heads)
        on_gpu = self.plan.device.type == "cuda"
        state = RunState(
            dims=self.model.dims,
            alignment_heads=heads,
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            progress=self.progress,
            cpu_rng=torch.get_rng_state(),
            cuda_rng=torch.cuda.get_rng_state(self.plan.device) if on_gpu else None,
        )
        save_state(folder, state.to_dict())
        self.saved = replace(self.progress)

    def _check_finite(self) -> None:
        """Raise NonFiniteError for weights that a checkpoint's fp16 cannot hold."""
        for name, tensor in self.model.state_dict().items():
            if not tensor.half().isfinite().all():
                raise NonFiniteError(f"{name} is not a finite number in fp16: it is too large")

    def steps(self) -> Generator[list[Batch], None, None]:
        """Yield the batches of each step from here to the end, read ahead by the workers.

        Raises RowError for a row that cannot be read and WorkerError for a worker that died. No
        worker is left when the generator is closed.
        """
        plan, total = self.plan, self.plan.schedule.total_examples
        batch_size, start = plan.config.batch_size, self.progress.step * plan.step_size
        loader = make_loader(
            plan.examples,
            batch_indices(plan.sampler, start, total, batch_size, plan.step_size),
            workers=plan.config.workers,
            pin_memory=plan.device.type == "cuda",
        )
        with open_batches(loader) as batches:
            for first in range(start, total, plan.step_size):
                n_rows = min(plan.step_size, total - first)
                yield [_next_batch(batches) for _ in range(math.ceil(n_rows / batch_size))]

    def step(self, batches: Sequence[Batch], data_seconds: float) -> StepLog:
        """Train one step and log it; `data_seconds` is how long its batches took to come."""
        schedule, progress, start = self.plan.schedule, self.progress, time.perf_counter()
        lr = learning_rate(
            progress.n_updates, schedule.total_steps, schedule.warmup, schedule.peak_lr
        )
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        done = self._train_step(batches)
        if self.scaler.is_enabled() and self.scaler.get_scale() < 1:
            raise NonFiniteError("fp16 gradients overflow at every scale: use --amp bf16 or off")
        progress.step += 1
        progress.n_updates += not done.skipped
        log = StepLog(
            step=progress.step,
            lr=lr,
            loss=done.loss,
            grad_norm=done.grad_norm if math.isfinite(done.grad_norm) else None,
            n_targets=done.n_targets,
            n_rows=done.n_rows,
            n_fallbacks=done.n_fallbacks,
            skipped=done.skipped,
            step_seconds=time.perf_counter() - start,
            data_seconds=data_seconds,
            n_unreadable=self._log_unreadable(batches),
        )
        append_json_lines(self.plan.folder / METRICS, [log.to_json()])
        return log

    def _log_unreadable(self, batches: Sequence[Batch]) -> int:
        """Log rows that others stand in for, each once; return how many are in these batches."""
        errors = [error for batch in batches for error in batch.unreadable]
        for error in dict.fromkeys(errors):
            if error not in self.unreadable:
                LOGGER.warning(f"left out, another row stands in for it: {error}")
        self.unreadable.update(errors)
        return len(errors)

    def _train_step(self, batches: Sequence[Batch]) -> StepResult:
        """Take a step; where memory runs out, take the same in smaller batches from here on."""
        plan, progress = self.plan, self.progress
        while True:
            if plan.config.stochastic_depth:  # the layers skipped depend on the step alone
                seed = random.Random(f"{plan.config.seed} {progress.step}").getrandbits(63)
                torch.manual_seed(seed)
            n_rows = progress.rows_per_pass or plan.config.batch_size
            parts = [part for batch in batches for part in batch.split(n_rows)]
            try:
                return train_step(
                    self.prompted_loss, parts, self.optimizer, self.scaler, plan.amp_dtype
                )
            except OutOfMemoryError as error:
                if error.n_rows == 1:
                    raise
                message, n_rows = str(error), error.n_rows
            self.optimizer.zero_grad(set_to_none=True)  # only now does the error keep no tensor
            gc.collect()  # what failed may stand in cycles, with tensors
            release_memory(plan.device)
            progress.rows_per_pass = n_rows // 2
            LOGGER.warning(
                f"step {progress.step + 1}: {message} with {n_rows} rows per pass; continuing with "
                f"{progress.rows_per_pass} (effective batch unchanged)"
            )

    def evaluation_due(self) -> bool:
        """Return whether this step is to be evaluated before the next one."""
        step, schedule = self.progress.step, self.plan.schedule
        due = step % schedule.eval_every == 0 or step == schedule.total_steps
        return bool(self.plan.dev.rows) and due and self.progress.evaluated_step < step

    def evaluate(self, stop: StopRequest) -> None:
        """Decode and score the dev rows with the weights as a checkpoint has them; log the scores.

        Writes best.pt if they are the best. When asked to stop it leaves no trace, and the
        evaluation stays due for the resumed run.
        """
        plan, progress = self.plan, self.progress
        self._check_finite()
        self.optimizer.zero_grad(set_to_none=True)  # frees memory for the copy
        as_saved = copy.deepcopy(self.model).half().float()
        model = cast_matrices(as_saved, pick_dtype("auto", plan.device))
        samples = decode_all(
            model,
            plan.dev,
            f"evaluating step {progress.step}",
            stop=lambda: bool(stop),
        )
        if samples is None:
            return
        self.evaluated = scores = score(samples)
        title = f"step {progress.step}{'' if progress.step else ' (stock)'}"
        LOGGER.info(f"\n{title}\n{score_table(scores)}\n")
        best = self._compare_with_best(scores)
        if best:
            save_weights(self.model, plan.folder / BEST, plan.loaded.alignment_heads)
            (plan.folder / TUNED).unlink(missing_ok=True)  # of an evaluation that was best before
        lines = [{"step": progress.step, **sample.to_json()} for sample in samples]
        append_json_lines(plan.folder / SAMPLES, lines)
        train_losses = PromptLosses.of_counts(prompted_losses(model, plan.train_sample))
        self._check_prompt_gaps(train_losses.gap, PromptLosses.of_scores(scores).gap)
        log = LoggedEvaluation(progress.step, best, scores, train_losses)
        append_json_lines(plan.folder / METRICS, [log.to_json()])

    def _compare_with_best(self, scores: Scores) -> bool:
        """Note an evaluation's score; return whether it is the best. Stock weights never are."""
        progress, name = self.progress, self.plan.config.best_by
        progress.evaluated_step = progress.step
        value = best_score(scores, name)
        loss = scores["right"]["loss"].rate
        if loss is None:  # no word in the dev rows: nothing tells checkpoints apart but their age
            loss = -progress.step
        if progress.step:
            return progress.update_best(value, loss, higher_is_better=is_higher_better(name))
        progress.stock_score = value
        return False

    def _check_prompt_gaps(self, train: float | None, dev: float | None) -> None:
        """Warn once the prompts of training rows tell nothing more, while those of dev rows do."""
        progress = self.progress
        if not progress.step:
            progress.stock_train_gap, progress.stock_dev_gap = train, dev
            return
        stock = PromptGaps.of(progress.stock_train_gap, progress.stock_dev_gap)
        now = PromptGaps.of(train, dev)
        if stock and now and now.learned_by_heart(stock):
            LOGGER.warning(describe_learned_by_heart(stock, now))

    def trained(self) -> bool:
        """Return whether no step and no evaluation is left to do."""
        return self.plan.all_steps_taken(self.progress) and not self.evaluation_due()

    def finished(self) -> bool:
        """Return whether nothing is left to do."""
        left = interpolation_due(self.plan) or longform_check_due(self.plan)
        return self.trained() and not left


def _next_batch(batches: Iterator[Batch | RowError]) -> Batch:
    batch = next_batch(batches)
    if isinstance(batch, RowError):
        raise batch
    return batch
