"""Rows decoded at once, each with its own prompts, against a loop of whisper.decode.

    python benchmarks/decoding.py MANIFEST [--model tiny.en] [--rows 48] [--parity 200]

Speed: blocks of rows under right, no and wrong prompts, each decoded in all ways one after the
other in this process, one thread, so that a machine which slows down slows all of them. Parity:
rows with one of their prompts, with timestamps or without, by chance; tokens are compared, in
float32.
"""

import argparse
import copy
import random
import statistics
import time

import torch
from whisper.decoding import DecodingOptions

from whisper_ft.data.audio import log_mel
from whisper_ft.data.dataset import read_row_audio
from whisper_ft.evaluation.conditions import evaluation_rows
from whisper_ft.models.decoding import DecodeRequest, decode
from whisper_ft.models.loading import load, load_vocabulary
from whisper_ft.models.parameters import cast_matrices
from whisper_ft.runtime.devices import pick_device
from whisper_ft.text.tokens import encode_prompt
from whisper_ft.validation.checks import usable_rows

BLOCK = 16  # rows decoded at once


def alone(model, features, asked):
    """What whisper.decode writes for each text."""
    tokenizer = vocabulary.tokenizer(language=asked[0].language)
    return [
        model.decode(
            features[one.recording],
            DecodingOptions(
                language=one.language,
                task=one.task,
                prompt=encode_prompt(tokenizer, one.prompt),
                without_timestamps=not one.timestamps,
                fp16=features.dtype == torch.float16,
            ),
        )
        for one in asked
    ]


def timed(work):
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    done = work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began, done


def blocks(n_rows):
    """(mels, rows, their right and wrong prompts) of each block, longest texts first."""
    prompted = evaluation_rows(rows, seed=0, n_rows=n_rows)
    held = list(zip(prompted.rows, prompted.right_prompts, prompted.wrong_prompts, strict=True))
    held.sort(key=lambda one: -len(one[0].text))
    for start in range(0, len(held), BLOCK):
        block, rights, wrongs = zip(*held[start : start + BLOCK], strict=True)
        samples = [read_row_audio(row, timestamps=False)[0] for row in block]
        mels = torch.stack([log_mel(s, model.dims.n_mels) for s in samples])
        yield mels.to(device), block, rights, wrongs


def parity(n_rows):
    chance, n_equal, n_rows_seen = random.Random(0), 0, 0
    for mels, block, rights, wrongs in blocks(n_rows):
        asked = [
            DecodeRequest(i, chance.choice([right, "", wrong or ""]), row.language, row.task,
                  chance.random() < 0.5)
            for i, (row, right, wrong) in enumerate(zip(block, rights, wrongs, strict=True))
        ]  # fmt: skip
        features = model.encoder(mels)
        pairs = zip(decode(model, features, asked), alone(model, features, asked), strict=True)
        for row, (here, there) in zip(block, pairs, strict=True):
            n_rows_seen += 1
            n_equal += here.tokens == there.tokens
            if here.tokens != there.tokens:
                print(f"{row.place}: {here.avg_logprob:.4f} {here.text}")
                print(f"{'':{len(row.place)}}  {there.avg_logprob:.4f} {there.text}")
    print(f"parity, float32: {n_equal} of {n_rows_seen} rows have whisper.decode's tokens")


def speed(n_rows):
    half = torch.float16 if device.type == "cuda" else torch.bfloat16
    small = cast_matrices(copy.deepcopy(model), half)
    measured = []
    for block in blocks(n_rows):
        measured.append(ratios(block, small, half))
        *ratio, unlike, rough, n_texts = measured[-1]
        print(" ".join(f"{r:5.2f}" for r in ratio), f"  {unlike} of {n_texts} differ", flush=True)
    *columns, unlike, rough, n_texts = zip(*measured, strict=True)
    half_name = str(half).removeprefix("torch.")
    for name, column in zip(
        (
            "float32, against whisper.decode of each mel under each prompt",
            "float32, the encoder once a row in both",
            "float32, the decoder alone",
            f"{half_name}, against whisper.decode of each mel in float32",
            f"{half_name}, the encoder once a row in both",
        ),
        columns,
        strict=True,
    ):
        print(f"{statistics.median(column):5.2f} x  {name} (median of {len(column)} blocks)")
    print(f"float32 differs from whisper.decode in {sum(unlike)} of {sum(n_texts)} texts")
    print(f"{half_name} differs from float32 in {sum(rough)} of {sum(n_texts)} texts")


def ratios(block, small, half):
    """How many times faster each way is, and how many texts differ."""
    mels, rows, rights, wrongs = block
    asked = [
        DecodeRequest(i, prompt, row.language, row.task)
        for i, row in enumerate(rows)
        for prompt in dict.fromkeys((rights[i], "", wrongs[i] or ""))
    ]
    hearing, features = timed(lambda: torch.stack([model.encoder(m[None])[0] for m in mels]))
    loop, expected = timed(lambda: alone(model, features, asked))
    at_once, found = timed(lambda: decode(model, model.encoder(mels), asked))
    decoding, _ = timed(lambda: decode(model, features, asked))
    in_half, rough = timed(lambda: decode(small, small.encoder(mels.to(half)), asked))
    hearing_each = hearing * len(asked) / len(rows)
    return (
        (loop + hearing_each) / at_once,
        (loop + hearing) / at_once,
        loop / decoding,
        (loop + hearing_each) / in_half,
        (loop + hearing) / in_half,
        sum(a.tokens != b.tokens for a, b in zip(found, expected, strict=True)),
        sum(a.tokens != b.tokens for a, b in zip(found, rough, strict=True)),
        len(asked),
    )


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("manifest")
parser.add_argument("--model", default="tiny.en")
parser.add_argument("--rows", type=int, default=48, help="rows to time")
parser.add_argument("--parity", type=int, default=200, help="rows to compare")
parser.add_argument("--device", default="auto")
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()

torch.set_num_threads(args.threads)
torch.set_grad_enabled(False)
device = pick_device(args.device)
vocabulary = load_vocabulary(args.model)
rows = usable_rows([args.manifest], [vocabulary], language="en", task="transcribe")[args.manifest]
model = load(args.model, device).model
if args.parity:
    parity(args.parity)
if args.rows:
    speed(args.rows)
