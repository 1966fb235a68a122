"""The training loss of prompted examples, as a module that wrappers can wrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import AudioEncoder, TextDecoder, Whisper

N_TIMES = 1501  # timestamps of a vocabulary: 0.00 to 30.00 s in steps of 0.02 s
MAX_TIMES = 1 - 1e-4  # of their probability: beyond it, rounding would make the rest 0


class LossInputs(Protocol):
    """The tensors of a batch that the loss reads (of `data.loader.Batch`)."""

    @property
    def mel(self) -> Tensor | None: ...  # float32 [R, n_mels, 3000]; None with features
    @property
    def features(self) -> Tensor | None: ...  # [R, n_audio_ctx, n_audio_state], cached
    @property
    def weights(self) -> Tensor | None: ...  # float32 [B, T], of targets in the loss; None: 1
    @property
    def teacher_weights(self) -> Tensor | None: ...  # float32 [B, T], in the divergence; None: 1
    @property
    def ignores_times(self) -> Tensor | None: ...  # bool [B, T], see `_without_times`
    @property
    def text_rows(self) -> Tensor | None: ...  # int64 [B], the row of each text; None: as they come
    @property
    def tokens(self) -> Tensor: ...  # int64 [B, T]
    @property
    def targets(self) -> Tensor: ...  # int64 [B, T], -100 where nothing is learned


class PromptedLoss(nn.Module):
    """Summed cross-entropy of a batch, computed in `forward`: what DDP, FSDP2 and compile wrap.

    It holds the model's encoder and decoder under whisper's own names, so its parameters have the
    names of a native checkpoint. Whisper's `alignment_heads`, a sparse buffer that DDP cannot
    broadcast, stays outside.
    """

    def __init__(self, model: Whisper, teacher: Teacher | None = None) -> None:
        super().__init__()
        self.encoder: AudioEncoder = model.encoder
        self.decoder: TextDecoder = model.decoder
        self.teacher = teacher  # no module: it is not trained, saved, or wrapped

    def forward(self, batch: LossInputs) -> Tensor:
        """Return the weighted loss over all learned targets of a batch: a scalar, in nats.

        With a teacher, its weighted divergence is part of the loss.
        """
        if batch.features is not None:
            features = batch.features.to(_compute_dtype(batch.features.device))
        else:
            assert batch.mel is not None
            features = encode(self.encoder, batch.mel)
        learned = batch.targets >= 0
        logits = _logits_at(self.decoder, _of_texts(features, batch), batch.tokens, learned)
        log_probs = logits.log_softmax(dim=-1)  # once, for both terms of the loss
        loss = _cross_entropy(log_probs, batch, learned)
        if self.teacher is not None:
            loss = loss + self.teacher.divergence(log_probs, learned, batch, features)
        return loss


@dataclass(frozen=True)
class Teacher:
    """The stock model, from whose distributions the trained model should not move far.

    Knowledge distillation (Hinton et al. 2015) from the model before training, which reads the same
    audio and prompt.
    """

    decoder: TextDecoder  # frozen
    encoder: AudioEncoder | None  # frozen; None where the trained model's own is, and is the same
    weight: float  # of the divergence in the loss

    def divergence(
        self, log_probs: Tensor, learned: Tensor, batch: LossInputs, features: Tensor
    ) -> Tensor:
        """Return the weighted KL(teacher || model), summed over learned positions.

        `log_probs` [n, n_vocab] are the model's at the n true positions of `learned` [B, T], and
        `features` [R, n_audio_ctx, n_audio_state] the output of its encoder. In nats.
        """
        with torch.no_grad():
            if self.encoder is not None:
                assert batch.mel is not None
                features = encode(self.encoder, batch.mel)
            of_texts = _of_texts(features, batch)
            targets = _logits_at(self.decoder, of_texts, batch.tokens, learned).log_softmax(-1)
            probs = targets.exp()
            if batch.teacher_weights is not None:
                probs *= batch.teacher_weights[learned][:, None]
            negative_entropy = torch.dot(probs.flatten(), targets.flatten())
        # Dot products, since what is as large as the logits should be read once.
        return self.weight * (negative_entropy - torch.dot(probs.flatten(), log_probs.flatten()))


def _cross_entropy(log_probs: Tensor, batch: LossInputs, learned: Tensor) -> Tensor:
    """Return the weighted cross-entropy of log-probabilities [n, n_vocab] at learned targets."""
    nats = F.nll_loss(log_probs, batch.targets[learned], reduction="none")
    if batch.ignores_times is not None:
        nats = _without_times(nats, log_probs, batch.ignores_times[learned])
    return nats.sum() if batch.weights is None else nats @ batch.weights[learned]


def _without_times(nats: Tensor, log_probs: Tensor, chosen: Tensor) -> Tensor:
    """Return cross-entropies [n] that are among tokens without timestamps where chosen [n].

    A text without segments says which word comes next, but not whether a segment ends before it:
    -log(p(word) / (1 - p(any timestamp))). Timestamps are the last tokens of every vocabulary.
    """
    times = log_probs[:, -N_TIMES:][chosen].logsumexp(dim=-1).exp()
    others = torch.log1p(-times.clamp(max=MAX_TIMES))
    return nats.index_add(0, chosen.nonzero()[:, 0], others)


def _of_texts(features: Tensor, batch: LossInputs) -> Tensor:
    """Return the features [B, ...] of each text's audio; those of a row serve all of its texts."""
    return features if batch.text_rows is None else features[batch.text_rows]


def _compute_dtype(device: torch.device) -> torch.dtype:
    """The dtype in which the encoder would have computed features here."""
    autocast = torch.is_autocast_enabled(device.type)
    return torch.get_autocast_dtype(device.type) if autocast else torch.float32


def encode(encoder: AudioEncoder, mel: Tensor) -> Tensor:
    """Return audio features [B, n_audio_ctx, n_audio_state] of mel [B, n_mels, 3000].

    A frozen encoder runs without gradients.
    """
    frozen = not any(p.requires_grad for p in encoder.parameters())
    with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
        features: Tensor = encoder(mel)
    return features


def decoder_states(decoder: TextDecoder, tokens: Tensor, features: Tensor) -> Tensor:
    """Return [B, T, n_text_state]: `TextDecoder.forward` up to its projection to the vocabulary."""
    x = decoder.token_embedding(tokens) + decoder.positional_embedding[: tokens.shape[1]]
    x = x.to(features.dtype)
    for block in decoder.blocks:
        x = block(x, features, mask=decoder.mask)
    states: Tensor = decoder.ln(x)
    return states


def row_losses(decoder: TextDecoder, features: Tensor, tokens: Tensor, targets: Tensor) -> Tensor:
    """Return the summed cross-entropy of each row: [B], in nats."""
    learned = targets >= 0
    logits = _logits_at(decoder, features, tokens, learned)
    nats = F.cross_entropy(logits, targets[learned], reduction="none")
    return nats.new_zeros(len(tokens)).index_add(0, learned.nonzero()[:, 0], nats)


def _logits_at(decoder: TextDecoder, features: Tensor, tokens: Tensor, learned: Tensor) -> Tensor:
    """Return float32 logits [n, n_vocab] at the n learned positions of a mask [B, T].

    Only these are projected to the vocabulary, the decoder's largest matrix product. Padding
    stands on the right, where the causal mask hides it from every learned position.
    """
    states = decoder_states(decoder, tokens, features)[learned]
    return F.linear(states, decoder.token_embedding.weight.to(states.dtype)).float()
