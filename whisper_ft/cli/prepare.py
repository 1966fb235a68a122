"""`python -m whisper_ft prepare FORMAT ...`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from whisper_ft.config.options import out_of_bounds, parse
from whisper_ft.config.prepare import CorpusConfig, NoisesConfig, SubtitlesConfig
from whisper_ft.data.row import MAX_SECONDS
from whisper_ft.prepare import corpora
from whisper_ft.prepare.output import Output

EXTRA = "pip install 'whisper-ft[prepare]'"


def prepare(argv: Sequence[str]) -> int:
    """Turn corpora, or long recordings with subtitles, into manifests."""
    if not argv or argv[0] not in FORMATS:
        lines = ["usage: python -m whisper_ft prepare FORMAT ... (FORMAT --help tells more)"]
        for name in FORMATS:
            about = corpora.FORMATS.get(name) or FORMATS[name]
            lines.append(f"  {name:12}{(about.__doc__ or '').splitlines()[0]}")
        print(*lines, sep="\n")
        return 0 if list(argv[:1]) in (["-h"], ["--help"]) else 2
    print(FORMATS[argv[0]](argv))
    return 0


def subtitles(argv: Sequence[str]) -> str:
    """Long recordings with SRT, WebVTT or whisper JSON, in windows of at most 30 s."""
    config, _ = parse(SubtitlesConfig, argv[1:], "python -m whisper_ft prepare subtitles")
    _refuse(config)
    try:
        from whisper_ft.prepare import subtitles
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is missing: {EXTRA}") from None
    return subtitles.prepare(
        [Path(path) for path in config.paths],
        Path(config.out),
        channels=config.channels,
        copy_audio=config.copy_audio,
        seed=config.seed,
        encoding=config.encoding,
        keep_notes=config.keep_notes,
        language=config.language,
    )


def noises(argv: Sequence[str]) -> str:
    """A folder of noises, as rows in which nobody speaks."""
    config, _ = parse(NoisesConfig, argv[1:], "python -m whisper_ft prepare noises")
    _refuse(config)
    from whisper_ft.prepare.noises import silence_rows  # with torch, which --help need not wait for

    out = Path(config.out)
    with Output(out) as output:
        rows = silence_rows(
            Path(config.folder), out, n_rows=config.rows, seed=config.seed, tell=output.tell
        )
        for row in rows:
            output.add(row)
    return output.summary()


def corpus(argv: Sequence[str]) -> str:
    """A corpus by its metadata; what is left out ends what may be the text before what follows."""
    name = argv[0]
    about = corpora.FORMATS[name].__doc__ or ""
    config, _ = parse(CorpusConfig, argv[1:], f"python -m whisper_ft prepare {name}", about)
    _refuse(config)
    source, out = Path(config.source), Path(config.out)
    if not source.exists():
        raise ValueError(f"{source}: no such file or folder: give the corpus")
    columns = dict(pair.partition("=")[::2] for pair in config.columns)
    if wrong := [
        name for name, column in columns.items() if name not in corpora.FIELDS or not column
    ]:
        known = ", ".join(corpora.FIELDS)
        raise ValueError(f"--columns: {', '.join(wrong)}: give field=column, of the fields {known}")
    if len(config.delimiter) > 1:
        raise ValueError(f"--delimiter: {config.delimiter!r}: give one character")
    options = corpora.Options(columns, config.delimiter, out.parent / f"{out.stem}.audio")
    try:
        with Output(out, source) as output:
            rows = corpora.FORMATS[name](source, options)
            for row in tqdm(rows, "rows", unit="row"):
                if isinstance(row, corpora.LeftOut):
                    output.leave_out(*row)
                else:
                    _add(output, row, config)
    except UnicodeDecodeError as error:
        raise ValueError(f"{source}: not UTF-8 ({error}): convert it") from None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ValueError(
            f"{error.filename}: {error.strerror}: {name} is {' '.join(about.split())}"
        ) from None
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is missing: {EXTRA}") from None
    if not output.n_rows:
        raise ValueError(f"{output.summary()}\n{source}: holds no row of {name} that can be used")
    return output.summary()


FORMATS: dict[str, Callable[[Sequence[str]], str]] = {
    "subtitles": subtitles,
    "noises": noises,
    **dict.fromkeys(corpora.FORMATS, corpus),
}


def _add(output: Output, row: dict[str, Any], config: CorpusConfig) -> None:
    """Write a corpus's row in the manifest's types, or note why not."""
    place, text = row.pop("place"), row.get("text")
    if not isinstance(text, str) or not (text.strip() or config.empty_is_silence):
        output.leave_out(place, f"text: {text!r}: nothing is told; --empty-is-silence takes it so")
        return
    row["text"] = (text.lower() if config.lowercase else text).strip()
    row["language"] = row.get("language") or config.language
    name = ""
    try:
        for name in (*corpora.NUMBERS, "channel"):
            if row.get(name) not in (None, ""):
                row[name] = int(row[name]) if name == "channel" else _seconds(row[name])
    except (ValueError, TypeError):
        output.leave_out(place, f"{name}: {row[name]!r}: not a number")
        return
    row |= {name: str(row[name]) for name in ("recording", "speaker") if row.get(name) is not None}
    end = row.get("end")
    seconds = row.get("duration") if end in (None, "") else end - (row.get("start") or 0.0)
    if seconds not in (None, "") and not 0.0 < seconds <= MAX_SECONDS:
        output.leave_out(place, f"{seconds:.2f} s long, and a row is of up to {MAX_SECONDS:.0f} s")
    elif not _is_file(row["audio"]):
        output.leave_out(place, f"{row['audio']}: no such file")
    else:
        output.add(row, place)


def _is_file(path: str | Path) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:  # such as half of an emoji, which no file has in its name
        return False


def _seconds(value: Any) -> float:
    seconds = round(float(value), 4)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(value)
    return seconds


def _refuse(config: Any) -> None:
    problems = out_of_bounds(config)
    if not config.out:
        problems.append("--out: say where to write")
    if problems:
        raise ValueError("\n".join(problems))
