"""The command `train`."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from whisper_ft.config.train import TrainConfig

if TYPE_CHECKING:
    from whisper_ft.training.result import TrainResult


def train(config: TrainConfig, given: set[str], command: str) -> int:
    """Plan and train, and print the result.

    `command` is how this command was called, for messages that say how to resume. Returns the exit
    status: 0; 1 for a run that failed; 2 for wrong input; 128 and the number of a signal.
    """
    try:
        from whisper_ft.runtime.out_of_memory import is_out_of_memory, out_of_memory_message
        from whisper_ft.runtime.signals import stop_on_signals
        from whisper_ft.training import loop
        from whisper_ft.training.plan import SetupError
        from whisper_ft.training.resume import resume_plan
        from whisper_ft.training.setup import make_plan

        try:
            plan = resume_plan(config, given) if "resume" in given else make_plan(config)
            with stop_on_signals() as stop:
                result = loop.train(plan, stop=stop, command=command)
        except SetupError as problems:
            print(problems, file=sys.stderr)
            return 2
        except (MemoryError, RuntimeError) as error:  # before the first step
            if not is_out_of_memory(error):
                raise
            print(out_of_memory_message(error), file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        folder = Path(config.resume or config.resolved().out)
        started = (folder / "config.json").exists()
        resume = f"resume with: {command} --resume {quote(str(folder))}"
        print(f"\nStopped at once; {resume if started else 'no run was started'}", file=sys.stderr)
        return 130
    return _print_result(result)


def _print_result(result: TrainResult) -> int:
    """Print how a run ended, and how to use its checkpoint; return the exit status."""
    print(f"\n{result.message}" if result.reason == "stopped" else result.message)
    if result.reason == "finished" and result.best is not None:
        print(usage(result.best, result.alignment_heads))
    if result.signal is not None:
        return 128 + result.signal
    return int(result.reason == "failed")


def usage(checkpoint: Path, alignment_heads: str | None) -> str:
    """Return how to use a checkpoint with stock openai-whisper, in Python and in a shell."""
    word_timestamps = (
        f'    model.set_alignment_heads(b"{alignment_heads}")  # for word_timestamps=True\n'
    )
    return (
        "Use it with stock openai-whisper:\n"
        f'    model = whisper.load_model("{checkpoint}")\n'
        f"{word_timestamps if alignment_heads else ''}"
        '    model.transcribe("call.wav", initial_prompt="Kathryn Smyth, Jon Reid.")\n'
        f"    $ whisper call.wav --model {quote(str(checkpoint))} "
        '--initial_prompt "Kathryn Smyth."'
    )
