"""Names of tensors, OpenAI's and Hugging Face's; dimensions from shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor
from whisper.model import ModelDimensions

HEAD_WIDTH = 64  # of every head of every Whisper: no shape tells the number of heads
# (OpenAI's, Hugging Face's), as parts of names; each is unambiguous both ways within its place.
PARTS = (
    ("encoder.positional_embedding", "encoder.embed_positions.weight"),
    ("decoder.positional_embedding", "decoder.embed_positions.weight"),
    ("decoder.token_embedding.", "decoder.embed_tokens."),
    ("encoder.ln_post.", "encoder.layer_norm."),
    ("decoder.ln.", "decoder.layer_norm."),
    (".blocks.", ".layers."),
    (".cross_attn_ln.", ".encoder_attn_layer_norm."),
    (".attn_ln.", ".self_attn_layer_norm."),
    (".mlp_ln.", ".final_layer_norm."),
    (".cross_attn.query.", ".encoder_attn.q_proj."),
    (".cross_attn.key.", ".encoder_attn.k_proj."),
    (".cross_attn.value.", ".encoder_attn.v_proj."),
    (".cross_attn.out.", ".encoder_attn.out_proj."),
    (".attn.query.", ".self_attn.q_proj."),
    (".attn.key.", ".self_attn.k_proj."),
    (".attn.value.", ".self_attn.v_proj."),
    (".attn.out.", ".self_attn.out_proj."),
    (".mlp.0.", ".fc1."),
    (".mlp.2.", ".fc2."),
)
COMPILED = "_orig_mod."  # torch.compile puts it before the names of the parts that it compiles
FIRST = "encoder.conv1.weight"  # has this name in both


def to_native_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under OpenAI's names.

    Whatever wrapped them is taken off: `module.`, `_orig_mod.`, `model.`. Tensors outside the
    wrapped model are left out, such as `proj_out`, which is the token embedding again. Raises
    ValueError if there is no Whisper.
    """
    plain = {name.replace(COMPILED, ""): tensor for name, tensor in weights.items()}
    found = [name for name in plain if f".{name}".endswith(f".{FIRST}")]
    if not found:
        raise ValueError(f"no Whisper: it has no {FIRST}: give another file")
    if len(found) > 1:
        names = ", ".join(name.removesuffix(FIRST) or "no prefix" for name in found)
        raise ValueError(f"several Whispers ({names}): save the one that is meant")
    prefix = found[0].removesuffix(FIRST)
    native: dict[str, Tensor] = {}
    for name, tensor in plain.items():
        own = name.removeprefix(prefix)
        if name.startswith(prefix) and own.startswith(("encoder.", "decoder.")):
            native[to_native_name(own)] = tensor
    return native


def to_native_name(name: str) -> str:
    """Return OpenAI's name of a tensor with Hugging Face's name; others stay."""
    for native, foreign in PARTS:
        name = name.replace(foreign, native)
    return name


def dims_from_shapes(weights: Mapping[str, Tensor]) -> ModelDimensions:
    """Return the dimensions of weights under OpenAI's names. Raises ValueError."""
    try:
        conv, positions = weights[FIRST], weights["encoder.positional_embedding"]
        tokens = weights["decoder.token_embedding.weight"]
        text_positions = weights["decoder.positional_embedding"]
        n_text_ctx, n_text_state = text_positions.shape
        return ModelDimensions(
            n_mels=conv.shape[1],
            n_audio_ctx=positions.shape[0],
            n_audio_state=conv.shape[0],
            n_audio_head=conv.shape[0] // HEAD_WIDTH,
            n_audio_layer=_n_layers(weights, "encoder"),
            n_vocab=tokens.shape[0],
            n_text_ctx=n_text_ctx,
            n_text_state=n_text_state,
            n_text_head=n_text_state // HEAD_WIDTH,
            n_text_layer=_n_layers(weights, "decoder"),
        )
    except KeyError as error:
        raise ValueError(f"no whole Whisper: it lacks {error.args[0]}: give another file") from None
    except (ValueError, IndexError):
        raise ValueError("no Whisper: its tensors have other shapes: give another file") from None


def _n_layers(weights: Mapping[str, Tensor], part: str) -> int:
    pattern = re.compile(rf"{part}\.blocks\.(\d{{1,3}})\.")
    return 1 + max(
        (int(match[1]) for name in weights if (match := pattern.match(name))), default=-1
    )
