"""What each target of a text weighs in the cross-entropy and in the teacher's divergence."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from whisper.tokenizer import Tokenizer

from whisper_ft.data.respelling import Lexicon, replace_words
from whisper_ft.data.row import Row
from whisper_ft.text.term_words import WordSet
from whisper_ft.text.tokens import IGNORE

# A keyword that the prompt does not hold is what reading prompts makes a model forget first: it
# weighs this much in the divergence. See "Recipes" in benchmarks/NOTES.md.
UNLISTED_WEIGHT = 4.0


class Weights(NamedTuple):
    """How the targets of a text are learned: one value of each kind for every target."""

    loss: list[float]  # in the cross-entropy
    teacher: list[float]  # in the divergence from the teacher
    learns_kind: list[bool]  # whether it is the target that tells a word, a time and the end apart


@dataclass(frozen=True)
class TargetWeights:
    """Terms of the prompt are learned most; of all other words the teacher keeps what it knew.

    Silence is learned as a whole, and so is a text whose prompt is about something else, such as
    its style. Where segments and the text end is learned from the row alone. But a row without
    segments would teach one segment as long as the row, so the teacher alone says where they end.
    """

    text: float  # of words that are no terms of the prompt, in the cross-entropy
    lexicon: Lexicon = field(repr=False)  # of the corpus, to tell whether a prompt holds terms

    def __call__(
        self,
        tokenizer: Tokenizer,
        targets: Sequence[int],
        prompt: str,
        row: Row,
        spellings: Mapping[str, str],
        *,
        is_previous: bool = False,
    ) -> Weights:
        """Return how the targets of a row's text after a prompt are learned.

        A term is a word of a keyword of the row that the prompt holds; case does not count.
        `prompt` is what the decoder reads of it, `is_previous` whether it is previous text, and
        `spellings` are those of the row's terms in the prompt and the text.
        """
        n = len(targets)
        holds_terms = bool(spellings) or self.lexicon.has_term(prompt)
        is_about_style = bool(prompt.strip()) and not (is_previous or holds_terms)
        if is_about_style or not row.text.strip():
            return Weights([1.0] * n, [0.0] * n, [True] * n)
        times = tokenizer.timestamp_begin
        has_ends = row.knows_segments or max(targets) < times
        weights = Weights([self.text] * n, [1.0] * n, [has_ends] * n)
        for index, target in enumerate(targets):
            if target >= times or target == tokenizer.eot:
                (weights.teacher if has_ends else weights.loss)[index] = 0.0
        words = WordSet.of_terms(replace_words(keyword, spellings) for keyword in row.keywords)
        listed = {word for word, _, _ in words.find(prompt)}
        for word, index in find_words(tokenizer, targets, words):
            is_term = word in listed
            weights.loss[index] = 1.0 if is_term else self.text
            weights.teacher[index] = 0.0 if is_term else UNLISTED_WEIGHT
        return weights


def find_words(
    tokenizer: Tokenizer, targets: Sequence[int], words: WordSet
) -> Iterator[tuple[str, int]]:
    """Yield (word, index) for every target that is part of one of these words, in lower case."""
    if not words.words:
        return
    # Special tokens, which stand between words, become a line end each.
    pieces = [
        tokenizer.encoding.decode_single_token_bytes(token) if 0 <= token < tokenizer.eot else b"\n"
        for token in targets
    ]
    ends = list(accumulate(map(len, pieces)))
    text = b"".join(pieces).decode(errors="surrogateescape")
    for word, *places in words.find(text):
        start, end = (len(text[:place].encode(errors="surrogateescape")) for place in places)
        for index in range(bisect_right(ends, start), bisect_right(ends, end - 1) + 1):
            if targets[index] != IGNORE:
                yield word, index
