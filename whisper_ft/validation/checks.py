"""What is wrong, or doubtful, in manifests: all of it, before a second of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tqdm import tqdm
from whisper.tokenizer import TO_LANGUAGE_CODE, Tokenizer

from whisper_ft.data.audio import AudioInfo, n_mel_frames
from whisper_ft.data.manifest import Manifest, read_manifest
from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS, Problem, Row
from whisper_ft.data.rows import Rows
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.terms import term_count
from whisper_ft.text.tokens import build_example
from whisper_ft.validation.audio_headers import probe_all
from whisper_ft.validation.warnings import joined, warnings

AT_ONCE = 5_000  # rows that are objects at a time
MANY = 100_000  # rows of which to show how far one is
TASKS = ("transcribe", "translate")


@dataclass
class CheckedManifest:
    """Rows that are fit for use, what is wrong with the others, and what may be a mistake."""

    rows: Sequence[Row] = ()
    languages: list[str] = field(default_factory=list)  # of the rows
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    seconds: float = 0.0  # of audio in the rows


def check_manifest(manifest: Manifest, vocabulary: Vocabulary | None) -> CheckedManifest:
    """Check a manifest's rows against their audio files and a model's vocabulary.

    Without a vocabulary (its model cannot be read) tokens and languages go unchecked.
    """
    held = manifest.rows
    fit = Rows(held.table)
    checked = CheckedManifest(
        fit, problems=list(manifest.problems), warnings=list(manifest.warnings)
    )
    complete = True  # whether the row before this one is there, for previous text
    name = held.table.path.name
    bar = tqdm(total=len(held), desc=f"checking {name}", unit=" rows", disable=len(held) < MANY)
    with bar:
        for first in range(0, len(held), AT_ONCE):
            some = held[first : first + AT_ONCE]
            infos = probe_all([row.audio for row in some])
            for index, row in enumerate(some, start=first):
                info, follows = infos[row.audio], row.follows and complete
                code = _language_code(row.language)
                row = replace(row, language=code, follows=follows)
                wrong, doubtful = _look_at(row, info, vocabulary)
                checked.problems += [Problem(row.place, what) for what in wrong]
                checked.warnings += [Problem(row.place, what) for what in doubtful]
                complete = not wrong
                if not wrong and isinstance(info, AudioInfo):
                    seconds = _duration(row, info)
                    fit.add_checked(
                        held.numbers[index],
                        follows=follows,
                        duration=seconds,
                        stamp=info.stamp,
                        language=code,
                    )
                    checked.languages.append(code)
                    checked.seconds += seconds
            bar.update(len(some))
    checked.problems.sort(key=lambda problem: _line(problem.place))
    return checked


def _look_at(
    row: Row, info: AudioInfo | str, vocabulary: Vocabulary | None
) -> tuple[list[str], list[str]]:
    """(what is wrong with a row, what may be a mistake)."""
    wrong = _file_problems(row, info) + _keyword_problems(row)
    if vocabulary is not None:
        wrong += _language_problems(row, vocabulary)
    if wrong or isinstance(info, str) or vocabulary is None:
        return wrong, []
    tokenizer = vocabulary.tokenizer(language=row.language, task=row.task)
    wrong = _token_problems(row, info, tokenizer, vocabulary.n_text_ctx)
    segments = row.resolved_segments(_duration(row, info))
    return wrong, list(warnings(row, segments, tokenizer))


def usable_rows(
    paths: Sequence[str],
    vocabularies: Sequence[Vocabulary],
    *,
    language: str,
    task: str,
    wrong: Sequence[str] = (),
) -> dict[str, Sequence[Row]]:
    """The rows of each manifest, for models of these vocabularies.

    Raises ValueError with every problem of theirs, after what else is `wrong`.
    """
    problems, rows = list(wrong), dict[str, Sequence[Row]]()
    for path in paths:
        manifest = read_manifest(path, language=language, task=task)
        for vocabulary in dict.fromkeys(vocabularies) or (None,):
            checked = check_manifest(manifest, vocabulary)
            problems += map(str, checked.problems)
            rows[path] = checked.rows
    if problems:
        raise ValueError("\n".join(dict.fromkeys(problems)))
    return rows


def _line(place: str) -> int:
    """The line of a place, 0 for a whole file."""
    number = place.rpartition(":")[2]
    return int(number) if number.isdigit() else 0


def _duration(row: Row, info: AudioInfo) -> float:
    """Seconds of a row's stretch."""
    return (info.duration if row.end is None else min(row.end, info.duration)) - row.start


def _file_problems(row: Row, info: AudioInfo | str) -> list[str]:
    if isinstance(info, str):
        return [f"audio: {row.audio}: {info}"]
    found = []
    if row.start >= info.duration:
        return [f"start: {row.start}: {row.audio} ends at {info.duration:.3f} s: correct it"]
    if row.end is not None and row.end > info.duration + CUT_SLACK:
        return [f"end: {row.end}: {row.audio} ends at {info.duration:.3f} s: correct it"]
    seconds = _duration(row, info)
    if n_mel_frames(seconds) < 1:
        return [f"audio: {row.audio}: {seconds} s are too short to hear: correct or remove the row"]
    if n_mel_frames(seconds) > n_mel_frames(MAX_SECONDS):
        found.append(
            f"audio: {row.audio}: {seconds:.2f} s, and Whisper hears {MAX_SECONDS:.0f} at once: "
            "split the row with start and end"
        )
    if row.channel is not None and row.channel >= info.n_channels:
        last = info.n_channels - 1
        found.append(f"channel: {row.channel}: {row.audio} has no such one: give 0 to {last}")
    if row.duration is not None and abs(row.duration - seconds) > CUT_SLACK:
        found.append(
            f"duration: {row.duration}: the audio lasts {seconds:.3f} s: correct the field or "
            "leave it out, and see whether it is the right file"
        )
    return found + _segment_problems(row, seconds)


def _segment_problems(row: Row, seconds: float) -> list[str]:
    """A row may end within its last segment, which is then heard but not learned."""
    segments = row.resolved_segments(seconds)
    cut = [segment for segment in segments if segment.end is None]
    if not cut:
        return []
    ends = f"the audio ends at {seconds:.3f} s"
    if len(cut) > 1 or cut[0].start >= seconds:
        return [
            f"segments: one starts at {segments[-1].start} s, {ends}: count from the row's start"
        ]
    if not any(segment.text.strip() for segment in segments):
        return [
            f"segments: the only one with words runs to {row.segments[-1].end} s, {ends}: "
            "give it whole"
        ]
    if joined(segments) != " ".join(row.text.split()):
        return [
            f"segments: the last runs to {row.segments[-1].end} s, {ends}: leave its words out of "
            "the text, or give it whole"
        ]
    return []


def _keyword_problems(row: Row) -> list[str]:
    return [
        f"keywords: {term!r}: the text does not hold it: spell it as the text does or leave it out"
        for term in row.keywords
        if not term_count(term, row.text, cased=False)
    ]


def _language_code(language: str) -> str:
    """A code as whisper's tables have it, for a code or an English name in any case."""
    return TO_LANGUAGE_CODE.get(language.lower(), language.lower())


def _language_problems(row: Row, vocabulary: Vocabulary) -> list[str]:
    problem = vocabulary.language_problem(row.language)
    found = [f"language: {problem}"] if problem else []
    if row.task not in TASKS:
        found.append(f"task: {row.task!r}: give transcribe or translate")
    elif not vocabulary.multilingual and row.task == "translate":
        found.append("task: 'translate': the model is English-only: use one without .en")
    return found


def _token_problems(row: Row, info: AudioInfo, tokenizer: Tokenizer, n_text_ctx: int) -> list[str]:
    """A row must fit in its longest form: with timestamps, whatever its visits draw."""
    segments = row.resolved_segments(_duration(row, info))
    try:
        build_example(
            tokenizer, row.text, segments=segments, timestamps=True, n_text_ctx=n_text_ctx
        )
    except ValueError as error:
        return [f"text: {row.text[:60]!r}...: {error}"]
    return []
