"""Keywords that a manifest does not give: terms found in its texts, and those of a glossary.

What is found in a manifest depends on this manifest alone, so that it is the same in every command
and beside any other manifest.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whisper_ft.data.packed_terms import PackedTerms
from whisper_ft.data.row import Row, written_language
from whisper_ft.data.rows import RowTable, row_keywords
from whisper_ft.runtime.files import find_file_problem
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.counts import format_count
from whisper_ft.text.glossary import Glossary
from whisper_ft.text.keywords import RULES_VERSION, CorpusLanguage, find_keywords
from whisper_ft.text.terms import term_count
from whisper_ft.text.word_rarity import wordfreq_version

LOGGER = logging.getLogger("whisper_ft")
AS_GIVEN = "manifest"  # the source of keywords where none were looked for
MAX_COUNTED = 200_000  # rows whose words are counted
MIN_ROWS_FOR_BAR = 50_000
MAX_GLOSSARY = 10_000_000  # bytes


@dataclass(frozen=True)
class KeywordRules:
    """Where keywords come from, beside a manifest's own."""

    auto: bool = False  # find them where a manifest has none
    glossary: Glossary = field(default=Glossary())


AS_WRITTEN = KeywordRules()


def read_keyword_rules(keywords: str = "auto", glossary: str | Path = "") -> KeywordRules:
    """Return the rules of `--keywords` ("auto" or "off") and `--glossary`, a file of terms.

    Raises ValueError for a glossary that cannot be read or holds no term.
    """
    if keywords not in ("auto", "off"):
        raise ValueError(f"--keywords: {keywords}: give auto or off")
    path = Path(glossary)
    if not str(glossary):
        return KeywordRules(keywords == "auto")
    remedy = "give a text file in UTF-8 with one term a line"
    if problem := find_file_problem(path):
        raise ValueError(f"--glossary: {path}: {problem}: {remedy}")
    if path.stat().st_size > MAX_GLOSSARY:
        raise ValueError(f"--glossary: {path}: larger than {MAX_GLOSSARY} bytes: {remedy}")
    try:
        terms = Glossary.of_lines(path.read_text(encoding="utf-8-sig").splitlines())
    except UnicodeDecodeError:
        raise ValueError(f"--glossary: {path}: not UTF-8: {remedy}") from None
    if any("\0" in term for term in terms.terms):  # UTF-16 without its mark
        raise ValueError(f"--glossary: {path}: not UTF-8: {remedy}")
    n_lists = sum("," in term for term in terms.terms)
    if n_lists > len(terms.terms) / 2:
        LOGGER.warning(
            f"--glossary: {path}: {n_lists} of {format_count(len(terms.terms), 'term')} hold a "
            "comma: is each line one term?"
        )
    if not terms.terms:
        raise ValueError(f"--glossary: {path}: holds no term: {remedy}")
    return KeywordRules(keywords == "auto", terms)


def add_keywords(table: RowTable, rules: KeywordRules) -> str:
    """Add to the rows of a manifest the keywords that the rules find, and return their source.

    `auto` finds keywords only if no row of the manifest has any, and only in rows without a prompt
    of their own. A glossary's terms are keywords of every row whose text has them.
    """
    auto = rules.auto and not any(table.n_keywords)
    if not auto and not rules.glossary.terms:
        return AS_GIVEN
    corpora = _count_words(table) if auto else {}
    found, n_rows = PackedTerms(), len(table.line_numbers)
    n_held = 0  # rows whose text holds a term of the glossary
    for number in progress_bar(
        range(n_rows),
        f"finding keywords in {table.path.name}",
        unit=" rows",
        hidden=n_rows < MIN_ROWS_FOR_BAR,
    ):
        fields = table[number]
        of_glossary = rules.glossary.find(fields.text)
        n_held += bool(of_glossary)
        terms = (*fields.keywords, *of_glossary)
        if auto and not fields.prompt.strip():
            others = find_keywords(
                fields.text, corpora[written_language(fields.language, fields.task)]
            )
            terms += tuple(term for term in others if not _overlaps(term, terms))
        found.append(tuple(dict.fromkeys(terms)))
    table.found_keywords = found
    if rules.glossary.terms and n_rows and not n_held:
        LOGGER.warning(
            f"--glossary: no text of {table.path} holds one of its "
            f"{format_count(len(rules.glossary.terms), 'term')}: is it one term a line, spelled as "
            "in the texts?"
        )
    return _describe_source(auto, rules.glossary)


def join_sources(sources: Iterable[str]) -> str:
    """Return the different sources of several manifests as one text."""
    return " / ".join(sorted(set(sources))) or AS_GIVEN


def describe_keywords(name: str, rows: Sequence[Row], source: str) -> str:
    """Return what was found in a manifest, and what that means; "" if nothing was looked for."""
    if source == AS_GIVEN:
        return ""
    n_terms = [len(row_keywords(rows, i)) for i in range(len(rows))]
    n_with = sum(map(bool, n_terms))
    if n_with:
        return (
            f"{name}: {format_count(sum(n_terms), 'keyword')} in {n_with} of "
            f"{format_count(len(rows), 'row')}, by {source}"
        )
    may_find_more = source.startswith("auto ") and not wordfreq_version()
    advice = "; `pip install wordfreq` finds more in some languages" if may_find_more else ""
    return (
        f"{name}: no keywords were found, by {source}: its rows get no lists of keywords. In "
        f"training, other kinds of prompt take that share of --prompts{advice}"
    )


def _describe_source(auto: bool, glossary: Glossary) -> str:
    """Return by what keywords are found; results with other sources are not compared."""
    version = wordfreq_version()
    knowledge = f"wordfreq {version}" if version else "Whisper's vocabulary"
    parts = [f"auto (rules {RULES_VERSION}, {knowledge})"] if auto else [AS_GIVEN]
    parts += [f"glossary {glossary.digest}"] if glossary.terms else []
    return " and ".join(parts)


def _count_words(table: RowTable) -> dict[str, CorpusLanguage]:
    """Count the words of each language, in at most MAX_COUNTED rows."""
    every = -(-len(table.line_numbers) // MAX_COUNTED) or 1
    return {
        language: CorpusLanguage.of_texts(_texts(table, language, every), language)
        for language in dict.fromkeys(
            written_language(kind.language, kind.task) for kind in table.kinds
        )
    }


def _texts(table: RowTable, language: str, every: int) -> Iterator[str]:
    """Yield the texts in a language, of every `every`-th row."""
    kinds = {
        i for i, k in enumerate(table.kinds) if written_language(k.language, k.task) == language
    }
    for number in range(0, len(table.line_numbers), every):
        if table.kind_numbers[number] in kinds:
            yield table[number].text


def _overlaps(term: str, others: Iterable[str]) -> bool:
    """Return whether a term is a part of one of the others, or has one as a part."""
    return any(term_count(term, other) or term_count(other, term) for other in others)
