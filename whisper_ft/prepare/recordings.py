"""Find the subtitle file of each recording, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from langcodes import tag_is_valid

from whisper_ft.prepare.raw_cues import SUBTITLE_SUFFIXES
from whisper_ft.text.languages import whisper_code

AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"),
    *(".m4a", ".m4b", ".aac", ".wma", ".amr", ".ac3", ".mka", ".mp2", ".wv"),
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".wmv", ".flv", ".3gp"),
)
# Other words before the suffix of a file name. br is Breton, and most often means Brazilian.
NOT_LANGUAGES = ("forced", "sdh", "cc", "default", "bak", "old", "new", "final", "br")
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


class Pairing(NamedTuple):
    """Recordings with their subtitle files, and the files of folders that have no partner."""

    recordings: list[Recording]
    left_out: dict[Path, str]  # why


class _Files(NamedTuple):
    audio: list[Path]
    subtitles: list[Path]
    given: list[Path]  # by name; the others lie in folders


def pair_files(paths: Sequence[Path], *, channels: bool, language: str = "") -> Pairing:
    """Pair recordings with the subtitle files of their name; two files that are given may differ.

    A folder stands for its audio and subtitle files. Of a recording's captions in several
    languages, those in `language` are used. With `channels` the subtitle files, in order, belong to
    the channels of one recording. Raises ValueError naming every given file without a partner, and
    those of folders if no pair results.
    """
    if missing := [path for path in paths if not path.exists()]:
        raise ValueError("\n".join(f"{path}: no such file: correct the path" for path in missing))
    files = _list_files(paths)
    if channels:
        if len(files.audio) != 1 or len(files.subtitles) < 2:
            raise ValueError(
                "--channels: give one recording, then a subtitle file for each of its channels"
            )
        (audio,) = files.audio
        return Pairing([Recording(audio, p, i) for i, p in enumerate(files.subtitles)], {})
    if len(files.audio) == 1 == len(files.subtitles) and len(files.given) == 2:
        return Pairing([Recording(files.audio[0], files.subtitles[0])], {})
    pairing = _pair_by_name(files, language)
    problems = [
        f"{path}: {reason}"
        for path, reason in pairing.left_out.items()
        if path in files.given or not pairing.recordings
    ]
    n_by_stem = Counter(recording.audio.stem for recording in pairing.recordings)
    problems += [
        f"{stem}: {n} recordings have this name: rename them so that names differ"
        for stem, n in n_by_stem.items()
        if n > 1
    ]
    if problems or not pairing.recordings:
        raise ValueError("\n".join(problems) or f"{_join(paths)}: no recordings and no subtitles")
    return pairing


def language_of_name(audio: Path, subtitles: Path, expected: str = "") -> str:
    """Return the language in a name such as talk.de.srt or talk.eng.forced.srt; "" for none.

    A tag that is ambiguous counts if it is the `expected` language.
    It stands after the recording's own name: "call 10.30.am.srt" of "call 10.30.am.wav" has none.
    """
    if not subtitles.stem.startswith(f"{audio.stem}."):
        return ""
    after = subtitles.stem[len(audio.stem) + 1 :]
    tags = [tag.removesuffix(ORIGINAL) for tag in after.split(".")]
    tags = [tag for tag in tags if tag not in NOT_LANGUAGES or tag == expected]
    if tags[-1:] == ["hi"] and whisper_code("".join(tags[-2:-1])):  # hi: for the hearing impaired
        tags.pop()
    tag = "".join(tags[-1:])
    # yt-dlp names a translation "zh-Hans-en": its text is not what is said
    return whisper_code(tag) if tag_is_valid(tag) else ""


def _join(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def _pair_by_name(files: _Files, language: str) -> Pairing:
    owners = {path: _find_owner(path, files.audio) for path in files.subtitles}
    recordings, n_own = [], dict[Path, int]()
    for path in files.audio:
        own_files = [subtitle for subtitle, owner in owners.items() if owner == path]
        if chosen := _choose(path, own_files, language):
            unused = tuple(file for file in own_files if file != chosen)
            recordings.append(Recording(path, chosen, unused=unused))
        else:
            n_own[path] = len(own_files)
    by_language = "" if language else ", or --language if that tells them apart"
    is_one = len(files.audio) == 1 and len(files.subtitles) > 1
    channels = ", or --channels and one for each channel" if is_one else ""
    left_out = {}
    for path, n_files in n_own.items():
        rival = next((r for r in recordings if r.audio.stem == path.stem), None)
        if rival is not None:
            left_out[path] = f"{rival.subtitles.name} is used for {rival.audio.name}: give one"
        elif n_files:
            what = f"{n_files} subtitle files with its name: give one"
            left_out[path] = what + by_language + channels
        else:
            left_out[path] = f"no subtitle file with its name: give one{channels}"
    left_out |= {
        path: "no recording with its name: give the recording too"
        for path, owner in owners.items()
        if owner is None
    }
    return Pairing(recordings, left_out)


def _choose(audio: Path, files: Sequence[Path], language: str) -> Path | None:
    """Return the one of a recording's subtitle files to use; None if they may hold different texts.

    Whisper writes one transcript in several formats. yt-dlp writes captions as `.en` and, if they
    are in the language of the speech, as `.en-orig` too: the first may be by hand.
    """
    if len(_tags(audio, files)) > 1 and language:
        files = [file for file in files if language_of_name(audio, file, language) == language]
    if len(_tags(audio, files)) != 1:
        return None
    return min(files, key=lambda f: (f.stem.endswith(ORIGINAL), FORMATS.index(f.suffix.lower())))


def _tags(audio: Path, files: Sequence[Path]) -> set[str]:
    """Return what stands in the names of subtitle files after that of their recording."""
    return {file.stem[len(audio.stem) :].removesuffix(ORIGINAL) for file in files}


def _list_files(paths: Sequence[Path]) -> _Files:
    """Return the recordings and subtitle files among files and in folders."""
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
    return _Files(audio_files, subtitle_files, files)


def _find_owner(subtitle: Path, audio_files: Sequence[Path]) -> Path | None:
    """Return the recording with whose name a subtitle file's name begins.

    Recordings in the same folder come first, then longer names.
    """
    candidates = [path for path in audio_files if f"{subtitle.stem}.".startswith(f"{path.stem}.")]
    candidates.sort(key=lambda path: (path.parent == subtitle.parent, len(path.stem)))
    return candidates[-1] if candidates else None
