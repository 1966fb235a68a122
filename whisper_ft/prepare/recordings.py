"""Find the subtitle file of each recording, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from whisper_ft.prepare.raw_cues import SUBTITLE_SUFFIXES

AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"),
    *(".m4a", ".m4b", ".aac", ".wma", ".amr", ".ac3", ".mka", ".mp2", ".wv"),
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".wmv", ".flv", ".3gp"),
)


FORMATS = (".srt", ".vtt", ".json")  # a person may have corrected the first, hardly the last
ORIGINAL = "-orig"


class Recording(NamedTuple):
    """A recording, or one channel of it, with its subtitle file."""

    audio: Path
    subtitles: Path
    channel: int | None = None  # None: all channels
    unused: tuple[Path, ...] = ()  # other subtitle files, which hold the same

    @property
    def name(self) -> str:
        """The name of its rows' `recording` field."""
        return (
            self.audio.stem if self.channel is None else f"{self.audio.stem} channel {self.channel}"
        )


def pair_files(paths: Sequence[Path], *, channels: bool) -> list[Recording]:
    """Pair recordings with the subtitle files of their name; a single pair may differ in name.

    A folder stands for its audio and subtitle files. With `channels` the subtitle files, in order,
    belong to the channels of one recording. Raises ValueError naming every file without a partner.
    """
    audio_files, subtitle_files = _list_files(paths)
    if channels:
        if len(audio_files) != 1 or len(subtitle_files) < 2:
            raise ValueError(
                "--channels: give one recording, then a subtitle file for each of its channels"
            )
        return [
            Recording(audio_files[0], path, channel) for channel, path in enumerate(subtitle_files)
        ]
    if len(audio_files) == 1 and len(subtitle_files) == 1:
        return [Recording(audio_files[0], subtitle_files[0])]
    return _pair_by_name(audio_files, subtitle_files)


def _pair_by_name(audio_files: Sequence[Path], subtitle_files: Sequence[Path]) -> list[Recording]:
    owners = {path: _find_owner(path, audio_files) for path in subtitle_files}
    recordings, problems = [], []
    for path in audio_files:
        own_files = [subtitle for subtitle, owner in owners.items() if owner == path]
        if chosen := _choose(path, own_files):
            unused = tuple(file for file in own_files if file != chosen)
            recordings.append(Recording(path, chosen, unused=unused))
        else:
            more = ", or --channels and one for each channel" if len(subtitle_files) > 1 else ""
            problems.append(
                f"{path}: {len(own_files)} subtitle files with its name: give one{more}"
            )
    problems += [
        f"{path}: no recording with its name: give the recording too"
        for path, owner in owners.items()
        if owner is None
    ]
    n_by_stem = Counter(recording.audio.stem for recording in recordings)
    problems += [
        f"{stem}: {n} recordings have this name: rename them so that names differ"
        for stem, n in n_by_stem.items()
        if n > 1
    ]
    if problems or not recordings:
        raise ValueError("\n".join(problems) or "give recordings and their subtitle files")
    return recordings


def _choose(audio: Path, files: Sequence[Path]) -> Path | None:
    """Return the one of a recording's subtitle files to use; None if they may hold different texts.

    Whisper writes one transcript in several formats. yt-dlp writes captions as `.en` and, if they
    are in the language of the speech, as `.en-orig` too: the first may be by hand.
    """
    tags = {file.stem[len(audio.stem) :].removesuffix(ORIGINAL) for file in files}
    if len(tags) != 1:
        return None
    return min(files, key=lambda f: (f.stem.endswith(ORIGINAL), FORMATS.index(f.suffix.lower())))


def _list_files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return (recordings, subtitle files) among files and in folders."""
    files = [path for path in paths if not path.is_dir()]
    audio_files = [path for path in files if path.suffix.lower() not in SUBTITLE_SUFFIXES]
    subtitle_files = [path for path in files if path.suffix.lower() in SUBTITLE_SUFFIXES]
    for folder in (path for path in paths if path.is_dir()):
        inside = sorted(folder.iterdir())
        audio_files += [path for path in inside if path.suffix.lower() in AUDIO_SUFFIXES]
        # a JSON file may be anything: it counts only if it has the name of a recording
        subtitle_files += [
            path
            for path in inside
            if path.suffix.lower() in SUBTITLE_SUFFIXES
            and (path.suffix.lower() != ".json" or _find_owner(path, audio_files))
            and not path.name.endswith(".info.json")  # of yt-dlp: no captions
        ]
    return audio_files, subtitle_files


def _find_owner(subtitle: Path, audio_files: Sequence[Path]) -> Path | None:
    """Return the recording with whose name a subtitle file's name begins.

    Recordings in the same folder come first, then longer names.
    """
    candidates = [path for path in audio_files if f"{subtitle.stem}.".startswith(f"{path.stem}.")]
    candidates.sort(key=lambda path: (path.parent == subtitle.parent, len(path.stem)))
    return candidates[-1] if candidates else None
