"""Read corpora as they are published, row by row, from their metadata alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from whisper_ft.prepare.corpus_files import Skipped, Told, read_lines, read_table
from whisper_ft.prepare.corpus_rows import EMPTY_VALUES, CorpusRow, CorpusRows, FormatOptions
from whisper_ft.prepare.kaldi import read_kaldi
from whisper_ft.prepare.other_manifests import read_jumon, read_yeyupiaoling
from whisper_ft.prepare.saved_datasets import read_huggingface
from whisper_ft.prepare.table_columns import match_columns, tell_unused

QUOTED = re.compile(r"""(["'])(.*?)\1(?=[\s,]|$)""", re.S)  # an item of a list
DECIMAL_COMMA = re.compile(r"^(\d+),(\d+)$")
NEMO_KEYS = (
    *("audio_filepath", "duration", "text", "offset", "speaker"),
    *("lang", "source_lang", "target_lang"),
)
N_COMPARED_LINES = 1000  # of a table whose columns have no names


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
    """Read LJ Speech and corpora in its format; the text with numbers spelled out is used.

    Other corpora have a speaker or a style in the third column. It counts as text only if it mostly
    has the words of the second.
    """
    path = source / "metadata.csv" if source.is_dir() else source
    lines = [line.split("|") for _, line in islice(read_lines(path), N_COMPARED_LINES)]
    triples = [line for line in lines if len(line) > 2 and line[2]]
    n_texts = sum(_is_same_text(line[1], line[2]) for line in triples)
    n_used = 3 if n_texts > len(triples) / 2 else 2
    if others := next((line[n_used:] for line in lines if any(line[n_used:])), None):
        what = (
            "column 3 is not the text of column 2 again" if n_used == 2 else "more than 3 columns"
        )
        yield Told(f"{path}:1", f"{what}: not used, such as {'|'.join(others)[:40]!r}")
    for number, line in read_lines(path):
        name, *texts = line.split("|")[:n_used]
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


def _is_same_text(text: str, other: str) -> bool:
    """Return whether half of the words of one text, or more, stand in the other too."""
    words, others = (
        {word.strip(".,;:!?'\"()").lower() for word in some.split()} for some in (text, other)
    )
    return len(words & others) >= min(len(words), len(others)) / 2


def read_commonvoice(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a TSV of Common Voice, of scripted or of spontaneous speech.

    The question that a spontaneous speaker answered is not used: it was read, and the text need not
    have its words.
    """
    kind = None
    for record in read_table(source, "\t"):
        if isinstance(record, Skipped | Told):
            yield record
            continue
        values = record.values
        if kind is None:
            kind = SPONTANEOUS if SPONTANEOUS.audio in values else SCRIPTED
            yield from tell_unused(f"{source}:1", values, kind)
        if values.get(kind.audio) is None or values.get(kind.text) is None:
            yield Skipped(record.place, "no path or sentence: is it a TSV of Common Voice?")
            continue
        yield CorpusRow(
            place=record.place,
            audio=source.parent / kind.folder / values[kind.audio],
            text=values[kind.text],
            speaker=values.get(kind.speaker),
            language=values.get(kind.locale),
        )


class _CommonVoice(NamedTuple):
    """The columns of a kind of Common Voice, and the folder of its audio."""

    audio: str
    text: str
    speaker: str
    locale: str
    folder: str


SCRIPTED = _CommonVoice("path", "sentence", "client_id", "locale", "clips")
SPONTANEOUS = _CommonVoice("audio_file", "transcription", "client_id", "language", "audios")


def read_nemo(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a manifest of NeMo; a row with another target language is a translation."""
    from whisper_ft.text.languages import language_code

    told: set[str] = set()
    for number, line in read_lines(source):
        place = f"{source}:{number}"
        try:
            record = json.loads(line)
            if isinstance(record, dict) and not told.issuperset(record):
                yield from tell_unused(place, [k for k in record if k not in told], NEMO_KEYS)
                told |= {*record}
            start = float(record.get("offset") or 0.0)
            duration = float(record["duration"])
            spoken = str(record.get("source_lang") or record.get("lang") or "")
            written = str(record.get("target_lang") or spoken)
            spoken, written = language_code(spoken), language_code(written)
            audio, text = source.parent / record["audio_filepath"], record["text"]
            has_start = bool(start or "offset" in record)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            yield Skipped(place, f"not a line of a NeMo manifest ({what})")
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
            language=spoken,
            task="translate" if written != spoken else None,
            speaker=record.get("speaker"),
        )


def read_csv(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a table. Raises ValueError if it lacks a column for the audio or the text."""
    delimiter = options.delimiter or ("\t" if source.suffix.lower() == ".tsv" else "")
    columns = None
    for record in read_table(source, delimiter):
        if isinstance(record, Skipped | Told):
            yield record
            continue
        if columns is None:
            columns = match_columns(source, record.values, options.columns)
            yield from tell_unused(f"{source}:1", record.values, columns.values())
        fields: dict[str, Any] = {name: record.values[column] for name, column in columns.items()}
        if not fields["audio"]:
            yield Skipped(record.place, "no audio")
            continue
        if (keywords := fields.get("keywords")) and keywords not in EMPTY_VALUES:
            fields["keywords"] = split_keywords(keywords, fields["text"])
        fields["audio"] = source.parent / fields["audio"]
        fields |= {
            name: DECIMAL_COMMA.sub(r"\1.\2", fields[name])
            for name in ("start", "end", "duration")
            if fields.get(name)
        }
        yield CorpusRow(place=record.place, **fields)


def split_keywords(value: str, text: str) -> list[str]:
    """Return the terms of a cell: a list as JSON, Python or NumPy writes it, or divided terms.

    Semicolons divide them, or else commas, unless the text holds the cell whole.
    """
    if value.startswith("[") and value.endswith("]"):
        with suppress(ValueError, RecursionError):
            return [str(term).strip() for term in json.loads(value) if str(term or "").strip()]
        value = value[1:-1]
        if quoted := [match[2].strip() for match in QUOTED.finditer(value)]:
            return list(filter(None, quoted))
    divider = ";" if ";" in value or value.casefold() in text.casefold() else ","
    return [term.strip() for term in value.split(divider) if term.strip()]


TABLE_FORMAT = CorpusFormat(
    read_csv,
    "a CSV or TSV whose first line names the columns, as the manifest does or by --columns.",
    "Keywords are separated by semicolons, or else by commas.",
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
        "a TSV of Common Voice (validated.tsv ...) beside its folder clips/, or audios/ of "
        "spontaneous speech.",
    ),
    "kaldi": CorpusFormat(
        read_kaldi,
        "a data folder of Kaldi: text and wav.scp, and optionally segments, utt2spk, utt2lang and "
        "reco2file_and_channel.",
        "Relative paths may be relative to that folder, to the two folders above it or to the "
        "current folder.",
    ),
    "nemo": CorpusFormat(
        read_nemo,
        "a manifest of NeMo: audio_filepath, duration, text, offset, and optionally languages.",
    ),
    "jumon": CorpusFormat(
        read_jumon,
        "a JSON Lines of jumon/whisper-finetuning: audio_path, text with times, language, prompt.",
    ),
    "yeyupiaoling": CorpusFormat(
        read_yeyupiaoling,
        "a JSON Lines of yeyupiaoling/Whisper-Finetune: audio, sentence, sentences, language.",
    ),
    "csv": TABLE_FORMAT,
    "tsv": TABLE_FORMAT,
    "huggingface": CorpusFormat(
        read_huggingface,
        "a folder written by `Dataset.save_to_disk`, or Parquet files; audio inside is written to "
        "files.",
    ),
}
