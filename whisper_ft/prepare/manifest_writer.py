"""Write a manifest, and beside it the notes on what was changed or skipped."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from whisper_ft.data.row import Row
from whisper_ft.data.row_parsing import parse_line
from whisper_ft.text.counts import format_count
from whisper_ft.text.tokens import Segment

N_SHOWN = 10  # notes in a summary; all of them are in the file
VARYING = re.compile(r"'[^']*'|[^\s:]*[/\\][^\s:]*|\d+(\.\d+)?")  # the part of a note that varies
MAX_KINDS = 1000  # of notes that are counted separately
EMPTY: tuple[Any, ...] = (None, "", [], ())

Note = Callable[[str, str], None]  # (place, message): report what was changed or skipped


@dataclass(frozen=True)
class ManifestRow:
    """A row to write. None and empty values are left out; the writer checks the others."""

    audio: Path
    text: str
    prompt: str | None = None
    keywords: Sequence[str] | None = None
    segments: Sequence[Segment] | None = None
    start: float | None = None  # seconds in the file
    end: float | None = None
    channel: int | None = None
    duration: float | None = None  # seconds
    language: str | None = None
    task: str | None = None
    recording: str | None = None
    speaker: str | None = None

    @classmethod
    def of(cls, row: Row) -> ManifestRow:
        """Return a row to write; times in the file only where the row has them."""
        return cls(
            audio=row.audio,
            text=row.text,
            prompt=row.prompt,
            keywords=row.keywords,
            segments=row.segments,
            start=row.start or None,
            end=row.end,
            channel=row.channel,
            duration=row.duration,
            language=row.language,
            task=None if row.task == "transcribe" else row.task,
            recording=row.recording,
            speaker=row.speaker,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields that have a value, and the text even if it is empty."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        filled = {k: v for k, v in values.items() if v not in EMPTY or k == "text"}
        if self.segments:
            filled["segments"] = [segment._asdict() for segment in self.segments]
        return filled | {"audio": self.audio.as_posix()}


@dataclass(frozen=True)
class PrepareResult:
    """A manifest that was written, and a summary of its notes."""

    manifest: Path
    notes: Path  # a text file, one note a line
    n_rows: int
    n_notes: int
    first_notes: tuple[str, ...]
    most_common: tuple[tuple[str, int], ...]  # kinds of notes and how often each occurred

    def summary(self) -> str:
        """Return the first notes, the most common kinds, and the numbers of rows and notes."""
        rows = format_count(self.n_rows, "row") if self.n_rows else "not written: no row"
        notes = format_count(self.n_notes, "note")
        return "\n".join([*self.describe_notes(), f"{self.manifest}: {rows}, {notes}"])

    def describe_notes(self) -> list[str]:
        """Return the first notes, and the most common kinds if there are more."""
        lines = [*self.first_notes]
        if self.n_notes > N_SHOWN:
            lines += [f"... and {self.n_notes - N_SHOWN} more in {self.notes}; most common:"]
            lines += [f"{n:8}  {kind}" for kind, n in self.most_common]
        return lines


class ManifestWriter:
    """Write rows and notes line by line, in constant memory; a context manager.

    The manifest appears under its name only when the context ends without an error and with a row.
    """

    def __init__(self, manifest: Path, source: Path | None = None) -> None:
        """Open the files. Raises ValueError for a `manifest` that must not be replaced."""
        if manifest.is_dir() or (source is not None and manifest.resolve() == source.resolve()):
            raise ValueError(f"--out: {manifest}: is a folder or the source: name a new file")
        self.manifest = manifest
        self.notes_path = manifest.with_name(manifest.name + ".notes.txt")
        if manifest.exists() and not (self.notes_path.exists() and _is_manifest(manifest)):
            raise ValueError(
                f"--out: {manifest}: exists, and was not made by `prepare`: name a new file, or "
                "remove this one"
            )
        self._partial = manifest.with_name(manifest.name + ".partial")
        try:
            manifest.parent.mkdir(parents=True, exist_ok=True)
            self._row_file = self._partial.open("w", encoding="utf-8")
            self._note_file = self.notes_path.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise ValueError(
                f"--out: {error.filename}: cannot be written ({error.strerror}): name another place"
            ) from None
        self._kinds: Counter[str] = Counter()
        self._n_notes = 0
        self._first_notes: list[str] = []
        self._recording, self._part, self._is_interrupted = "", 1, False
        self.n_rows = 0

    def add(self, row: ManifestRow, place: str = "") -> None:
        """Write a row, or skip it with a note if `check` would refuse it.

        A path below the manifest's folder becomes relative. `place` is the row's source, for notes.
        """
        audio = Path(os.path.abspath(row.audio))
        root = Path(os.path.abspath(self.manifest.parent))
        if audio.is_relative_to(root):
            audio = audio.relative_to(root)
        if row.recording:
            row = dataclasses.replace(row, recording=self._name_recording(row.recording))
        line = json.dumps(dataclasses.replace(row, audio=audio).to_json(), ensure_ascii=False)
        problems = parse_line(line.encode("utf-8", "surrogatepass")).problems
        if problems:
            self.skip(place, "; ".join(problems))
            return
        self._row_file.write(line + "\n")
        self.n_rows += 1

    def skip(self, place: str, reason: str) -> None:
        """Note a skipped row; the rest of its recording gets a name of its own.

        So no later row takes the text before the skipped one for its previous text.
        """
        self.note(place, reason)
        self._is_interrupted = True

    def _name_recording(self, recording: str) -> str:
        if recording != self._recording:
            self._recording, self._part = recording, 1
        elif self._is_interrupted:
            self._part += 1
        self._is_interrupted = False
        return recording if self._part == 1 else f"{recording}#{self._part}"

    def note(self, place: str, message: str) -> None:
        """Note what was changed or skipped, and where."""
        place, message = (
            text.encode("utf-8", "backslashreplace").decode() for text in (place, message)
        )
        self._note_file.write(f"{place}: {message}\n")
        self._n_notes += 1
        kind = VARYING.sub("..", message)
        if kind in self._kinds or len(self._kinds) < MAX_KINDS:
            self._kinds[kind] += 1
        if len(self._first_notes) < N_SHOWN:
            self._first_notes.append(f"{place}: {message}")

    def result(self) -> PrepareResult:
        """Return what has been written so far."""
        return PrepareResult(
            manifest=self.manifest,
            notes=self.notes_path,
            n_rows=self.n_rows,
            n_notes=self._n_notes,
            first_notes=tuple(self._first_notes),
            most_common=tuple(self._kinds.most_common(N_SHOWN)),
        )

    def __enter__(self) -> ManifestWriter:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._row_file.close()
        self._note_file.close()
        if error_type is None and self.n_rows:
            os.replace(self._partial, self.manifest)
        else:
            self._partial.unlink()


def _is_manifest(path: Path) -> bool:
    """Return whether a file's first line is a manifest's row."""
    with path.open("rb") as file:
        return parse_line(file.readline()).fields is not None
