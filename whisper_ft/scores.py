"""What samples score: by prompt, by language, by corpus; and those scores as tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

from whisper_ft.intervals import intervals
from whisper_ft.metrics import (
    LEAK_WORDS,
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
from whisper_ft.tokens import is_unspaced

CONDITIONS = ("right", "none", "wrong")
SCORES = {
    "wer": "word errors, normalised as whisper does",
    "raw_wer": "word errors of the text as it is",
    "cer": "character errors, normalised",
    "b_wer": "word errors on keywords",
    "u_wer": "word errors on the rest",
    "keywords": "keywords that are written exactly",
    "precision": "written prompt words that were said",
    "leak": "written words copied from the prompt",
    "repetition": "written words that repeat in loops",
    "empty": "rows of which nothing is written",
    "invented": "silent rows of which something is",
    "times": "seconds by which segments start and end off",
    "loss": "nats a token, of the reference",
}
HIGHER_IS_BETTER = ("keywords", "precision")
NO_SHARE = ("times", "loss")  # rates that are not shown as per cents
MARK = "<!-- table -->"
Sample = dict[str, Any]  # what evaluate.decode_rows yields


def score(samples: Sequence[Sample]) -> dict[str, Any]:
    """Scores of samples by condition, each `{part, total, rate, interval}`.

    Keywords and prompt words are compared on raw text, with case where the references of a corpus
    mix it. Intervals are 95 % bootstraps over rows, or over recordings where every row has one and
    there are several. Languages written without spaces are scored by character, as in the Whisper
    paper. What of `SCORES` was not counted has no rate.
    """
    cased = cased_corpora(samples)
    result: dict[str, Any] = {}
    for condition in CONDITIONS:
        scored = [sample for sample in samples if sample["output"][condition] is not None]
        table = [list(row_counts(sample, condition, cased).values()) for sample in scored]
        ranges = intervals(table, groups_of(scored)) if table else [None] * len(SCORES)
        result[condition] = {"rows": len(scored)}
        for i, name in enumerate(SCORES):
            pooled = Count.sum(counts[i] for counts in table)
            result[condition][name] = {**pooled._asdict(), "rate": pooled.rate}
            result[condition][name]["interval"] = ranges[i]
    return result


def parts(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The samples of each language and of each corpus, where there are several."""
    found: dict[str, list[Sample]] = {}
    for name_of in (language_of, corpus_of):
        names = list(dict.fromkeys(map(name_of, samples)))
        if len(names) > 1:
            found |= {name: [s for s in samples if name_of(s) == name] for name in names}
    return found


def language_of(sample: Sample) -> str:
    """The language, and the task where it is to translate."""
    return sample["language"] + " to en" * (sample["task"] == "translate")


def corpus_of(sample: Sample) -> str:
    """The manifest that a sample's row is of."""
    return sample["place"].rpartition(":")[0]


def cased_corpora(samples: Sequence[Sample]) -> set[str]:
    """Corpora whose references mix upper and lower case, so that case counts in keywords."""
    return {
        corpus_of(sample)
        for sample in samples
        if sample["reference"] not in (sample["reference"].lower(), sample["reference"].upper())
    }


def groups_of(samples: Sequence[Sample]) -> list[str]:
    """Recordings, to be resampled whole; none where a row has none or all are of one."""
    groups = [sample["recording"] for sample in samples]
    return groups if all(groups) and len(set(groups)) > 1 else []


def row_counts(sample: Sample, condition: str, cased: set[str]) -> dict[str, Count]:
    """Each score's count of one sample, in the order of `SCORES`."""
    reference, output = sample["reference"], sample["output"][condition]
    prompt, listed = sample["prompt"][condition] or "", sample["listed"][condition]
    normalise = normaliser(sample["language"], sample["task"])
    words, written = normalise(reference), normalise(output)
    unspaced = is_unspaced(sample["language"], sample["task"])
    errors = character_errors if unspaced else word_errors
    keyword_words = {word for term in sample["keywords"] for word in normalise(term).split()}
    biased, unbiased = split_word_errors(words, written, keyword_words)
    case = corpus_of(sample) in cased
    said, wrote = split(sample, reference), split(sample, output)
    least = 2 * LEAK_WORDS if unspaced else LEAK_WORDS
    silent, mute = not reference.strip(), not output.strip()
    return {
        "wer": errors(words, written),
        "raw_wer": errors(reference, output),
        "cer": character_errors(words, written),
        "b_wer": biased,
        "u_wer": unbiased,
        "keywords": keyword_hits(sample["keywords"], reference, output, cased=case),
        "precision": term_precision(listed, reference, output, cased=case),
        "leak": leaked_words(split(sample, prompt), said, wrote, least),
        "repetition": looped_words(said, wrote),
        "empty": Count() if silent else Count(int(mute), 1),
        "invented": Count(int(not mute), 1) if silent else Count(),
        "times": _times(sample, condition),
        "loss": Count(*sample["loss"][condition]),
    }


def split(sample: Sample, text: str) -> list[str]:
    """Normalised words, or characters where the language is written without spaces."""
    words = normaliser(sample["language"], sample["task"])(text).split()
    return list("".join(words)) if is_unspaced(sample["language"], sample["task"]) else words


def _times(sample: Sample, condition: str) -> Count:
    if not sample["segments"] or not sample["written"][condition]:
        return Count()
    said, written = (
        timed(segments, lambda text: split(sample, text))
        for segments in (sample["segments"], sample["written"][condition])
    )
    return boundary_errors(said, written)[0]


@cache
def normaliser(language: str, task: str) -> BasicTextNormalizer | EnglishTextNormalizer:
    """Whisper's own for what is written: a translation is English."""
    english = language == "en" or task == "translate"
    return EnglishTextNormalizer() if english else BasicTextNormalizer()


def table(results: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of evaluations: a line each, WER and exact spellings by condition."""
    head = (
        "| checkpoint | WER: right prompt | none | wrong | spelled exactly: right | none | wrong |"
    )
    lines = [head, "|---|" + "---:|" * 6]
    for result in results:
        cells = [
            shown(name, result["scores"][condition][name])
            for name in ("wer", "keywords")
            for condition in CONDITIONS
        ]
        lines.append(f"| {_cell(result['name'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def insert_table(document: str, new_table: str) -> str:
    """A document with the table between its two `<!-- table -->` lines replaced."""
    parts = document.split(MARK)
    if len(parts) != 3:
        raise ValueError(f"the document needs two lines {MARK}, around the table's place")
    return MARK.join([parts[0], f"\n{new_table}\n", parts[2]])


def details(scores: dict[str, Any]) -> str:
    """A table of one evaluation for a terminal: every score with its interval, by condition."""
    lines = [f"{'':10}{'right prompt':>24}{'no prompt':>24}{'wrong prompt':>24}"]
    for name in SCORES:
        entries = [scores[condition][name] for condition in CONDITIONS]
        if any(entry["total"] for entry in entries):
            cells = [f"{shown(name, entry, interval=True):>24}" for entry in entries]
            lines.append(f"{name:10}{''.join(cells)}")
    lines.append(f"{'rows':10}" + "".join(f"{scores[c]['rows']:>24}" for c in CONDITIONS))
    if scores["none"]["rows"] and not scores["wrong"]["rows"]:
        lines.append("no row has a wrong prompt: none of another row's holds none of its keywords")
    return "\n".join(lines)


def shown(name: str, entry: dict[str, Any], *, interval: bool = False) -> str:
    """A score for a person, with its interval or without."""
    if entry["rate"] is None:
        return "-"
    scale, form, unit = (1, ".2f", "") if name in NO_SHARE else (100, ".1f", " %")
    rate = f"{scale * entry['rate']:{form}}{unit}"
    if not interval or not entry["interval"]:
        return rate
    low, high = (scale * bound for bound in entry["interval"])
    return f"{rate} [{low:{form}}, {high:{form}}]"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
