"""Find the segments that a model would write, where the text is known: forced decoding."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
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


@torch.no_grad()
def find_segments(
    model: Whisper, tokenizer: Tokenizer, text: str, features: Tensor, seconds: float
) -> tuple[Segment, ...]:
    """Return the segments into which a model that decodes greedily would divide a known text.

    The text is forced, and the times are the model's: as in whisper's decoding, a segment ends
    where the times together are more likely than any word, and each time is the likeliest one that
    is not before the last. A segment ends between two words only. In a text without punctuation,
    marks do not compete with times. A model that writes the text itself gets the segments that it
    wrote.

    `features` [n_audio_ctx, n_audio_state] are the encoder's output for the row's audio, which
    lasts `seconds`; `tokenizer` is that of the row's language and task. No alignment heads are
    needed. The decoder runs twice for each segment. An empty text has no segments. Raises
    ValueError for a text that decoding cannot write.
    """
    ids = encode_text(tokenizer, text)
    if not ids:
        return ()
    n_free = MAX_NEW_TOKENS - len(ids) - 2  # tokens for more times than the first and the last
    if n_free < 0:
        raise ValueError(
            f"the text has {len(ids)} tokens, but decoding writes at most {MAX_NEW_TOKENS} with "
            "two times: split the row"
        )
    search = _ForcedSearch(model, tokenizer, features, min(seconds, 30.0), _is_punctuated(text))
    cuts = _possible_cuts(tokenizer, ids)
    segments: list[Segment] = []
    done, start = 0, search.first_time()
    while done < len(ids):
        later = [cut for cut in cuts if cut > done] if n_free > 1 else []
        cut, end = search.next_end(ids, done, later)
        segments.append(search.segment(start, end, ids[done:cut]))
        done, n_free = cut, n_free - 2
        if done < len(ids):
            start = search.next_start()
    return tuple(segments)


class _ForcedSearch:
    """The tokens written so far, and the model's choice of times after them."""

    def __init__(
        self,
        model: Whisper,
        tokenizer: Tokenizer,
        features: Tensor,
        seconds: float,
        is_punctuated: bool,
    ) -> None:
        self.cache = KVCache(model.decoder, features.unsqueeze(0), [0])
        self.tokenizer = tokenizer
        self.tokens = [*tokenizer.sot_sequence]
        self.first_id: int = tokenizer.timestamp_begin
        self.last_id = self.first_id + int(round(seconds / SECONDS_PER_STEP, 6))  # within the audio
        self.now: int = self.first_id  # no later time may be before this one
        self.bonus = 0.0 if is_punctuated else UNPUNCTUATED_BONUS
        unspaced = is_unspaced(tokenizer.language, tokenizer.task)
        rivals = range(self.first_id) if is_punctuated else _word_ids(tokenizer.encoding, unspaced)
        self.rivals = torch.tensor(rivals, device=features.device)

    def first_time(self) -> int:
        """Write the first time and return its id."""
        latest = self.first_id + round(MAX_FIRST_TIMESTAMP / SECONDS_PER_STEP)
        return self._write_time(self._run([])[-1], min(latest, self.last_id))

    def next_start(self) -> int:
        """Write the start of the next segment and return its id."""
        return self._write_time(self._run([])[-1], self.last_id)

    def next_end(self, ids: Sequence[int], done: int, cuts: Sequence[int]) -> tuple[int, int]:
        """Write the text up to the first of the `cuts` after which a time is due, and the time.

        Returns the index of the cut and the time's id.
        """
        states = self._run(ids[done:])[len(self.tokens) - 1 :]  # the i-th is that after i ids
        cut = len(ids)
        if cuts:
            logits = self.cache.logits(states[[index - done for index in cuts]])
            times = logits[:, self.now : self.last_id + 1].logsumexp(dim=-1) + self.bonus
            is_due = times > logits[:, self.rivals].amax(dim=-1)
            cut = next((c for c, due in zip(cuts, is_due.tolist(), strict=True) if due), cut)
        self.tokens += ids[done:cut]
        return cut, self._write_time(states[cut - done], self.last_id)

    def segment(self, start: int, end: int, ids: Sequence[int]) -> Segment:
        """Return the segment between the times of two ids."""
        times = [round((token - self.first_id) * SECONDS_PER_STEP, 2) for token in (start, end)]
        return Segment(times[0], times[1], self.tokenizer.decode(ids).strip())

    def _run(self, following: Sequence[int]) -> Tensor:
        """Return the states [n, n_text_state] after each token written and each `following` one."""
        states: Tensor = self.cache.prefill([[*self.tokens, *following]])[0]
        return states

    def _write_time(self, state: Tensor, latest: int) -> int:
        """Write the likeliest time from now on that is not after the latest, and return its id."""
        logits = self.cache.logits(state)
        self.now += int(logits[self.now : latest + 1].argmax())
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
