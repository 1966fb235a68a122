"""What a bug report needs: versions, devices, room, caches, and whether the parts work here."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
import whisper
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
from whisper_ft.runtime.diagnostics import _caches, _devices, _room, _versions
from whisper_ft.text.tokens import build_example
from whisper_ft.training.optimizer import make_optimizer
from whisper_ft.training.step import train_step

DIMS = ModelDimensions(80, 1500, 64, 1, 1, 51864, 448, 64, 1, 1)
TEXT, PROMPT = "Kathryn Smyth called Jon Reid.", "Kathryn Smyth, Jon Reid."


def diagnose(*, paths: bool) -> tuple[str, bool]:
    """(the report, whether every part works). No path of the machine is in it unless asked for."""
    began = time.perf_counter()
    tests = list(_self_test())
    lines: list[str] = []
    for section in (_versions(), _devices(), _room(paths), _caches(paths)):
        try:
            lines += section
        except Exception as error:  # a machine in trouble is what the report is for
            lines.append(_told(f"  fails: {type(error).__name__}: {error}", paths))
    lines.append("self-test")
    lines += [_told(f"  {name:11}{found}", paths) for name, found in tests]
    lines.append(f"  took {time.perf_counter() - began:.1f} s")
    return "\n".join(lines), all(found == "works" for _, found in tests)


def _told(text: str, paths: bool) -> str:
    """A line, without the paths in it unless they are asked for."""
    if paths:
        return text
    return re.sub(r"(?<![\w.])(/|[A-Za-z]:\\|\\\\).*", "(path)", text)  # its end is not to be told


def _self_test() -> Iterator[tuple[str, str]]:
    """(part, "works" or what went wrong) of all that a run needs."""
    torch.manual_seed(0)
    model = Whisper(DIMS)
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)  # whisper leaves it empty
    for name, test in (
        ("audio", _audio),
        ("mel", _mel),
        ("tokens", lambda: _tokens(model)),
        ("workers", _workers),
        ("training", lambda: _training(model)),
        ("checkpoint", lambda: _checkpoint(model)),
    ):
        try:
            test()
        except Exception as error:  # whatever it is, it belongs in the report
            yield name, f"fails: {type(error).__name__}: {error}"
        else:
            yield name, "works"


def _tone(seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * 440 * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE).astype("f")


def _audio() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for suffix, kind in (("wav", "PCM_16"), ("flac", "PCM_16"), ("ogg", "OPUS")):
            path = Path(folder) / f"tone.{suffix}"
            soundfile.write(path, 0.5 * _tone(1.0), SAMPLE_RATE, subtype=kind)
            _expect(len(read_audio(path)), SAMPLE_RATE, suffix)


def _mel() -> None:
    tone = _tone(1.0)
    wanted = pad_or_trim(log_mel_spectrogram(tone, 80, padding=30 * SAMPLE_RATE)[:, :100], 3000)
    _expect(torch.equal(log_mel(tone, 80), wanted), True, "equal to whisper's")


def _tokens(model: Whisper) -> None:
    options = DecodingOptions(prompt=PROMPT, without_timestamps=True, language="en", fp16=False)
    wanted = list(DecodingTask(model, options).initial_tokens)
    tokens, _ = build_example(get_tokenizer(False), TEXT, PROMPT)
    _expect(tokens[: len(wanted)], wanted, "the decoder's start")


class _Numbers(Dataset[int]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> int:
        return number


def _workers() -> None:
    loader: DataLoader[int] = DataLoader(_Numbers(), num_workers=1, worker_init_fn=init_worker)
    _expect(int(next_batch(iter(loader))), 0, "the first number")


def _training(model: Whisper) -> None:
    use_fast_layers(model)
    ids = pad_tokens([build_example(get_tokenizer(False), TEXT, PROMPT)])
    batch = Batch(log_mel(_tone(1.0), 80)[None], *ids, ("tone",))
    device = pick_device("auto")
    amp = pick_amp("auto", device)
    optimizer = make_optimizer(model.to(device), 1e-2)
    scaler = GradScaler(device.type, enabled=amp == torch.float16)
    prompted_loss = PromptedLoss(model)
    first, *_, last = (
        train_step(prompted_loss, [batch], optimizer, scaler, amp).loss for _ in range(4)
    )
    if not last < first:
        raise ValueError(f"the loss went from {first} to {last}")


def _checkpoint(model: Whisper) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        save_weights(model, path, None)
        opened = whisper.load_model(str(path), device="cpu").state_dict()
        for name, tensor in model.state_dict().items():
            kept = tensor.cpu().half().to(opened[name].dtype)
            _expect(torch.equal(opened[name], kept), True, name)


def _expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise ValueError(f"{what}: {found}, not {wanted}")
