"""What torch.save wrote, read as data: no code is run, no memory taken on a file's word."""

from __future__ import annotations

import reprlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from whisper.model import ModelDimensions, Whisper

# What unpacking alignment heads raises for other texts, or for what is no text.
_UNPACKING = (
    *(AttributeError, EOFError, OSError, RuntimeError, TypeError, ValueError),
    zlib.error,
)
MAX_HEADS = 1000  # characters of alignment heads; those of large take 100
# What zipfile raises for flipped bits: names, flags and versions that it cannot read among them.
_DAMAGES = (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)


def damage(path: Path) -> str:
    """What is wrong with a file that torch.save wrote, by its checksums; "" for nothing.

    torch.save compresses nothing, so that whatever is packed, or overlaps, is not of its making.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = archive.infolist()
            if any(one.compress_type != zipfile.ZIP_STORED for one in held):
                return "a compressed archive, which torch.save does not write"
            if sum(one.file_size for one in held) > path.stat().st_size:
                return "an archive that claims more than the file holds"
            bad = archive.testzip()
    except _DAMAGES as error:
        return f"not a whole file that torch.save wrote ({error})"
    return f"damaged ({bad} fails its checksum)" if bad else ""


def read_plain(path: Path) -> Any:
    """What torch.save wrote, of plain types alone: no code is run. Raises ValueError for others."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds for a foreign pickle
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: cannot be read as plain weights ({first})") from None


def misfit(dims: ModelDimensions, weights: object, path: Path) -> str:
    """Why a file's weights cannot be a model of these dims, "" if they may, before it takes memory.

    Whisper fixes what it hears and writes; a model's size then grows with layers and width alone.
    """
    if problem := _odd_dims(dims):
        return problem
    if not isinstance(weights, dict) or not all(isinstance(t, Tensor) for t in weights.values()):
        return "its weights are not tensors by name"
    for name, tensor in weights.items():
        if tensor.layout != torch.strided or tensor.untyped_storage().nbytes() < tensor.nbytes:
            return f"{reprlib.repr(name)} claims more numbers than are stored"
    n_bytes = sum(tensor.nbytes for tensor in weights.values())
    if n_bytes > path.stat().st_size:
        return f"its weights claim {n_bytes} bytes, and the file holds {path.stat().st_size}"
    if dims.n_audio_layer + dims.n_text_layer > len(weights):
        return f"its dims ask for {dims.n_audio_layer} and {dims.n_text_layer} layers"
    encoder = dims.n_audio_layer * dims.n_audio_state**2
    decoder = dims.n_text_layer * dims.n_text_state**2
    n_least, n_held = 12 * (encoder + decoder), sum(t.numel() for t in weights.values())
    if n_least > n_held:
        return f"its dims ask for {n_least} weights and more, and it holds {n_held}"
    return ""


def _odd_dims(dims: ModelDimensions) -> str:
    """Why no Whisper has such dims, "" if one may."""
    shown = reprlib.repr(vars(dims))
    if not all(map(_is_size, vars(dims).values())):
        return f"its dims are {shown}, not Whisper's"
    fixed = dims.n_mels in (80, 128) and dims.n_audio_ctx == 1500 and dims.n_text_ctx <= 4096
    if not fixed or dims.n_vocab not in (51864, 51865, 51866):
        return f"no Whisper has these dims: {shown}"
    for width, n_heads in (
        (dims.n_audio_state, dims.n_audio_head),
        (dims.n_text_state, dims.n_text_head),
    ):
        if width % n_heads or width % 2 or width < 4:
            return f"no model has a width of {width} and {n_heads} heads"
    return ""


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def set_heads(model: Whisper, heads: Any) -> None:
    """Set alignment heads as whisper writes them; raises ValueError for others. None sets none."""
    if heads is None:
        return
    try:
        if len(heads) > MAX_HEADS:  # they are packed: a long text unpacks to anything
            raise ValueError(f"{len(heads)} characters")
        model.set_alignment_heads(heads.encode("ascii"))
    except _UNPACKING as error:
        raise ValueError(f"its alignment_heads are not whisper's ({error})") from None
