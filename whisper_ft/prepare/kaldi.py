"""Read data folders of Kaldi: text, wav.scp, and optionally segments and more."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from whisper_ft.prepare.corpus_files import KeyValueFile, Skipped, read_lines
from whisper_ft.prepare.corpus_rows import CorpusRow, CorpusRows, FormatOptions, is_file

CHANNELS = {"A": 0, "B": 1, "1": 0, "2": 1}  # of reco2file_and_channel


class Wav(NamedTuple):
    """The audio of an entry of wav.scp."""

    path: str
    channel: int | None = None  # None: not chosen
    is_mixed: bool = False  # all channels are wanted


def read_kaldi(source: Path, options: FormatOptions) -> CorpusRows:
    """Read a data folder. Commands in wav.scp are never run: those that copy a file stand for it.

    A relative path may be relative to the folder, to the two folders above it (a recipe's paths are
    relative to its own folder, two above data/train) or to the current folder.
    """
    segments_path = source / "segments"
    roots = (source, *source.absolute().parents[:2], Path())
    with (
        closing(KeyValueFile(source / "wav.scp")) as wavs,
        closing(KeyValueFile(segments_path)) as segments,
        closing(KeyValueFile(source / "utt2spk")) as speakers,
        closing(KeyValueFile(source / "utt2lang")) as languages,
        closing(KeyValueFile(source / "reco2file_and_channel")) as sides,
    ):
        for number, line in read_lines(source / "text"):
            name, *words = line.split(None, 1)
            place = f"{source / 'text'}:{number}"
            # [recording, start, end, channel], or the recording alone, which is the utterance
            stretch = segments.get(name).split() if segments_path.exists() else [name]
            entry = wavs.get(stretch[0]).strip() if stretch else ""
            if len(stretch) not in (1, 3, 4):
                yield Skipped(place, f"{name}: not in {segments_path}")
                continue
            if not entry:
                yield Skipped(place, f"{name}: not in {source / 'wav.scp'}")
                continue
            try:
                wav = parse_wav(entry)
                channel = _channel(wav, stretch[3:], sides.get(stretch[0]))
            except ValueError as error:
                yield Skipped(place, f"{name}: {error}")
                continue
            recording, start, end = (*stretch[:3],) if len(stretch) > 1 else (None, None, None)
            yield CorpusRow(
                place=place,
                audio=_find(wav.path, roots, source),
                text="".join(words),
                speaker=speakers.get(name),
                # the parties of a call are not each other's previous text
                recording=recording if channel is None else f"{recording or name} {channel}",
                start=start,
                end=None if end is None or end.startswith("-") else end,  # -1: the file's end
                channel=channel,
                language=languages.get(name),
            )


def parse_wav(entry: str) -> Wav:
    """Return the file of an entry of wav.scp: a path, or a command that ends with `|`.

    Raises ValueError for a command that does more than copy, decode and convert one file.
    """
    if not entry.endswith("|"):
        return Wav(entry)
    wav: Wav | None = None
    try:
        for stage in entry[:-1].split("|"):
            program, *arguments = shlex.split(stage) or ["no program"]
            parse = PROGRAMS.get(Path(program).name)
            if parse is None:
                raise ValueError(f"{program} is not known")
            found = parse(arguments)
            if (found.path == "-") != (wav is not None):
                raise ValueError(f"{program} has no single file")
            wav = found if wav is None else _then(wav, found)
    except ValueError as error:
        raise ValueError(
            f"its audio is a command that is not run ({entry[:60]}: {error}): write its output to "
            "a file"
        ) from None
    assert wav is not None
    return wav


def _then(wav: Wav, after: Wav) -> Wav:
    """Return the audio of a command whose output another command reads."""
    return wav._replace(is_mixed=wav.is_mixed or after.is_mixed)


def _parse_cat(arguments: Sequence[str]) -> Wav:
    return Wav(_only(arguments))


def _parse_flac(arguments: Sequence[str]) -> Wav:
    flags, files = _split_arguments(arguments, {})
    allowed = {"-c", "-d", "-s", "-f", "--decode", "--stdout", "--silent", "--force"}
    _expect({short for flag in flags for short in _short_flags(flag)}, allowed)
    return Wav(_only(files))


def _parse_sph2pipe(arguments: Sequence[str]) -> Wav:
    values = {"-f": re.compile("wav|rif|sph|aif|au|raw"), "-c": re.compile("[12]")}
    flags, files = _split_arguments(arguments, values)
    _expect(flags, {"-f", "-c", "-p", "-u", "-a"})
    channel = int(flags["-c"]) - 1 if "-c" in flags else None
    return Wav(_only(files[:1] if files[1:] == ["-"] else files), channel)


def _parse_sox(arguments: Sequence[str]) -> Wav:
    any_value = re.compile(".+", re.S)
    values = {name: any_value for name in ("-t", "-r", "-b", "-e", "--type", "--rate", "--bits")}
    values |= {"-c": re.compile("1"), "--encoding": any_value, "--channels": re.compile("1")}
    flags, files = _split_arguments(arguments, values)
    _expect({flag for flag in flags if not re.fullmatch(r"-V\d?", flag)}, {*values, "-q", "-D"})
    if len(files) < 2 or files[1] != "-":
        raise ValueError("its output is not -")
    if {"-r", "--rate"} & {*arguments[: arguments.index(files[0])]}:  # else it is the output's
        raise ValueError("-r before a file is read as its rate, which changes the sound")
    if files[2:3] not in ([], ["rate"]) or len(files) > 4:
        raise ValueError(f"{' '.join(files[2:])} changes the sound")
    return Wav(files[0], is_mixed=bool({"-c", "--channels"} & {*flags}))


def _parse_ffmpeg(arguments: Sequence[str]) -> Wav:
    any_value = re.compile(".+", re.S)
    names = ("-i", "-f", "-ar", "-v", "-loglevel", "-acodec", "-c:a", "-codec:a", "-sample_fmt")
    values = {name: any_value for name in names} | {"-ac": re.compile("1")}
    flags, files = _split_arguments(arguments, values)
    _expect(flags, {*values, "-nostdin", "-hide_banner", "-y", "-vn"})
    if _only(files) not in ("-", "pipe:1", "pipe:", "/dev/stdout"):
        raise ValueError("its output is not -")
    return Wav(flags.get("-i", ""), is_mixed="-ac" in flags)


# What copies, decodes or converts one file. What changes the sound is refused.
PROGRAMS: dict[str, Callable[[Sequence[str]], Wav]] = {
    "cat": _parse_cat,
    "flac": _parse_flac,
    "sph2pipe": _parse_sph2pipe,
    "sox": _parse_sox,
    "ffmpeg": _parse_ffmpeg,
}


def _split_arguments(
    arguments: Sequence[str], values: dict[str, re.Pattern[str]]
) -> tuple[dict[str, str], list[str]]:
    """Return the flags with their values, and the other arguments.

    `values` are the flags that take a value, and what it may be. Raises ValueError for another one.
    """
    flags: dict[str, str] = {}
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "-i" and argument in flags:
            raise ValueError("several files")
        if argument in values:
            flags[argument] = next(rest, "")
            if not values[argument].fullmatch(flags[argument]):
                raise ValueError(f"{argument} {flags[argument]} changes the sound")
        elif argument.startswith("-") and argument != "-":
            flags[argument] = ""
        else:
            others.append(argument)
    return flags, others


def _short_flags(flag: str) -> list[str]:
    """Return the single flags of one such as -cds."""
    return [flag] if flag.startswith("--") else [f"-{letter}" for letter in flag[1:]]


def _expect(flags: dict[str, str] | set[str], allowed: set[str]) -> None:
    if unknown := sorted({*flags} - allowed):
        raise ValueError(f"{' '.join(unknown)} may change the sound")


def _only(files: Sequence[str]) -> str:
    if len(files) != 1:
        raise ValueError(f"{len(files)} files")
    return files[0]


def _channel(wav: Wav, column: Sequence[str], side: str) -> int | None:
    """Return the channel that a command, a segment's fourth column or a side of a call names."""
    if wav.channel is not None or wav.is_mixed:
        return wav.channel
    if column and column[0] != "-1":
        if not column[0].isdecimal():
            raise ValueError(f"channel {column[0]!r} in segments: expected a number from 0")
        return int(column[0])
    if not side:
        return None
    name = side.split()[-1]
    if name not in CHANNELS:
        raise ValueError(f"channel {name!r} in reco2file_and_channel: expected A or B")
    return CHANNELS[name]


def _find(path: str, roots: Sequence[Path], source: Path) -> Path:
    return next((root / path for root in roots if is_file(root / path)), source / path)
