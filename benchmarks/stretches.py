"""Stretches of long recordings: what counting a file and reading a stretch cost in each format.

    python benchmarks/stretches.py RECORDING... [--stretches 1000] [--seconds 8] [--rounds 5]

Give the same recording in several formats, such as
`ffmpeg -i a.flac -q:a 5 -write_xing 0 a.mp3`. The formats take turns on the same stretches, on one
thread. Times are medians over rounds, ratios those to the first recording in the same round.
"""

import argparse
import random
import statistics
import time
from pathlib import Path

from whisper_ft.data.audio import read_audio
from whisper_ft.data.audio_cache import probe_once
from whisper_ft.data.audio_info import probe


def seconds_of(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def read_all(path, stretches):
    for start, end in stretches:
        read_audio(path, start, end)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--stretches", type=int, default=1000, help="in all rounds together")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a stretch")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    counting = {path: seconds_of(lambda path=path: probe(path)) for path in args.recordings}
    shortest = min(probe_once(path).duration for path in args.recordings)
    rng = random.Random(0)
    rounds = []
    for _ in range(args.rounds):
        starts = [
            rng.uniform(0, shortest - args.seconds) for _ in range(args.stretches // args.rounds)
        ]
        stretches = [(start, start + args.seconds) for start in starts]
        rounds.append(
            {
                path: seconds_of(lambda path=path, s=stretches: read_all(path, s)) / len(stretches)
                for path in args.recordings
            }
        )
    print("| recording | counted in | a stretch | times the first |\n|---|---:|---:|---:|")
    first = args.recordings[0]
    for path in args.recordings:
        stretch = statistics.median(times[path] for times in rounds)
        ratio = statistics.median(times[path] / times[first] for times in rounds)
        print(f"| {path.name} | {counting[path]:.2f} s | {stretch * 1e3:.1f} ms | {ratio:.2f} |")


if __name__ == "__main__":
    main()
