"""Long recordings with subtitles to rows of at most 30 s, in order, with segments."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import soundfile
from tqdm import tqdm
from whisper.tokenizer import LANGUAGES

from whisper_ft.audio import SAMPLE_RATE, probe, read_audio
from whisper_ft.prepare.cues import FORMATS, read_cues
from whisper_ft.prepare.output import Output
from whisper_ft.prepare.windows import Window, windows


class Pair(NamedTuple):
    """A recording, or a channel of one, and its subtitles."""

    audio: Path
    subtitles: Path
    channel: int | None = None


def pair_up(paths: Sequence[Path], *, channels: bool) -> list[Pair]:
    """Recordings with the subtitles of their name; one recording takes whatever stands beside it.

    With `channels` the subtitles, in their order, belong to the channels of one recording. Raises
    ValueError naming every file without its counterpart.
    """
    files = [f for path in paths for f in (sorted(path.iterdir()) if path.is_dir() else [path])]
    subtitles = [path for path in files if path.suffix.lower() in FORMATS]
    audio = [path for path in files if path not in subtitles]
    if channels:
        if len(audio) != 1 or len(subtitles) < 2:
            raise ValueError("--channels: give one recording, then a subtitle file a channel")
        return [Pair(audio[0], path, channel) for channel, path in enumerate(subtitles)]
    if len(audio) == 1 and len(subtitles) == 1:
        return [Pair(audio[0], subtitles[0])]
    pairs, problems = [], []
    for path in audio:
        own = [s for s in subtitles if s.name.split(".")[0] == path.name.split(".")[0]]
        if len(own) == 1:
            pairs.append(Pair(path, own[0]))
        else:
            problems.append(f"{path}: {len(own)} subtitle files of its name: give one")
    paired = {pair.subtitles for pair in pairs}
    problems += [
        f"{s}: no recording of its name: give it too" for s in subtitles if s not in paired
    ]
    if problems or not pairs:
        raise ValueError("\n".join(problems) or "give recordings and their subtitles")
    return pairs


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
        duration = probe(pair.audio).duration
    except ValueError as error:
        raise ValueError(f"{pair.audio}: {error}") from None
    found = read_cues(
        pair.subtitles, duration, output.tell, encoding=encoding, keep_notes=keep_notes
    )
    name = pair.audio.stem if pair.channel is None else f"{pair.audio.stem} channel {pair.channel}"
    language = language or found.language or _language_of(pair.subtitles)
    rng = random.Random(f"windows {seed} {name}")
    for number, window in enumerate(windows(found, duration, rng), start=1):
        row = _row(pair, window)
        if copy_to is not None:
            row = _copied(row, copy_to / f"{name.replace(' ', '-')}-{number:04}.flac")
        # speech that was left out ends what may be the previous text of what comes after it
        recording = f"{name} part {window.island + 1}" if window.island else name
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
                    output.add(row)
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("\n".join(problems))
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
    """The language that a name such as talk.de.srt tells, or none."""
    code = Path(path.stem).suffix[1:].lower()
    return code if code in LANGUAGES else ""
