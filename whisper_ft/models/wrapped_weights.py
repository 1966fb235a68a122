"""Read Whisper's weights as other tools write them: Hugging Face's folders, and checkpoints."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from whisper import available_models

from whisper_ft.models.formats import dims_from_shapes, to_native_names
from whisper_ft.models.safe_load import find_damage, load_plain
from whisper_ft.runtime.extras import describe_import_error

FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")  # with .index.json if divided
STATE_KEYS = ("model_state_dict", "state_dict", "model", "module")  # of checkpoints
CONFIG_DIMS = {  # in config.json: of ModelDimensions
    "encoder_layers": "n_audio_layer",
    "decoder_layers": "n_text_layer",
    "encoder_attention_heads": "n_audio_head",
    "decoder_attention_heads": "n_text_head",
    "d_model": "n_audio_state",
    "vocab_size": "n_vocab",
    "num_mel_bins": "n_mels",
}
MAX_JSON = 10_000_000  # bytes of an index
SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")  # of files, not of names on a hub


def is_weights_folder(path: Path) -> bool:
    """Return whether a folder holds Hugging Face's weights."""
    return any((path / name).is_file() or _index(path, name).is_file() for name in FOLDER_FILES)


def read_folder(path: Path) -> tuple[dict[str, Any], int]:
    """Return a folder's weights as a native checkpoint, and the bytes of its files.

    Raises ValueError, with the remedy, for a folder that has no whole Whisper.
    """
    files = weight_files(path)
    weights: dict[str, Tensor] = {}
    for file in files:
        weights |= read_tensors(file)
    checkpoint = to_checkpoint(weights)
    _expect_config(path, checkpoint["dims"])
    checkpoint["alignment_heads"] = _alignment_heads(path, checkpoint["dims"])
    return checkpoint, sum(file.stat().st_size for file in files)


def weight_files(path: Path) -> list[Path]:
    """Return the files of a folder's weights. Raises ValueError for one that is missing."""
    name = next(n for n in FOLDER_FILES if (path / n).is_file() or _index(path, n).is_file())
    if (path / name).is_file():
        return [path / name]
    shards = _read_json(_index(path, name)).get("weight_map")
    names = sorted(set(shards.values())) if isinstance(shards, dict) else []
    if not names or not all(isinstance(n, str) and Path(n).name == n for n in names):
        raise ValueError(f"{_index(path, name)}: names no files of weights: copy it again")
    if missing := [n for n in names if not (path / n).is_file()]:
        raise ValueError(f"{path}: {', '.join(missing)} missing: copy all parts")
    return [path / n for n in names]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, or of a .bin that torch.save wrote."""
    if path.suffix == ".safetensors":
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        except ImportError as error:
            raise ValueError(f"{path}: {describe_import_error(error, 'formats')}") from None
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path}: damaged ({error}): copy it again") from None
    if damage := find_damage(path):
        raise ValueError(f"{path}: {damage}: copy it again")
    return find_state(load_plain(path))


def find_state(content: Any) -> dict[str, Tensor]:
    """Return the tensors by name in what torch.save wrote: bare, or in a checkpoint of a trainer.

    Raises ValueError if there are none.
    """
    nested = [content.get(key) for key in STATE_KEYS] if isinstance(content, dict) else []
    for state in (*nested, content):  # a checkpoint may have a tensor of its own, such as a loss
        if isinstance(state, dict):
            tensors = {k: v for k, v in dict.items(state) if isinstance(v, Tensor)}
            if tensors and all(isinstance(name, str) for name in tensors):
                return tensors
    raise ValueError("no tensors by name")


def to_checkpoint(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return weights under any names as the content of a native checkpoint. Raises ValueError."""
    if any("lora_" in name for name in weights):
        raise ValueError("a LoRA adapter's weights: merge them into the model first")
    native = to_native_names(weights)
    return {"dims": vars(dims_from_shapes(native)), "model_state_dict": native}


def describe_foreign(name: str) -> str:
    """Return what cannot be read and what helps; "" for what may be weights."""
    path = Path(name)
    if path.is_dir():
        return "" if is_weights_folder(path) else _describe_folder(path)
    if path.is_file():
        return _describe_file(path)
    first, _, second = name.partition("/")
    is_local = first in ("", ".", "..", "~") or Path(first).exists() or path.suffix in SUFFIXES
    if is_local or not second or "/" in second:
        return ""
    if first == "openai" and (official := second.removeprefix("whisper-")) in available_models():
        return f"a name on a hub: OpenAI's weights are --model {official}"
    return (
        f"a name on a hub, or no such folder: `hf download {name} --local-dir FOLDER` fetches it, "
        "and --model FOLDER reads it"
    )


def _describe_folder(path: Path) -> str:
    if (path / "adapter_config.json").is_file():
        return (
            "a LoRA adapter, not a model: merge it first, with peft's merge_and_unload() and "
            "save_pretrained(FOLDER), and give that folder"
        )
    if (path / "model.bin").is_file():
        return "CTranslate2's format: give the folder or file that it was converted from"
    inside = [folder for folder in path.glob("checkpoint-*") if is_weights_folder(folder)]
    if inside:
        newest = max(inside, key=lambda folder: folder.stat().st_mtime)
        return f"a trainer's folder: give one inside, such as {newest}"
    return ""


def _describe_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(40)
    except OSError as error:
        return f"cannot be read ({error.strerror}): make it readable"
    if start[:4] in (b"lmgg", b"GGUF"):
        return "whisper.cpp's format: give the .pt that it was converted from"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not the file: fetch it with `git lfs pull`"
    return ""


def _index(path: Path, name: str) -> Path:
    return path / f"{name}.index.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_JSON:
            raise ValueError("too large")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: cannot be read as JSON ({error}): copy it again") from None
    return content if isinstance(content, dict) else {}


def _expect_config(path: Path, dims: Mapping[str, int]) -> None:
    """Raise ValueError if a folder's config.json has other dimensions than its weights."""
    if not (path / "config.json").is_file():
        return
    config = _read_json(path / "config.json")
    for key, name in CONFIG_DIMS.items():
        if key in config and config[key] != dims[name]:
            raise ValueError(
                f"{path / 'config.json'}: {key} is {config[key]}, but the weights have "
                f"{dims[name]}: copy all files of the folder again"
            )


def _alignment_heads(path: Path, dims: Mapping[str, int]) -> str | None:
    """Return the alignment heads of a folder's generation_config.json, as whisper packs them."""
    file = path / "generation_config.json"
    if not file.is_file():
        return None
    heads = np.zeros((dims["n_text_layer"], dims["n_text_head"]), bool)
    try:
        for layer, head in _read_json(file).get("alignment_heads") or ():
            if min(layer, head) < 0:
                raise IndexError(f"{layer}, {head}")
            heads[layer, head] = True
    except (TypeError, ValueError, IndexError):
        raise ValueError(
            f"{file}: its alignment_heads are not pairs of numbers: copy it again"
        ) from None
    return base64.b85encode(gzip.compress(heads.tobytes())).decode() if heads.any() else None
