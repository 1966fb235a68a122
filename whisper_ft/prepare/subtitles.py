"""Convert long recordings with subtitles to rows of at most 30 s, in order, with segments."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile
from whisper.audio import SAMPLE_RATE
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.audio import read_audio
from whisper_ft.data.audio_cache import probe_once
from whisper_ft.data.audio_info import AudioInfo
from whisper_ft.prepare.cue import Gap
from whisper_ft.prepare.cues import UsableCues, read_cues
from whisper_ft.prepare.manifest_writer import ManifestRow, ManifestWriter, Note, PrepareResult
from whisper_ft.prepare.recordings import Recording, language_of_name, pair_files
from whisper_ft.prepare.windows import cut_windows
from whisper_ft.runtime.problems import collect
from whisper_ft.runtime.progress import progress_bar
from whisper_ft.text.languages import check_language, whisper_code

MIN_LEAD = 0.05  # seconds between picture and sound that are seen in captions
MAX_WITHOUT_CUES = 60.0  # seconds between cues; more is not taken for silence


@dataclass(frozen=True)
class SubtitleOptions:
    """How subtitles are read and windows are made."""

    seed: int
    encoding: str = ""  # "": UTF-8, a byte order mark's, or guessed
    keep_notes: bool = False  # keep speaker labels and sound notes
    language: str = ""  # "": that of whisper's JSON or of the file name
    copy_to: Path | None = None  # a folder for a FLAC file of each window


def prepare_subtitles(
    paths: Sequence[Path],
    out: Path,
    *,
    channels: bool = False,
    copy_audio: bool = False,
    seed: int = 0,
    encoding: str = "",
    keep_notes: bool = False,
    language: str = "",
) -> PrepareResult:
    """Write `out/manifest.jsonl` and its notes; `paths` are recordings, subtitle files and folders.

    Raises ValueError with every file that cannot be used, or if no row results.
    """
    language = check_language(language)
    recordings, left_out = pair_files(paths, channels=channels, language=language)
    copy_to = out / "audio" if copy_audio else None
    if copy_to and any(r.audio.resolve().parent == copy_to.resolve() for r in recordings):
        raise ValueError(f"--copy-audio: {copy_to}: contains the recordings: give another --out")
    options = SubtitleOptions(seed, encoding, keep_notes, language, copy_to)
    problems: list[str] = []
    with ManifestWriter(out / "manifest.jsonl") as writer:
        for path, reason in left_out.items():
            writer.note(str(path), f"left out: {reason}")
        for recording in progress_bar(recordings, "recordings", hidden=len(recordings) < 2):
            with collect(problems):
                for row in _recording_rows(recording, options, writer.note):
                    writer.add(row, str(recording.subtitles))
        if problems:
            raise ValueError("\n".join(problems))
    result = writer.result()
    if not result.n_rows:
        raise ValueError(f"{result.summary()}: nothing in these subtitles can be trained on")
    return result


def _recording_rows(
    recording: Recording, options: SubtitleOptions, note: Note
) -> Iterator[ManifestRow]:
    """Yield the rows of one recording. Raises ValueError for files that cannot be read."""
    info = _read_info(recording)
    duration = info.duration
    if info.track and info.track.n_tracks > 1:
        what = f"{info.track.n_tracks} tracks of audio: the default one is used"
        note(str(recording.audio), f"{what}, or else the one with most channels")
    usable = read_cues(
        recording.subtitles,
        duration,
        note,
        lead=_lead(recording, info, note),
        encoding=options.encoding,
        keep_notes=options.keep_notes,
    )
    for other in recording.unused:
        note(
            str(other),
            f"not used, but {recording.subtitles.name}: give the file that you want alone",
        )
    usable = _without_long_holes(usable, duration, recording.subtitles, note)
    named = language_of_name(recording.audio, recording.subtitles)
    language = options.language or whisper_code(usable.language) or named
    if not language:
        note(
            str(recording.subtitles),
            "no language in its name or content: its rows get the --language of training",
        )
    rng = random.Random(f"windows {options.seed} {recording.name}")
    tokenizer = get_tokenizer(True, num_languages=100, language=language or None)
    windows = cut_windows(usable, duration, rng, tokenizer)
    for number, window in enumerate(windows, start=1):
        row = ManifestRow(
            audio=recording.audio,
            text=window.text,
            segments=window.segments,
            start=window.start,
            end=window.end,
            channel=recording.channel,
            language=language,
            task=usable.task or None,
            # windows on the two sides of a gap must not be each other's previous text
            recording=f"{recording.name}#{window.section + 1}"
            if window.section
            else recording.name,
        )
        if options.copy_to is not None:
            row = _copy_audio(row, options.copy_to / f"{recording.name}-{number:04}.flac")
        yield row


def _lead(recording: Recording, info: AudioInfo, note: Note) -> float:
    """Return the seconds to take from the times of captions: those of a video before its sound.

    Whisper's transcripts count from the first sound.
    """
    lead = info.track.lead if info.track else 0.0
    all_captions = (recording.subtitles, *recording.unused)
    is_whispers = any(path.suffix.lower() == ".json" for path in all_captions)
    if is_whispers or lead < MIN_LEAD:
        return 0.0
    note(
        str(recording.audio),
        f"its sound begins {lead:.2f} s after its picture: the times of captions are taken for "
        "those of the picture; if Whisper wrote them, give them with the sound alone, as a WAV",
    )
    return lead


def _read_info(recording: Recording) -> AudioInfo:
    """Return what is known of a recording's audio.

    Raises ValueError if it lacks the channel or is not audio.
    """
    try:
        info = probe_once(recording.audio)
    except ValueError as error:
        raise ValueError(f"{recording.audio}: {error}") from None
    if recording.channel is not None and recording.channel >= info.n_channels:
        raise ValueError(
            f"{recording.audio}: has {info.n_channels} channel(s), and {recording.subtitles} is "
            f"for channel {recording.channel}, counted from 0: give one subtitle file per channel"
        )
    return info


def _without_long_holes(
    usable: UsableCues, duration: float, subtitles: Path, note: Note
) -> UsableCues:
    """Add a gap where so much has no cue that it may be speech without subtitles."""
    holes = []
    end = 0.0
    for start, next_end in [*((c.start, c.end) for c in usable.cues), (duration, duration)]:
        if usable.cues and start - end > MAX_WITHOUT_CUES:
            holes.append(Gap(end, start))
            what = "to the end" if start == duration else f"to {start:.0f} s"
            note(str(subtitles), f"no subtitles from {end:.0f} s {what}: skipped, may be speech")
        end = max(end, next_end)
    return replace(usable, gaps=sorted([*usable.gaps, *holes]))


def _copy_audio(row: ManifestRow, path: Path) -> ManifestRow:
    """Write a row's stretch to a file of its own, at 16 kHz, and return the row for that file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = read_audio(row.audio, row.start or 0.0, row.end, row.channel)
    soundfile.write(path, samples, SAMPLE_RATE)
    return replace(row, audio=path, start=None, end=None, channel=None)
