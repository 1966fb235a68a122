"""A manifest in the making, and the list of what was mended or left out on the way."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

SHOWN = 10  # notes; the rest stands in the file


class Output:
    """Rows and notes to files, line by line, in constant memory; a manifest appears when whole."""

    def __init__(self, manifest: Path) -> None:
        self.manifest = manifest
        self.notes = manifest.with_suffix(".notes.txt")
        manifest.parent.mkdir(parents=True, exist_ok=True)
        self._partial = manifest.with_name(manifest.name + ".partial")
        self._rows = self._partial.open("w", encoding="utf-8")
        self._notes = self.notes.open("w", encoding="utf-8")
        self._kinds: Counter[str] = Counter()
        self._first: list[str] = []
        self._recording, self._part, self._broken = "", 1, False
        self.n_rows = 0

    def add(self, row: dict[str, Any]) -> None:
        """Write a row; its audio's path becomes relative where it lies beside or below."""
        audio = Path(os.path.abspath(row["audio"]))
        if row.get("recording"):
            row = {**row, "recording": self._unbroken(row["recording"])}
        root = Path(os.path.abspath(self.manifest.parent))
        if audio.is_relative_to(root):
            audio = audio.relative_to(root)
        empty: tuple[Any, ...] = (None, "", [], ())
        filled = {k: v for k, v in row.items() if v not in empty or k == "text"}
        line = {**filled, "audio": audio.as_posix()}
        self._rows.write(json.dumps(line, ensure_ascii=False) + "\n")
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
        return recording if self._part == 1 else f"{recording} part {self._part}"

    def tell(self, place: str, what: str) -> None:
        """Note what was mended or left out, and where."""
        self._notes.write(f"{place}: {what}\n")
        self._kinds[re.sub(r"\d+(\.\d+)?", "..", what)] += 1
        if len(self._first) < SHOWN:
            self._first.append(f"{place}: {what}")

    def summary(self) -> str:
        """Counts for a person: rows, and notes by what they say."""
        lines = [*self._first]
        n_notes = sum(self._kinds.values())
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
