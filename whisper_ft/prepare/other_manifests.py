"""Read manifests of other tools that fine-tune Whisper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from whisper_ft.prepare.corpus_files import Skipped, Told, read_lines
from whisper_ft.prepare.corpus_rows import CorpusRow, CorpusRows, FormatOptions, is_file
from whisper_ft.prepare.table_columns import tell_unused
from whisper_ft.text.tokens import Segment

TIME = re.compile(r"<\|(\d{1,2}\.\d{2})\|>")  # as a token
JUMON_KEYS = ("audio_path", "text", "language", "prompt")
YEYUPIAOLING_KEYS = ("audio", "sentence", "sentences", "language", "duration")


class _Line(NamedTuple):
    place: str  # file:line
    record: dict[str, Any]


def read_jumon(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a JSON Lines of jumon/whisper-finetuning; times are tokens in its texts."""
    for line in _lines(source, JUMON_KEYS):
        if isinstance(line, Skipped | Told):
            yield line
            continue
        place, record = line
        segments = _split_at_times(str(record.get("text") or ""))
        yield CorpusRow(
            place=place,
            audio=_find(source, record.get("audio_path")),
            text=_without_times(record.get("text")),
            prompt=_without_times(record.get("prompt")),
            segments=segments,
            language=record.get("language"),
        )


def read_yeyupiaoling(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a JSON Lines of yeyupiaoling/Whisper-Finetune; `sentences` are the segments."""
    for line in _lines(source, YEYUPIAOLING_KEYS):
        if isinstance(line, Skipped | Told):
            yield line
            continue
        place, record = line
        audio = record.get("audio") or {}
        try:
            segments = [
                Segment(float(item["start"]), float(item["end"]), str(item["text"]))
                for item in record.get("sentences") or ()
            ]
            path, start, end = audio["path"], audio.get("start_time"), audio.get("end_time")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            yield Skipped(place, f"not a line of Whisper-Finetune ({error!r})")
            continue
        yield CorpusRow(
            place=place,
            audio=_find(source, path),
            text=record.get("sentence"),
            segments=segments,
            start=start,
            end=end,
            duration=record.get("duration") if end is None else None,
            language=record.get("language"),
        )


def _lines(source: Path, used: tuple[str, ...]) -> Iterator[_Line | Skipped | Told]:
    """Yield each line's record, or why there is none; and once each key that is not used."""
    told: set[str] = set()
    for number, line in read_lines(source):
        place = f"{source}:{number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Skipped(place, f"not JSON ({error})")
            continue
        if not isinstance(record, dict) or used[0] not in record:
            yield Skipped(place, f"no {used[0]}: is it a manifest of that tool?")
            continue
        if not told.issuperset(record):
            yield from tell_unused(place, [k for k in record if k not in told], used)
            told |= {*record}
        yield _Line(place, record)


def _find(source: Path, name: Any) -> Path:
    """Return the audio of a row: both tools' paths are relative to where they were started."""
    roots = (source.parent, *source.absolute().parents[1:3], Path())
    return next(
        (root / str(name) for root in roots if is_file(root / str(name))),
        source.parent / str(name),
    )


def _split_at_times(text: str) -> list[Segment]:
    """Return the segments of a text with times, of which a start and an end enclose each.

    A last start without an end is of speech that the audio cuts; it has no text.
    """
    _, *parts = TIME.split(text)  # time, text, time, text ...
    pieces = zip(parts[::2], parts[1::2], parts[2::2], strict=False)
    return [
        Segment(float(start), float(end), words.strip())
        for start, words, end in pieces
        if words.strip()
    ]


def _without_times(text: Any) -> Any:
    return " ".join(TIME.sub(" ", text).split()) if isinstance(text, str) else text
