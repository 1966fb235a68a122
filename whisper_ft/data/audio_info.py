"""The length, rate and channels of an audio file, proved and not believed from its header."""

from __future__ import annotations

import re
from array import array
from pathlib import Path
from typing import BinaryIO, NamedTuple

import soundfile

from whisper_ft.data.ogg_chain import OggChain, find_links

MAX_RATE = 1 << 22  # samples per second in all channels, as 20 at 192 kHz: 30 s are 500 MB
# libsndfile believes the header of an MP3, reads VOC with errors, and cannot seek in the others.
INEXACT_FORMATS = ("MP3", "VOC", "GSM610", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
MAX_FLAC_BLOCK = 1 << 16  # samples
UNKNOWN_LENGTH = (1 << 63) - 1  # samples of a FLAC that was written into a pipe
UNKNOWN_SIZE = 0x7FFF0000  # bytes; programs that write into a pipe state about this much, or more
CHUNK_NAME = re.compile(rb"[\x20-\x7e]{4}")
INSTALL = "libsndfile does not read it exactly and PyAV is missing: pip install 'av>=16'"


class Marks(NamedTuple):
    """Places in a file from which it can be decoded; a recording of hours has thousands."""

    samples: array[int]  # in order
    bytes: array[int]


class Track(NamedTuple):
    """The audio of a file, its samples counted."""

    sample_rate: int  # Hz
    n_samples: int  # per channel
    n_channels: int
    start: float  # seconds, in the file's own time, of sample 0
    format: str  # FFmpeg's names, such as "mp3" or "mov,mp4,m4a,3gp,3g2,mj2"
    marks: Marks | None = None  # of formats without a container of their own
    lead: float = 0.0  # seconds by which sample 0 is later than the file's beginning, as of a video
    n_tracks: int = 1  # of audio in the file; one is read


class AudioInfo(NamedTuple):
    """What is known of an audio file."""

    sample_rate: int  # Hz
    n_samples: int  # per channel, at that rate
    n_channels: int
    stamp: int  # see file_stamp
    track: Track | None = None  # None: libsndfile reads the file exactly

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sample_rate


def probe(path: Path) -> AudioInfo:
    """Find out about a file. Raises ValueError, with the remedy, if there is no audio to read.

    libsndfile derives the length of PCM from the file's size, and that of Ogg from its last page. A
    FLAC's end is read. Other files are read as a whole: see `media.count_samples`.
    """
    if not path.is_file():
        what = "not a file" if path.exists() else "no such file"
        raise ValueError(f"{what}: correct the path")
    if path.stat().st_size == 0:
        raise ValueError("an empty file: restore it")
    _expect_data(path)
    stamp = file_stamp(path)
    info = _probe_exactly(path, stamp) or _probe_media(path, stamp)
    if info.sample_rate * info.n_channels > MAX_RATE:
        raise ValueError(
            f"{info.n_channels} channels at {info.sample_rate} Hz: at most {MAX_RATE} samples per "
            "second can be read: check that it is audio"
        )
    if info.n_samples <= 0:
        raise ValueError("holds no samples: restore it")
    return info


def file_stamp(path: Path) -> int:
    """Return a number made from a file's size and time, which changes with its content."""
    stat = path.stat()
    return hash((stat.st_size, stat.st_mtime_ns))


def open_exactly(path: Path) -> soundfile.SoundFile | OggChain | None:
    """Open a file that libsndfile reads exactly; None for others. Raises OSError and ValueError.

    A WAV that was written into a pipe may state a length of 0.
    """
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError, UnicodeEncodeError):  # TypeError: headerless .raw
        return None
    stamp = file_stamp(path)
    if file.format == "OGG" and len(links := find_links(path, stamp)) > 1:
        file.close()
        try:
            return OggChain(path, links, stamp)
        except soundfile.LibsndfileError:  # streams side by side, or a link that was cut
            return None
    if file.format == "FLAC" and not _begins_at_zero(path):
        file.close()
        return None
    kinds = {file.format, file.subtype}
    if kinds.isdisjoint(INEXACT_FORMATS) and 0 < file.frames < UNKNOWN_LENGTH:
        return file
    file.close()
    return None


def _probe_exactly(path: Path, stamp: int) -> AudioInfo | None:
    file = open_exactly(path)
    if file is None:
        return None
    with file:
        if file.format == "FLAC":
            _expect_end(file)
        return AudioInfo(file.samplerate, file.frames, file.channels, stamp)


def _begins_at_zero(flac: Path) -> bool:
    """Return whether a FLAC's first frame has the number 0 (RFC 9639, section 9.1.5).

    A file that was cut without encoding keeps its numbers, by which libsndfile seeks.
    """
    with flac.open("rb") as file:
        start = file.read(10)
        if start.startswith(b"ID3"):  # its length has 7 bits a byte
            file.seek(10 + sum(byte << 7 * i for i, byte in enumerate(reversed(start[6:10]))))
        else:
            file.seek(0)
        if file.read(4) != b"fLaC":
            return True
        is_last = False
        while not is_last and len(head := file.read(4)) == 4:
            is_last = bool(head[0] & 0x80)
            file.seek(int.from_bytes(head[1:], "big"), 1)
        frame = file.read(5)
    return frame[4:] == b"\0"


def _expect_end(flac: soundfile.SoundFile) -> None:
    """Raise ValueError if the end of a FLAC cannot be read. To seek into its last block is slow."""
    start = max(0, flac.frames - MAX_FLAC_BLOCK)
    try:
        flac.seek(start)
        n_read = len(flac.read(flac.frames - start))
    except soundfile.LibsndfileError:
        n_read = 0
    if start + n_read < flac.frames:
        raise ValueError(
            f"its header promises {flac.frames / flac.samplerate:.2f} s, but its end cannot be "
            "read: restore the damaged file"
        )


def _expect_data(wav: Path) -> None:
    """Raise ValueError if a WAV ends before its samples do, or goes on with others after them."""
    size = wav.stat().st_size
    with wav.open("rb") as file:
        if (position := _find_data(file)) is None:
            return
        file.seek(position - 4)
        stated = int.from_bytes(file.read(4), "little")
        if not 0 < stated < UNKNOWN_SIZE:
            return
        file.seek(end := position + stated + stated % 2)
        following = file.read(8)
    if position + stated > size:
        raise ValueError(
            f"its header promises {stated} bytes of samples, but it holds {size - position}: "
            "restore the damaged file"
        )
    n_left = int.from_bytes(following[4:], "little")
    is_chunk = CHUNK_NAME.fullmatch(following[:4]) and end + 8 + n_left <= size + 1
    if len(following) == 8 and any(following) and (following[:4] == b"RIFF" or not is_chunk):
        raise ValueError(
            f"goes on for {size - end} bytes after the end that its header states, as joined files "
            "do: export it again"
        )


def _find_data(wav: BinaryIO) -> int | None:
    """Return where the samples of a WAV begin; None for another kind of file."""
    wav.seek(0)
    start = wav.read(12)
    if not start.startswith(b"RIFF") or not start.endswith(b"WAVE"):
        return None
    while len(head := wav.read(8)) == 8:
        if head[:4] == b"data":
            return wav.tell()
        n_bytes = int.from_bytes(head[4:], "little")
        wav.seek(n_bytes + n_bytes % 2, 1)
    return None


def _probe_media(path: Path, stamp: int) -> AudioInfo:
    try:
        from whisper_ft.data.media import count_samples  # loads 100 MB of libraries
    except ImportError:
        raise ValueError(INSTALL) from None
    track = count_samples(path)
    return AudioInfo(track.sample_rate, track.n_samples, track.n_channels, stamp, track)
