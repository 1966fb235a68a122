"""Audio in the containers and codecs of FFmpeg."""

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np

SECONDS = 12.3
# With a low constant of quality: frames of many sizes.
VBR = {"codec_options": {"flags": "+qscale", "global_quality": "590"}}
KINDS = {
    "vbr.mp3": ("libmp3lame", VBR),
    "vbr without a header.mp3": ("libmp3lame", VBR | {"write_xing": "0"}),
    "cbr without a header.mp3": ("libmp3lame", {"write_xing": "0"}),
    "mp3 in.wav": ("libmp3lame", {}),
    "piped.flac": ("flac", {"piped": True}),
    "piped.wav": ("pcm_s16le", {"piped": True}),
    "adts.aac": ("aac", {"format": "adts"}),
    "adts named.wav": ("aac", {"format": "adts"}),
    "a.m4a": ("aac", {"format": "ipod"}),
    "lossless.m4a": ("alac", {"format": "ipod"}),
    "a.mp4": ("aac", {}),
    "fragments.mp4": ("aac", {"piped": True, "movflags": "frag_keyframe+empty_moov"}),
    "a.webm": ("libopus", {}),
    "piped.webm": ("libopus", {"piped": True}),
    "a.mkv": ("aac", {"format": "matroska"}),
    "a.ts": ("aac", {"format": "mpegts"}),
    "a.avi": ("libmp3lame", {}),
    "a.wma": ("wmav2", {"format": "asf", "bit_rate": 64_000}),
    "a.amr": ("libopencore_amrnb", {"sample_rate": 8000}),
}


def noise(seconds: float, sample_rate: int = 16000) -> np.ndarray:
    """Return float32 samples that no codec leaves out and no shift maps onto themselves."""
    rng = np.random.default_rng(0)
    n_samples = round(seconds * sample_rate)
    slow = np.interp(np.arange(n_samples), np.arange(0, n_samples + 99, 99), _steps(rng, n_samples))
    return (0.3 * slow * np.sin(np.arange(n_samples) * 0.2)).astype(np.float32)


def _steps(rng: np.random.Generator, n_samples: int) -> np.ndarray:
    return rng.uniform(-1, 1, size=len(np.arange(0, n_samples + 99, 99)))


def encode(
    path: Path,
    samples: np.ndarray,
    codec: str,
    *,
    sample_rate: int = 16000,
    format: str | None = None,
    piped: bool = False,
    bit_rate: int | None = None,
    codec_options: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """Write samples [n_samples] or [n_samples, 2] as FFmpeg does; piped: nothing is rewritten."""
    stereo = samples.ndim == 2
    with path.open("wb") as file:
        target = _Pipe(file) if piped else file
        with av.open(target, "w", format or path.suffix[1:], options=options) as container:
            stream = container.add_stream(codec, sample_rate, options=codec_options)
            if bit_rate:
                stream.bit_rate = bit_rate
            stream.layout = "stereo" if stereo else "mono"
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples.reshape(1, -1)), "flt", stream.layout.name
            )
            frame.sample_rate = sample_rate
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


class _Pipe:
    def __init__(self, file) -> None:
        self.write = file.write


def lag(samples: np.ndarray, reference: np.ndarray, most: int = 4000) -> int:
    """Return by how many samples a signal is later than the beginning of its reference."""
    size = 1 << (len(samples) + len(reference)).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(reference, size))
    correlation = np.fft.irfft(spectrum, size)
    return int(np.roll(correlation, most)[: 2 * most].argmax()) - most


def remux(source: Path, target: Path, shift: Callable[[float], float]) -> Path:
    """Copy packets, each later by `shift` seconds of its time, as a recorder that pauses does."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = given.streams.audio[0]
        copied = made.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.pts is not None:
                later = shift(float(packet.pts * packet.time_base)) / packet.time_base
                packet.pts, packet.dts = packet.pts + int(later), packet.dts + int(later)
                packet.stream = copied
                made.mux(packet)
    return target


def write_video(path: Path, tracks: Sequence[np.ndarray], *, lead: float = 0.0) -> Path:
    """Write a black video of 10 s with audio tracks at 16 kHz, which begin after `lead` seconds."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", 10)
        video.width = video.height = 64
        audio = [container.add_stream("aac", 16000) for _ in tracks]
        for stream, samples in zip(audio, tracks, strict=True):
            stream.layout = "stereo" if samples.ndim == 2 else "mono"
        picture = av.VideoFrame(64, 64, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        for number in range(100):
            picture.pts = number
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for stream, samples in zip(audio, tracks, strict=True):
            flat = np.ascontiguousarray(samples.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(flat, "flt", stream.layout.name)
            frame.sample_rate, frame.pts = 16000, round(lead * 16000)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def write_media(folder: Path, name: str, seconds: float = SECONDS, **more) -> Path:
    """Write noise in one of KINDS."""
    codec, options = KINDS[name]
    options = options | more
    rate = options.get("sample_rate", 16000)
    return encode(folder / name, noise(seconds, rate), codec, **options)
