"""Audio of files that libsndfile does not read exactly, such as MP3, MP4 and WebM: by FFmpeg.

PyAV brings FFmpeg's libraries. Sample 0 is the first that FFmpeg decodes, as in whisper's
`load_audio`. So what an encoder put before the sound is left out where the file tells its length.
"""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av import AudioFrame, AudioStream, Packet
from av.container import InputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from whisper_ft.data.audio_info import Marks, Track
from whisper_ft.data.ogg_chain import CHANGES
from whisper_ft.data.packet_times import MAX_HOLE_SECONDS, PacketTimes

# Files are untrusted. None of these formats names other files; playlists (HLS, concat, DASH) do.
FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,matroska,webm,mov,mp4,mp3,mpc,mpc8,"
    "mpeg,mpegts,nut,ogg,rm,tak,tta,voc,w64,wav,wv"
)
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
MAX_SECONDS = 100 * 3600  # of a file; no recording is longer
MARKED_FORMATS = ("mp3", "aac")  # frames without a container: each has its own header
MARK_SECONDS = 2.0  # between marks, at least
SEEKABLE_FORMATS = ("mov", "mp4", "matroska", "webm")  # these know the time of every packet
WARM_UP_SECONDS = 0.5  # decoded before a stretch: MP3 and Opus need what came before
CODECS_OF_LIKE_FRAMES = ("aac", "mp3", "mp3float", "ac3", "eac3", "alac", "amrnb", "amrwb")
MAX_MISSING_SECONDS = 0.1  # less than the header promises: decoders may keep a last part
EXACT_HEADERS = ("mp4",)  # formats whose headers state how long the audio is
MAX_MP3_FRAME = 3_000  # bytes
# The first frame of an MP3 may state the number of others: the flag 1 says that it does.
XING_TAG = re.compile(rb"(?:Xing|Info)\0\0\0[\1\3\5\7\x09\x0b\x0d\x0f](.{4})", re.DOTALL)
SCALES = {"uint8": 1 << 7, "int16": 1 << 15, "int32": 1 << 31}  # of a sample of 1.0


def count_samples(path: Path) -> Track:
    """Count the samples of a file by its packets, or by decoding it where these do not tell.

    Raises ValueError, with the remedy, if there is no audio, or less than its header promises.
    """
    with _open(path) as (container, stream):
        _, frame = next(_frames(container, stream), (0.0, None))
        if frame is None:
            raise ValueError("holds no samples: restore it")
        start, file_start = _seconds(frame), (container.start_time or 0) / av.time_base
        track = Track(
            sample_rate=frame.sample_rate,
            n_samples=0,
            n_channels=frame.layout.nb_channels,
            start=start,
            format=container.format.name,
            lead=max(0.0, start - file_start) if container.streams.video else 0.0,
            n_tracks=len(container.streams.audio),
        )
    with _open(path) as (container, stream):
        n_samples, marks = _count_packets(path, container, stream, track)
    if n_samples is None:
        with _open(path) as (container, stream):
            n_samples = _count_frames(path, container, stream)
            promised = _promised_by_matroska(container, track)
            _expect_promised(promised, n_samples, track, MAX_HOLE_SECONDS)  # times are rounded
    track = track._replace(n_samples=n_samples, marks=marks)
    if marks:  # files may have been joined: each frame has a rate of its own
        for _ in _frames_from(path, n_samples, track):
            pass
    if n_samples > MAX_SECONDS * track.sample_rate:
        raise ValueError(f"lasts longer than {MAX_SECONDS // 3600} hours: split it")
    return track


def decode(path: Path, first: int, last: int, track: Track) -> NDArray[np.float32]:
    """Return the samples [n_samples, n_channels] from the first to before the last.

    Fewer are returned if the file ends before. Packets that cannot be decoded are silence. Raises
    ValueError, with the remedy, also if that is more than a moment.
    """
    queue = av.AudioFifo()
    pieces: list[NDArray[np.float32]] = []  # those before a packet that cannot be decoded
    begin = end = first  # of what the pieces and the queue hold
    n_lost = 0
    for position, frame in _frames_from(path, first, track):
        if position >= last:
            break
        if position + frame.samples <= first:
            continue
        if not (pieces or queue.samples):
            begin = end = min(first, position)
        if lost := position - end:
            pieces += [*_read(queue), np.zeros((lost, track.n_channels), np.float32)]
            n_lost += lost
        frame.pts = None  # the queue would compare them
        queue.write(frame)
        end = position + frame.samples
    if n_lost > MAX_MISSING_SECONDS * track.sample_rate:
        raise ValueError(
            f"{n_lost / track.sample_rate:.2f} s of it cannot be decoded: restore the damaged file"
        )
    pieces += _read(queue)
    if not pieces:
        return np.zeros((0, track.n_channels), np.float32)
    whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return whole[first - begin : last - begin]


def _read(queue: av.AudioFifo) -> list[NDArray[np.float32]]:
    """Empty a queue into one array, or none if it is empty."""
    frame = queue.read()
    return [] if frame is None else [_to_array(frame)]


def _count_packets(
    path: Path, container: InputContainer, stream: AudioStream, track: Track
) -> tuple[int | None, Marks | None]:
    """Return the number of samples, None where packets do not tell, and the marks."""
    rate = (stream.time_base or Fraction(0)) * track.sample_rate  # samples of a tick
    if not 0 < rate <= 1:  # in Matroska, a tick is a thousandth of a second
        return None, None
    marks = Marks(array("q", [0]), array("q", [0]))
    ticks = n_skipped = n_packets = longest = first_byte = 0
    earliest = None
    times = PacketTimes(
        1 / stream.time_base if stream.time_base else Fraction(1),
        frames_are_alike=stream.codec_context.name in CODECS_OF_LIKE_FRAMES,
    )
    for packet in container.demux(stream):
        if not packet.size or packet.is_discard:  # the end; what an edit list leaves out
            continue
        if not packet.duration or packet.pts is None or packet.pts < (earliest or packet.pts):
            return None, None  # unknown, or the next file of a chain
        times.add(packet.pts, packet.duration)
        n_skipped += _n_skipped(packet, rate, longest)
        sample = int(ticks * rate) - n_skipped
        if sample - marks.samples[-1] >= MARK_SECONDS * track.sample_rate:
            marks.samples.append(sample)
            marks.bytes.append(packet.pos or 0)
        first_byte = first_byte or packet.pos or 0
        ticks += packet.duration
        n_packets += 1
        longest, earliest = max(longest, packet.duration), packet.pts
    times.expect_no_hole(path)
    n_samples = int((ticks - times.stretched) * rate)
    per_packet = n_samples / max(n_packets, 1)
    promised = _promised_samples(path, stream, track, first_byte, per_packet)
    _expect_promised(promised - times.missing * track.sample_rate, n_samples, track)
    return n_samples - n_skipped, marks if track.format in MARKED_FORMATS else None


def _count_frames(path: Path, container: InputContainer, stream: AudioStream) -> int:
    """Return the number of samples. Raises ValueError for a hole between their times."""
    n_samples = 0
    times = PacketTimes(Fraction(1))
    for lost, frame in _frames(container, stream):
        seconds = frame.samples / frame.sample_rate
        if frame.pts is not None:
            times.add(_seconds(frame), seconds, lost)
        n_samples += frame.samples
    times.expect_no_hole(path)
    return n_samples


def _expect_promised(
    promised: float, n_samples: int, track: Track, slack: float = MAX_MISSING_SECONDS
) -> None:
    """Raise ValueError for fewer samples than promised, by more than `slack` seconds."""
    if promised > n_samples + slack * track.sample_rate:
        raise ValueError(
            f"its header promises {promised / track.sample_rate:.2f} s, but it holds "
            f"{n_samples / track.sample_rate:.2f} s: restore the damaged file"
        )


def _promised_by_matroska(container: InputContainer, track: Track) -> float:
    """Return how many samples the header of a file without video states; 0 where it states none."""
    is_matroska = "matroska" in track.format
    if not is_matroska or len(container.streams) > 1 or not container.duration:
        return 0
    return (container.duration / av.time_base - max(0.0, track.start)) * track.sample_rate


def _promised_samples(
    path: Path, stream: AudioStream, track: Track, first_byte: int, per_packet: float
) -> float:
    """Return how many samples a header states; 0 where it states none."""
    if not {*track.format.split(",")}.isdisjoint(EXACT_HEADERS):
        return float((stream.duration or 0) * (stream.time_base or 0) * track.sample_rate)
    if track.format != "mp3":
        return 0
    with path.open("rb") as file:
        start = max(0, first_byte - MAX_MP3_FRAME)
        file.seek(start)
        found = XING_TAG.search(file.read(first_byte - start))
    return int.from_bytes(found[1], "big") * per_packet if found else 0


def _n_skipped(packet: Packet[AudioStream], rate: Fraction, longest: int) -> int:
    """Return how many of a packet's samples are not played: its encoder's padding.

    `rate` is that of samples to ticks, `longest` the ticks of the longest packet before. At the
    end, Ogg has a shorter duration instead.
    """
    if not packet.has_sidedata("skip_samples"):
        return 0
    at_start, at_end = struct.unpack_from("<II", bytes(packet.get_sidedata("skip_samples")))
    is_shorter = (packet.duration or 0) * rate + at_end <= longest * rate
    return int(at_start + (0 if is_shorter else at_end))


def _frames_from(path: Path, first: int, track: Track) -> Iterator[tuple[int, AudioFrame]]:
    """Yield frames and their first sample, beginning at the sample `first` or earlier."""
    rate = track.sample_rate
    early = first - round(WARM_UP_SECONDS * rate)
    origin, byte = -round(track.start * rate), 0
    if track.marks and (place := bisect_right(track.marks.samples, early) - 1) > 0:
        origin, byte = track.marks.samples[place], track.marks.bytes[place]
    with _open(path, byte, track.format if byte else None) as (container, stream):
        if early > 0 and not {*track.format.split(",")}.isdisjoint(SEEKABLE_FORMATS):
            seconds = track.start + early / rate
            container.seek(int(seconds / (stream.time_base or 1)), stream=stream)
        position = None
        for lost, frame in _frames(container, stream):
            if (frame.sample_rate, frame.layout.nb_channels) != (rate, track.n_channels):
                raise ValueError(CHANGES)
            if position is None:
                position = origin + round(_seconds(frame) * rate)
            else:
                position += round(lost * rate)
            yield position, frame
            position += frame.samples


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[tuple[float, AudioFrame]]:
    """Decode frames, which must be alike, each after the seconds of packets that are damaged."""
    first, lost = None, 0.0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except (av.EOFError, MemoryError):
            raise
        except av.FFmpegError:  # each codec has its own errors for damage
            lost += float((packet.duration or 0) * (packet.time_base or 0))
            continue
        for frame in frames:
            kind = (frame.sample_rate, frame.layout.name, frame.format.name)
            first = first or kind
            if kind != first:
                raise ValueError(CHANGES)
            yield lost, frame
            lost = 0.0


@contextmanager
def _open(
    path: Path, byte: int = 0, format: str | None = None
) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open a file from a byte on, where its format must be given; close it afterwards."""
    try:
        with path.open("rb") as file:
            file.seek(byte)
            source = _Rest(file) if byte else file
            with av.open(
                source, "r", format, OPTIONS, metadata_errors="ignore", io_open=_refuse
            ) as container:
                yield container, _pick_stream(container)
    except av.FFmpegError as error:
        raise ValueError(f"FFmpeg cannot read it ({error.strerror}): restore it") from None


def _pick_stream(container: InputContainer) -> AudioStream:
    """Return the audio track that the program ffmpeg takes, and so whisper's `load_audio`."""
    if not container.streams.audio:
        raise ValueError("holds no audio: correct the path")
    streams = [stream for stream in container.streams.audio if stream.codec_context]
    if not streams:
        raise ValueError("its audio has a codec that FFmpeg lacks: convert it to FLAC")
    return max(
        streams,
        key=lambda stream: (
            bool(stream.disposition & Disposition.default),
            stream.codec_context.layout.nb_channels,
        ),
    )


class _Rest:
    """A file that can only be read on, so that it begins where the file stands."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read


def _refuse(*_: object) -> None:
    raise PermissionError("audio files do not open other files")


def _seconds(frame: AudioFrame) -> float:
    return float((frame.pts or 0) * (frame.time_base or 0))


def _to_array(frame: AudioFrame) -> NDArray[np.float32]:
    """Return samples [n_samples, n_channels] in [-1, 1]."""
    samples = frame.to_ndarray()
    n_channels = frame.layout.nb_channels
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, n_channels)
    scale = SCALES.get(samples.dtype.name, 1)
    middle = scale if samples.dtype == np.uint8 else 0
    return np.asarray((samples.astype(np.float32) - middle) / scale, np.float32)
