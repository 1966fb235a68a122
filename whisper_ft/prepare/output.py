"""A manifest in the making, and the list of what was mended or left out on the way."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

from whisper_ft.data.row_parsing import parse_line

SHOWN = 10  # notes; the rest stands in the file
VARYING = re.compile(r"'[^']*'|[^\s:]*[/\\][^\s:]*|\d+(\.\d+)?")  # of a note's words
MAX_KINDS = 1000  # of notes, counted apart


class Output:
    """Rows and notes to files, line by line, in constant memory; a manifest appears when whole."""

    def __init__(self, manifest: Path, source: Path | None = None) -> None:
        if manifest.is_dir() or (source is not None and manifest.resolve() == source.resolve()):
            raise ValueError(f"--out: {manifest}: is a folder or the source: name a new file")
        if manifest.exists() and not _is_manifest(manifest):
            raise ValueError(f"--out: {manifest}: is there, and no manifest: name a new file")
        self.manifest = manifest
        self.notes = manifest.with_name(manifest.name + ".notes.txt")
        manifest.parent.mkdir(parents=True, exist_ok=True)
        self._partial = manifest.with_name(manifest.name + ".partial")
        self._rows = self._partial.open("w", encoding="utf-8")
        self._notes = self.notes.open("w", encoding="utf-8", errors="backslashreplace")
        self._kinds: Counter[str] = Counter()
        self._n_notes = 0
        self._first: list[str] = []
        self._recording, self._part, self._broken = "", 1, False
        self.n_rows = 0

    def add(self, row: dict[str, Any], place: str = "") -> None:
        """Write a row, or note why it is none; its audio's path becomes relative if it is below.

        `place` is where it comes from, for the note.
        """
        audio = Path(os.path.abspath(row["audio"]))
        root = Path(os.path.abspath(self.manifest.parent))
        if audio.is_relative_to(root):
            audio = audio.relative_to(root)
        empty: tuple[Any, ...] = (None, "", [], ())
        filled = {k: v for k, v in row.items() if v not in empty or k == "text"}
        if "recording" in filled:
            filled["recording"] = self._unbroken(filled["recording"])
        line = json.dumps({**filled, "audio": audio.as_posix()}, ensure_ascii=False)
        problems = parse_line(line.encode("utf-8", "surrogatepass")).problems
        if problems:
            self.leave_out(place, "; ".join(problems))
            return
        self._rows.write(line + "\n")
        self.n_rows += 1

    def leave_out(self, place: str, why: str) -> None:
        """Note a row that is left out: what follows in its recording is a recording of its own."""
        self.tell(place, why)
        self._broken = True

    def _unbroken(self, recording: str) -> str:
        if recording != self._recording:
            self._recording, self._part = recording, 1
        elif self._broken:
            self._part += 1
        self._broken = False
        return recording if self._part == 1 else f"{recording}#{self._part}"

    def tell(self, place: str, what: str) -> None:
        """Note what was mended or left out, and where."""
        place, what = (text.encode("utf-8", "backslashreplace").decode() for text in (place, what))
        self._notes.write(f"{place}: {what}\n")
        self._n_notes += 1
        kind = VARYING.sub("..", what)
        if kind in self._kinds or len(self._kinds) < MAX_KINDS:
            self._kinds[kind] += 1
        if len(self._first) < SHOWN:
            self._first.append(f"{place}: {what}")

    def summary(self) -> str:
        """Counts for a person: rows, and notes by what they say."""
        lines = [*self._first]
        n_notes = self._n_notes
        if n_notes > SHOWN:
            lines += [f"... and {n_notes - SHOWN} more in {self.notes}; in all:"]
            lines += [f"{n:8}  {what}" for what, n in self._kinds.most_common(SHOWN)]
        return "\n".join([*lines, f"{self.manifest}: {self.n_rows} rows, {n_notes} notes"])

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._rows.close()
        self._notes.close()
        if kind is None and self.n_rows:
            os.replace(self._partial, self.manifest)
        else:
            self._partial.unlink()


def _is_manifest(path: Path) -> bool:
    """Whether a file's first row is one of a manifest, which may be written anew."""
    with path.open("rb") as file:
        return parse_line(file.readline()).fields is not None
