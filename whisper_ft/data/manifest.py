"""Manifests: files of JSON Lines, with one row per line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from whisper_ft.data.found_keywords import AS_GIVEN, AS_WRITTEN, KeywordRules, add_keywords
from whisper_ft.data.moved_folders import MovedFolders
from whisper_ft.data.row import Problem
from whisper_ft.data.row_parsing import MAX_LINE, parse_line
from whisper_ft.data.rows import Rows, RowTable
from whisper_ft.runtime.files import find_other_spelling, text_encoding
from whisper_ft.runtime.progress import progress_bar

BOM = b"\xef\xbb\xbf"  # of UTF-8
IN_PLACE = MovedFolders()
BAR_BYTES = 10_000_000  # size of a manifest that shows a progress bar


@dataclass
class Manifest:
    """The rows of a file that are valid by themselves, and what is wrong with the others."""

    rows: Rows
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    keyword_source: str = AS_GIVEN  # by what the rows' keywords were found
    moved: set[Path] = field(default_factory=set)  # folders of its audio that have moved


def read_manifest(
    path: str | Path,
    *,
    language: str = "en",
    task: str = "transcribe",
    keywords: KeywordRules = AS_WRITTEN,
    moved: MovedFolders = IN_PLACE,
) -> Manifest:
    """Read a manifest; `language` and `task` are used for rows that name none.

    `keywords`, such as `data.found_keywords.read_keyword_rules("auto", "terms.txt")`, adds those
    that the manifest does not give. Audio of folders that have `moved` is read from their new
    place. By default, rows are as the file has them.
    A row with a problem is not among the rows. Problems are returned, not raised, so that those of
    all files can be shown at once.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # /dev/zero has no end
            raise OSError(errno.EINVAL, "not a regular file")
        with path.open("rb") as file:
            manifest = _read(file, path, language, task, moved)
        if (encoding := text_encoding(path)) != "utf-8-sig":
            manifest.warnings.insert(
                0,
                Problem(
                    str(path),
                    f"is in {encoding.upper()}: save it as UTF-8, which other programs expect",
                ),
            )
    except OSError as error:
        what = f"cannot be read ({error.strerror}): give the path of a JSON Lines file"
        return _failed(path, what)
    manifest.keyword_source = add_keywords(manifest.rows.table, keywords)
    return manifest


def _read(file: BinaryIO, path: Path, language: str, task: str, moved: MovedFolders) -> Manifest:
    manifest = Manifest(Rows(RowTable(path)))
    unknown: set[str] = set()
    first_line, n_read, n_found = b"", 0, 0
    follows = False
    for number, line in enumerate(_lines(file, path.name), start=1):
        first_line = line if number == 1 else first_line
        if not line.strip():
            continue
        n_read += 1
        place = f"{path}:{number}"
        parsed = parse_line(line, language=language, task=task)
        manifest.problems += [Problem(place, what) for what in parsed.problems]
        for name in sorted(parsed.unknown - unknown):
            manifest.warnings.append(Problem(place, f"unknown field {name!r} is not used"))
        unknown |= parsed.unknown
        fields = parsed.fields
        if fields is not None:
            if moved.pairs and (place_now := moved.find(path.parent / fields.audio)):
                manifest.moved.add(place_now[0])
                fields = fields._replace(audio=str(place_now[1]))
            if found := _find_audio(path.parent, fields.audio):
                if not n_found:
                    what = f"audio: {fields.audio!r} is read as {found!r}: correct it and its like"
                    manifest.warnings.append(Problem(place, what))
                n_found += 1
                fields = fields._replace(audio=found)
            manifest.rows.add(manifest.rows.table.append(fields, number), follows=follows)
        follows = fields is not None
    if n_read > 1 and (what := _other_format(manifest, first_line)):
        return _failed(path, what)
    if not n_read:
        what = "holds no rows: write one JSON object per line"
        manifest.problems.append(Problem(str(path), what))
    return manifest


def _find_audio(folder: Path, name: str) -> str:
    """Return the name of the file that a row means, if it is not spelled as on disk; else ""."""
    if (name.isascii() and "\\" not in name) or os.path.exists(folder / name):
        return ""
    found = find_other_spelling(folder, name)
    return "" if found is None else found


def _failed(path: Path, what: str) -> Manifest:
    """Return a manifest without rows that has one problem."""
    return Manifest(Rows(RowTable(path)), [Problem(str(path), what)])


def _lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield each line without its end, cut after MAX_LINE + 1 bytes, enough to be refused."""
    size = os.fstat(file.fileno()).st_size
    bar: tqdm[bytes] = progress_bar(
        None, f"reading {name}", hidden=size < BAR_BYTES, total=size, unit="B", unit_scale=True
    )
    with bar:
        if (encoding := text_encoding(Path(file.name))) != "utf-8-sig":
            for text in TextIOWrapper(file, encoding, errors="replace", newline="\n"):
                yield text.removeprefix("\ufeff").removesuffix("\n").encode()[: MAX_LINE + 1]
            return
        bom = BOM
        while line := file.readline(len(BOM) + MAX_LINE + 2):
            bar.update(len(line))
            rest = line
            while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE)):
                bar.update(len(rest))
            yield line.removeprefix(bom).removesuffix(b"\n")[: MAX_LINE + 1]
            bom = b""


def _other_format(manifest: Manifest, first_line: bytes) -> str:
    """Return what a file without a line of JSON probably is, with the remedy; "" for a mixture."""
    if first_line.strip() == b"[":
        return "a JSON array: write its objects one per line, without commas between them"
    foreign = [p.what.startswith(("not JSON", "not UTF-8")) for p in manifest.problems]
    if foreign and all(foreign) and not manifest.rows:
        return (
            "no line is JSON: `prepare csv` makes a manifest from a table, and `prepare --help` "
            "lists other sources"
        )
    return ""
