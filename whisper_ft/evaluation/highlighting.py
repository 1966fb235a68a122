"""Align an output with its reference word by word, for a page that marks the differences."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import NamedTuple

import regex

from whisper_ft.evaluation.samples import Sample
from whisper_ft.text.alignment import alignment
from whisper_ft.text.terms import term_count
from whisper_ft.text.tokens import is_unspaced

CORE = re.compile(r"\w(?:.*\w)?", re.S)
MIN_LETTERS = 4  # of a prompt's word to highlight, when no keywords are known


class Piece(NamedTuple):
    """A word, or character, of an output and the reference's word beside it."""

    kind: str  # equal, spelling (only case or punctuation differ), substitute, insert, delete
    reference: str  # "" for insert
    output: str  # "" for delete
    in_prompt: bool


def pieces(sample: Sample, condition: str) -> list[Piece]:
    """Align an output with the reference, ignoring case and punctuation around words.

    Empty when the sample was not decoded under this condition.
    """
    output = sample.outputs[condition]
    if output is None:
        return []
    unspaced = is_unspaced(sample.language, sample.task)
    reference_words, output_words = (_split(t, unspaced) for t in (sample.reference, output.text))
    prompt_words = _prompt_words(sample, condition, unspaced)
    aligned = []
    keys = ([_key(word) for word in words] for words in (reference_words, output_words))
    for span in alignment(*keys):
        pairs = zip_longest(
            reference_words[span.start : span.end],
            output_words[span.hypothesis_start : span.hypothesis_end],
            fillvalue="",
        )
        for reference_word, output_word in pairs:
            respelled = span.kind == "equal" and reference_word != output_word
            kind = "spelling" if respelled else span.kind
            in_prompt = _key(output_word) in prompt_words
            aligned.append(Piece(kind, reference_word, output_word, in_prompt))
    return aligned


def _split(text: str, unspaced: bool) -> list[str]:
    """Split into words, or graphemes for a language written without spaces."""
    return regex.findall(r"\X", "".join(text.split())) if unspaced else text.split()


def _prompt_words(sample: Sample, condition: str, unspaced: bool) -> set[str]:
    """Return the prompt's words to highlight: those of its terms, or else its longer ones."""
    prompt = sample.prompts[condition] or ""
    terms = [term for term in sample.prompt_terms if term_count(term, prompt)]
    if terms:
        return {_key(word) for term in terms for word in _split(term, unspaced)}
    return {_key(word) for word in prompt.split() if len(_key(word)) >= MIN_LETTERS}


def _key(word: str) -> str:
    """Return a word as it is compared: casefolded, without punctuation around it."""
    core = CORE.search(word)
    return core.group().casefold() if core else word
