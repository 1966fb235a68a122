"""Find the segments that a model would write, where the text is known: forced decoding."""

from __future__ import annotations

import unicodedata
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from tiktoken import Encoding
from torch import Tensor
from whisper.model import TextDecoder, Whisper
from whisper.tokenizer import Tokenizer

from whisper_ft.models.kv_cache import KVCache
from whisper_ft.text.tokens import (
    MAX_FIRST_TIMESTAMP,
    MAX_NEW_TOKENS,
    SECONDS_PER_STEP,
    Segment,
    encode_text,
    is_unspaced,
)

# Nats by which a time may be less likely than a word, in a text without punctuation: there the
# model would write a comma or a full stop before it. With it, stock tiny.en cuts 30 s of read
# speech in as many segments as it cuts its own transcript in (benchmarks/NOTES.md).
UNPUNCTUATED_BONUS = 0.5


@dataclass(frozen=True)
class KnownText:
    """A text to divide, of audio that lasts `seconds`; the tokenizer is that of its language."""

    tokenizer: Tokenizer
    ids: list[int]
    seconds: float
    is_punctuated: bool

    @classmethod
    def of(cls, tokenizer: Tokenizer, text: str, seconds: float) -> KnownText:
        """Return a text as decoding writes it. Raises ValueError for one that it cannot write."""
        ids = encode_text(tokenizer, text)
        if len(ids) + 2 > MAX_NEW_TOKENS:
            raise ValueError(
                f"the text has {len(ids)} tokens, but decoding writes at most {MAX_NEW_TOKENS} "
                "with two times: split the row"
            )
        return cls(tokenizer, ids, min(seconds, 30.0), _is_punctuated(text))


@torch.no_grad()
def find_segments(
    model: Whisper, texts: Sequence[KnownText], features: Tensor
) -> list[tuple[Segment, ...]]:
    """Return the segments into which a model that decodes greedily would divide known texts.

    A text is forced, and the times are the model's: as in whisper's decoding, a segment ends
    where the times together are more likely than any word, and each time is the likeliest one that
    is not before the last. A segment ends between two words only. In a text without punctuation,
    marks do not compete with times. A model that writes the text itself gets the segments that it
    wrote.

    `features` [R, n_audio_ctx, n_audio_state] are the encoder's output for the audio of the R
    texts. No alignment heads are needed. The decoder runs twice for each segment, on all texts that
    are not done. An empty text has no segments.
    """
    searches = [_ForcedSearch(model.decoder, text, features.device) for text in texts]
    runs = {number: search.run() for number, search in enumerate(searches) if search.text.ids}
    prefixes = {number: next(run) for number, run in runs.items()}
    in_cache = [*prefixes]
    cache = KVCache(model.decoder, features, in_cache)
    while prefixes:
        if len(prefixes) < len(in_cache):
            kept = [place for place, number in enumerate(in_cache) if number in prefixes]
            cache.select(torch.tensor(kept, device=features.device))
            in_cache = [*prefixes]
        states = cache.prefill([*prefixes.values()])
        for number, state in zip(in_cache, states, strict=True):
            try:
                prefixes[number] = runs[number].send(state)
            except StopIteration:
                del prefixes[number]
    return [tuple(search.segments) for search in searches]


class _ForcedSearch:
    """The tokens written so far, and the model's choice of times after them."""

    def __init__(self, decoder: TextDecoder, text: KnownText, device: torch.device) -> None:
        self.text = text
        self.weight: Tensor = decoder.token_embedding.weight
        self.segments: list[Segment] = []
        tokenizer = text.tokenizer
        self.tokens = [*tokenizer.sot_sequence]
        self.first_id: int = tokenizer.timestamp_begin
        # Within the audio.
        self.last_id = self.first_id + int(round(text.seconds / SECONDS_PER_STEP, 6))
        self.now: int = self.first_id  # no later time may be before this one
        self.bonus = 0.0 if text.is_punctuated else UNPUNCTUATED_BONUS
        unspaced = is_unspaced(tokenizer.language, tokenizer.task)
        word_ids = _word_ids(tokenizer.encoding, unspaced)
        rivals = range(self.first_id) if text.is_punctuated else word_ids
        self.rivals = torch.tensor(rivals, device=device)

    def run(self) -> Generator[list[int], Tensor, None]:
        """Divide the text: yield tokens, and take the state [T, n_text_state] after each of them.

        States of tokens beyond those that were yielded are ignored.
        """
        ids = self.text.ids
        n_free = MAX_NEW_TOKENS - len(ids) - 2  # tokens for more times than the first and the last
        cuts = _possible_cuts(self.text.tokenizer, ids)
        done, latest = 0, self.first_id + round(MAX_FIRST_TIMESTAMP / SECONDS_PER_STEP)
        while done < len(ids):
            states = yield self.tokens
            start = self._write_time(states[len(self.tokens) - 1], min(latest, self.last_id))
            states = yield [*self.tokens, *ids[done:]]
            states = states[len(self.tokens) - 1 :]  # the i-th is that after i ids
            later = [cut for cut in cuts if cut > done] if n_free > 1 else []
            cut = done + self._first_due(states, [cut - done for cut in later], len(ids) - done)
            self.tokens += ids[done:cut]
            end = self._write_time(states[cut - done], self.last_id)
            self.segments.append(self._segment(start, end, ids[done:cut]))
            done, n_free, latest = cut, n_free - 2, self.last_id

    def _first_due(self, states: Tensor, cuts: Sequence[int], end: int) -> int:
        """Return the first of the `cuts` after which a time is due, `end` for none."""
        if not cuts:
            return end
        logits = self._logits(states[cuts])
        times = logits[:, self.now : self.last_id + 1].logsumexp(dim=-1) + self.bonus
        is_due = times > logits[:, self.rivals].amax(dim=-1)
        return next((cut for cut, due in zip(cuts, is_due.tolist(), strict=True) if due), end)

    def _segment(self, start: int, end: int, ids: Sequence[int]) -> Segment:
        """Return the segment between the times of two ids."""
        times = [round((token - self.first_id) * SECONDS_PER_STEP, 2) for token in (start, end)]
        return Segment(times[0], times[1], self.text.tokenizer.decode(ids).strip())

    def _write_time(self, state: Tensor, latest: int) -> int:
        """Write the likeliest time from now on that is not after the latest, and return its id."""
        logits = self._logits(state)
        self.now += int(logits[self.now : latest + 1].argmax())
        self.tokens.append(self.now)
        return self.now

    def _logits(self, states: Tensor) -> Tensor:
        """Project states [..., n_text_state] to float32 logits [..., n_vocab]."""
        return (states @ self.weight.to(states.dtype).T).float()


def _possible_cuts(tokenizer: Tokenizer, ids: list[int]) -> list[int]:
    """Return the indices of the tokens that begin a word, without the first."""
    unspaced = is_unspaced(tokenizer.language, tokenizer.task)
    words, word_tokens = tokenizer.split_to_word_tokens([*ids, tokenizer.eot])
    cuts, index = [], 0
    for word, tokens in zip(words[:-1], word_tokens[:-1], strict=True):
        if index and (any(map(str.isalnum, word)) if unspaced else word.startswith(" ")):
            cuts.append(index)
        index += len(tokens)
    return cuts


@lru_cache
def _word_ids(encoding: Encoding, unspaced: bool) -> list[int]:
    """Return the ids of the tokens that can begin a word."""
    texts = ((token, encoding.decode([token])) for token in range(encoding.eot_token))
    return [
        token
        for token, text in texts
        if (unspaced or text.startswith(" ")) and text.lstrip()[:1].isalnum()
    ]


def _is_punctuated(text: str) -> bool:
    """Return whether a text has punctuation other than what stands inside words."""
    return any(unicodedata.category(c).startswith("P") and c not in "'’-" for c in text)
