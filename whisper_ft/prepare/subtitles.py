"""Long recordings with subtitles to rows of at most 30 s, in order, with segments."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import soundfile
from tqdm import tqdm
from whisper.audio import SAMPLE_RATE
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE, get_tokenizer

from whisper_ft.data.audio import probe, read_audio
from whisper_ft.prepare.cues import read_cues
from whisper_ft.prepare.output import Output
from whisper_ft.prepare.raw_cues import FORMATS
from whisper_ft.prepare.windows import Window, windows
from whisper_ft.text.languages import whisper_code

AUDIO = (
    *(".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"),
    *(".m4a", ".aac", ".mp4", ".mkv", ".webm", ".wma"),  # which must be converted first
)
NO_LANGUAGE = ("forced", "sdh", "cc", "default")  # what else may stand before a name's .srt
UNTOLD = 60.0  # seconds after the last cue that are worth a word


class Pair(NamedTuple):
    """A recording, or a channel of one, and its subtitles."""

    audio: Path
    subtitles: Path
    channel: int | None = None


def pair_up(paths: Sequence[Path], *, channels: bool) -> list[Pair]:
    """Recordings with the subtitles of their name; one recording takes whatever stands beside it.

    Of a folder all audio counts, and what has subtitles' names. With `channels` the subtitles, in
    their order, belong to the channels of one recording. Raises ValueError naming every file
    without its counterpart.
    """
    audio, subtitles = _files(paths)
    if channels:
        if len(audio) != 1 or len(subtitles) < 2:
            raise ValueError("--channels: give one recording, then a subtitle file a channel")
        return [Pair(audio[0], path, channel) for channel, path in enumerate(subtitles)]
    if len(audio) == 1 and len(subtitles) == 1:
        return [Pair(audio[0], subtitles[0])]
    owners = {path: _owner(path, audio) for path in subtitles}
    pairs, problems = [], []
    for path in audio:
        own = [subtitle for subtitle, owner in owners.items() if owner == path]
        if len(own) == 1:
            pairs.append(Pair(path, own[0]))
        else:
            problems.append(f"{path}: {len(own)} subtitle files of its name: give one")
    problems += [
        f"{path}: no recording of its name: give it too"
        for path, owner in owners.items()
        if owner is None
    ]
    stems = Counter(pair.audio.stem for pair in pairs)
    problems += [
        f"{stem}: {n} recordings of that name: rename" for stem, n in stems.items() if n > 1
    ]
    if problems or not pairs:
        raise ValueError("\n".join(problems) or "give recordings and their subtitles")
    return pairs


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """(recordings, subtitles) among files and in folders."""
    files = [path for path in paths if not path.is_dir()]
    audio = [path for path in files if path.suffix.lower() not in FORMATS]
    subtitles = [path for path in files if path.suffix.lower() in FORMATS]
    for folder in (path for path in paths if path.is_dir()):
        inside = sorted(folder.iterdir())
        audio += [path for path in inside if path.suffix.lower() in AUDIO]
        # a JSON file may be anything: it counts where it has a recording
        subtitles += [
            path
            for path in inside
            if path.suffix.lower() in FORMATS
            and (path.suffix.lower() != ".json" or _owner(path, audio))
        ]
    return audio, subtitles


def _owner(subtitle: Path, audio: Sequence[Path]) -> Path | None:
    """The recording whose name a subtitle file's begins with, of its own folder if there is one."""
    stem = subtitle.stem
    fitting = [path for path in audio if f"{stem}.".startswith(f"{path.stem}.")]
    fitting.sort(key=lambda path: (path.parent == subtitle.parent, len(path.stem)))
    return fitting[-1] if fitting else None


def subtitle_rows(
    pair: Pair,
    output: Output,
    *,
    seed: int,
    encoding: str = "",
    keep_notes: bool = False,
    language: str = "",
    copy_to: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """The rows of one recording. Raises ValueError for files that cannot be read."""
    try:
        info = probe(pair.audio)
    except ValueError as error:
        raise ValueError(f"{pair.audio}: {error}") from None
    if pair.channel is not None and pair.channel >= info.n_channels:
        what = f"its channels are {info.n_channels}, and {pair.subtitles} is for another"
        raise ValueError(f"{pair.audio}: {what}: give a subtitle file a channel")
    duration = info.duration
    found = read_cues(
        pair.subtitles, duration, output.tell, encoding=encoding, keep_notes=keep_notes
    )
    if found.cues and duration - (ends := found.cues[-1].end) > UNTOLD:
        rest = f"subtitles end at {ends:.0f} s, the recording at {duration:.0f} s"
        output.tell(str(pair.subtitles), f"{rest}: what comes after is left out")
        found.holes.append((ends, duration))
    name = pair.audio.stem if pair.channel is None else f"{pair.audio.stem} channel {pair.channel}"
    language = language or found.language or _language_of(pair.subtitles)
    if not language:
        output.tell(str(pair.subtitles), "tells no language: its rows are of training's --language")
    rng = random.Random(f"windows {seed} {name}")
    tokenizer = get_tokenizer(True, num_languages=100, language=language or None)
    for number, window in enumerate(windows(found, duration, rng, tokenizer), start=1):
        row = _row(pair, window)
        if copy_to is not None:
            row = _copied(row, copy_to / f"{name}-{number:04}.flac")
        # speech that was left out ends what may be the previous text of what comes after it
        recording = f"{name}#{window.island + 1}" if window.island else name
        yield {**row, "language": language, "recording": recording}


def prepare(
    paths: Sequence[Path],
    out: Path,
    *,
    channels: bool,
    copy_audio: bool,
    seed: int,
    encoding: str,
    keep_notes: bool,
    language: str,
) -> str:
    """Write `out/manifest.jsonl` and its notes; the summary. Raises ValueError for bad input."""
    pairs = pair_up(paths, channels=channels)
    copy_to = out / "audio" if copy_audio else None
    if copy_to and any(pair.audio.resolve().parent == copy_to.resolve() for pair in pairs):
        raise ValueError(f"--copy-audio: {copy_to}: holds the recordings: name another --out")
    if language and language.lower() not in (*LANGUAGES, *TO_LANGUAGE_CODE):
        raise ValueError(f"--language: {language}: whisper has no such one: give a code such as en")
    problems = []
    with Output(out / "manifest.jsonl") as output:
        for pair in tqdm(pairs, "recordings", disable=len(pairs) < 2):
            rows = subtitle_rows(
                pair,
                output,
                seed=seed,
                encoding=encoding,
                keep_notes=keep_notes,
                language=language,
                copy_to=copy_to,
            )
            try:
                for row in rows:
                    output.add(row, str(pair.subtitles))
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("\n".join(problems))
    if not output.n_rows:
        raise ValueError(f"{output.summary()}: nothing to train on in these subtitles")
    return output.summary()


def _row(pair: Pair, window: Window) -> dict[str, Any]:
    return {
        "audio": pair.audio,
        "text": window.text,
        "segments": [segment._asdict() for segment in window.segments],
        "start": window.start,
        "end": window.end,
        "channel": pair.channel,
    }


def _copied(row: dict[str, Any], path: Path) -> dict[str, Any]:
    """The row with its stretch in a file of its own, at 16 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = read_audio(row["audio"], row["start"], row["end"], row["channel"])
    soundfile.write(path, samples, SAMPLE_RATE)
    return {**row, "audio": path, "start": None, "end": None, "channel": None}


def _language_of(path: Path) -> str:
    """The language that a name such as talk.de.srt or talk.eng.forced.srt tells, or none."""
    tags = [suffix[1:] for suffix in Path(path.stem).suffixes]
    tags = [tag for tag in tags if tag not in NO_LANGUAGE]
    if tags[-1:] == ["hi"] and whisper_code("".join(tags[-2:-1])):  # for the hearing impaired
        tags.pop()
    return whisper_code("".join(tags[-1:]))
