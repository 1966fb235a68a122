#!/usr/bin/env python3
"""Fine-tune Whisper with prompts: `python train.py --help`."""

import sys

from whisper_ft.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]], prog="python train.py"))
