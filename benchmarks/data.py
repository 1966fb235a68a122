"""From files to examples: how many times real time one core reads, against openai-whisper's way.

    python benchmarks/data.py MANIFEST [--rows 200] [--rounds 5]

All ways take turns on parts of the rows, in one process on one thread. openai-whisper's way is
`load_audio`, which starts ffmpeg on the whole file, and `log_mel_spectrogram` of the stretch padded
to 30 s. This project's ways are the stages of an example, and then the whole example.
"""

import argparse
import random
import statistics
import time

import soxr
import torch
import whisper

from whisper_ft.config.train import TrainConfig
from whisper_ft.data.audio import log_mel
from whisper_ft.data.dataset import Examples, read_row_audio
from whisper_ft.data.prompts import parse_policy
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.models.loading import load_vocabulary
from whisper_ft.validation.checks import usable_rows

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("manifest")
parser.add_argument("--rows", type=int, default=200)
parser.add_argument("--rounds", type=int, default=5)
args = parser.parse_args()

torch.set_num_threads(1)
vocabulary = load_vocabulary("tiny.en")
rows = usable_rows([args.manifest], [vocabulary], language="en", task="transcribe")[args.manifest]
examples = Examples(
    rows,
    parse_policy(TrainConfig.prompts, TrainConfig.distractors),
    vocabulary.tokenizer,
    n_mels=80,
    n_text_ctx=vocabulary.n_text_ctx,
    timestamp_rate=TrainConfig.timestamp_rate,
    seed=0,
)
chosen = random.Random(0).sample(range(len(rows)), min(args.rows, len(rows)))
samples_of = {i: read_row_audio(rows[i], timestamps=True)[0] for i in chosen}
at_48_khz = {i: soxr.resample(samples, 16_000, 48_000) for i, samples in samples_of.items()}


def draw_and_tokenize(i):
    example = ExampleIndex(0, i)
    drawn = examples.draw_text(example)
    segments = rows[i].resolved_segments(30.0)
    return examples.tokenize(example, drawn, segments)


def load_as_whisper_does(i):
    row, rate = rows[i], whisper.audio.SAMPLE_RATE
    samples = whisper.load_audio(str(row.audio))
    stretch = samples[round(row.start * rate) : round((row.start + row.duration) * rate)]
    whisper.log_mel_spectrogram(whisper.pad_or_trim(stretch))


STAGES = {
    "whole example": lambda i: examples[ExampleIndex(0, i)],
    "read, decode, resample": lambda i: read_row_audio(rows[i], timestamps=True),
    "resample from 48 kHz": lambda i: soxr.resample(at_48_khz[i], 48_000, 16_000),
    "mel": lambda i: log_mel(samples_of[i], 80),
    "prompt, tokens, targets": draw_and_tokenize,
    "openai-whisper: load_audio and mel": load_as_whisper_does,
}
speeds = {name: [] for name in STAGES}
for turn in range(args.rounds):
    part = chosen[turn :: args.rounds]
    seconds = sum(rows[i].duration for i in part)
    for name, stage in STAGES.items():
        began = time.perf_counter()
        for i in part:
            stage(i)
        speeds[name].append(seconds / (time.perf_counter() - began))
whole = speeds["whole example"]
print(f"{len(chosen)} rows of {args.manifest}, {args.rounds} rounds, one thread\n")
print("| stage | times real time | whole example is faster by |\n|---|---:|---:|")
for name, measured in speeds.items():
    ratio = statistics.median(a / b for a, b in zip(whole, measured, strict=True))
    print(f"| {name} | {statistics.median(measured):.0f} | {ratio:.1f} |")
