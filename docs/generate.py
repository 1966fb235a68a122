"""Write the parts of the documentation that the source decides.

usage: python docs/generate.py [--check]

- docs/reference/command-line.md, from the settings of every command
- docs/architecture/tree.md, from the docstrings of every package and module

`--check` writes nothing and exits with status 1 if a page is not current.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whisper_ft.config.commands import SETTINGS
from whisper_ft.config.options import flag, format_range, format_value, grouped_fields
from whisper_ft.config.prepare import (
    AlignConfig,
    CorpusConfig,
    NoisesConfig,
    RepairConfig,
    RestoreConfig,
    SpeakConfig,
    SubtitlesConfig,
)
from whisper_ft.config.train import TrainConfig

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "whisper_ft"
MADE = "<!-- Made by docs/generate.py: do not edit. -->"
NUMBERS = {int: "integers", float: "numbers"}
PREPARE = {
    "prepare subtitles": SubtitlesConfig,
    "prepare noises": NoisesConfig,
    "prepare restore": RestoreConfig,
    "prepare repair": RepairConfig,
    "prepare align": AlignConfig,
    "prepare speak": SpeakConfig,
    "prepare FORMAT": CorpusConfig,
}


def command_line() -> str:
    """Return the page of all commands and their flags."""
    lines = [
        MADE,
        "",
        "# Command line",
        "",
        "`whisper-ft COMMAND --help` lists the same flags.",
        "`python train.py` is `whisper-ft train`.",
        "`...` after a value means one or more of them. A flag without a value turns something on.",
        "Commands exit with status 0, with 1 if they fail, and with 2 for wrong input.",
    ]
    for name, config in sorted({"train": TrainConfig, **SETTINGS}.items()):
        lines += ["", f"## {name}", "", *_command(name, config)]
    lines += [
        "",
        "## prepare",
        "",
        "Make manifests. `whisper-ft prepare --help` lists the formats.",
    ]
    for name, config in PREPARE.items():
        lines += ["", f"### {name.replace('FORMAT', 'a corpus')}", "", *_command(name, config)]
    return "\n".join(lines) + "\n"


def _command(name: str, config: Any) -> Iterator[str]:
    """Yield a command's summary, its call, and a list of flags for each group."""
    fields = dataclasses.fields(config)
    positional = [field.name.upper() for field in fields if field.metadata["positional"]]
    yield " ".join((config.__doc__ or "").split())
    yield from ("", "```text", " ".join(["whisper-ft", name, *positional, "[flags]"]), "```")
    groups = grouped_fields(config)
    for group, members in groups.items():
        title = "" if len(groups) == 1 else group.capitalize()
        yield from ("", *([f"**{title}**", ""] if title else []))
        for field in members:
            yield f"- {_name(field)}{_value(field)}: {_help(field)}"


def _name(field: dataclasses.Field[Any]) -> str:
    """Return a positional argument, or a flag and its value, as --help shows them."""
    meta, (kind, count) = field.metadata, _kind(field.type)
    if meta["positional"]:
        return f"`{field.name.upper()}`"
    if kind is bool or meta["choices"]:
        return f"`{flag(field.name)}`"
    more = " ..." if count == 0 else ""
    return f"`{flag(field.name)} {format_value(field)}{more}`".replace("|", " or ")


def _value(field: dataclasses.Field[Any]) -> str:
    """Return what a value may be, and its default where the help does not say it."""
    kind, count = _kind(field.type)
    numbers = {int: "an integer", float: "a number"}.get(kind, "")
    choices = ", ".join(f"`{choice}`" for choice in field.metadata["choices"])
    default = _default(field)
    parts = [
        choices or (NUMBERS.get(kind, "") if count else numbers),
        format_range(field),
        "one or more" if count == 0 and field.metadata["positional"] else "",
        f"default {default}" if default else "",
    ]
    shown = ", ".join(part for part in parts if part)
    return f" ({shown})" if shown else ""


def _kind(annotation: Any) -> tuple[type, int | None]:
    """Return the type of one value, and how many: None for one, 0 for one or more."""
    args = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple:
        return args[0], 0 if args[-1] is Ellipsis else len(args)
    if isinstance(annotation, types.UnionType):
        return next(arg for arg in args if arg is not type(None)), None
    return annotation, None


def _default(field: dataclasses.Field[Any]) -> str:
    """Return the default, or nothing where the help says what happens without the flag."""
    if field.default is None or field.default is False or field.default in ("", ()):
        return ""
    values = field.default if isinstance(field.default, tuple) else (field.default,)
    words = {number: word for word, number in field.metadata["words"].items()}
    return "`" + " ".join(str(words.get(value, value)) for value in values) + "`"


def _help(field: dataclasses.Field[Any]) -> str:
    """Return the help text, safe in Markdown."""
    text = " ".join(field.metadata["help"].split())
    return text.replace("<", "&lt;").replace("*", "\\*")


def tree() -> str:
    """Return the page of all packages and modules, with the summary of each docstring."""
    lines = [MADE, "", "# Packages and modules", ""]
    lines += ["From the top floor down. A package imports only from the floors below its own.", ""]
    lines += [f"- `train.py`: {summary(ROOT / 'train.py')}"]
    lines += [f"- `whisper_ft/{path.name}`: {summary(path)}" for path in _modules(PACKAGE)]
    floors = [floor for floor in layers() if (PACKAGE / floor[0]).is_dir()]
    for height, floor in zip(range(len(floors), 0, -1), floors, strict=True):
        lines += ["", f"## Floor {height}: {', '.join(floor)}"]
        for package in floor:
            about = summary(PACKAGE / package / "__init__.py")
            lines += ["", f"### {package}", "", *([about, ""] if about else [])]
            lines += [f"- `{path.name}`: {summary(path)}" for path in _modules(PACKAGE / package)]
    return "\n".join(lines) + "\n"


def layers() -> list[list[str]]:
    """Return the names on each floor, from the top, as import-linter enforces them."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = settings.split("\nlayers = [")[1].split("]")[0]
    return [floor.split(" | ") for floor in re.findall(r'"(.+)"', listed)]


def _modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")


def summary(path: Path) -> str:
    """Return the first paragraph of a module's docstring, on one line."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


PAGES = {"docs/reference/command-line.md": command_line, "docs/architecture/tree.md": tree}


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if not current")
    check, status = parser.parse_args().check, 0
    for name, make in PAGES.items():
        path, text = ROOT / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            print(f"{name}: not current: run python docs/generate.py")
            status = 1
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{name}: written")
    return status


if __name__ == "__main__":
    sys.exit(main())
