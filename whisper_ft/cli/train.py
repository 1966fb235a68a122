"""The command `train`."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote

from whisper_ft.config.train import TrainConfig


def train(config: TrainConfig, given: set[str], command: str) -> int:
    """Plan and train; the exit status is 0, 1 for a run that failed, 2 for wrong input.

    `command` is how this command was called, for messages that say how to resume.
    """
    try:
        from whisper_ft.runtime.out_of_memory import is_out_of_memory, out_of_memory_message
        from whisper_ft.training.loop import train as train_plan
        from whisper_ft.training.resume import resume_plan
        from whisper_ft.training.setup import SetupError, make_plan

        try:
            plan = resume_plan(config, given) if "resume" in given else make_plan(config)
            return train_plan(plan)
        except SetupError as problems:
            print(problems, file=sys.stderr)
            return 2
        except (MemoryError, RuntimeError) as error:  # the loop reports its own with more detail
            if not is_out_of_memory(error):
                raise
            print(out_of_memory_message(error), file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        folder = Path(config.resume or config.resolved().out)
        begun = (folder / "config.json").exists()
        resume = f"go on with: {command} --resume {quote(str(folder))}"
        print(f"\nstopped at once; {resume if begun else 'no run began'}", file=sys.stderr)
        return 130
