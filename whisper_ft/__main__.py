"""`python -m whisper_ft COMMAND ...`, installed as `whisper-ft COMMAND ...`."""

import sys

from whisper_ft.cli.main import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m whisper_ft"))
