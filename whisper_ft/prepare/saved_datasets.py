"""Read datasets of Hugging Face `datasets`: saved to disk, or as Parquet files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from whisper_ft.prepare.corpus_files import Skipped
from whisper_ft.prepare.corpus_rows import CorpusRow, CorpusRows, FormatOptions, is_file
from whisper_ft.prepare.table_columns import TEXT_COLUMNS, match_columns, tell_unused

# A part's number in a Parquet file's name: train-00000-of-00002, with a hash behind it, or 0000.
PART = re.compile(r"(?:-|^)\d+(?:-of-\d+)?(?:-[0-9a-f]+)?$")
Converter = Callable[[Any], Any]


@dataclass(frozen=True)
class _Records:
    """Records as dictionaries, and the feature of each column."""

    records: Iterable[dict[str, Any]]
    features: dict[str, Any]


def read_huggingface(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a dataset; audio that is stored inside it is written to files.

    Raises ValueError for several splits, a missing column, and a column whose type cannot be that
    of its field.
    """
    dataset = _load(source)
    folder = source if source.is_dir() else source.parent
    names = list(dataset.features)
    text = next((name for name in TEXT_COLUMNS if name in names), "text")
    columns = match_columns(source, names, {"text": text, **options.columns})
    yield from tell_unused(str(source), names, columns.values())
    converters = {
        field: _converter(source, field, column, dataset.features[column])
        for field, column in columns.items()
        if field != "audio"
    }
    for number, record in enumerate(dataset.records, start=1):
        place = f"{source}:row {number}"
        audio = _audio_file(record[columns["audio"]], number, options.copy_to)
        if isinstance(audio, Path) and not (audio.is_absolute() or is_file(audio)):
            audio = folder / audio
        if isinstance(audio, str):
            yield Skipped(place, audio)
            continue
        fields = {
            field: convert(record[columns[field]])
            for field, convert in converters.items()
            if record[columns[field]] is not None
        }
        yield CorpusRow(place=place, **{"text": None, **fields}, audio=audio)


def _load(source: Path) -> _Records:
    """Open a dataset without decoding its audio."""
    from datasets import Audio, Dataset, load_dataset, load_from_disk

    files = [source] if source.suffix == ".parquet" else sorted(source.rglob("*.parquet"))
    if files and not (source / "dataset_info.json").exists():
        _expect_one(source, sorted({_split(file, source) for file in files}))
        paths = list(map(str, files))
        try:
            dataset = load_dataset("parquet", data_files=paths, split="train", streaming=True)
        except (OSError, ValueError) as error:  # of pyarrow, for a damaged file
            raise ValueError(
                f"{source}: cannot be read as Parquet ({error}): copy it again"
            ) from None
        if dataset.features is None:
            raise ValueError(f"{source}: its Parquet files hold no columns: give other files")
    else:
        dataset = load_from_disk(str(source))
        if not isinstance(dataset, Dataset):
            _expect_one(source, [*dataset])
    for name, feature in dataset.features.items():
        if isinstance(feature, Audio):
            dataset = dataset.cast_column(name, Audio(decode=False))
    return _Records(dataset, dict(dataset.features))


def _split(file: Path, source: Path) -> str:
    """Return the folder and the name of a Parquet file, without the number of a part."""
    folder = file.parent.relative_to(source) if source.is_dir() else Path()
    return (folder / PART.sub("", file.stem)).as_posix()


def _expect_one(source: Path, splits: list[str]) -> None:
    if len(splits) > 1:
        raise ValueError(
            f"{source}: contains the splits {', '.join(splits)}: give the folder of one"
        )


def _converter(source: Path, field: str, column: str, feature: Any) -> Converter:
    """Return what makes a manifest's value of a column's; raise ValueError for a type of no use."""
    from datasets import ClassLabel, Value

    if isinstance(feature, ClassLabel):
        return lambda value: feature.int2str(value)
    if isinstance(feature, Value):
        if re.match("duration", feature.dtype):
            return timedelta.total_seconds
        if not re.match("binary|large_binary|timestamp|date|time", feature.dtype):
            return lambda value: value
    items = getattr(feature, "feature", None)
    if field == "keywords" and isinstance(items, Value) and "string" in items.dtype:
        return list
    raise ValueError(
        f"{source}: column {column}: its type {_describe(feature)} cannot be the field {field}: "
        f"give another column with --columns {field}=..., or convert it"
    )


def _describe(feature: Any) -> str:
    """Return a feature's type in short, such as Value(binary) or Translation."""
    dtype = getattr(feature, "dtype", "") if type(feature).__name__ == "Value" else ""
    return type(feature).__name__ + (f"({dtype})" if dtype else "")


def _audio_file(value: Any, number: int, copy_to: Path | None) -> Path | str:
    """Return the file of a row's audio, written to `copy_to` if the dataset has it; or a problem.

    Audio is a path, the bytes of a file, or samples with their rate.
    """
    if isinstance(value, str):
        return Path(value)
    if isinstance(value, bytes):
        value = {"bytes": value}
    if not isinstance(value, dict):
        return (
            "its audio is samples without a rate: make the column an Audio"
            if isinstance(value, list)
            else "its audio is missing"
        )
    path = Path(value["path"]) if value.get("path") else None
    if value.get("bytes") and copy_to is not None:
        return _write(copy_to, f"{number:07}{path.suffix if path else '.wav'}", value["bytes"])
    if value.get("array") is not None and value.get("sampling_rate") and copy_to is not None:
        import numpy as np
        import soundfile

        samples = np.asarray(value["array"], np.float32)
        content = io.BytesIO()
        soundfile.write(content, samples.T, int(value["sampling_rate"]), format="FLAC")
        return _write(copy_to, f"{number:07}.flac", content.getvalue())
    if path is not None and path.is_absolute() and path.is_file():
        return path
    return "its audio is neither a file nor inside the dataset"


def _write(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path
