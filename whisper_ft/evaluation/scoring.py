"""What samples score: by prompt, by language, by corpus; and those scores as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

from whisper_ft.evaluation.bootstrap import intervals
from whisper_ft.evaluation.metrics import (
    Count,
    boundary_errors,
    character_errors,
    keyword_hits,
    leaked_words,
    looped_words,
    split_word_errors,
    term_precision,
    timed,
    word_errors,
)
from whisper_ft.evaluation.samples import CONDITIONS, Sample, cased_corpora, corpus_of, groups_of
from whisper_ft.text.terms import LEAK_WORDS
from whisper_ft.text.tokens import is_unspaced


@dataclass(frozen=True)
class ScoredText:
    """What a sample should say and what it says, in the forms in which scores compare them."""

    sample: Sample
    condition: str
    cased: bool  # whether case counts in keywords

    @property
    def reference(self) -> str:
        return self.sample["reference"]

    @property
    def output(self) -> str:
        return self.sample["output"][self.condition]

    @property
    def unspaced(self) -> bool:
        return is_unspaced(self.sample["language"], self.sample["task"])

    @property
    def errors(self) -> Callable[[str, str], Count]:
        return character_errors if self.unspaced else word_errors

    @cached_property
    def normalised(self) -> tuple[str, str]:
        """(reference, output) as whisper normalises them."""
        normalise = normaliser(self.sample["language"], self.sample["task"])
        return normalise(self.reference), normalise(self.output)

    @cached_property
    def words(self) -> tuple[list[str], list[str]]:
        """The same in words, or characters where the language is written without spaces."""
        return split(self.sample, self.reference), split(self.sample, self.output)

    @cached_property
    def biased(self) -> tuple[Count, Count]:
        """Word errors on the words of keywords, and on the rest; no words, no counts."""
        if self.unspaced:
            return Count(), Count()
        normalise = normaliser(self.sample["language"], self.sample["task"])
        terms = self.sample["keywords"]
        return split_word_errors(
            *self.normalised, {word for term in terms for word in normalise(term).split()}
        )

    @cached_property
    def times(self) -> tuple[Count, Count]:
        """(seconds off, of times; times found), where a row has segments of its own."""
        segments, written = self.sample["segments"], self.sample["written"][self.condition]
        if not segments or written is None:
            return Count(), Count()
        said, wrote = (timed(held, lambda t: split(self.sample, t)) for held in (segments, written))
        return boundary_errors(said, wrote)

    def hits(self) -> Count:
        return keyword_hits(self.sample["keywords"], self.reference, self.output, cased=self.cased)

    def precision(self) -> Count:
        return term_precision(self.sample["listed"], self.reference, self.output, cased=self.cased)

    def leak(self) -> Count:
        prompt = split(self.sample, self.sample["prompt"][self.condition] or "")
        return leaked_words(prompt, *self.words, 2 * LEAK_WORDS if self.unspaced else LEAK_WORDS)

    def empty(self, *, silent: bool) -> Count:
        """Whether nothing is written, if something is said; or something, if nothing is."""
        said, written = map(bool, self.words)
        return Count() if said == silent else Count(int(written == silent), 1)


class Score(NamedTuple):
    """One way to count what a sample says."""

    meaning: str
    counted: Callable[[ScoredText], Count]
    higher_is_better: bool = False
    share: bool = True  # shown as per cent


SCORES = {
    "wer": Score("word errors, normalised as whisper does", lambda t: t.errors(*t.normalised)),
    "raw_wer": Score("word errors of the text as it is", lambda t: t.errors(t.reference, t.output)),
    "cer": Score("character errors, normalised", lambda t: character_errors(*t.normalised)),
    "b_wer": Score("word errors on keywords", lambda t: t.biased[0]),
    "u_wer": Score("word errors on the rest", lambda t: t.biased[1]),
    "keywords": Score("keywords that are written exactly", ScoredText.hits, higher_is_better=True),
    "precision": Score(
        "written terms of the prompts that were said", ScoredText.precision, higher_is_better=True
    ),
    "leak": Score("written words copied from the prompt", ScoredText.leak),
    "repetition": Score("written words that repeat in loops", lambda t: looped_words(*t.words)),
    "empty": Score("rows of which nothing is written", lambda t: t.empty(silent=False)),
    "invented": Score("silent rows of which something is", lambda t: t.empty(silent=True)),
    "times": Score("seconds that segments' times are off", lambda t: t.times[0], share=False),
    "timed": Score(
        "segments' times that are written too", lambda t: t.times[1], higher_is_better=True
    ),
    "loss": Score(
        "nats a token of the reference's text",
        lambda t: Count(*t.sample["loss"][t.condition]),
        share=False,
    ),
}


def score(samples: Sequence[Sample]) -> dict[str, Any]:
    """Scores of samples by condition, each `{part, total, rate, interval}`.

    Keywords and prompt words are compared on raw text, with case where the references of a corpus
    mix it. Intervals are 95 % bootstraps over rows, or over recordings where every row has one and
    there are several. Languages written without spaces are scored by character, as in the Whisper
    paper. What of `SCORES` was not counted has no rate.
    """
    cased, counts = cased_corpora(samples), [one.counted for one in SCORES.values()]
    result: dict[str, Any] = {}
    for condition in CONDITIONS:
        scored = [sample for sample in samples if sample["output"][condition] is not None]
        texts = [ScoredText(sample, condition, corpus_of(sample) in cased) for sample in scored]
        table = [[count(one) for count in counts] for one in texts]
        ranges = intervals(table, groups_of(scored)) if table else [None] * len(SCORES)
        result[condition] = {"rows": len(scored)}
        for i, name in enumerate(SCORES):
            pooled = Count.sum(line[i] for line in table)
            result[condition][name] = {**pooled._asdict(), "rate": pooled.rate}
            result[condition][name]["interval"] = ranges[i]
    return result


def row_count(sample: Sample, condition: str, name: str, cased: set[str]) -> Count:
    """One score's count of one sample."""
    return SCORES[name].counted(ScoredText(sample, condition, corpus_of(sample) in cased))


def split(sample: Sample, text: str) -> list[str]:
    """Normalised words, or characters where the language is written without spaces."""
    words = normaliser(sample["language"], sample["task"])(text).split()
    return list("".join(words)) if is_unspaced(sample["language"], sample["task"]) else words


@cache
def normaliser(language: str, task: str) -> BasicTextNormalizer | EnglishTextNormalizer:
    """Whisper's own for what is written: a translation is English."""
    english = language == "en" or task == "translate"
    return EnglishTextNormalizer() if english else BasicTextNormalizer()
