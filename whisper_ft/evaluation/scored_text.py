"""One output beside its reference, in the forms that scores compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from whisper_ft.evaluation.metrics import (
    Count,
    boundary_errors,
    character_errors,
    correct_words,
    keyword_precision,
    keyword_recall,
    leaked_words,
    split_word_errors,
    time_words,
    word_errors,
)
from whisper_ft.evaluation.normalization import marked_normalizer, whisper_normalizer
from whisper_ft.evaluation.samples import Output, Sample
from whisper_ft.text.terms import LEAK_WORDS
from whisper_ft.text.tokens import is_unspaced


@dataclass(frozen=True)
class ScoredText:
    """An output beside its reference, for one condition under which the sample was decoded."""

    sample: Sample
    condition: str
    cased: bool  # whether case counts in keywords

    @property
    def reference(self) -> str:
        """The text that was spoken."""
        return self.sample.reference

    @property
    def output(self) -> Output:
        """The output. Raises ValueError if the sample was not decoded under this condition."""
        output = self.sample.outputs[self.condition]
        if output is None:
            raise ValueError(f"{self.sample.place}: not decoded with prompt: {self.condition}")
        return output

    @property
    def unspaced(self) -> bool:
        """Whether the text is written without spaces, and so scored by character."""
        return is_unspaced(self.sample.language, self.sample.task)

    @property
    def errors(self) -> Callable[[str, str], Count]:
        """The function that counts word errors, or character errors if unspaced."""
        return character_errors if self.unspaced else word_errors

    @cached_property
    def normalized(self) -> tuple[str, str]:
        """(reference, output) after whisper's normaliser."""
        normalize = whisper_normalizer(self.sample.language, self.sample.task)
        return normalize(self.reference), normalize(self.output.text)

    @cached_property
    def marked(self) -> tuple[str, str]:
        """(reference, output) after the normaliser that keeps vowel signs and other marks."""
        normalize = marked_normalizer(self.sample.language, self.sample.task)
        return normalize(self.reference), normalize(self.output.text)

    @cached_property
    def words(self) -> tuple[list[str], list[str]]:
        """(reference, output) in words with their marks, or characters for unspaced languages."""
        return self.split(self.reference), self.split(self.output.text)

    def split(self, text: str) -> list[str]:
        """Return normalized words, or characters if unspaced."""
        return split_words(text, self.sample.language, self.sample.task)

    @cached_property
    def biased(self) -> tuple[Count, Count]:
        """Word errors on the words of keywords, and on the rest; nothing if unspaced."""
        if self.unspaced:
            return Count(), Count()
        normalize = marked_normalizer(self.sample.language, self.sample.task)
        terms = self.sample.keywords
        return split_word_errors(
            *self.marked, {word for term in terms for word in normalize(term).split()}
        )

    @cached_property
    def obedience(self) -> tuple[Count, Count]:
        """(words mended, of those wrong without a prompt; words spoiled, of those right without).

        Nothing if this output has no prompt, or if the row was not decoded without one.
        """
        plain = self.sample.outputs["none"]
        if plain is None or not (self.sample.prompts[self.condition] or "").strip():
            return Count(), Count()
        reference, written = self.words
        correct, before = (
            correct_words(reference, words) for words in (written, self.split(plain.text))
        )
        n_wrong_before = len(reference) - len(before)
        return Count(len(correct - before), n_wrong_before), Count(
            len(before - correct), len(before)
        )

    @cached_property
    def timestamps(self) -> tuple[Count, Count]:
        """(seconds of error of the times compared; times compared of the reference's).

        Nothing if the row has no segments of its own.
        """
        if not self.sample.segments:
            return Count(), Count()
        return boundary_errors(
            time_words(self.sample.segments, self.split),
            time_words(self.output.segments, self.split),
        )

    def count_keyword_recall(self) -> Count:
        """Count keywords in the reference, and those that the output has too."""
        keywords = self.sample.keywords
        return keyword_recall(keywords, self.reference, self.output.text, cased=self.cased)

    def count_keyword_precision(self) -> Count:
        """Count prompt terms in the output, and those that the reference has too."""
        terms = self.sample.prompt_terms
        return keyword_precision(terms, self.reference, self.output.text, cased=self.cased)

    def count_prompt_leak(self) -> Count:
        """Count output words, and those copied from the prompt."""
        prompt = self.split(self.sample.prompts[self.condition] or "")
        return leaked_words(prompt, *self.words, 2 * LEAK_WORDS if self.unspaced else LEAK_WORDS)

    def count_empty(self) -> Count:
        """Count a row with speech, and whether its output is empty."""
        reference, output = self.words
        return Count(int(not output), 1) if reference else Count()

    def count_hallucinated(self) -> Count:
        """Count a silent row, and whether its output holds words."""
        reference, output = self.words
        return Count() if reference else Count(int(bool(output)), 1)


def split_words(text: str, language: str, task: str) -> list[str]:
    """Return words with their marks, or characters for a language written without spaces."""
    words = marked_normalizer(language, task)(text).split()
    return list("".join(words)) if is_unspaced(language, task) else words
