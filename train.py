#!/usr/bin/env python3
"""Fine-tune Whisper with prompts: `python train.py --help`."""

import sys
from pathlib import Path
from shlex import quote

from whisper_ft.config.options import parse
from whisper_ft.config.train import TrainConfig


def main(argv: list[str] | None = None) -> int:
    """Plan and train; the exit status is 0, 1 for a run that failed, 2 for wrong input."""
    config, given = parse(TrainConfig, argv, "train.py")
    try:  # torch and whisper take seconds to import, which --help need not wait for
        from whisper_ft.runtime.out_of_memory import is_shortage, told
        from whisper_ft.training.loop import train
        from whisper_ft.training.resume import resume_plan
        from whisper_ft.training.setup import Refused, make_plan

        try:
            return train(resume_plan(config, given) if "resume" in given else make_plan(config))
        except Refused as problems:
            print(problems, file=sys.stderr)
            return 2
        except (MemoryError, RuntimeError) as error:  # of the loop's own, train() tells more
            if not is_shortage(error):
                raise
            print(told(error), file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        folder = Path(config.resume or config.resolved().out)
        begun = (folder / "config.json").exists()
        resume = f"go on with: python train.py --resume {quote(str(folder))}"
        print(f"\nstopped at once; {resume if begun else 'no run began'}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
