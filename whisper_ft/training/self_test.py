"""Test whether the parts of a run work on this machine."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
import whisper
from numpy.typing import NDArray
from torch.amp import GradScaler
from torch.utils.data import DataLoader, Dataset
from whisper.audio import SAMPLE_RATE, log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingOptions, DecodingTask
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.audio import log_mel, read_audio
from whisper_ft.data.loader import Batch, init_worker, next_batch, pad_tokens
from whisper_ft.models.layers import use_fast_layers
from whisper_ft.models.loss import PromptedLoss
from whisper_ft.models.saving import save_weights
from whisper_ft.runtime.devices import pick_amp, pick_device
from whisper_ft.runtime.diagnostics import without_paths
from whisper_ft.text.tokens import build_example
from whisper_ft.training.optimizer import make_optimizer
from whisper_ft.training.step import train_step

DIMS = ModelDimensions(80, 1500, 64, 1, 1, 51864, 448, 64, 1, 1)
TEXT, PROMPT = "Kathryn Smyth called Jon Reid.", "Kathryn Smyth, Jon Reid."


@dataclass(frozen=True)
class SelfTest:
    """The outcome of a self-test."""

    errors: dict[str, str]  # by part; "" for a part that works
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every part works."""
        return not any(self.errors.values())

    def describe(self, *, paths: bool) -> list[str]:
        """Return the lines of a report; with no path in them unless `paths`."""
        lines = ["self-test"]
        for part, error in self.errors.items():
            line = f"  {part:11}{f'failed: {error}' if error else 'works'}"
            lines.append(line if paths else without_paths(line))
        return [*lines, f"  took {self.seconds:.1f} s"]


def run_self_test() -> SelfTest:
    """Try all that a run needs, on a tiny random model: reading audio to saving a checkpoint."""
    start = time.perf_counter()
    torch.manual_seed(0)
    model = Whisper(DIMS)
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)  # whisper leaves it empty
    errors = {}
    for part, test in (
        ("audio", _test_audio),
        ("mel", _test_mel),
        ("tokens", lambda: _test_tokens(model)),
        ("workers", _test_workers),
        ("training", lambda: _test_training(model)),
        ("checkpoint", lambda: _test_checkpoint(model)),
    ):
        try:
            test()
        except Exception as error:  # whatever it is, it belongs in the report
            errors[part] = f"{type(error).__name__}: {error}"
        else:
            errors[part] = ""
    return SelfTest(errors, time.perf_counter() - start)


def _tone() -> NDArray[np.float32]:
    """Return one second of a tone."""
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone: NDArray[np.float32] = np.sin(2 * np.pi * 440 * times).astype(np.float32)
    return tone


def _test_audio() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for suffix, kind in (("wav", "PCM_16"), ("flac", "PCM_16"), ("ogg", "OPUS")):
            path = Path(folder) / f"tone.{suffix}"
            soundfile.write(path, 0.5 * _tone(), SAMPLE_RATE, subtype=kind)
            _expect(len(read_audio(path)), SAMPLE_RATE, suffix)


def _test_mel() -> None:
    tone = _tone()
    expected = pad_or_trim(log_mel_spectrogram(tone, 80, padding=30 * SAMPLE_RATE)[:, :100], 3000)
    _expect(torch.equal(log_mel(tone, 80), expected), True, "equal to whisper's")


def _test_tokens(model: Whisper) -> None:
    options = DecodingOptions(prompt=PROMPT, without_timestamps=True, language="en", fp16=False)
    expected = list(DecodingTask(model, options).initial_tokens)
    tokens, _ = build_example(get_tokenizer(False), TEXT, PROMPT)
    _expect(tokens[: len(expected)], expected, "the decoder's initial tokens")


class _Numbers(Dataset[int]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> int:
        return number


def _test_workers() -> None:
    loader: DataLoader[int] = DataLoader(_Numbers(), num_workers=1, worker_init_fn=init_worker)
    _expect(int(next_batch(iter(loader))), 0, "the first number")


def _test_training(model: Whisper) -> None:
    use_fast_layers(model)
    ids = pad_tokens([build_example(get_tokenizer(False), TEXT, PROMPT)])
    batch = Batch(log_mel(_tone(), 80)[None], *ids, ("tone",))
    device = pick_device("auto")
    amp = pick_amp("auto", device)
    optimizer = make_optimizer(model.to(device), 1e-2)
    scaler = GradScaler(device.type, enabled=amp == torch.float16)
    prompted_loss = PromptedLoss(model)
    first, *_, last = (
        train_step(prompted_loss, [batch], optimizer, scaler, amp).loss for _ in range(4)
    )
    if not last < first:
        raise ValueError(f"the loss went from {first} to {last}, not down")


def _test_checkpoint(model: Whisper) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        save_weights(model, path, None)
        opened = whisper.load_model(str(path), device="cpu").state_dict()
        for name, tensor in model.state_dict().items():
            saved = tensor.cpu().half().to(opened[name].dtype)
            _expect(torch.equal(opened[name], saved), True, name)


def _expect(value: object, expected: object, name: str) -> None:
    if value != expected:
        raise ValueError(f"{name}: {value}, not {expected}")
