#!/usr/bin/env python3
"""Fine-tune Whisper with prompts: `python train.py --help`."""

import sys

from whisper_ft.config import TrainConfig, parse
from whisper_ft.plan import make_plan, resume_plan
from whisper_ft.training import train


def main(argv: list[str] | None = None) -> int:
    config, given = parse(TrainConfig, argv, "train.py")
    try:
        plan = resume_plan(config, given) if config.resume else make_plan(config)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return train(plan)
    except KeyboardInterrupt:
        print(f"\nstopped at once; go on from the last saved step with --resume {plan.folder}")
        return 130


if __name__ == "__main__":
    sys.exit(main())
