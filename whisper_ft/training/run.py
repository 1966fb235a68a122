"""A run under way: its steps, its evaluations, and what of it is saved."""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch.amp import GradScaler
from tqdm import tqdm

from whisper_ft.data.dataset import RowError
from whisper_ft.data.loader import Batch, make_loader, next_batch, open_batches
from whisper_ft.data.sampler import batch_indices
from whisper_ft.evaluation.decode_rows import decode_all
from whisper_ft.evaluation.scoring import SCORES, score
from whisper_ft.evaluation.tables import score_table
from whisper_ft.models.loss import PromptedLoss
from whisper_ft.models.parameters import cast_matrices
from whisper_ft.models.safe_load import load_plain
from whisper_ft.models.saving import save_weights
from whisper_ft.runtime.devices import pick_dtype
from whisper_ft.runtime.files import append_json_lines, filter_json_lines
from whisper_ft.runtime.out_of_memory import is_out_of_memory, release_memory
from whisper_ft.runtime.signals import StopRequest
from whisper_ft.training.checkpoint import save_state
from whisper_ft.training.optimizer import learning_rate, make_optimizer, restore_moments
from whisper_ft.training.setup import Plan, SetupError
from whisper_ft.training.state import Progress, restored
from whisper_ft.training.step import NonFiniteError, OutOfMemoryError, train_step


class Run:
    """A run under way: its plan, and all that changes while it goes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.model = plan.loaded.model
        self.prompted_loss = PromptedLoss(self.model)
        self.optimizer = make_optimizer(self.model, plan.peak_lr)
        self.scaler = GradScaler(plan.device.type, enabled=plan.amp_dtype == torch.float16)
        self.progress = Progress()
        self.saved: Progress | None = None
        if plan.state_path is not None:
            self._restore(plan.state_path)
        self._drop_later_lines()

    def _restore(self, path: Path) -> None:
        """Take up where a saved state stopped; the plan loaded the model's weights from it."""
        try:
            state = load_plain(path)
            restore_moments(self.optimizer, state["optimizer"]["state"])
            if self.scaler.is_enabled() and state["scaler"]:  # the device, and so fp16, may differ
                self.scaler.load_state_dict(state["scaler"])
            self.progress = restored(state["progress"])
            self._refuse_elsewhere()
            torch.set_rng_state(state["rng"]["cpu"].clone())
            if self.plan.device.type == "cuda" and state["rng"]["cuda"] is not None:
                torch.cuda.set_rng_state(state["rng"]["cuda"].clone(), self.plan.device)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            what = f"of another version ({error}): resume with that, or start anew from best.pt"
            raise SetupError([f"{path}: {what}"]) from None
        self.saved = replace(self.progress)

    def _refuse_elsewhere(self) -> None:
        """Raises ValueError for a position that this run cannot have reached."""
        if self.progress.step > self.plan.total_steps:
            raise ValueError(f"step {self.progress.step} of {self.plan.total_steps}")

    def _drop_later_lines(self) -> None:
        """Forget what was logged after the state was saved: it will be computed again."""
        step, evaluated_at = self.progress.step, self.progress.evaluated_at
        filter_json_lines(
            self.plan.folder / "metrics.jsonl",
            lambda line: line["step"] <= (step if line["kind"] == "step" else evaluated_at),
        )
        filter_json_lines(
            self.plan.folder / "samples.jsonl", lambda line: line["step"] <= evaluated_at
        )

    def save(self) -> None:
        """Write last.pt, then the state; without dev rows the last is also the best."""
        if self.saved == self.progress:
            return
        self._refuse_spoiled()
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

    def _refuse_spoiled(self) -> None:
        """Raises NonFiniteError for weights that a checkpoint's fp16 cannot hold."""
        for name, tensor in self.model.state_dict().items():
            if not tensor.half().isfinite().all():
                raise NonFiniteError(f"{name} is not a finite number in fp16 any more")

    def steps(self) -> Generator[list[Batch], None, None]:
        """The batches of each step from here to the end, read ahead by the workers."""
        plan, start = self.plan, self.progress.step * self.plan.step_size
        size = plan.config.batch_size
        loader = make_loader(
            plan.examples,
            batch_indices(plan.order, start, plan.total_visits, size, plan.step_size),
            workers=plan.config.workers,
            pin_memory=plan.device.type == "cuda",
        )
        with open_batches(loader) as batches:
            for first in range(start, plan.total_visits, plan.step_size):
                n_rows = min(plan.step_size, plan.total_visits - first)
                yield [_next(batches) for _ in range(math.ceil(n_rows / size))]

    def step(self, batches: Sequence[Batch], waited: float) -> dict[str, Any]:
        """Train one step and log it; `waited` is the seconds that its batches took to come."""
        plan, progress, began = self.plan, self.progress, time.perf_counter()
        lr = learning_rate(progress.updates, plan.total_steps, plan.warmup, plan.peak_lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        numbers = self._taken(batches)
        if self.scaler.is_enabled() and self.scaler.get_scale() < 1:
            raise NonFiniteError("fp16 gradients overflow at every scale, so use --amp bf16 or off")
        progress.step += 1
        progress.updates += not numbers["skipped"]
        if not math.isfinite(numbers["grad_norm"]):
            numbers["grad_norm"] = None  # of a step that fp16 skipped; JSON has no infinity
        seconds = time.perf_counter() - began
        times = {"seconds": seconds, "waited": waited}
        record = {"kind": "step", "step": progress.step, "lr": lr, **numbers, **times}
        append_json_lines(plan.folder / "metrics.jsonl", [record])
        return record

    def _taken(self, batches: Sequence[Batch]) -> dict[str, Any]:
        """What a step gives; from where memory is too short on, the same in smaller parts."""
        plan = self.plan
        while True:
            if plan.config.stochastic_depth:  # its chance is the step's, wherever it is taken
                seed = random.Random(f"{plan.config.seed} {self.progress.step}").getrandbits(63)
                torch.manual_seed(seed)
            at_once = self.progress.at_once or plan.config.batch_size
            parts = [part for batch in batches for part in batch.split(at_once)]
            try:
                return train_step(
                    self.prompted_loss, parts, self.optimizer, self.scaler, plan.amp_dtype
                )
            except OutOfMemoryError as error:
                if error.n_rows == 1:
                    raise
                what, n_rows = str(error), error.n_rows
            self.optimizer.zero_grad(set_to_none=True)  # now that the error holds nothing any more
            release_memory(plan.device)
            self.progress.at_once = n_rows // 2
            tqdm.write(
                f"step {self.progress.step + 1}: {what}: {n_rows} rows at once do not fit in "
                f"memory, so {self.progress.at_once} from here on, of the same steps"
            )

    def evaluation_due(self) -> bool:
        step = self.progress.step
        due = step % self.plan.eval_every == 0 or step == self.plan.total_steps
        return bool(self.plan.dev.rows) and due and self.progress.evaluated_at < step

    def evaluate(self, stop: StopRequest) -> None:
        """Decode and score the dev rows with the weights as they would be saved; log and keep.

        Asked to stop, it leaves without a trace: the evaluation stays due for a resumed run.
        """
        plan, progress, dev = self.plan, self.progress, self.plan.dev
        self._refuse_spoiled()
        self.optimizer.zero_grad(set_to_none=True)  # room for the copy
        as_saved = copy.deepcopy(self.model).half().float()
        samples = decode_all(
            cast_matrices(as_saved, pick_dtype("auto", plan.device)),
            dev,
            f"evaluating step {progress.step}",
            stop=lambda: bool(stop),
        )
        if samples is None:
            return
        scores = score(samples)
        print(f"\nstep {progress.step}{' (stock)' * (not progress.step)}\n{score_table(scores)}\n")
        progress.evaluated_at = progress.step
        name, right = plan.config.best_by, scores["right"]
        reached, higher = right[name].rate, SCORES[name].higher_is_better
        best = False
        if progress.step:
            best = progress.better(reached, right["loss"].rate or 0.0, higher=higher)
        else:
            progress.stock_score = reached
        if best:
            save_weights(self.model, plan.folder / "best.pt", plan.loaded.alignment_heads)
        lines = [{"step": progress.step, **sample.to_json()} for sample in samples]
        append_json_lines(plan.folder / "samples.jsonl", lines)
        record = {"kind": "evaluation", "step": progress.step, "best": best}
        record["scores"] = scores.to_json()
        append_json_lines(plan.folder / "metrics.jsonl", [record])

    def finished(self) -> bool:
        patience = self.plan.config.patience
        worn_out = bool(patience) and self.progress.n_worse >= patience
        at_end = self.progress.step >= self.plan.total_steps
        return worn_out or (at_end and not self.evaluation_due())


def _next(batches: Iterator[Batch | RowError]) -> Batch:
    batch = next_batch(batches)
    if isinstance(batch, RowError):
        raise batch
    return batch
