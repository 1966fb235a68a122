"""What a bug report needs: versions, devices, room, caches, and whether the parts work here."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import soundfile
import torch
import whisper
from torch.amp import GradScaler
from torch.utils.data import DataLoader, Dataset
from whisper.audio import log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingOptions, DecodingTask
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.audio import SAMPLE_RATE, log_mel, read_audio
from whisper_ft.data.dataset import Batch, next_of, padded, quiet_worker
from whisper_ft.models.layers import speed_up
from whisper_ft.models.loading import cache_folder
from whisper_ft.models.loss import pick_amp, pick_device
from whisper_ft.models.memory_estimate import free_bytes
from whisper_ft.text.tokens import build_example
from whisper_ft.training.checkpoint import save_weights
from whisper_ft.training.optimizer import make_optimizer, train_step
from whisper_ft.training.run_config import device_name, surroundings
from whisper_ft.validation.checks import probes_path

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


def _versions() -> Iterator[str]:
    device = torch.device("cpu")
    versions = surroundings(device, None)["versions"]
    yield "versions"
    yield "  " + ", ".join(f"{name} {number}" for name, number in versions.items())
    yield f"  libsndfile {soundfile.__libsndfile_version__}, {platform.platform()}"
    there = "is" if shutil.which("ffmpeg") else "is not"
    yield f"  ffmpeg {there} there, which whisper's own command needs"


def _devices() -> Iterator[str]:
    yield "devices"
    names = ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    for name in names:
        device = pick_device(name)
        if device.type == "cpu":
            what = f"{torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores, "
            what += f"threads: {torch.get_num_threads()}"
        else:
            capability = ".".join(map(str, torch.cuda.get_device_capability(device)))
            what = f"{device_name(device)}, compute capability {capability}"
        amp = str(pick_amp("auto", device) or "off").removeprefix("torch.")
        room = f"{free_bytes(device) / 1e9:.1f} GB may be taken"
        yield f"  {name}: {what}, {room}, AMP auto is {amp}"


def _room(paths: bool) -> Iterator[str]:
    memory = psutil.virtual_memory()
    yield "room"
    yield f"  memory: {memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    for what, folder in (("here", Path.cwd()), ("whisper's cache", cache_folder())):
        there = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(there).free
        yield f"  disk, {what}{f' ({folder})' * paths}: {free / 1e9:.1f} GB free"


def _caches(paths: bool) -> Iterator[str]:
    yield "caches"
    files = sorted(cache_folder().glob("*.pt")) if cache_folder().is_dir() else []
    held = [f"{file.name} ({file.stat().st_size / 1e6:.0f} MB)" for file in files]
    yield f"  weights{f' in {cache_folder()}' * paths}: {', '.join(held) or 'none'}"
    count = 0
    if probes_path().exists():
        try:
            with closing(sqlite3.connect(probes_path())) as cache:
                (count,) = cache.execute("SELECT COUNT(*) FROM probes").fetchone()
        except sqlite3.Error as error:
            yield f"  audio headers: the cache cannot be read ({error}): it may be removed"
            return
    yield f"  audio headers{f' in {probes_path()}' * paths}: {count}"


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
    loader: DataLoader[int] = DataLoader(_Numbers(), num_workers=1, worker_init_fn=quiet_worker)
    _expect(int(next_of(iter(loader))), 0, "the first number")


def _training(model: Whisper) -> None:
    speed_up(model)
    ids = padded([build_example(get_tokenizer(False), TEXT, PROMPT)])
    batch = Batch(log_mel(_tone(1.0), 80)[None], *ids, ("tone",))
    device = pick_device("auto")
    amp = pick_amp("auto", device)
    optimizer = make_optimizer(model.to(device), 1e-2)
    scaler = GradScaler(device.type, enabled=amp == torch.float16)
    first, *_, last = (train_step(model, [batch], optimizer, scaler, amp)["loss"] for _ in range(4))
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
