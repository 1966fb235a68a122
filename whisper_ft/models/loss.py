"""The training loss of prompted examples, as a module that wrappers can wrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import AudioEncoder, TextDecoder, Whisper

N_TIMESTAMPS = 1501  # timestamps, 0.00 to 30.00 s in steps of 0.02 s: a vocabulary's last tokens
# The largest probability that no word comes: with a larger one, that of a word is rounded to 0.
MAX_NO_WORD = 1 - 1e-4
NO_LOGIT = -1e4  # of a token without probability: finite, since 0 times -inf is no number


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
    def learns_kind(self) -> Tensor | None: ...  # bool [B, T], given with both weights
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
        self.eot = 50257 if model.is_multilingual else 50256

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
        kinds = None if batch.learns_kind is None else Kinds.of(log_probs, self.eot)
        loss = _cross_entropy(log_probs, kinds, learned, batch)
        if self.teacher is not None:
            loss = loss + self.teacher.divergence(log_probs, kinds, learned, batch, features)
        return loss


@dataclass(frozen=True)
class Kinds:
    """Log-probabilities [n] of what can come next in a text: a word, a timestamp, or its end."""

    word: Tensor  # all tokens but the next two kinds
    timestamp: Tensor  # with which a segment begins or ends
    end: Tensor  # `eot`
    eot: int

    @classmethod
    def of(cls, log_probs: Tensor, eot: int) -> Kinds:
        """Return the kinds of log-probabilities [n, n_vocab] of tokens."""
        timestamp, end = log_probs[:, -N_TIMESTAMPS:].logsumexp(dim=-1), log_probs[:, eot]
        word = torch.log1p(-(timestamp.exp() + end.exp()).clamp(max=MAX_NO_WORD))
        return cls(word, timestamp, end, eot)

    def of_targets(self, targets: Tensor, n_vocab: int) -> Tensor:
        """Return the log-probabilities [n] of the kinds of some targets [n]."""
        no_timestamp = torch.where(targets == self.eot, self.end, self.word)
        return torch.where(targets >= n_vocab - N_TIMESTAMPS, self.timestamp, no_timestamp)


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
        self,
        log_probs: Tensor,
        kinds: Kinds | None,
        learned: Tensor,
        batch: LossInputs,
        features: Tensor,
    ) -> Tensor:
        """Return the weighted KL(teacher || model), summed over learned positions.

        `log_probs` [n, n_vocab] are the model's at the n true positions of `learned` [B, T], and
        `features` [R, n_audio_ctx, n_audio_state] the output of its encoder. Where the kind of the
        target is learned, both distributions are those of words. In nats.
        """
        with torch.no_grad():
            targets = self._logits(kinds, learned, batch, features).log_softmax(-1)
            probs = targets.exp()
            if batch.teacher_weights is not None:
                probs *= batch.teacher_weights[learned][:, None]
            negative_entropy = torch.dot(probs.flatten(), targets.flatten())
        # Dot products, since what is as large as the logits should be read once.
        likelihood = torch.dot(probs.flatten(), log_probs.flatten())
        if kinds is not None and batch.learns_kind is not None:
            chosen = batch.learns_kind[learned]
            likelihood = likelihood - kinds.word[chosen] @ probs.sum(-1)[chosen]
        return self.weight * (negative_entropy - likelihood)

    def _logits(
        self, kinds: Kinds | None, learned: Tensor, batch: LossInputs, features: Tensor
    ) -> Tensor:
        """Return the teacher's logits [n, n_vocab], of words alone where the kind is learned."""
        if self.encoder is not None:
            assert batch.mel is not None
            features = encode(self.encoder, batch.mel)
        logits = _logits_at(self.decoder, _of_texts(features, batch), batch.tokens, learned)
        if kinds is not None and batch.learns_kind is not None:
            chosen = batch.learns_kind[learned][:, None]
            for others in (slice(kinds.eot, kinds.eot + 1), slice(-N_TIMESTAMPS, None)):
                logits[:, others].masked_fill_(chosen, NO_LOGIT)
        return logits


def _cross_entropy(
    log_probs: Tensor, kinds: Kinds | None, learned: Tensor, batch: LossInputs
) -> Tensor:
    """Return the weighted cross-entropy of log-probabilities [n, n_vocab] at learned targets.

    The weight of a target is that of its choice among its kind: which word comes, or which
    timestamp. Where the kind of the target is learned, the choice of the kind (a word, a timestamp
    or the end) has a weight of 1, so that texts end where they should. Elsewhere words are compared
    with other words alone.
    """
    targets = batch.targets[learned]
    nats = F.nll_loss(log_probs, targets, reduction="none")
    if kinds is None or batch.weights is None or batch.learns_kind is None:
        return nats.sum()
    kind = kinds.of_targets(targets, log_probs.shape[-1])
    return (nats + kind) @ batch.weights[learned] - kind[batch.learns_kind[learned]].sum()


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
