"""Read corpora as they are published, row by row, from their metadata alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whisper_ft.data.row_parsing import READERS
from whisper_ft.prepare.corpus_files import KeyValueFile, Skipped, read_lines, read_table
from whisper_ft.prepare.corpus_rows import CorpusRow

TEXT_COLUMNS = ("text", "sentence", "transcription", "transcript", "normalized_text")
REQUIRED = ("audio", "text")
COLUMN_FIELDS = tuple(name for name in READERS if name != "segments")  # that a column may hold

CorpusRows = Iterator[CorpusRow | Skipped]


@dataclass(frozen=True)
class FormatOptions:
    """Settings that some formats need."""

    columns: dict[str, str] = field(default_factory=dict)  # manifest's field: corpus's column
    delimiter: str = ""  # of a table; "": by the file's suffix
    copy_to: Path | None = None  # folder for audio that is stored inside the corpus


@dataclass(frozen=True)
class CorpusFormat:
    """A format: its reader, and what a source in this format is."""

    read: Callable[[Path, FormatOptions], CorpusRows]
    description: str
    details: str = ""


def read_librispeech(source: Path, options: FormatOptions) -> CorpusRows:
    """Read LibriSpeech; a chapter is a recording."""
    for path in sorted(source.rglob("*.trans.txt")):
        for number, line in read_lines(path):
            name, _, text = line.partition(" ")
            chapter = name.rpartition("-")[0]
            yield CorpusRow(
                place=f"{path}:{number}",
                audio=path.with_name(name + ".flac"),
                text=text,
                speaker=chapter.partition("-")[0],
                recording=chapter,
            )


def read_ljspeech(source: Path, options: FormatOptions) -> CorpusRows:
    """Read LJ Speech and corpora in its format; the text with numbers spelled out is used."""
    path = source / "metadata.csv" if source.is_dir() else source
    for number, line in read_lines(path):
        name, *texts = line.split("|")
        if not texts:
            yield Skipped(f"{path}:{number}", f"{line[:40]!r}: no |: expected ID|text")
            continue
        yield CorpusRow(
            place=f"{path}:{number}",
            audio=path.parent / "wavs" / f"{name}.wav",
            text=texts[-1] or texts[0],
            speaker="LJ",
            recording=name.partition("-")[0],
        )


def read_commonvoice(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a TSV of Common Voice."""
    from whisper_ft.text.languages import whisper_code

    for record in read_table(source, "\t"):
        if isinstance(record, Skipped):
            yield record
            continue
        values = record.values
        if values.get("path") is None or values.get("sentence") is None:
            yield Skipped(record.place, "no path or sentence: is it a TSV of Common Voice?")
            continue
        locale = values.get("locale") or ""
        yield CorpusRow(
            place=record.place,
            audio=source.parent / "clips" / values["path"],
            text=values["sentence"],
            speaker=values.get("client_id"),
            language=whisper_code(locale) or locale,
        )


def read_kaldi(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a data folder of Kaldi.

    A relative path may be relative to the folder, to the two folders above it (a recipe's paths are
    relative to its own folder, two above data/train) or to the current folder.
    """
    segments_path = source / "segments"
    roots = (source, *source.absolute().parents[:2], Path())
    with (
        closing(KeyValueFile(source / "wav.scp")) as wavs,
        closing(KeyValueFile(segments_path)) as segments,
        closing(KeyValueFile(source / "utt2spk")) as speakers,
    ):
        for number, line in read_lines(source / "text"):
            name, *words = line.split(None, 1)
            place = f"{source / 'text'}:{number}"
            # [recording, start, end], or the recording alone, which is the utterance
            stretch = segments.get(name).split()[:3] if segments_path.exists() else [name]
            wav = wavs.get(stretch[0]).strip() if stretch else ""
            if len(stretch) not in (1, 3):
                yield Skipped(place, f"{name}: not in {segments_path}")
            elif not wav:
                yield Skipped(place, f"{name}: not in {source / 'wav.scp'}")
            elif wav.endswith("|"):
                yield Skipped(
                    place,
                    f"{name}: its audio is a command ({wav[:60]}): write its output to a file",
                )
            else:
                recording, start, end = stretch if len(stretch) == 3 else (None, None, None)
                yield CorpusRow(
                    place=place,
                    audio=next((r / wav for r in roots if (r / wav).is_file()), source / wav),
                    text="".join(words),
                    speaker=speakers.get(name),
                    recording=recording,
                    start=start,
                    end=None if end is None or end.startswith("-") else end,  # -1: the file's end
                )


def read_nemo(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a manifest of NeMo; a row with another target language is a translation."""
    from whisper_ft.text.languages import whisper_code

    for number, line in read_lines(source):
        place = f"{source}:{number}"
        try:
            record = json.loads(line)
            start = float(record.get("offset") or 0.0)
            duration = float(record["duration"])
            spoken = str(record.get("source_lang") or record.get("lang") or "")
            written = str(record.get("target_lang") or spoken)
            audio, text = source.parent / record["audio_filepath"], record["text"]
            has_start = bool(start or "offset" in record)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            yield Skipped(place, f"not a line of a NeMo manifest ({error!r})")
            continue
        if written not in (spoken, "en"):
            yield Skipped(place, f"target_lang: {written}: Whisper translates to English only")
            continue
        yield CorpusRow(
            place=place,
            audio=audio,
            text=text,
            start=start if has_start else None,
            end=start + duration if has_start else None,
            duration=duration,
            language=whisper_code(spoken) or spoken,
            task="translate" if written != spoken else None,
            speaker=record.get("speaker"),
        )


def read_csv(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a table. Raises ValueError if it lacks a column for the audio or the text."""
    delimiter = options.delimiter or ("\t" if source.suffix.lower() == ".tsv" else ",")
    for record in read_table(source, delimiter):
        if isinstance(record, Skipped):
            yield record
            continue
        names = record.values
        if missing := [name for name in REQUIRED if options.columns.get(name, name) not in names]:
            remedy = "--columns " + " ".join(f"{name}=..." for name in missing)
            if len(names) == 1:
                remedy = "--delimiter, the character between its columns"
            problem = f"no {' or '.join(missing)} among its columns {', '.join(names)}"
            raise ValueError(f"{source}:1: {problem}: give {remedy}")
        fields = _map_columns(record.values, options.columns)
        if not fields["audio"]:
            yield Skipped(record.place, "no audio")
            continue
        if keywords := fields.get("keywords"):
            fields["keywords"] = [t.strip() for t in keywords.split(";") if t.strip()]
        fields["audio"] = source.parent / fields["audio"]
        yield CorpusRow(place=record.place, **fields)


def read_huggingface(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a saved dataset; audio that is stored inside it is written to files."""
    from datasets import Audio, Dataset, load_from_disk

    dataset = load_from_disk(str(source))
    if not isinstance(dataset, Dataset):
        raise ValueError(
            f"{source}: contains the splits {', '.join(dataset)}: give the folder of one"
        )
    text = next((name for name in TEXT_COLUMNS if name in dataset.column_names), "text")
    columns = {"text": text, **options.columns}
    audio_column = columns.get("audio", "audio")
    missing = {audio_column, columns["text"]} - set(dataset.column_names)
    if missing:
        names = ", ".join(dataset.column_names)
        raise ValueError(f"{source}: no column {', '.join(missing)} among {names}: give --columns")
    if isinstance(dataset.features[audio_column], Audio):
        dataset = dataset.cast_column(audio_column, Audio(decode=False))
    for number, record in enumerate(dataset, start=1):
        place = f"{source}:row {number}"
        audio = _audio_file(record[audio_column], number, options.copy_to)
        if audio is None:
            yield Skipped(place, "its audio is neither a file nor inside the dataset")
            continue
        yield CorpusRow(place=place, **_map_columns(record, columns) | {"audio": audio})


TABLE_FORMAT = CorpusFormat(
    read_csv,
    "a CSV or TSV whose first line names the columns, as the manifest does or by --columns.",
    "Keywords are separated by semicolons.",
)
CORPUS_FORMATS = {
    "librispeech": CorpusFormat(
        read_librispeech,
        "the folder of LibriSpeech: SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt beside FLAC files.",
        "A chapter is a recording.",
    ),
    "ljspeech": CorpusFormat(
        read_ljspeech,
        "a folder with metadata.csv (ID|text|text with numbers spelled out) and wavs/ID.wav.",
    ),
    "commonvoice": CorpusFormat(
        read_commonvoice,
        "a TSV of Common Voice (validated.tsv, train.tsv ...) beside its folder clips/.",
    ),
    "kaldi": CorpusFormat(
        read_kaldi,
        "a data folder of Kaldi: text and wav.scp, and optionally segments and utt2spk.",
        "Relative paths may be relative to that folder, to the two folders above it or to the "
        "current folder.",
    ),
    "nemo": CorpusFormat(
        read_nemo,
        "a manifest of NeMo: audio_filepath, duration, text, offset, and optionally languages.",
    ),
    "csv": TABLE_FORMAT,
    "tsv": TABLE_FORMAT,
    "huggingface": CorpusFormat(
        read_huggingface,
        "a folder written by `Dataset.save_to_disk`; audio inside it is written to files.",
    ),
}


def _map_columns(record: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    """Return the values that a record has, by the manifest's fields."""
    fields = {name: record.get(columns.get(name, name)) for name in COLUMN_FIELDS}
    return {name: value for name, value in fields.items() if value is not None}


def _audio_file(value: Any, number: int, copy_to: Path | None) -> Path | None:
    """Return the file of a dataset's audio, written to `copy_to` if the dataset has its bytes."""
    if not isinstance(value, dict):
        return Path(value) if isinstance(value, str) else None
    path = Path(value["path"]) if value.get("path") else None
    if not value.get("bytes") or copy_to is None:
        return path if path is not None and path.is_absolute() and path.is_file() else None
    copy_to.mkdir(parents=True, exist_ok=True)
    copied = copy_to / f"{number:07}{path.suffix if path else '.wav'}"
    copied.write_bytes(value["bytes"])
    return copied
