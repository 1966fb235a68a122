"""Decoding with a prompt per row: whisper's own rules for each, one pass of the model for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from whisper.decoding import DecodingOptions, DecodingResult, DecodingTask
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from whisper_ft.models.kv_cache import KVCache
from whisper_ft.text.tokens import encode_prompt

MAX_RECORDINGS, CROSS_ATTENTION_BYTES = 16, 10**9  # of one pass


class DecodeRequest(NamedTuple):
    """One text to decode: of the recording with this index, after this prompt."""

    recording: int = 0
    prompt: str | Sequence[int] = ""
    language: str = "en"
    task: str = "transcribe"
    timestamps: bool = True


def recordings_per_pass(dims: ModelDimensions, dtype: torch.dtype) -> int:
    """Return how many recordings to decode at once.

    The keys and values of cross-attention, the largest part of decoding's memory, set the limit.
    """
    n_values = 2 * dims.n_text_layer * dims.n_audio_ctx * dims.n_text_state
    return min(MAX_RECORDINGS, max(1, CROSS_ATTENTION_BYTES // (n_values * dtype.itemsize)))


@torch.no_grad()
def decode(
    model: Whisper,
    features: Tensor,
    asked: Sequence[DecodeRequest],
    *,
    beam_size: int | None = None,
) -> list[DecodingResult]:
    """What `whisper.decode` writes for each text alone at temperature 0, all of them at once.

    `features` are of recordings [R, n_audio_ctx, n_audio_state]. The initial tokens, suppression,
    timestamp rules, search and limit of new tokens are whisper's own; only the passes of the model
    are shared. A prompt goes in as ids, where `<|...|>` is text and white space alone is no prompt.
    """
    groups = [_Group(one, _task(model, one, features.dtype, beam_size)) for one in asked]
    steps = KVCache(model.decoder, features, [one.recording for one in asked])
    prefixes = [group.task.initial_tokens for group in groups]
    states = steps.begin(prefixes)
    for group, state in zip(groups, states, strict=True):
        at_sot = steps.logits(state[group.task.sot_index])
        group.no_speech_prob = float(at_sot.softmax(-1)[group.task.tokenizer.no_speech])
    size = beam_size or 1
    device = features.device
    everyone = torch.arange(len(groups), device=device)
    logits = steps.logits(states[everyone, steps.lengths - 1])
    steps.take(everyone.repeat_interleave(size))
    logits = logits.repeat_interleave(size, dim=0)
    # the last token before what is sampled, which whisper's rules count from
    tokens = torch.tensor([[prefix[-1]] for prefix in prefixes], device=device)
    tokens = tokens.repeat_interleave(size, dim=0)
    sums = torch.zeros(len(tokens), device=device)
    active = groups
    while True:
        _rule(active, logits, tokens, size)
        tokens, order = _update(active, logits, tokens, sums, beam_size)
        n_sampled = tokens.shape[1] - 1
        for number, group in enumerate(active):
            if group.completed or n_sampled >= group.n_at_most:
                span = slice(number * size, (number + 1) * size)
                group.finish(tokens[span], sums[span])
        going = [number for number, group in enumerate(active) if group.result is None]
        if not going:
            return [group.result for group in groups]
        if len(going) < len(active):
            active = [active[number] for number in going]
            kept = [number * size + i for number in going for i in range(size)]
            tokens, sums = tokens[kept], sums[kept]
            order = [order[place] for place in kept]
        if order != list(range(len(steps.lengths))):
            steps.take(torch.tensor(order, device=device))
        logits = steps.next(tokens[:, -1])


@dataclass
class _Group:
    """A text under way: one sequence, or as many as the beam is wide."""

    asked: DecodeRequest
    task: DecodingTask
    completed: bool = False
    no_speech_prob: float = 0.0
    order: list[int] = field(default_factory=lambda: [0])
    result: DecodingResult | None = None

    def __post_init__(self) -> None:
        self.task.decoder.reset()
        self.task.decoder.inference = self  # whose cache a beam search rearranges
        for rule in self.task.logit_filters:
            if hasattr(rule, "sample_begin"):
                rule.sample_begin = 1

    @property
    def n_at_most(self) -> int:
        """New tokens, by whisper's two limits."""
        return min(self.task.sample_len, self.task.n_ctx + 1 - len(self.task.initial_tokens))

    def rearrange_kv_cache(self, source_indices: list[int]) -> None:
        self.order = source_indices

    def finish(self, tokens: Tensor, sums: Tensor) -> None:
        """Choose among the sequences, as `DecodingTask.run` does."""
        task = self.task
        (candidates,), (sums_of,) = task.decoder.finalize(tokens[None], sums[None])
        eot = task.tokenizer.eot
        texts = [t[1 : (t == eot).nonzero()[0, 0]] for t in candidates]
        chosen = task.sequence_ranker.rank([texts], [sums_of])[0]
        ids = texts[chosen].tolist()
        self.result = DecodingResult(
            audio_features=torch.empty(0),  # the caller has them
            language=self.asked.language,
            tokens=ids,
            text=task.tokenizer.decode(ids).strip(),
            avg_logprob=sums_of[chosen] / (len(ids) + 1),
            no_speech_prob=self.no_speech_prob,
            temperature=0.0,
        )


def _task(
    model: Whisper, one: DecodeRequest, dtype: torch.dtype, beam_size: int | None
) -> DecodingTask:
    tokenizer = get_tokenizer(
        model.is_multilingual,
        num_languages=model.num_languages,
        language=one.language,
        task=one.task,
    )
    options = DecodingOptions(
        task=one.task,
        language=one.language,
        temperature=0.0,
        beam_size=beam_size,
        prompt=encode_prompt(tokenizer, one.prompt),
        without_timestamps=not one.timestamps,
        fp16=dtype == torch.float16,
    )
    return DecodingTask(model, options)


def _rule(active: Sequence[_Group], logits: Tensor, tokens: Tensor, size: int) -> None:
    """Apply whisper's rules, which are the same for all texts with timestamps, and without."""
    for timestamps in (True, False):
        numbers = [n for n, group in enumerate(active) if group.asked.timestamps == timestamps]
        if not numbers:
            continue
        places = [number * size + i for number in numbers for i in range(size)]
        some = logits[places]
        for rule in active[numbers[0]].task.logit_filters:
            rule.apply(some, tokens[places])
        logits[places] = some


def _update(
    active: Sequence[_Group], logits: Tensor, tokens: Tensor, sums: Tensor, beam_size: int | None
) -> tuple[Tensor, list[int]]:
    """(tokens with one more of each sequence, the sequence that each goes on from)."""
    if beam_size is None:  # one search for all: they do not depend on each other
        decoder = active[0].task.decoder
        tokens, _ = decoder.update(tokens, logits, sums)
        ended = (tokens[:, -1] == decoder.eot).tolist()
        for group, completed in zip(active, ended, strict=True):
            group.completed = completed
        return tokens, list(range(len(active)))
    size, parts, order = beam_size, [], []
    for number, group in enumerate(active):
        span = slice(number * size, (number + 1) * size)
        part, group.completed = group.task.decoder.update(tokens[span], logits[span], sums[span])
        parts.append(part)
        order += [number * size + i for i in group.order]
    return torch.cat(parts), order
