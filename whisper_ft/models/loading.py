"""Whisper's weights: official names and checkpoints, fetched and loaded."""

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

from whisper_ft.models.download import fetch_weights
from whisper_ft.models.safe_load import (
    find_damage,
    find_mismatch,
    load_plain,
    plain_dict,
    set_alignment_heads,
)
from whisper_ft.runtime.out_of_memory import is_out_of_memory

# Of official models: width, heads, layers of the encoder, layers of the decoder.
SIZES = {
    "tiny": (384, 6, 4, 4),
    "base": (512, 8, 6, 6),
    "small": (768, 12, 12, 12),
    "medium": (1024, 16, 24, 24),
    "large": (1280, 20, 32, 32),
    "turbo": (1280, 20, 32, 4),
}
LATEST = ("large", "large-v3", "large-v3-turbo", "turbo")  # 128 mels, a language more


class Vocabulary(NamedTuple):
    """What of a model decides its ids. Workers and checks need no weights."""

    multilingual: bool
    n_languages: int
    n_text_ctx: int

    @property
    def tokenizer(self) -> Callable[..., Tokenizer]:
        """`tokenizer(language=..., task=...)`, whisper's own, cached there and shared."""
        return partial(get_tokenizer, self.multilingual, num_languages=self.n_languages)

    def language_problem(self, code: str) -> str:
        """Return why a model cannot be told to write a language; "" when it can."""
        if code not in LANGUAGES:
            return f"{code!r}: whisper has no such language: give a code such as en"
        if not self.multilingual and code != "en":
            return f"{code!r}: the model is English-only: use one without .en"
        if code not in list(LANGUAGES)[: self.n_languages]:
            return f"{code!r}: the model lacks it: use large-v3 or turbo"
        return ""


class LoadedModel(NamedTuple):
    """A model in float32 and its alignment heads for word timestamps, as whisper writes them."""

    model: Whisper
    alignment_heads: str | None


def load_vocabulary(name: str) -> Vocabulary:
    """An official name's or a checkpoint's vocabulary, without fetching or keeping weights.

    Raises ValueError for a name that is neither, or a file that is no Whisper checkpoint.
    """
    return vocabulary_from_dims(load_dims(name))


def try_load_vocabulary(name: str) -> tuple[Vocabulary | None, list[str]]:
    """(vocabulary, no problems), or (None, what is wrong with the name or file)."""
    try:
        return load_vocabulary(name), []
    except ValueError as error:
        return None, [str(error)]


def load_dims(name: str) -> ModelDimensions:
    """An official name's or a checkpoint's dimensions; raises ValueError as `vocabulary` does."""
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


def vocabulary_from_dims(dims: ModelDimensions) -> Vocabulary:
    """The vocabulary that whisper itself derives from a model's dimensions."""
    shell = Whisper.__new__(Whisper)  # its properties need dims alone, its constructor gigabytes
    nn.Module.__init__(shell)
    shell.dims = dims
    return Vocabulary(shell.is_multilingual, shell.num_languages, dims.n_text_ctx)


def load(name: str, device: torch.device | str = "cpu") -> LoadedModel:
    """Load an official name or a `.pt` in float32; raises ValueError with what was tried."""
    official = name in whisper.available_models()
    checkpoint = _read_checkpoint(str(fetch_weights(name)) if official else name)
    try:
        model = Whisper(ModelDimensions(**checkpoint["dims"]))
        model.load_state_dict(plain_dict(checkpoint["model_state_dict"]))
    except (RuntimeError, TypeError) as error:
        if is_out_of_memory(error):
            raise
        raise ValueError(f"{name}: its weights do not fit its dims ({error})") from None
    if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
        raise ValueError(f"{name}: some weights are not finite: give a checkpoint from before that")
    heads = checkpoint.get("alignment_heads")
    if official:
        heads = whisper._ALIGNMENT_HEADS[name].decode("ascii")
    try:
        set_alignment_heads(model, heads)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return LoadedModel(model.to(device), heads)


def _read_checkpoint(name: str) -> dict[str, Any]:
    path = Path(name)
    if (path / "best.pt").is_file():
        raise ValueError(f"{name}: a run's folder: give {path / 'best.pt'}")
    if not path.is_file():
        names = " ".join(whisper.available_models())
        raise ValueError(f"{name}: neither a file nor an official name ({names})")
    if problem := find_damage(path):
        raise ValueError(
            f"{name}: {problem}: give a native Whisper .pt, or copy it again (Hugging Face's "
            "safetensors or a CTranslate2 folder must be converted first)"
        )
    checkpoint = load_plain(path)
    if not isinstance(checkpoint, dict) or not {"dims", "model_state_dict"} <= set(checkpoint):
        if isinstance(checkpoint, dict) and {"optimizer", "progress"} <= set(checkpoint):
            raise ValueError(f"{name}: a run's state: give {path.with_name('best.pt')}")
        held = (
            [*map(reprlib.repr, islice(checkpoint, 4))]
            if isinstance(checkpoint, dict)
            else (type(checkpoint))
        )
        raise ValueError(
            f"{name}: no Whisper checkpoint: it holds {held}, not dims and "
            "model_state_dict; Hugging Face weights must be converted to OpenAI's names first"
        )
    dims, known = checkpoint["dims"], set(ModelDimensions.__dataclass_fields__)
    if not isinstance(dims, dict) or set(dims) != known:
        what = f"its dims are {reprlib.repr(dims)}, not Whisper's"
        raise ValueError(f"{name}: {what}: give another file")
    if problem := find_mismatch(ModelDimensions(**dims), checkpoint["model_state_dict"], path):
        raise ValueError(f"{name}: {problem}: give another file")
    return checkpoint
