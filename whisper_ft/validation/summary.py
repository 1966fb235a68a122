"""What manifests hold, on one screen: hours, languages, lengths, and doubts by what they say."""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from whisper_ft.data.dataset import RowError, read_row_audio
from whisper_ft.data.keyword_prompts import MAX_PROMPT_TOKENS
from whisper_ft.data.row import CUT_SLACK, MAX_SECONDS, Problem, Row
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.terms import is_distinctive, normalize_text
from whisper_ft.text.tokens import encode_prompt, encode_segments
from whisper_ft.validation.checks import CheckedManifest
from whisper_ft.validation.warnings import audio_warnings

FIELDS = ("prompt", "keywords", "segments", "recording", "speaker")  # that rows may have
MOST = (16, 32, 64, 96, 128, 160, 192, 224, 448)  # tokens of a text in a bin
BINS = {most: f"{low + 1}-{most}" for low, most in zip((0, *MOST), MOST, strict=False)}
BAR = 40  # characters of the longest
MOST_LISTED = 20  # problems that stand one by one
SHOWN = 4  # places and values of rows that share a problem or a doubt
VARYING = re.compile(r"'(?:[^'\\]|\\.)+'|\"[^\"]+\"|\d+(\.\d+)?%?")  # of its words


def check_audio(checked: Sequence[CheckedManifest], n_rows: int, seed: int) -> None:
    """Add doubts about the sound of at most so many rows of each manifest, drawn by the seed."""
    for found in checked:
        drawn = random.Random(f"listen {seed}").sample(
            range(len(found.rows)), min(n_rows, len(found.rows))
        )
        for i in tqdm(sorted(drawn), "listening", leave=False, disable=len(drawn) < 100):
            row = found.rows[i]
            try:
                samples, _ = read_row_audio(row, timestamps=True)
            except RowError as error:
                found.problems.append(Problem(row.place, str(error).removeprefix(f"{row.place}: ")))
                continue
            found.warnings += [Problem(row.place, what) for what in audio_warnings(row, samples)]


def compare_manifests(checked: Sequence[CheckedManifest]) -> None:
    """Add a doubt for each row of whose audio, or words, an earlier manifest holds some too."""
    heard = _Heard()
    said: dict[tuple[str, str], str] = {}
    for number, found in enumerate(checked, start=1):
        for row in found.rows if number > 1 else ():
            text = normalize_text(row.text, cased=False)
            seconds, other = heard.shared(row)
            if other:
                what = f"audio: {seconds:.1f} s of it stand in '{other}' too"
                found.warnings.append(Problem(row.place, what))
            elif text and (other := said.get((row.speaker, text), "")):
                who = "by the same speaker " if row.speaker else ""
                found.warnings.append(Problem(row.place, f"text: said {who}in '{other}' too"))
        if number == len(checked):
            return
        heard.add(found.rows)
        for row in found.rows:
            text = normalize_text(row.text, cased=False)
            if row.speaker or is_distinctive(text):  # who says yes may be anyone
                said.setdefault((row.speaker, text), row.place)


class _Stretch(NamedTuple):
    start: float  # seconds in a file
    end: float
    channel: int | None
    place: str  # of its row


class _Heard:
    """Stretches of files that manifests hold: which of them does a row share?"""

    def __init__(self) -> None:
        self._stretches: defaultdict[Path, list[_Stretch]] = defaultdict(list)  # by start
        self._resolved = cache(Path.resolve)

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            end = row.start + (row.duration or 0.0)
            stretch = _Stretch(row.start, end, row.channel, row.place)
            self._stretches[self._resolved(row.audio)].append(stretch)
        for held in self._stretches.values():
            held.sort(key=lambda stretch: stretch.start)

    def shared(self, row: Row) -> tuple[float, str]:
        """(seconds, place) of the largest stretch that a row shares with one held, or (0.0, "")."""
        held = self._stretches.get(self._resolved(row.audio), [])
        ends = row.start + (row.duration or 0.0)
        earliest = row.start - MAX_SECONDS - CUT_SLACK
        first = bisect_left(held, earliest, key=lambda other: other.start)
        best = (CUT_SLACK, "")
        for other in map(held.__getitem__, range(first, len(held))):
            if other.start >= ends:
                break
            seconds = min(ends, other.end) - max(row.start, other.start)
            if None in (row.channel, other.channel) or row.channel == other.channel:
                best = max(best, (seconds, other.place))
        return best if best[1] else (0.0, "")


def survey(path: str, found: CheckedManifest, vocabulary: Vocabulary | None) -> dict[str, Any]:
    """All about a manifest that a report may show, in plain types; its rows are made once."""
    languages: defaultdict[str, dict[str, float]] = defaultdict(lambda: {"rows": 0, "hours": 0.0})
    tasks, having, lengths = Counter[str](), Counter[str](), Counter[str]()
    cuts: list[int] = []
    for row in found.rows:
        languages[row.language]["rows"] += 1
        languages[row.language]["hours"] += (row.duration or 0.0) / 3600
        tasks[row.task] += 1
        having.update(name for name in FIELDS if getattr(row, name))
        having["silence"] += not row.text.strip()
        if vocabulary is not None:
            tokenizer = vocabulary.tokenizer(language=row.language, task=row.task)
            ids = encode_segments(tokenizer, row.resolved_segments(row.duration or 0.0))
            lengths[_bin(len(ids))] += 1
            cuts.append(len(encode_prompt(tokenizer, row.prompt)) - MAX_PROMPT_TOKENS)
    cuts = [cut for cut in cuts if cut > 0]
    return {
        "manifest": path,
        "rows": len(found.rows),
        "hours": found.seconds / 3600,
        "languages": dict(languages),
        "tasks": dict(tasks),
        "with": {name: having[name] for name in (*FIELDS, "silence")},
        "tokens": {name: lengths[name] for name in BINS.values()} if vocabulary else {},
        "cut_prompts": (
            {"rows": len(cuts), "mean": sum(cuts) / len(cuts), "most": max(cuts)} if cuts else {}
        ),
        "problems": [vars(problem) for problem in found.problems],
        "doubts": [vars(doubt) for doubt in found.warnings],
    }


def _bin(n_tokens: int) -> str:
    """The bin of a text of so many tokens; the last takes all longer ones."""
    return next((name for most, name in BINS.items() if n_tokens <= most), BINS[max(BINS)])


def screen(surveyed: dict[str, Any], *, every: bool) -> Iterator[str]:
    """Its lines for a terminal; `every` lists each doubt, else they stand together by kind."""
    n_rows = surveyed["rows"]
    kinds = [f"{n} with {name}" for name, n in surveyed["with"].items() if n]
    head = f"{surveyed['manifest']}: {n_rows} rows, {surveyed['hours']:.2f} h"
    yield f"{head}; {', '.join(kinds)}" if kinds else head
    if len(surveyed["languages"]) > 1:
        by_rows = sorted(surveyed["languages"].items(), key=lambda item: -item[1]["rows"])
        yield "  languages: " + ", ".join(
            f"{code} {n['rows']} ({n['hours']:.2f} h)" for code, n in by_rows
        )
    if surveyed["tasks"].get("translate"):
        yield f"  to be translated: {surveyed['tasks']['translate']}"
    if (bins := surveyed["tokens"]) and n_rows:
        yield "  tokens of a text, times included:"
        most = max(bins.values())
        used = [name for name, n in bins.items() if n]
        for name, n in list(bins.items())[: list(bins).index(used[-1]) + 1]:
            yield f"  {name:>9} {n:6} {'#' * round(BAR * n / most)}".rstrip()
    if cut := surveyed["cut_prompts"]:
        yield (
            f"  {cut['rows']} prompts lose their beginning, {cut['mean']:.0f} tokens on average, "
            f"{cut['most']} at most"
        )
    problems, warnings = surveyed["problems"], surveyed["doubts"]
    few = every or len(problems) <= MOST_LISTED
    yield from _listed(problems, "") if few else _grouped(problems, "wrong")
    yield from _listed(warnings, "doubtful: ") if every else _grouped(warnings, "doubtful")
    more = "" if every or (few and not warnings) else ": --all-warnings lists each"
    yield f"  {len(problems)} problems, {len(warnings)} doubts{more}"


def _listed(found: Sequence[dict[str, str]], name: str) -> Iterator[str]:
    for one in found:
        yield f"{name}{one['place']}: {one['what']}"


def _grouped(found: Sequence[dict[str, str]], name: str) -> Iterator[str]:
    """A line for each kind: how often, one of them in full, where; and the values of others."""
    groups: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for one in found:
        groups[VARYING.sub("..", one["what"])].append(one)
    for held in sorted(groups.values(), key=len, reverse=True):
        lines = ", ".join(one["place"].rpartition(":")[2] for one in held[:SHOWN])
        more = ", ..." if len(held) > SHOWN else ""
        yield f"  {name}: {len(held):5} x {held[0]['what']} (line {lines}{more})"
        values = Counter(first.group() for one in held if (first := VARYING.search(one["what"])))
        if len(values) > 1:
            most = ", ".join(f"{value} ({n})" for value, n in values.most_common(SHOWN))
            yield f"{' ' * 20}also {most}"
