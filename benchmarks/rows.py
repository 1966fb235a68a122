"""Manifests of many rows: time and memory to open, check and shuffle them, and to draw prompts.

    python benchmarks/rows.py [--rows 10000 100000 1000000] [--prompt-rows 20000]

Every number of rows has a process and files of its own: hard links to a few recordings of one
second in a temporary folder, and an empty cache of audio files. Processor time stands in
parentheses. The memory of a worker is what a forked process that accesses every row does not share.
Prompts and tokens are drawn without audio, from a manifest in which every row, or one row in fifty,
has keywords.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import soundfile

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
parser.add_argument("--prompt-rows", type=int, default=20_000)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
args = parser.parse_args()
LINKS = 50_000  # hard links to one file, as file systems allow
N_EXAMPLES = 300  # prompts and tokens in a round
POLICIES = {"all keyword prompts": "keywords=1", "the default mixture": ""}


def write_manifest(folder, n_rows, keywords_every=1, audio=True):
    """Write a manifest of n_rows files and return its path."""
    samples = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(5000)]
    with (folder / "m.jsonl").open("w") as file:
        for i in range(n_rows):
            if audio:
                first = folder / f"{i // LINKS * LINKS}.wav"
                if i % LINKS:
                    os.link(first, folder / f"{i}.wav")
                else:
                    soundfile.write(first, samples, 16_000)
            text = " ".join(rng.choices(words, k=3))
            row = {"audio": f"{i}.wav", "text": text, "recording": str(i // 50)}
            if i % keywords_every == 0:
                row["keywords"] = [text.split()[0]]
            file.write(json.dumps(row) + "\n")
    return folder / "m.jsonl"


def unshared_bytes(rows):
    """Return the memory of a forked process that accesses every row, as far as it is its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        before = psutil.Process().memory_full_info().uss
        for row in rows:
            len(row.text)
        grown = psutil.Process().memory_full_info().uss - before
        os.write(writer, str(grown).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reader, 100))


def measure_rows(n_rows):
    from whisper_ft.data.manifest import read_manifest
    from whisper_ft.data.sampler import Sampler, batch_indices
    from whisper_ft.models.loading import load_vocabulary
    from whisper_ft.validation.checks import check_manifest

    vocabulary = load_vocabulary("tiny.en")
    vocabulary.tokenizer().encode("ready")
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = name
        path = write_manifest(Path(name), n_rows)
        process, cells = psutil.Process(), []
        before = process.memory_info().rss

        def timed(work):
            began, began_cpu = time.perf_counter(), time.process_time()
            result = work()
            seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
            cells.append(f"{seconds:.1f} s ({cpu:.1f})")
            return result

        def add_memory():
            cells.append(f"{(process.memory_info().rss - before) / 1e6:.0f} MB")

        manifest = timed(lambda: read_manifest(path))
        add_memory()
        checked = timed(lambda: check_manifest(manifest, vocabulary))
        checked = timed(lambda: check_manifest(manifest, vocabulary))
        order = Sampler((range(len(checked.rows)),), (1.0,), 0)
        middle = n_rows + n_rows // 2
        timed(lambda: next(batch_indices(order, middle, 2 * n_rows, 8, 8)))
        add_memory()
        cells.append(f"{unshared_bytes(checked.rows) / 1e6:.0f} MB")
        cells.append(f"{path.stat().st_size / 1e6:.0f} MB")
    print(f"| {n_rows:,} | " + " | ".join(cells) + " |")


def measure_prompts(n_rows, rounds):
    """Print how many rows' prompts and tokens a second one core makes, without audio."""
    from whisper_ft.config.train import TrainConfig
    from whisper_ft.data.dataset import Examples
    from whisper_ft.data.manifest import read_manifest
    from whisper_ft.data.prompts import parse_policy
    from whisper_ft.data.sampler import ExampleIndex
    from whisper_ft.models.loading import load_vocabulary

    tokenizer_of = load_vocabulary("tiny.en").tokenizer
    for keywords_every in (1, 50):
        with tempfile.TemporaryDirectory() as name:
            path = write_manifest(Path(name), n_rows, keywords_every, audio=False)
            rows = read_manifest(path).rows
        spoken = range(0, n_rows, keywords_every)
        for title, mixture in POLICIES.items():
            policy = parse_policy(mixture or TrainConfig.prompts, TrainConfig.distractors)
            examples = Examples(rows, policy, tokenizer_of, 80, 448, timestamp_rate=0.5, seed=0)
            speeds = []
            for turn in range(rounds):
                chosen = random.Random(turn).sample(spoken, N_EXAMPLES)
                began = time.perf_counter()
                for index in chosen:
                    example = ExampleIndex(turn, index)
                    drawn = examples.draw_text(example)
                    segments = rows[index].resolved_segments(1.0)
                    examples.tokenize(example, drawn, segments)
                speeds.append(N_EXAMPLES / (time.perf_counter() - began))
            print(f"| {keywords_every} | {title} | {statistics.median(speeds):.0f} |", flush=True)


if args.worker:
    measure_rows(args.worker)
    sys.exit()
if args.rows:
    print(
        "| rows | open | memory | check | check again | enter an epoch's middle | memory "
        "| of a worker | the file |"
    )
    print("|---:|" + "---:|" * 8, flush=True)
for n in args.rows:
    subprocess.run([sys.executable, *sys.argv, "--worker", str(n)], check=True)
if args.prompt_rows:
    print(f"\n{args.prompt_rows:,} rows\n\n| a row with keywords in | prompts | rows/s |")
    print("|---:|---|---:|", flush=True)
    measure_prompts(args.prompt_rows, args.rounds)
