"""Decode with a prompt for each row: whisper's own rules for each, one model pass for all."""

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

MAX_RECORDINGS = 16  # of one pass
CROSS_ATTENTION_BYTES = 10**9  # for the cross-attention keys and values of one pass


class DecodeRequest(NamedTuple):
    """A text to decode: which recording, after which prompt, with which options."""

    recording: int = 0  # index into the features
    prompt: str | Sequence[int] = ""
    language: str = "en"
    task: str = "transcribe"
    timestamps: bool = True


def recordings_per_pass(dims: ModelDimensions, dtype: torch.dtype) -> int:
    """Return how many recordings to decode at once.

    The keys and values of cross-attention, the largest part of decoding's memory, set the limit.
    """
    n_values: int = 2 * dims.n_text_layer * dims.n_audio_ctx * dims.n_text_state
    return min(MAX_RECORDINGS, max(1, CROSS_ATTENTION_BYTES // (n_values * dtype.itemsize)))


@torch.no_grad()
def decode(
    model: Whisper,
    features: Tensor,
    requests: Sequence[DecodeRequest],
    *,
    beam_size: int | None = None,
) -> list[DecodingResult]:
    """Return what `whisper.decode` returns for each request alone at temperature 0.

    `features` [R, n_audio_ctx, n_audio_state] are the encoder's output for R recordings, which the
    requests share. The initial tokens, suppression, timestamp rules, search and limit of new tokens
    are whisper's own; only the model's passes are shared. Without `beam_size` decoding is greedy.
    Prompts are passed as token ids, so `<|...|>` is plain text and white space alone is no prompt.
    `audio_features` of the results are empty, since the caller has them.
    """
    size = beam_size or 1  # sequences of each request
    searches = [
        _Search(request, _task(model, request, features.dtype, beam_size)) for request in requests
    ]
    cache = KVCache(model.decoder, features, [request.recording for request in requests])
    logits = _prefill(cache, searches).repeat_interleave(size, dim=0)
    cache.select(torch.arange(len(searches), device=features.device).repeat_interleave(size))
    # Whisper's rules count from the last initial token: the sampled ones come after it.
    last_initial = [[search.task.initial_tokens[-1]] for search in searches]
    tokens = torch.tensor(last_initial, device=features.device).repeat_interleave(size, dim=0)
    sum_logprobs = torch.zeros(len(tokens), device=features.device)
    active = searches
    while True:
        _apply_rules(active, logits, tokens, size)
        tokens, sources = _update(active, logits, tokens, sum_logprobs, beam_size)
        n_sampled = tokens.shape[1] - 1
        for number, search in enumerate(active):
            if search.completed or n_sampled >= search.max_new_tokens:
                span = slice(number * size, (number + 1) * size)
                search.finish(tokens[span], sum_logprobs[span])
        unfinished = [number for number, search in enumerate(active) if search.result is None]
        if not unfinished:
            return [search.result for search in searches if search.result is not None]
        if len(unfinished) < len(active):
            active = [active[number] for number in unfinished]
            kept = [number * size + i for number in unfinished for i in range(size)]
            tokens, sum_logprobs = tokens[kept], sum_logprobs[kept]
            sources = [sources[place] for place in kept]
        if sources != list(range(len(cache.lengths))):
            cache.select(torch.tensor(sources, device=features.device))
        logits = cache.step(tokens[:, -1])


@dataclass
class _Search:
    """The search for one request: one sequence, or as many as there are beams."""

    request: DecodeRequest
    task: DecodingTask
    completed: bool = False
    no_speech_prob: float = 0.0
    sources: list[int] = field(default_factory=lambda: [0])  # the beam that each beam continues
    result: DecodingResult | None = None

    def __post_init__(self) -> None:
        self.task.decoder.reset()
        self.task.decoder.inference = self  # a beam search calls its rearrange_kv_cache
        for rule in self.task.logit_filters:
            if hasattr(rule, "sample_begin"):
                rule.sample_begin = 1

    @property
    def max_new_tokens(self) -> int:
        """The stricter of whisper's two limits."""
        task = self.task
        limit: int = min(task.sample_len, task.n_ctx + 1 - len(task.initial_tokens))
        return limit

    def rearrange_kv_cache(self, source_indices: list[int]) -> None:
        """Note which beams go on; the shared cache is rearranged once for all searches."""
        self.sources = source_indices

    def finish(self, tokens: Tensor, sum_logprobs: Tensor) -> None:
        """Choose among the sequences, as `DecodingTask.run` does."""
        task = self.task
        (candidates,), (sums,) = task.decoder.finalize(tokens[None], sum_logprobs[None])
        eot = task.tokenizer.eot
        texts = [t[1 : (t == eot).nonzero()[0, 0]] for t in candidates]
        best = task.sequence_ranker.rank([texts], [sums])[0]
        ids = texts[best].tolist()
        self.result = DecodingResult(
            audio_features=torch.empty(0),
            language=self.request.language,
            tokens=ids,
            text=task.tokenizer.decode(ids).strip(),
            avg_logprob=sums[best] / (len(ids) + 1),
            no_speech_prob=self.no_speech_prob,
            temperature=0.0,
        )


def _task(
    model: Whisper, request: DecodeRequest, dtype: torch.dtype, beam_size: int | None
) -> DecodingTask:
    tokenizer = get_tokenizer(
        model.is_multilingual,
        num_languages=model.num_languages,
        language=request.language,
        task=request.task,
    )
    options = DecodingOptions(
        task=request.task,
        language=request.language,
        temperature=0.0,
        beam_size=beam_size,
        prompt=encode_prompt(tokenizer, request.prompt),
        without_timestamps=not request.timestamps,
        fp16=dtype == torch.float16,
    )
    return DecodingTask(model, options)


def _prefill(cache: KVCache, searches: Sequence[_Search]) -> Tensor:
    """Run the initial tokens of all searches and return the logits [N, n_vocab] after them.

    Sets each search's `no_speech_prob`, which whisper reads after the start-of-transcript token.
    """
    states = cache.prefill([search.task.initial_tokens for search in searches])
    for search, state in zip(searches, states, strict=True):
        logits_at_sot = cache.logits(state[search.task.sot_index])
        no_speech = search.task.tokenizer.no_speech
        search.no_speech_prob = float(logits_at_sot.softmax(-1)[no_speech])
    rows = torch.arange(len(searches), device=states.device)
    return cache.logits(states[rows, cache.lengths - 1])


def _apply_rules(active: Sequence[_Search], logits: Tensor, tokens: Tensor, size: int) -> None:
    """Apply whisper's logit filters in place: they differ only with and without timestamps."""
    for timestamps in (True, False):
        numbers = [n for n, search in enumerate(active) if search.request.timestamps == timestamps]
        if not numbers:
            continue
        places = [number * size + i for number in numbers for i in range(size)]
        filtered = logits[places]
        for rule in active[numbers[0]].task.logit_filters:
            rule.apply(filtered, tokens[places])
        logits[places] = filtered


def _update(
    active: Sequence[_Search],
    logits: Tensor,
    tokens: Tensor,
    sum_logprobs: Tensor,
    beam_size: int | None,
) -> tuple[Tensor, list[int]]:
    """Sample a token for each sequence; add to `sum_logprobs` in place and mark ended searches.

    Returns the tokens, one longer, and for each sequence the place of the one that it continues.
    """
    if beam_size is None:  # greedy sequences are independent: one decoder serves them all
        decoder = active[0].task.decoder
        tokens, _ = decoder.update(tokens, logits, sum_logprobs)
        ended = (tokens[:, -1] == decoder.eot).tolist()
        for search, completed in zip(active, ended, strict=True):
            search.completed = completed
        return tokens, list(range(len(active)))
    size, parts, sources = beam_size, [], []
    for number, search in enumerate(active):
        span = slice(number * size, (number + 1) * size)
        decoder = search.task.decoder
        part, search.completed = decoder.update(tokens[span], logits[span], sum_logprobs[span])
        parts.append(part)
        sources += [number * size + i for i in search.sources]
    return torch.cat(parts), sources
