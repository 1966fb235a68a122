"""Transcribe a dev clip with stock openai-whisper, without and with its prompt.

usage: python data/transcribe.py CHECKPOINT [LINE]   (a line of dev.jsonl, from 1)
"""

import json
import sys
from pathlib import Path

import soundfile
import whisper

HERE = Path(__file__).parent


def main(checkpoint: str, line: int = 1) -> None:
    """Print reference, prompt and both transcripts; audio is read here, so ffmpeg is not needed."""
    row = json.loads((HERE / "dev.jsonl").read_text(encoding="utf-8").splitlines()[line - 1])
    samples, _ = soundfile.read(HERE / row["audio"], dtype="float32")  # 16 kHz mono already
    model = whisper.load_model(checkpoint)
    print(f"model = whisper.load_model({checkpoint!r})")
    print(f"said:    {row['text']}\nprompt:  {row['prompt']}")
    for call, prompt in (("transcribe(clip)", None), ("transcribe(clip, prompt)", row["prompt"])):
        text = model.transcribe(samples, initial_prompt=prompt, fp16=model.device.type == "cuda")
        print(f"{call:25}{text['text'].strip()}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
