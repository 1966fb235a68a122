"""Read what is to be spoken: terms, sentences, and carrier sentences with a place for a term."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from whisper_ft.text.terms import term_count

MAX_TERM_WORDS = 4  # of a line that is taken for a term, unless it ends as a sentence
SENTENCE_ENDS = tuple(".!?…。！？؟।")
PLACE = "{}"  # of the term in a carrier
MARKED = re.compile(r"\{([^{}]+)\}")  # a term that a sentence marks

# Short and of everyday speech, with the term at the beginning, in the middle and at the end.
ENGLISH_CARRIERS = (
    "{} was mentioned again this morning.",
    "{} is the one that I meant.",
    "{} is new to most of us, so please ask if anything is unclear.",
    "{} comes up in almost every conversation these days.",
    "Have you heard of {} before?",
    "I looked up {} yesterday and made a few notes.",
    "We were talking about {} when you called.",
    "Can you spell {} for me, please?",
    "She wrote {} on the board and underlined it twice.",
    "He said {} at least three times, and nobody asked what it was.",
    "Most people who know {} learned about it from a friend.",
    "There is a short note about {} on the second page.",
    "If you are not sure about {}, ask somebody who is.",
    "Let us put {} first on the list and talk about the rest tomorrow.",
    "After the break we will come back to {} and the open questions.",
    "Everything that we know about {} is in this folder.",
    "They asked about {}, but there was no time to answer.",
    "In the end it was {} that made the difference.",
    "I would like to hear more about {}.",
    "The next item is {}.",
    "Please write this down: {}.",
    "What they were really looking for was {}.",
    "Nobody in the room had an answer about {}.",
    "It took me a while to get used to {}.",
)


class SpokenText(NamedTuple):
    """A text to speak, and its terms."""

    text: str
    keywords: tuple[str, ...]


class Source(NamedTuple):
    """A term and the carriers for it, or a sentence, which is its own only form."""

    line: str
    forms: tuple[str, ...]
    keywords: tuple[str, ...]  # that stand in every form


class SpokenTexts(NamedTuple):
    """The texts that are to be spoken."""

    sources: tuple[Source, ...]
    terms: tuple[str, ...]  # of all of them

    def write_out(self, source: Source, form: str) -> SpokenText:
        """Return a form of a source as the text that is spoken, with all terms in it."""
        text = form.replace(PLACE, source.line)
        return SpokenText(
            text, tuple(dict.fromkeys((*source.keywords, *find_terms(self.terms, text))))
        )


def read_texts(
    paths: Sequence[Path], terms: Sequence[Path], carriers: Path | None, language: str
) -> SpokenTexts:
    """Read files of one term, sentence or carrier a line, each line once.

    `paths` are files of terms or of sentences: see `is_term_list`. `terms` are files of terms, even
    if they are in `paths` too.
    Raises ValueError with every line that cannot be used, and if there is nothing to speak.
    """
    problems: list[str] = []
    lines = {path: _read_lines(path, problems) for path in dict.fromkeys((*paths, *terms))}
    term_files = [path for path in lines if path in terms or is_term_list(lines[path].values())]
    found = {term: None for path in term_files for term in _terms(path, lines[path], problems)}
    sentences: dict[str, tuple[str, ...]] = {}
    for path in paths:
        if path not in term_files:
            sentences |= _sentences(path, lines[path], problems)
    found |= {term: None for marked in sentences.values() for term in marked}
    placed = {term for text in sentences for term in find_terms(list(found), text)}
    unplaced = [term for term in found if term not in placed]
    forms = _carriers(carriers, language, bool(unplaced), problems)
    if not found and not sentences and not problems:
        problems.append("nothing to speak: give files of sentences or of terms, one a line")
    if problems:
        raise ValueError("\n".join(problems))
    sources = [Source(term, forms, (term,)) for term in unplaced]
    sources += [Source(text, (text,), marked) for text, marked in sentences.items()]
    return SpokenTexts(tuple(sources), tuple(found))


def is_term_list(lines: Collection[str]) -> bool:
    """Return whether most lines are short, without braces, and do not end as a sentence does."""
    n_terms = sum(
        len(line.split()) <= MAX_TERM_WORDS and not line.endswith(SENTENCE_ENDS) and "{" not in line
        for line in lines
    )
    return 2 * n_terms > len(lines)


def _read_lines(path: Path, problems: list[str]) -> dict[int, str]:
    """Return the lines that hold something, by number, without control characters."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(f"{path}: not UTF-8 at byte {error.start}: save it as UTF-8")
        return {}
    except OSError as error:
        problems.append(f"{path}: {error.strerror}: give a text file")
        return {}
    lines = {number: _clean(line) for number, line in enumerate(text.split("\n"), start=1)}
    return {number: line for number, line in lines.items() if line}


def _clean(line: str) -> str:
    """Return a line in NFC with single spaces for white space and control characters."""
    line = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in line)
    return " ".join(unicodedata.normalize("NFC", line).split())


def _terms(path: Path, lines: dict[int, str], problems: list[str]) -> list[str]:
    for number, line in lines.items():
        if "{" in line or "}" in line:
            problems.append(f"{path}:{number}: {line!r}: a term has no braces: remove them")
    return list(lines.values())


def _sentences(
    path: Path, lines: dict[int, str], problems: list[str]
) -> dict[str, tuple[str, ...]]:
    """Return sentences without the braces around marked terms, and those terms."""
    for number, line in lines.items():
        if PLACE in line:
            problems.append(f"{path}:{number}: {line!r}: is a carrier: give it by --carriers")
    return {MARKED.sub(r"\1", line): tuple(MARKED.findall(line)) for line in lines.values()}


def _carriers(
    path: Path | None, language: str, needed: bool, problems: list[str]
) -> tuple[str, ...]:
    if path is None:
        if needed and language != "en":
            problems.append(
                f"--language: {language}: there are carrier sentences in English only: write some "
                f"to a file, one a line with {PLACE} in place of the term, and give it by "
                "--carriers"
            )
        return ENGLISH_CARRIERS
    lines = _read_lines(path, problems)
    for number, line in lines.items():
        if line.count(PLACE) != 1:
            problems.append(
                f"{path}:{number}: {line!r}: has {line.count(PLACE)} places for a term: write "
                f"{PLACE} once"
            )
    if needed and not lines and path.is_file():
        problems.append(f"{path}: holds no carrier: write sentences with {PLACE}")
    return tuple(dict.fromkeys(lines.values()))


def find_terms(terms: Sequence[str], text: str) -> list[str]:
    """Return the terms that stand in a text, as they are written."""
    return [term for term in terms if term in text and term_count(term, text)]
