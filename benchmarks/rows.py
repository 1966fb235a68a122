"""Manifests of many rows: time and memory to open, check and shuffle them.

    python benchmarks/rows.py [--rows 10000 100000 1000000]

Each number of rows has a process and files of its own: as many names of a few recordings of a
second, in a temporary folder, and a cache that knows none of them.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import soundfile

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
args = parser.parse_args()
LINKS = 50_000  # names of one file, as file systems allow


def make(folder, n_rows):
    """A manifest of so many files."""
    sound = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    chance = random.Random(0)
    words = ["".join(chance.choices("abcdefghijklmnop", k=6)) for _ in range(5000)]
    with (folder / "m.jsonl").open("w") as file:
        for i in range(n_rows):
            first = folder / f"{i // LINKS * LINKS}.wav"
            if i % LINKS:
                os.link(first, folder / f"{i}.wav")
            else:
                soundfile.write(first, sound, 16_000)
            text = " ".join(chance.choices(words, k=3))
            row = {"audio": f"{i}.wav", "text": text, "keywords": [text.split()[0]]}
            file.write(json.dumps(row | {"recording": str(i // 50)}) + "\n")
    return folder / "m.jsonl"


def work(n_rows):
    from whisper_ft.data.manifest import read_manifest
    from whisper_ft.data.sampler import Sampler, batches_of
    from whisper_ft.models.loading import load_vocabulary
    from whisper_ft.validation.checks import check_manifest

    here = load_vocabulary("tiny.en")
    here.tokenizer().encode("ready")
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = name
        path = make(Path(name), n_rows)
        process, cells = psutil.Process(), []
        before = process.memory_info().rss

        def timed(work):
            began = time.perf_counter()
            done = work()
            cells.append(f"{time.perf_counter() - began:.1f} s")
            return done

        manifest = timed(lambda: read_manifest(path))
        checked = timed(lambda: check_manifest(manifest, here))
        checked = timed(lambda: check_manifest(manifest, here))
        order = Sampler((range(len(checked.rows)),), (1.0,), 0)
        middle = n_rows + n_rows // 2
        timed(lambda: next(batches_of(order, middle, 2 * n_rows, 8, 8)))
        after = process.memory_info().rss
        cells.append(f"{(after - before) / 1e6:.0f} MB")
        cells.append(f"{path.stat().st_size / 1e6:.0f} MB")
    print(f"| {n_rows:,} | " + " | ".join(cells) + " |")


if args.worker:
    work(args.worker)
    sys.exit()
print("| rows | open | check | check again | enter an epoch's middle | memory | of it the file |")
print("|---:|" + "---:|" * 6, flush=True)
for n in args.rows:
    subprocess.run([sys.executable, *sys.argv, "--worker", str(n)], check=True)
