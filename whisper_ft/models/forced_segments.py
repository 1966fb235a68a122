"""Find the segments that a model would write, where the text is known: forced decoding."""

from __future__ import annotations

import unicodedata
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from tiktoken import Encoding
from torch import Tensor
from whisper.model import Whisper
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
    in_cache = [number for number, text in enumerate(texts) if text.ids]
    cache = KVCache(model.decoder, features, in_cache)
    searches = {number: _ForcedSearch(texts[number], cache) for number in in_cache}
    runs = {number: search.run() for number, search in searches.items()}
    prefixes = {number: next(run) for number, run in runs.items()}
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
    return [tuple(searches[n].segments) if n in searches else () for n in range(len(texts))]


class _ForcedSearch:
    """The tokens written so far, and the model's choice of times after them.

    Times follow whisper's `ApplyTimestampRules`: none is before the last one, and an end is after
    its start. All are within the audio.
    """

    def __init__(self, text: KnownText, cache: KVCache) -> None:
        self.text = text
        self.cache = cache
        self.segments: list[Segment] = []
        tokenizer = text.tokenizer
        self.tokens = [*tokenizer.sot_sequence]
        self.first_id: int = tokenizer.timestamp_begin
        n_steps = int(round(text.seconds / SECONDS_PER_STEP, 6))
        self.last_id = self.first_id + max(1, n_steps)  # the latest end
        self.now: int = self.first_id  # no later time may be before this one
        self.bonus = 0.0 if text.is_punctuated else UNPUNCTUATED_BONUS
        unspaced = is_unspaced(tokenizer.language, tokenizer.task)
        suppressed = _suppressed_ids(tokenizer)
        rivals = _rival_ids(tokenizer.encoding, suppressed, text.is_punctuated, unspaced)
        self.rivals = rivals.to(cache.recordings.device)

    def run(self) -> Generator[list[int], Tensor, None]:
        """Divide the text: yield tokens, and take the state [T, n_text_state] after each of them.

        States of tokens beyond those that were yielded are ignored.
        """
        ids = self.text.ids
        n_free = MAX_NEW_TOKENS - len(ids) - 2  # tokens for more times than the first and the last
        cuts = _possible_cuts(self.text.tokenizer, ids)
        latest = self.first_id + round(MAX_FIRST_TIMESTAMP / SECONDS_PER_STEP)
        done = 0
        while done < len(ids):
            states = yield self.tokens
            start = self._write_timestamp(
                states[len(self.tokens) - 1], self.now, min(latest, self.last_id - 1)
            )
            states = yield [*self.tokens, *ids[done:]]
            states = states[len(self.tokens) - 1 :]  # the i-th is that after i ids
            # Another segment needs two tokens, and time for a start and an end after this one's.
            may_cut = n_free > 1 and self.now < self.last_id - 1
            later = [cut - done for cut in cuts if cut > done] if may_cut else []
            cut = done + self._first_due(states, later, len(ids) - done)
            self.tokens += ids[done:cut]
            is_last = cut == len(ids)
            end = self._write_timestamp(
                states[cut - done], self.now + 1, self.last_id if is_last else self.last_id - 1
            )
            self.segments.append(self._segment(start, end, ids[done:cut]))
            done, n_free, latest = cut, n_free - 2, self.last_id

    def _first_due(self, states: Tensor, cuts: Sequence[int], end: int) -> int:
        """Return the first of the `cuts` after which a time is due, `end` for none."""
        if not cuts:
            return end
        logits = self.cache.logits(states[cuts])
        times = logits[:, self.now + 1 : self.last_id + 1].logsumexp(dim=-1) + self.bonus
        is_due = times > logits[:, self.rivals].amax(dim=-1)
        return next((cut for cut, due in zip(cuts, is_due.tolist(), strict=True) if due), end)

    def _segment(self, start: int, end: int, ids: Sequence[int]) -> Segment:
        """Return the segment between the times of two ids."""
        times = [round((token - self.first_id) * SECONDS_PER_STEP, 2) for token in (start, end)]
        return Segment(times[0], times[1], self.text.tokenizer.decode(ids).strip())

    def _write_timestamp(self, state: Tensor, earliest: int, latest: int) -> int:
        """Write the likeliest time from the earliest to the latest, and return its id."""
        logits = self.cache.logits(state)
        self.now = earliest + int(logits[earliest : latest + 1].argmax())
        self.tokens.append(self.now)
        return self.now


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


def _suppressed_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the ids that decoding suppresses by default: `DecodingTask._get_suppress_tokens`."""
    return (
        *tokenizer.non_speech_tokens,
        *(tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm),
        *(tokenizer.transcribe, tokenizer.translate),
        *(tokenizer.no_speech, tokenizer.no_timestamps),
    )


@lru_cache
def _rival_ids(
    encoding: Encoding, suppressed: tuple[int, ...], is_punctuated: bool, unspaced: bool
) -> Tensor:
    """Return the ids with which times compete: all that can be written, or the starts of words."""
    ids = [*range(encoding.eot_token + 1)]
    if not is_punctuated:
        ids = [token for token in ids[:-1] if _starts_word(encoding, token, unspaced)]
    return torch.tensor(sorted({*ids}.difference(suppressed)))


def _starts_word(encoding: Encoding, token: int, unspaced: bool) -> bool:
    """Return whether a token can begin a word: with a space, a letter, or a part of a letter."""
    text = encoding.decode([token])  # with \ufffd for a part of a letter
    first = text.lstrip()[:1]
    is_letter = first.isalnum() or first == "\ufffd"
    return is_letter if unspaced else text == " " or (text.startswith(" ") and is_letter)


def _is_punctuated(text: str) -> bool:
    """Return whether a text has punctuation other than what stands inside words."""
    return any(unicodedata.category(c).startswith("P") and c not in "'’-" for c in text)
