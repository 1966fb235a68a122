"""Which columns of a table or a dataset are which fields of a manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from whisper_ft.data.row_parsing import READERS
from whisper_ft.prepare.corpus_files import Told

TEXT_COLUMNS = ("text", "sentence", "transcription", "transcript", "normalized_text")
REQUIRED = ("audio", "text")
COLUMN_FIELDS = tuple(name for name in READERS if name != "segments")  # that a column may hold
# In tables that do not use the manifest's names these are something else, such as a question.
OWN_MEANING = ("prompt", "keywords")


def match_columns(source: Path, names: Collection[str], given: dict[str, str]) -> dict[str, str]:
    """Return the column of each field that a table has; `given` are those of `--columns`.

    A column of a field's name is that field; the prompt and the keywords only if the audio and the
    text have the manifest's names too. Raises ValueError for a column that does not exist.
    """
    wanted = {name: given.get(name, name) for name in REQUIRED} | given
    if missing := [name for name, column in wanted.items() if column not in names]:
        what = [given.get(name, name) for name in missing]
        raise ValueError(
            f"{source}:1: no {' or '.join(what)} among its columns {', '.join(names)}: give "
            "--columns " + " ".join(f"{name}=..." for name in missing)
        )
    is_manifest = all(wanted[name] == name for name in REQUIRED)
    named = {
        name: name
        for name in COLUMN_FIELDS
        if name in names and (is_manifest or name not in OWN_MEANING)
    }
    return named | wanted


def tell_unused(place: str, names: Iterable[str], used: Collection[str]) -> Iterator[Told]:
    """Yield a note on the columns that are not used, if there are any."""
    if unused := [name for name in names if name and name not in used]:
        yield Told(place, f"columns that are not used: {', '.join(unused)}")
