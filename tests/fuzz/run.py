"""Mutate inputs, led by the code that they reach, and hand them to a reader: `make fuzz`.

    python tests/fuzz/run.py TARGET [--inputs 10000] [--seed 1] [--seconds 20] [--megabytes 2000]

An input that raises, hangs or takes too much memory ends it; it then belongs, named for its
content, into tests/fuzz/failed/TARGET, which the tests read.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

FAILED = Path(__file__).parent / "failed"

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("target")
parser.add_argument("--inputs", type=int, default=10_000)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--seconds", type=int, default=20, help="of an input, at most")
parser.add_argument("--megabytes", type=int, default=2_000, help="of memory, at most")
args = parser.parse_args()

sys.path.insert(0, str(Path(__file__).parents[1]))  # helpers of the tests
with atheris.instrument_imports(include=["whisper_ft", "json", "zipfile"]):
    from targets import TARGETS, seeds

failed = FAILED / args.target
failed.mkdir(parents=True, exist_ok=True)
with tempfile.TemporaryDirectory() as corpus:
    for number, seed in enumerate(seeds(args.target)):
        (Path(corpus) / f"seed{number}").write_bytes(seed)
    atheris.Setup(
        [
            sys.argv[0],
            *(f"-runs={args.inputs}", f"-seed={args.seed}", f"-timeout={args.seconds}"),
            *(f"-rss_limit_mb={args.megabytes}", "-max_len=65536", "-len_control=0"),
            # what a seed reaches in libsndfile or torch is not seen, so it would be dropped
            *("-keep_seed=1", "-reduce_inputs=0"),
            f"-artifact_prefix={failed}/",
            *(corpus, str(failed)),
        ],
        TARGETS[args.target],
    )
    atheris.Fuzz()
