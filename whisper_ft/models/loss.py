"""The model in training: where it runs, what of it is trained, and its loss."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import ModelDimensions, TextDecoder, Whisper

# Peak learning rates of pre-training by width (Whisper paper, appendix F).
PRETRAINING_LR = {384: 1.5e-3, 512: 1e-3, 768: 5e-4, 1024: 2.5e-4, 1280: 1.75e-4}
FINE_TUNING_SHARE = 1 / 40


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


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """In what to decode. auto: as whisper does, float16 on a GPU and float32 on a CPU."""
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[name]


def be_deterministic() -> None:
    """Have torch use only what adds up in a fixed order; it raises RuntimeError where it cannot."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # what is not written yet need not be filled with NaN, which finds bugs and takes time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def cast(model: Whisper, dtype: torch.dtype) -> Whisper:
    """Keep a model's matrices in a dtype, to which whisper casts all but embeddings at every use.

    Layer norms and the decoder's positions are added up in float32, as whisper does.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Embedding):
            module.to(dtype)
    return model


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


def drop_layers(model: Whisper, rate: float) -> None:
    """Stochastic depth (Huang et al. 2016): in training, rows skip layers at random.

    The chance grows from the first layer to `rate` at the last; what stays is scaled up, so that
    decoding needs nothing. A frozen encoder, which runs without gradients, keeps its layers.
    """
    for blocks in (model.encoder.blocks, model.decoder.blocks):
        for number, block in enumerate(blocks, start=1):
            block.register_forward_hook(partial(_dropped, rate * number / len(blocks)))


def _dropped(rate: float, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return output
    x = inputs[0]
    kept = torch.rand(len(x), 1, 1, device=x.device) >= rate
    return x + (output - x) * (kept / (1 - rate)).to(x.dtype)


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
    """Cross-entropy summed over the targets that count, those not -100 (a scalar, in nats)."""
    learned = targets >= 0
    logits = _logits_at(model, features, tokens, learned)
    return F.cross_entropy(logits, targets[learned], reduction="sum")


def row_losses(model: Whisper, features: Tensor, tokens: Tensor, targets: Tensor) -> Tensor:
    """The same apart for each row: [B], in nats."""
    learned = targets >= 0
    logits = _logits_at(model, features, tokens, learned)
    nats = F.cross_entropy(logits, targets[learned], reduction="none")
    return nats.new_zeros(len(tokens)).index_add(0, learned.nonzero()[:, 0], nats)


def _logits_at(model: Whisper, features: Tensor, tokens: Tensor, learned: Tensor) -> Tensor:
    """float32 logits [n, n_vocab] at the n positions that are learned [B, T].

    Only those are projected to the vocabulary, the decoder's largest matrix product. Padding
    stands to the right, where the causal mask hides it from every learned position.
    """
    states = decoder_states(model.decoder, tokens, features)[learned]
    return F.linear(states, model.decoder.token_embedding.weight.to(states.dtype)).float()


def n_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """How many numbers a model holds, or trains."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
