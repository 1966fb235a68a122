"""Load official models and checkpoints, and what data code needs to know of a model."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
import whisper
from torch import nn
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import LANGUAGES, Tokenizer, get_tokenizer

from whisper_ft.config.nearest import did_you_mean
from whisper_ft.models.download import fetch_weights
from whisper_ft.models.safe_load import (
    find_damage,
    find_mismatch,
    load_plain,
    plain_dict,
    set_alignment_heads,
)
from whisper_ft.models.wrapped_weights import (
    describe_foreign,
    find_state,
    is_weights_folder,
    read_folder,
    read_tensors,
    to_checkpoint,
)
from whisper_ft.runtime.files import find_file_problem
from whisper_ft.runtime.out_of_memory import is_out_of_memory
from whisper_ft.text.languages import nearest_languages

# Official sizes: width, attention heads, encoder layers, decoder layers.
SIZES = {
    "tiny": (384, 6, 4, 4),
    "base": (512, 8, 6, 6),
    "small": (768, 12, 12, 12),
    "medium": (1024, 16, 24, 24),
    "large": (1280, 20, 32, 32),
    "turbo": (1280, 20, 32, 4),
}
LATEST = ("large", "large-v3", "large-v3-turbo", "turbo")  # with 128 mels and 100 languages


class Vocabulary(NamedTuple):
    """The properties of a model that decide its tokens. Data workers and checks need only these."""

    multilingual: bool
    n_languages: int
    n_text_ctx: int

    @property
    def tokenizer(self) -> Callable[..., Tokenizer]:
        """`tokenizer(language=..., task=...)` returns whisper's own tokenizer, cached there."""
        return partial(get_tokenizer, self.multilingual, num_languages=self.n_languages)

    def language_problem(self, code: str) -> str:
        """Return why a model cannot be told to write a language; "" when it can."""
        nearest = nearest_languages(code, self.n_languages)
        instead = f", or train it as {' or '.join(nearest)}" if nearest else ""
        if code not in LANGUAGES:
            return f"{code!r}: whisper has no such language: give a code such as en{instead}"
        if not self.multilingual and code != "en":
            return f"{code!r}: the model is English-only: use one without .en"
        if code not in list(LANGUAGES)[: self.n_languages]:
            return f"{code!r}: the model lacks it: use large-v3 or turbo{instead}"
        return ""


class LoadedModel(NamedTuple):
    """A model in float32, and its alignment heads for word timestamps as whisper packs them."""

    model: Whisper
    alignment_heads: str | None


def load(name: str, device: torch.device | str = "cpu") -> LoadedModel:
    """Load a model in float32, ready for training or decoding.

    `name` is an official name, such as "tiny.en", whose weights are downloaded on first use, or a
    path: of a checkpoint such as OpenAI's or a run's `best.pt`, of a folder of Hugging Face's, or
    of a trainer's checkpoint. Files are read as data; no code in them runs. Raises ValueError for a
    name that is neither, for a file that is not a whole Whisper checkpoint, for weights that are
    not finite, and if a download fails.
    """
    is_official = name in whisper.available_models()
    checkpoint = _read_checkpoint(str(fetch_weights(name)) if is_official else name)
    try:
        model = Whisper(ModelDimensions(**checkpoint["dims"]))
        model.load_state_dict(plain_dict(checkpoint["model_state_dict"]))
    except (RuntimeError, TypeError) as error:
        if is_out_of_memory(error):
            raise
        raise ValueError(f"{name}: its weights do not fit its dims ({error})") from None
    if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
        raise ValueError(f"{name}: some weights are not finite: give an earlier checkpoint")
    heads = checkpoint.get("alignment_heads")
    if is_official:
        heads = whisper._ALIGNMENT_HEADS[name].decode("ascii")
    try:
        set_alignment_heads(model, heads)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return LoadedModel(model.to(device), heads)


def load_vocabulary(name: str) -> Vocabulary:
    """Return the vocabulary of an official name or a checkpoint, without loading the model.

    Raises ValueError as `load_dims` does.
    """
    return vocabulary_from_dims(load_dims(name))


def try_load_vocabulary(name: str) -> tuple[Vocabulary | None, list[str]]:
    """Return (vocabulary, []), or (None, problems) if the name or file cannot be used."""
    try:
        return load_vocabulary(name), []
    except ValueError as error:
        return None, [str(error)]


def vocabulary_from_dims(dims: ModelDimensions) -> Vocabulary:
    """Return the vocabulary that whisper itself derives from a model's dimensions."""
    shell = Whisper.__new__(Whisper)  # its properties need only dims; its constructor needs memory
    nn.Module.__init__(shell)
    shell.dims = dims
    return Vocabulary(shell.is_multilingual, shell.num_languages, dims.n_text_ctx)


def load_dims(name: str) -> ModelDimensions:
    """Return the dimensions of an official name, which is not downloaded, or of a checkpoint.

    Raises ValueError for a name that is neither, or for a file that is no Whisper checkpoint.
    """
    if name not in whisper.available_models():
        return ModelDimensions(**_read_checkpoint(name)["dims"])
    size = "turbo" if name.endswith("turbo") else name.split(".")[0].split("-")[0]
    width, n_heads, n_encoder_layers, n_decoder_layers = SIZES[size]
    n_vocab = 51866 if name in LATEST else 51864 if name.endswith(".en") else 51865
    return ModelDimensions(
        n_mels=128 if name in LATEST else 80,
        n_audio_ctx=1500,
        n_audio_state=width,
        n_audio_head=n_heads,
        n_audio_layer=n_encoder_layers,
        n_vocab=n_vocab,
        n_text_ctx=448,
        n_text_state=width,
        n_text_head=n_heads,
        n_text_layer=n_decoder_layers,
    )


def _read_checkpoint(name: str) -> dict[str, Any]:
    """Read a checkpoint that can be a Whisper model. Raises ValueError with the reason and remedy.

    A run's folder and its state are recognised, and the message names the checkpoint beside them.
    """
    path = Path(name)
    if name and (path / "best.pt").is_file():
        raise ValueError(f"{name}: a run's folder: give {path / 'best.pt'}")
    if problem := describe_foreign(name):
        raise ValueError(f"{name}: {problem}")
    if path.is_dir() and is_weights_folder(path):
        try:
            checkpoint, n_bytes = read_folder(path)
        except ValueError as error:
            where = "" if str(error).startswith(name) else f"{name}: "
            raise ValueError(f"{where}{error}") from None
    else:
        checkpoint, n_bytes = _read_file(name, path), path.stat().st_size
    dims, names_of_dims = checkpoint["dims"], set(ModelDimensions.__dataclass_fields__)
    if not isinstance(dims, dict) or set(dims) != names_of_dims:
        raise ValueError(
            f"{name}: its dims are {reprlib.repr(dims)}, not Whisper's: give another file"
        )
    weights = checkpoint["model_state_dict"]
    if mismatch := find_mismatch(ModelDimensions(**dims), weights, n_bytes):
        raise ValueError(f"{name}: {mismatch}: give another file")
    return checkpoint


def _read_file(name: str, path: Path) -> dict[str, Any]:
    """Return the content of a native checkpoint, or of a file of weights as one."""
    if not path.is_file():
        names = " ".join(whisper.available_models())
        if name and path.exists():
            what = f"{find_file_problem(path)}: give a .pt file or an official name ({names})"
        else:
            hint = did_you_mean(name, whisper.available_models())
            what = f"neither a file nor an official name ({names}){hint}"
        raise ValueError(f"{name or repr(name)}: {what}")
    if path.suffix == ".safetensors":
        content: Any = read_tensors(path)
    else:
        if damage := find_damage(path):
            raise ValueError(f"{name}: {damage}: give a Whisper checkpoint, or copy it again")
        content = load_plain(path)
    if isinstance(content, dict) and {"dims", "model_state_dict"} <= set(content):
        return content
    try:
        state = find_state(content)
    except ValueError:
        raise ValueError(f"{name}: {_describe_foreign_content(content, path)}") from None
    try:
        return to_checkpoint(state)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _describe_foreign_content(content: Any, path: Path) -> str:
    """Return what a file holds instead of a checkpoint, and what to give instead."""
    if not isinstance(content, dict):
        found = type(content).__name__
    elif {"optimizer", "progress"} <= set(content):
        return f"a run's state: give {path.with_name('best.pt')}"
    else:
        found = ", ".join(map(reprlib.repr, islice(content, 4)))
    return f"no Whisper checkpoint: it contains {found}: give one with a Whisper's weights"
