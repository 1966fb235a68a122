"""Hold whole speakers out of a manifest, to choose settings on people that no run has heard.

    python benchmarks/recipes/hold_out.py train.jsonl --speakers 8 --rows 240 --out held/

Writes `held/train.jsonl` without these speakers, and `held/choice.jsonl` with at most so many of
their rows, those with keywords first. Speakers of several recordings come first, since an interval
over recordings needs many. Paths of audio become absolute.
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

from whisper_ft.runtime.files import read_json_lines


def hold_out(rows, n_speakers, n_rows, seed=0):
    """Return (rows to train on, rows to choose by) of parsed lines; speakers are in one only."""
    recordings = defaultdict(set)
    for row in rows:
        recordings[row["speaker"]].add(row["recording"])
    order = sorted(recordings)
    random.Random(f"speakers {seed}").shuffle(order)
    order.sort(key=lambda speaker: -len(recordings[speaker]))
    held = set(order[:n_speakers])
    kept = [row for row in rows if row["speaker"] not in held]
    chosen = []
    for speaker in sorted(held):
        own = [row for row in rows if row["speaker"] == speaker]
        random.Random(f"rows {seed} {speaker}").shuffle(own)
        own.sort(key=lambda row: not row.get("keywords"))
        chosen += own[: n_rows // n_speakers]
    return kept, [row for row in rows if row in chosen]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--speakers", type=int, default=8)
    parser.add_argument("--rows", type=int, default=240)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = list(read_json_lines(args.manifest))
    if unnamed := [
        row["audio"] for row in rows if not (row.get("speaker") and row.get("recording"))
    ]:
        raise SystemExit(f"{unnamed[0]}: a row needs `speaker` and `recording` to be held out")
    for row in rows:
        row["audio"] = str((args.manifest.parent / row["audio"]).resolve())
    args.out.mkdir(parents=True, exist_ok=True)
    parts = hold_out(rows, args.speakers, args.rows)
    for name, some in zip(("train", "choice"), parts, strict=True):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in some)
        (args.out / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        n_recordings = len({row["recording"] for row in some})
        print(f"{args.out / name}.jsonl: {len(some)} rows of {n_recordings} recordings")


if __name__ == "__main__":
    main()
