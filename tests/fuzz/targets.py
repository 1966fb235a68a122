"""What readers do with bytes that nobody meant them for: an answer in words, or a value.

A target takes bytes and returns; whatever it raises is a defect.
"""

import io
import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
from helpers.media import encode
from helpers.samples import sample
from whisper.audio import SAMPLE_RATE
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.audio import read_audio
from whisper_ft.data.audio_info import probe
from whisper_ft.data.feature_cache import TAIL, read_features, write_features
from whisper_ft.data.manifest import read_manifest
from whisper_ft.evaluation.results import read_evaluations, read_samples
from whisper_ft.evaluation.scoring import Scores, score
from whisper_ft.evaluation.tables import format_result, markdown_table, score_table
from whisper_ft.models.loading import Vocabulary, load
from whisper_ft.prepare.cues import read_cues
from whisper_ft.runtime.files import text_encoding
from whisper_ft.text.tokens import IGNORE, Segment, build_example
from whisper_ft.validation.checks import check_manifest

SUFFIXES = (".srt", ".vtt", ".json")
AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".au", ".w64", ".m4a", ".webm", ".aac", ".raw")
MEDIA = (  # what FFmpeg alone writes
    (".m4a", "aac", {"format": "ipod"}),
    (".m4a", "alac", {"format": "ipod", "movflags": "faststart"}),
    (".webm", "libopus", {}),
    (".aac", "aac", {"format": "adts"}),
    (".mp3", "libmp3lame", {"write_xing": "0"}),
)
WRITTEN = AUDIO[:7]  # by libsndfile
SECONDS = 60.0


@cache
def folder() -> Path:
    """A folder for a target's files, with two recordings that rows may name."""
    path = Path(tempfile.mkdtemp(prefix="fuzz"))
    for name, rate, n_channels in (("a.wav", 16000, 1), ("b c.flac", 44100, 2)):
        soundfile.write(path / name, np.zeros((rate, n_channels)), rate)
    return path


def manifest(content: bytes) -> None:
    """Each line is a row or a problem, and each row can be made again."""
    path = folder() / "manifest.jsonl"
    path.write_bytes(content)
    read = read_manifest(path)
    lines = [n for n, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    wrong = {problem.place for problem in read.problems}
    if str(path) not in wrong and text_encoding(path) == "utf-8-sig":
        # not a problem of the whole file, and its bytes are its lines
        unread = {f"{path}:{n}" for n in lines} - wrong - set(read.rows.places())
        assert unread <= {f"{path}:1"}, f"skipped in silence: {unread}"  # a byte order mark alone
    checked = check_manifest(read, Vocabulary(True, 100, 448))
    assert len(checked.rows) + len({p.place for p in checked.problems} - {str(path)}) >= len(
        read.rows
    )
    for row in checked.rows:
        assert row.duration is not None
        str(row)
    for problem in (*checked.problems, *checked.warnings):
        str(problem).encode()


def subtitles(content: bytes) -> None:
    """Cues in order and within the recording; the first byte picks the format."""
    path = folder() / f"talk{SUFFIXES[content[0] % len(SUFFIXES)] if content else '.srt'}"
    path.write_bytes(content[1:])
    try:
        found = read_cues(path, SECONDS, lambda place, what: f"{place}: {what}".encode())
    except ValueError as error:
        str(error).encode()
        return
    until = 0.0
    for cue in found.cues:
        assert 0 <= cue.start < cue.end and cue.start >= until - 1e-6 and cue.text.strip()
        until = cue.end


def tokens(content: bytes) -> None:
    """The contract with the decoder, for any text, prompt and times."""
    text, _, prompt = content[4:].decode("utf-8", "ignore").partition("|")
    first, second = (int.from_bytes(content[n : n + 2], "little") / 1000 for n in (0, 2))
    tokenizer = get_tokenizer(True, num_languages=100, language="de", task="transcribe")
    for timestamps in (False, True):
        try:
            ids, targets = build_example(
                tokenizer,
                text,
                prompt,
                segments=[Segment(first, second, text)] if first < second else None,
                timestamps=timestamps,
            )
        except ValueError as error:
            str(error).encode()
            continue
        n_masked = targets.count(IGNORE)
        assert len(ids) == len(targets) <= 448 and targets[-1] == tokenizer.eot
        assert (ids[0] == tokenizer.sot_prev) == bool(n_masked) and n_masked <= 223
        assert targets[n_masked:-1] == ids[1 + n_masked :] or not n_masked
        special = [i for i in ids[1 : 1 + n_masked] if i >= tokenizer.eot]
        assert not special, "a text that looks like a special token is text"


def audio(content: bytes) -> None:
    """Finite samples at 16 kHz, as many as the header says; the first byte picks the name."""
    path = folder() / f"-x 'y\"{AUDIO[content[0] % len(AUDIO)] if content else '.wav'}"
    path.write_bytes(content[1:])
    try:
        info = probe(path)
        if info.duration > 30:  # check refuses such a row, unless it names a stretch
            read_audio(path, 0.0, 1.0)
            return
        samples = read_audio(path)
    except ValueError as error:
        str(error).encode()
        return
    assert samples.ndim == 1 and samples.dtype == np.float32
    assert np.isfinite(samples).all() and np.abs(samples).max(initial=0) <= 1
    assert abs(len(samples) - info.duration * SAMPLE_RATE) <= 1


@cache
def small_checkpoint() -> dict[str, bytes]:
    """The records of a checkpoint."""
    torch.manual_seed(0)
    model = Whisper(ModelDimensions(80, 1500, 4, 1, 1, 51864, 448, 4, 1, 1)).half()
    content = io.BytesIO()
    held = {
        "dims": vars(model.dims),
        "model_state_dict": model.state_dict(),
        "alignment_heads": None,
    }
    torch.save(held, content)
    with zipfile.ZipFile(content) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def checkpoint(content: bytes) -> None:
    """A file as it is, or, by its first byte, a pickle with checksums that are right."""
    path = folder() / "model.pt"
    if content[:1] == b"P":
        with zipfile.ZipFile(path, "w") as archive:
            for name, record in small_checkpoint().items():
                archive.writestr(name, content[1:] if name.endswith("data.pkl") else record)
    else:
        path.write_bytes(content[1:])
    try:
        load(str(path))
    except ValueError as error:
        str(error).encode()


def features(content: bytes) -> None:
    """A frozen encoder's output, as it is, or, by its first byte, with a checksum that is right."""
    path = folder() / "one.npy"
    tail = TAIL.pack(1.0, zlib.crc32(content[1:])) if content[:1] == b"P" else b""
    path.write_bytes(content[1:] + tail)
    try:
        read_features(path)
    except ValueError as error:
        str(error).encode()


def sample_lines(content: bytes) -> None:
    """Samples of an evaluation, each with all its scores."""
    path = folder() / "samples.jsonl"
    path.write_bytes(content)
    try:
        domains = read_samples(path)
    except ValueError as error:
        str(error).encode()
        return
    for some in domains.values():
        scores = score(some)
        assert Scores.from_json(json.loads(json.dumps(scores.to_json()))) == scores
        score_table(scores)


def evaluations(content: bytes) -> None:
    """Scores of checkpoints, which tables show."""
    path = folder() / "scores.json"
    path.write_bytes(content)
    try:
        results = read_evaluations(path)
    except ValueError as error:
        str(error).encode()
        return
    markdown_table([(result.name, result.scores) for result in results])
    for result in results:
        format_result(result)


def seeds(name: str) -> list[bytes]:
    """What a target begins with: inputs that are right, to be spoiled."""
    return [bytes(seed) for seed in SEEDS[name]()]


def _manifest_seeds():
    halves = [{"start": 0, "end": 0.5, "text": "one"}, {"start": 0.5, "end": 1, "text": "two"}]
    smyth = {"keywords": ["Smyth"], "prompt": "Smyth, Reid."}
    rows = [
        {"audio": "a.wav", "text": "Call Smyth.", **smyth},
        {"audio": "b c.flac", "text": "Grüße", "language": "de", "channel": 1, "start": 0.1},
        {"audio": "a.wav", "text": "one two", "recording": "r", "speaker": "s", "segments": halves},
        {"audio": "a.wav", "text": "", "task": "translate", "end": 0.5, "duration": 0.5},
        {"audio": "a.wav", "text": "x", "promt": 1},
    ]
    lines = [json.dumps(row).encode() for row in rows]
    return [*lines, b"\n".join(lines), b"\xef\xbb\xbf" + lines[0], b"[\n" + lines[0] + b"\n]"]


SRT = """1
00:00:00,500 --> 00:00:02,000
Hello there.

2
00:00:02,000 --> 00:00:04,250
<i>SMITH: Yes.</i>
(laughs)
"""
VTT = """WEBVTT

NOTE x

STYLE
::cue {}

id
00:01.000 --> 00:02.000 line:0
<v Ann>Hello &amp; hi <00:01.500>there
"""
JSON = '{"language": "en", "text": "a", "segments": [{"start": 0.0, "end": 1.5, "text": " a"}]}'


def _subtitle_seeds():
    texts = [SRT.encode(), VTT.encode(), JSON.encode()]
    other = [b"\0" + SRT.encode("utf-16"), b"\1" + VTT.encode("utf-8-sig")]
    return [*(bytes([number]) + text for number, text in enumerate(texts)), *other]


def _token_seeds():
    texts = ["Call Smyth.|Smyth, Reid.", "<|endoftext|>|<|startofprev|> x", "日本語 🎧|", "| "]
    texts += ["word " * 500 + "|Smyth", "Call Smyth.|" + "Zalvexo, Reid, " * 100]  # too long
    return [struct.pack("<HH", 0, 1000) + text.encode() for text in texts]


def _audio_seeds():
    tone = 0.3 * np.sin(np.arange(800) / 3)
    for number, suffix in enumerate(WRITTEN):
        for rate, n_channels in ((16000, 1), (48000, 2)):
            content = io.BytesIO()
            kind = "OPUS" if suffix == ".ogg" else None
            samples = np.stack([tone] * n_channels, 1)
            soundfile.write(content, samples, rate, format=suffix[1:].upper(), subtype=kind)
            yield bytes([number]) + content.getvalue()
    for rate, n_channels, n_samples in ((8000, 8, 1), (192_000, 3, 2000), (44100, 1, 0)):
        content = io.BytesIO()
        soundfile.write(content, np.ones((n_samples, n_channels)), rate, format="WAV")
        yield b"\0" + content.getvalue()
    for suffix, codec, options in MEDIA:
        options = {"format": suffix[1:]} | options
        path = encode(folder() / "seed", tone.astype(np.float32), codec, **options)
        yield bytes([AUDIO.index(suffix)]) + path.read_bytes()
    content = io.BytesIO()
    soundfile.write(content, np.array([np.nan, 1.0, np.inf]), 8000, format="WAV", subtype="FLOAT")
    yield b"\0" + content.getvalue()


def _checkpoint_seeds():
    records = small_checkpoint()
    yield b"P" + next(r for name, r in records.items() if name.endswith("data.pkl"))
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", compression) as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
            archive.writestr("archive/version", b"3\n")
        yield b"Z" + content.getvalue()
    yield b"Zcos\nsystem\n(S'true'\ntR."


def _feature_seeds():
    path = folder() / "seed.npy"
    write_features(path, torch.zeros(1500, 4), 0.06)
    content = path.read_bytes()
    return [b"P" + content[: -TAIL.size], b"Z" + content, b"Z" + content[: -TAIL.size], b""]


def _sample_seeds():
    prompts, segments = ("Reid, Mohr.", "", "Quill."), [Segment(0.0, 1.0, "Ask Reid.")]
    texts = ("Ask Reid.", "Ask Reed. Ask Reed. Ask Reed.", None)
    said = sample("Ask Reid.", *texts, keywords=["Reid"], prompts=prompts, segments=segments,
                  output_segments=[segments, segments, ()])  # fmt: skip
    silent = sample("", "", "Thank you.", None, language="ja", recording="r", place="m:2")
    lines = [json.dumps(one.to_json()).encode() for one in (said, silent)]
    return [*lines, b"\n".join(lines), b'{"step": 5, "domain": "d", ' + lines[0][1:]]


def _evaluation_seeds():
    scores = {
        condition: {"n_rows": 1, "wer": {"part": 1, "total": 4, "interval": [0.1, 0.5]}}
        for condition in ("right", "none", "wrong")
    }
    result = {
        **{"manifests": ["m.jsonl"], "seed": 0, "timestamps": True, "dtype": "float32"},
        **{"beam_size": None, "name": "tiny.en", "n_rows": 1, "scores": scores},
        **{"parts": {"en": scores}, "others": {"d/o.jsonl": scores}},
    }
    return [json.dumps({"evaluations": [result]}).encode()]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "manifest": manifest,
    "subtitles": subtitles,
    "tokens": tokens,
    "audio": audio,
    "checkpoint": checkpoint,
    "features": features,
    "samples": sample_lines,
    "evaluations": evaluations,
}
SEEDS: dict[str, Callable] = {
    "manifest": _manifest_seeds,
    "subtitles": _subtitle_seeds,
    "tokens": _token_seeds,
    "audio": _audio_seeds,
    "checkpoint": _checkpoint_seeds,
    "features": _feature_seeds,
    "samples": _sample_seeds,
    "evaluations": _evaluation_seeds,
}
