"""The commands: `python -m whisper_ft average | check | compare | evaluate | longform | ...`."""

from __future__ import annotations

import os
import sys

from whisper_ft.config.commands import SETTINGS
from whisper_ft.config.options import parse

PREPARE = "Turn corpora, or long recordings with subtitles, into manifests."


def main() -> int:
    """Run a command; wrong input is a message and status 2, never a traceback."""
    argv = sys.argv[1:]
    about = {name: config.__doc__ for name, config in SETTINGS.items()} | {"prepare": PREPARE}
    if not argv or argv[0] not in about:
        lines = [f"  {name:10}{words}" for name, words in sorted(about.items())]
        if argv and argv[0] not in ("-h", "--help"):
            print(f"{argv[0]}: no such command", file=sys.stderr)
        print(
            "usage: python -m whisper_ft COMMAND ... (COMMAND --help tells more)", *lines, sep="\n"
        )
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    try:
        return _run(*argv)
    except BrokenPipeError:  # whoever read the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell tells of SIGPIPE
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def _run(name: str, *argv: str) -> int:
    """Read the flags first: torch and whisper take seconds to import, and --help needs neither."""
    if name == "prepare":
        from whisper_ft.cli.prepare import prepare

        return prepare(argv)
    config, _ = parse(SETTINGS[name], argv, f"python -m whisper_ft {name}")
    from whisper_ft.cli.commands import run

    return run(name, config)


if __name__ == "__main__":
    sys.exit(main())
