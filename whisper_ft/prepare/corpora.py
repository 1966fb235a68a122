"""Corpora in the shapes they are published in, row by row, from their metadata alone."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from whisper_ft.data.row_parsing import READERS

TEXT_COLUMNS = ("text", "sentence", "transcription", "transcript", "normalized_text")
REQUIRED = ("audio", "text")
NUMBERS = ("start", "end", "duration")
FIELDS = tuple(name for name in READERS if name != "segments")  # that a column may hold
CSV_FIELD = 10_000_000  # characters; the module's own limit is 131,072


class LeftOut(NamedTuple):
    """A row of a corpus that cannot be one of a manifest."""

    place: str
    why: str


@dataclass(frozen=True)
class Options:
    """What a source may need to be told."""

    columns: dict[str, str] = field(default_factory=dict)  # manifest's field: source's column
    delimiter: str = ""  # of a table; "": by its name
    copy_to: Path | None = None  # for audio that lies inside the source


Rows = Iterator[dict[str, Any] | LeftOut]


def librispeech(source: Path, options: Options) -> Rows:
    """SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt beside FLAC files; a chapter is a recording."""
    for path in sorted(source.rglob("*.trans.txt")):
        for number, line in _lines(path):
            name, _, text = line.partition(" ")
            chapter = name.rpartition("-")[0]
            yield {
                "audio": path.with_name(name + ".flac"),
                "text": text,
                "speaker": chapter.partition("-")[0],
                "recording": chapter,
                "place": f"{path}:{number}",
            }


def ljspeech(source: Path, options: Options) -> Rows:
    """metadata.csv with ID|text|text with numbers spelled out, and wavs/ID.wav."""
    path = source / "metadata.csv" if source.is_dir() else source
    for number, line in _lines(path):
        name, *texts = line.split("|")
        if not texts:
            yield LeftOut(f"{path}:{number}", f"{line[:40]!r}: no |: expected ID|text")
            continue
        yield {
            "audio": path.parent / "wavs" / f"{name}.wav",
            "text": texts[-1] or texts[0],
            "speaker": "LJ",
            "recording": name.partition("-")[0],
            "place": f"{path}:{number}",
        }


def commonvoice(source: Path, options: Options) -> Rows:
    """A TSV of Common Voice (validated.tsv, train.tsv ...) beside its folder clips/."""
    from whisper_ft.text.languages import whisper_code

    for place, record in _table(source, "\t"):
        if isinstance(record, LeftOut):
            yield record
            continue
        if record.get("path") is None or record.get("sentence") is None:
            yield LeftOut(place, "no path or sentence: is it a TSV of Common Voice?")
            continue
        locale = record.get("locale") or ""
        yield {
            "audio": source.parent / "clips" / record["path"],
            "text": record["sentence"],
            "speaker": record.get("client_id"),
            "language": whisper_code(locale) or locale,
            "place": place,
        }


def kaldi(source: Path, options: Options) -> Rows:
    """A data folder: text and wav.scp, and segments and utt2spk where they are there.

    Relative paths are looked for in it, in the two folders above it and in the current one.
    """
    segments_path = source / "segments"
    # a recipe's paths are relative to its own folder, two above data/train
    roots = (source, *source.absolute().parents[:2], Path())
    with (
        closing(_Lookup(source / "wav.scp")) as wavs,
        closing(_Lookup(segments_path)) as segments,
        closing(_Lookup(source / "utt2spk")) as speakers,
    ):
        for number, line in _lines(source / "text"):
            name, *words = line.split(None, 1)
            place = f"{source / 'text'}:{number}"
            stretch = segments.get(name).split()[:3] if segments_path.exists() else [name]
            wav = wavs.get(stretch[0]).strip() if stretch else ""
            if len(stretch) not in (1, 3) or not wav:
                lacking = segments_path if len(stretch) not in (1, 3) else source / "wav.scp"
                yield LeftOut(place, f"{name}: not in {lacking}")
            elif wav.endswith("|"):
                yield LeftOut(
                    place, f"{name}: its audio is a command ({wav[:60]}): run it to a file"
                )
            else:
                audio = next((r / wav for r in roots if (r / wav).is_file()), source / wav)
                row = {"audio": audio, "text": "".join(words), "speaker": speakers.get(name)}
                if len(stretch) == 3:
                    recording, start, end = stretch
                    end = "" if end.startswith("-") else end  # -1 is the file's end
                    row |= {"recording": recording, "start": start, "end": end}
                yield {**row, "place": place}


def nemo(source: Path, options: Options) -> Rows:
    """A manifest of NeMo: audio_filepath, duration, text, offset, and languages where they are."""
    from whisper_ft.text.languages import whisper_code

    for number, line in _lines(source):
        place = f"{source}:{number}"
        try:
            record = json.loads(line)
            start = float(record.get("offset") or 0.0)
            duration = float(record["duration"])
            spoken = str(record.get("source_lang") or record.get("lang") or "")
            written = str(record.get("target_lang") or spoken)
            row = {"audio": source.parent / record["audio_filepath"], "text": record["text"]}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            yield LeftOut(place, f"not a line of a NeMo manifest ({error!r})")
            continue
        if written not in (spoken, "en"):
            yield LeftOut(place, f"target_lang: {written}: Whisper translates to English only")
            continue
        if written != spoken:
            row["task"] = "translate"
        if start or "offset" in record:
            row |= {"start": start, "end": start + duration}
        yield {
            **row,
            "duration": duration,
            "language": whisper_code(spoken) or spoken,
            "speaker": record.get("speaker"),
            "place": place,
        }


def table(source: Path, options: Options) -> Rows:
    """A CSV or TSV whose first line names the columns, as the manifest does or as told.

    Keywords are parted by semicolons.
    """
    delimiter = options.delimiter or ("\t" if source.suffix.lower() == ".tsv" else ",")
    for place, record in _table(source, delimiter):
        if isinstance(record, LeftOut):
            yield record
            continue
        if missing := [name for name in REQUIRED if options.columns.get(name, name) not in record]:
            remedy = "--columns " + " ".join(f"{name}=..." for name in missing)
            if len(record) == 1:
                remedy = "--delimiter, what parts its columns"
            what = f"no {' or '.join(missing)} among its columns {', '.join(map(str, record))}"
            raise ValueError(f"{source}:1: {what}: give {remedy}")
        row = _mapped(record, options.columns)
        if not row["audio"]:
            yield LeftOut(place, "no audio")
            continue
        if row.get("keywords"):
            row["keywords"] = [t.strip() for t in row["keywords"].split(";") if t.strip()]
        yield {**row, "audio": source.parent / row["audio"], "place": place}


def huggingface(source: Path, options: Options) -> Rows:
    """A folder that `Dataset.save_to_disk` wrote; audio inside it is written out as files."""
    from datasets import Audio, Dataset, load_from_disk

    dataset = load_from_disk(str(source))
    if not isinstance(dataset, Dataset):
        raise ValueError(f"{source}: holds the splits {', '.join(dataset)}: give one's folder")
    text = next((name for name in TEXT_COLUMNS if name in dataset.column_names), "text")
    columns = {"text": text, **options.columns}
    audio = columns.get("audio", "audio")
    missing = {audio, columns["text"]} - set(dataset.column_names)
    if missing:
        has = ", ".join(dataset.column_names)
        raise ValueError(f"{source}: no column {', '.join(missing)} among {has}: give --columns")
    if isinstance(dataset.features[audio], Audio):
        dataset = dataset.cast_column(audio, Audio(decode=False))
    for number, record in enumerate(dataset, start=1):
        row = {**_mapped(record, columns), "place": f"{source}:row {number}"}
        held = record[audio]
        if isinstance(held, dict):
            row["audio"] = _written_out(held, number, options.copy_to)
        if row.get("audio") is None:
            yield LeftOut(row["place"], "its audio is neither a file nor inside the dataset")
            continue
        yield row


FORMATS: dict[str, Callable[[Path, Options], Rows]] = {
    "librispeech": librispeech,
    "ljspeech": ljspeech,
    "commonvoice": commonvoice,
    "kaldi": kaldi,
    "nemo": nemo,
    "csv": table,
    "tsv": table,
    "huggingface": huggingface,
}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line) of a text file's lines that are not blank."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line.strip()


def _table(path: Path, delimiter: str) -> Iterator[tuple[str, dict[str, Any] | LeftOut]]:
    """(place, values by column) of a table's lines after the first; tabs stand without quotes."""
    csv.field_size_limit(CSV_FIELD)
    quoting: Any = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter, quoting=quoting, strict=True)
        names = reader.fieldnames or []
        if len(set(names)) < len(names):
            raise ValueError(f"{path}:1: {', '.join(names)}: a name comes twice: rename one")
        try:
            for record in reader:
                place = f"{path}:{reader.line_num}"
                if None in record or None in record.values():
                    more = "more" if None in record else "fewer"
                    what = (
                        f"{more} values than the {len(names)} columns: quote them, or --delimiter"
                    )
                    yield place, LeftOut(place, what)
                else:
                    yield place, record
        except csv.Error as error:
            raise ValueError(f"{path}:{reader.line_num}: {error}: see --delimiter") from None


def _mapped(record: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    """A record's values by the manifest's fields, where there are any."""
    row = {name: record.get(columns.get(name, name)) for name in FIELDS}
    return {name: value for name, value in row.items() if value is not None}


def _written_out(held: dict[str, Any], number: int, copy_to: Path | None) -> Path | None:
    """The file of a dataset's audio, written where only its bytes are there."""
    path = Path(held["path"]) if held.get("path") else None
    if not held.get("bytes") or copy_to is None:
        return path if path is not None and path.is_absolute() and path.is_file() else None
    copy_to.mkdir(parents=True, exist_ok=True)
    copied = copy_to / f"{number:07}{path.suffix if path else '.wav'}"
    copied.write_bytes(held["bytes"])
    return copied


class _Lookup:
    """Values by key of a file of `key value` lines, kept on disk: corpora can have millions."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect("")  # a temporary file
        self._db.execute("CREATE TABLE pairs (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
        if path.exists():
            pairs = (line.split(None, 1) for _, line in _lines(path))
            whole = (pair for pair in pairs if len(pair) == 2)
            self._db.executemany("REPLACE INTO pairs VALUES (?, ?)", whole)

    def get(self, key: str) -> str:
        found = self._db.execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
        return found[0] if found else ""

    def close(self) -> None:
        self._db.close()
