"""Find the tokens of an example that spell terms of its prompt."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from whisper.tokenizer import Tokenizer

from whisper_ft.data.respelling import WORD, replace_words, split_words
from whisper_ft.text.tokens import IGNORE


def find_term_tokens(
    tokenizer: Tokenizer,
    targets: Sequence[int],
    prompt: str,
    keywords: Sequence[str],
    spellings: Mapping[str, str],
) -> list[bool]:
    """Return for each target whether it belongs to a word of a keyword that the prompt holds.

    Keywords are spelled by `spellings`, as the prompt and the text are. Case does not count.
    """
    listed = {word.casefold() for word in split_words(prompt)}
    words = {w.casefold() for k in keywords for w in split_words(replace_words(k, spellings))}
    words &= listed
    is_term = [False] * len(targets)
    if not words:
        return is_term
    # Special tokens, which stand between words, become a line end each.
    pieces = [
        tokenizer.encoding.decode_single_token_bytes(token) if 0 <= token < tokenizer.eot else b"\n"
        for token in targets
    ]
    ends = list(accumulate(map(len, pieces)))
    text = b"".join(pieces).decode(errors="surrogateescape")
    for match in WORD.finditer(text):
        if match[0].casefold() in words:
            start, end = (
                len(text[:place].encode(errors="surrogateescape")) for place in match.span()
            )
            for index in range(bisect_right(ends, start), bisect_right(ends, end - 1) + 1):
                is_term[index] = targets[index] != IGNORE
    return is_term
