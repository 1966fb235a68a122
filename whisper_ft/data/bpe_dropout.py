"""BPE dropout (Provilkov et al. 2020): a text in other tokens at each visit, now and then."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import regex
from tiktoken import Encoding
from whisper.tokenizer import Tokenizer


class DroppingTokenizer:
    """A tokenizer whose `encode` leaves out each merge with a probability; else as the given one.

    tiktoken merges by its own loop, which takes no chance; at rate 0 this one gives its very ids.
    """

    def __init__(self, tokenizer: Tokenizer, rate: float, rng: random.Random) -> None:
        self._tokenizer, self._rate, self._rng = tokenizer, rate, rng

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode(self, text: str, **_: Any) -> list[int]:
        """Ids of a text in which `<|...|>` is text."""
        pattern, ranks = _vocabulary(self._tokenizer.encoding)
        pieces = (piece.encode() for piece in pattern.findall(text))
        return [token for piece in pieces for token in self._merged(piece, ranks)]

    def _merged(self, piece: bytes, ranks: dict[bytes, int]) -> list[int]:
        parts = [piece[i : i + 1] for i in range(len(piece))]
        while True:
            mergeable = [
                (ranks[pair], i)
                for i in range(len(parts) - 1)
                if (pair := parts[i] + parts[i + 1]) in ranks
                and (not self._rate or self._rng.random() >= self._rate)
            ]
            if not mergeable:
                return [ranks[part] for part in parts]
            _, i = min(mergeable)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]


@cache
def _vocabulary(encoding: Encoding) -> tuple[regex.Pattern, dict[bytes, int]]:
    """(how a text falls into pieces, rank and id of every byte string): tiktoken keeps both."""
    return regex.compile(encoding._pat_str), encoding._mergeable_ranks
