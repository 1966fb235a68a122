"""Mark the words of an output beside its reference."""

from __future__ import annotations

import re
from typing import NamedTuple

import regex

from whisper_ft.evaluation.metrics import alignment
from whisper_ft.evaluation.samples import Sample
from whisper_ft.text.terms import term_count
from whisper_ft.text.tokens import is_unspaced

CORE = re.compile(r"\w(?:.*\w)?", re.S)


LONG_WORD = 4  # letters of a prompt's word that is highlighted where no keywords are known


class Piece(NamedTuple):
    """A word, or character, of an output beside the reference's."""

    kind: str  # equal, spelling (case or punctuation apart), substitute, insert, delete
    said: str
    written: str
    prompted: bool  # whether the prompt holds it


def pieces(sample: Sample, condition: str) -> list[Piece]:
    """An output word by word beside the reference, letters without regard to case compared."""
    unspaced = is_unspaced(sample["language"], sample["task"])
    said, written = (
        _split(text, unspaced) for text in (sample["reference"], sample["output"][condition])
    )
    held = _prompt_words(sample, condition, unspaced)
    found = []
    for kind, *span in alignment([_key(word) for word in said], [_key(word) for word in written]):
        start, end, hyp_start, hyp_end = span
        for i in range(max(end - start, hyp_end - hyp_start)):
            here = said[start + i] if start + i < end else ""
            there = written[hyp_start + i] if hyp_start + i < hyp_end else ""
            apart = "spelling" if kind == "equal" and here != there else kind
            found.append(Piece(apart, here, there, _key(there) in held))
    return found


def _split(text: str, unspaced: bool) -> list[str]:
    """Words, or what a reader takes for characters."""
    return regex.findall(r"\X", "".join(text.split())) if unspaced else text.split()


def _prompt_words(sample: Sample, condition: str, unspaced: bool) -> set[str]:
    """Words worth highlighting: of the listed terms that the prompt holds, else its longer ones."""
    prompt = sample["prompt"][condition] or ""
    terms = [term for term in sample["listed"] if term_count(term, prompt)]
    if terms:
        return {_key(word) for term in terms for word in _split(term, unspaced)}
    return {_key(word) for word in prompt.split() if len(_key(word)) >= LONG_WORD}


def _key(word: str) -> str:
    """A word as it is compared: casefolded, without punctuation around it."""
    core = CORE.search(word)
    return core.group().casefold() if core else word
