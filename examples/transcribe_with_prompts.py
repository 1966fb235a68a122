"""Transcribe many clips at once, each after its own prompt: the dev rows of the sample.

    python examples/transcribe_with_prompts.py [CHECKPOINT] [N_CLIPS]

CHECKPOINT is a .pt file or an official name; give a run's best.pt to see what training changed.
"""

import sys
from pathlib import Path

from whisper_ft import read_manifest, transcribe

SAMPLE = Path(__file__).parents[1] / "data"


def main(checkpoint: str = "tiny.en", n_clips: str = "8") -> None:
    """Print what is said, what the clip's prompt was, and what the model wrote after it."""
    rows = [*read_manifest(SAMPLE / "dev.jsonl").rows][: int(n_clips)]
    prompts = [row.prompt for row in rows]
    transcripts = transcribe(checkpoint, [row.audio for row in rows], prompts)
    for row, transcript in zip(rows, transcripts, strict=True):
        print(f"said:    {row.text}\nprompt:  {transcript.prompt}\nwritten: {transcript.text}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
