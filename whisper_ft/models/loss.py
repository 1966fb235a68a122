"""The model in training: where it runs, what of it is trained, and its loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.model import TextDecoder, Whisper


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
