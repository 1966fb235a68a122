"""BPE dropout (Provilkov et al. 2020): the same text in other tokens, drawn for each example."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import regex
from tiktoken import Encoding
from whisper.tokenizer import Tokenizer


class DroppingTokenizer:
    """A tokenizer whose `encode` drops each merge at a rate; otherwise like the given one.

    tiktoken's own merge loop cannot drop merges. At rate 0 the ids are tiktoken's.
    """

    def __init__(self, tokenizer: Tokenizer, rate: float, rng: random.Random) -> None:
        self._tokenizer, self._rate, self._rng = tokenizer, rate, rng

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode(self, text: str, **_: Any) -> list[int]:
        """Return the ids of a text; `<|...|>` in it is text, never a special token."""
        pattern, ranks = _pattern_and_ranks(self._tokenizer.encoding)
        pieces = (piece.encode() for piece in pattern.findall(text))
        return [token for piece in pieces for token in self._merge(piece, ranks)]

    def _merge(self, piece: bytes, ranks: dict[bytes, int]) -> list[int]:
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
def _pattern_and_ranks(encoding: Encoding) -> tuple[regex.Pattern[str], dict[bytes, int]]:
    """Return (the pattern that splits a text into pieces, the rank of each byte string).

    A rank is also the id. tiktoken keeps both in private attributes.
    """
    return regex.compile(encoding._pat_str), encoding._mergeable_ranks
