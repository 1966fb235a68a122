"""Find the command that the first argument names, parse its flags, and run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from whisper_ft.config.commands import SETTINGS
from whisper_ft.config.nearest import did_you_mean
from whisper_ft.config.options import parse
from whisper_ft.config.train import TrainConfig
from whisper_ft.runtime.progress import enable_output
from whisper_ft.version import __version__

PREPARE_SUMMARY = "Turn corpora, or long recordings with subtitles, into manifests."


def main(argv: Sequence[str] | None = None, prog: str = "whisper-ft") -> int:
    """Run a command and return its exit status: 0, 1 for a failure, 2 for wrong input.

    Wrong input is reported as a message on standard error, never as a traceback. `prog` is how the
    program was called, for the help and for messages that name a command line.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["--version"]:
        print(f"whisper_ft {__version__}")
        return 0
    summaries = {name: config.__doc__ or "" for name, config in SETTINGS.items()}
    summaries |= {"prepare": PREPARE_SUMMARY, "train": TrainConfig.__doc__ or ""}
    if not argv or argv[0] not in summaries:
        return _print_usage(argv, summaries, prog)
    enable_output()
    try:
        return _run(argv[0], argv[1:], prog)
    except BrokenPipeError:  # the reader of the output, such as head, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # the shell's status for SIGPIPE
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def _print_usage(argv: list[str], summaries: dict[str, str], prog: str) -> int:
    if argv and argv[0] not in ("-h", "--help"):
        print(f"{argv[0]}: no such command{did_you_mean(argv[0], summaries)}", file=sys.stderr)
    lines = [f"  {name:10}{summary}" for name, summary in sorted(summaries.items())]
    print(f"usage: {prog} COMMAND ... ({prog} COMMAND --help explains its flags)", *lines, sep="\n")
    return 0 if argv[:1] in (["-h"], ["--help"]) else 2


def _run(name: str, argv: list[str], prog: str) -> int:
    """Parse the flags before importing the command: --help must not wait for torch."""
    if name == "prepare":
        from whisper_ft.cli.prepare import prepare

        return prepare(argv, prog)
    if name == "train":
        return _train(argv, prog)
    config, _ = parse(SETTINGS[name], argv, f"{prog} {name}")
    from whisper_ft.data.dataset import RowError
    from whisper_ft.runtime.out_of_memory import is_out_of_memory, out_of_memory_message

    try:
        command = getattr(import_module(f"whisper_ft.cli.{name}"), name)
        return int(command(config))
    except RowError as error:
        raise ValueError(str(error)) from None
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(out_of_memory_message(error), file=sys.stderr)
        return 1


def _train(argv: list[str], prog: str) -> int:
    command_line = prog if prog.endswith("train.py") else f"{prog} train"
    config, given = parse(TrainConfig, argv, command_line)
    from whisper_ft.cli.train import train

    return train(config, given, command_line)
