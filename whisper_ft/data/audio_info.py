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
MAX_AFTER_FLAC = 1 << 16  # bytes of tags after the frames
UNKNOWN_LENGTH = (1 << 63) - 1  # samples of a FLAC that was written into a pipe
UNKNOWN_SIZE = 0x7FFF0000  # bytes; programs that write into a pipe state about this much, or more
CHUNK_NAME = re.compile(rb"[\x20-\xff]{4}", re.DOTALL)
# A chunk, also after one or two bytes of padding, or a tag of an MP3.
AFTER_SAMPLES = re.compile(rb"\0{0,2}(?:[\xa9\x20-\x7e][\x20-\x7e]{3}|TAG|ID3)", re.DOTALL)
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
            _expect_end(file, path)
        return AudioInfo(file.samplerate, file.frames, file.channels, stamp)


def _begins_at_zero(flac: Path) -> bool:
    """Return whether a FLAC's first frame has the number 0 (RFC 9639, section 9.1.5).

    A file that was cut without encoding keeps its numbers, by which libsndfile seeks.
    """
    with flac.open("rb") as file:
        file.seek(_find_frames(file))
        return file.read(5)[4:] == b"\0"


def _find_frames(flac: BinaryIO) -> int:
    """Return where the frames of a FLAC begin, after its metadata (RFC 9639, section 8)."""
    start = flac.read(10)
    first = 0
    if start.startswith(b"ID3"):  # its length has 7 bits a byte
        first = 10 + sum(byte << 7 * i for i, byte in enumerate(reversed(start[6:10])))
    flac.seek(first + 4)
    is_last = False
    while not is_last and len(head := flac.read(4)) == 4:
        is_last = bool(head[0] & 0x80)
        flac.seek(int.from_bytes(head[1:], "big"), 1)
    return flac.tell()


def _expect_end(flac: soundfile.SoundFile, path: Path) -> None:
    """Raise ValueError if the end of a FLAC cannot be read, or if it holds more than it states.

    To seek into its last block is slow. A frame takes hardly more bytes than its samples.
    """
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
    with path.open("rb") as file:
        n_bytes = path.stat().st_size - _find_frames(file)
    n_bits = int(flac.subtype.rpartition("_")[2]) if flac.subtype[-1].isdigit() else 8
    most = flac.frames * flac.channels * n_bits / 8 * 1.02 + MAX_AFTER_FLAC
    if n_bytes > most:
        raise ValueError(
            f"its header states {flac.frames / flac.samplerate:.2f} s, but it holds more, as "
            "joined files do: export it again"
        )


def _expect_data(wav: Path) -> None:
    """Raise ValueError if a WAV ends before its samples do, or goes on with others after them.

    Some writers state a few bytes too many, and what follows the samples is often not quite a
    chunk: a tenth of a second is allowed, and anything that begins as a chunk or a tag does.
    """
    size = wav.stat().st_size
    with wav.open("rb") as file:
        position, n_bytes_per_second = _find_data(file)
        if not position:
            return
        file.seek(position - 4)
        stated = int.from_bytes(file.read(4), "little")
        slack = n_bytes_per_second // 10
        if not 0 < stated < UNKNOWN_SIZE:
            return
        if position + stated > size + slack:
            raise ValueError(
                f"its header promises {stated} bytes of samples, but it holds {size - position}: "
                "restore the damaged file"
            )
        n_left = size - position - stated
        file.seek(position + stated)
        following = file.read(8)
        is_joined = b"RIFF" in following
        if not is_joined and (n_left <= slack or AFTER_SAMPLES.match(following)):
            return
        if is_joined or _holds_more(file):
            raise ValueError(
                f"goes on for {n_left} bytes after the end that its header states, as joined files "
                "do: export it again"
            )


def _find_data(wav: BinaryIO) -> tuple[int, int]:
    """Return where the samples of a WAV begin, and bytes per second; zeros for another file."""
    wav.seek(0)
    start = wav.read(12)
    n_bytes_per_second = 0
    if not start.startswith(b"RIFF") or not start.endswith(b"WAVE"):
        return 0, 0
    while CHUNK_NAME.match(head := wav.read(8)):
        n_bytes = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            return wav.tell(), n_bytes_per_second
        if head[:4] == b"fmt ":
            n_bytes_per_second = int.from_bytes(wav.read(12)[8:], "little")
            n_bytes -= 12
        wav.seek(max(0, n_bytes + n_bytes % 2), 1)
    return 0, 0


def _holds_more(file: BinaryIO) -> bool:
    """Return whether the rest of a file is more than zeros."""
    while block := file.read(1 << 20):
        if any(block):
            return True
    return False


def _probe_media(path: Path, stamp: int) -> AudioInfo:
    try:
        from whisper_ft.data.media import count_samples  # loads 100 MB of libraries
    except ImportError:
        raise ValueError(INSTALL) from None
    track = count_samples(path)
    return AudioInfo(track.sample_rate, track.n_samples, track.n_channels, stamp, track)
