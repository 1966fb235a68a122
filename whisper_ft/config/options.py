"""Build command-line flags from dataclasses: a setting has its help, default and bounds once."""

import argparse
import dataclasses
import math
import os
import reprlib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from whisper_ft.config.nearest import did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")
PATH_METAVARS = ("FILE", "FOLDER", "MANIFEST", "MODEL")
NO_GROUP = "options"  # of a command whose settings are few
# In the order of a run: what it starts from, what it learns from, how, and what it leaves.
GROUPS = (
    *(NO_GROUP, "model", "data", "prompts", "optimisation", "regularisation", "evaluation", "run"),
)
METAVARS: dict[type, str] = {str: "TEXT", int: "N", float: "X"}


def option(
    default: Any,
    help: str,
    *,
    metavar: str = "",
    group: str = NO_GROUP,
    choices: Sequence[str] = (),
    words: Mapping[str, int] = MappingProxyType({}),
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    positional: bool = False,
) -> Any:
    """Return a dataclass field that is also a flag.

    `metavar` names the value in the help, such as FILE, or MIN MAX for two values. The default is
    TEXT, N or X, by the type. `words` maps words that may be given instead of a number to the value
    that stands for each. `out_of_bounds` checks `at_least`, `above` and `at_most`.
    """
    metadata = {
        "help": help,
        "metavar": metavar,
        "group": group,
        "choices": tuple(choices),
        "words": words,
        "at_least": at_least,
        "above": above,
        "at_most": at_most,
        "positional": positional,
    }
    return dataclasses.field(default=default, metadata=metadata)


def parse(
    config_class: type[Config], argv: Sequence[str] | None, prog: str, about: str = ""
) -> tuple[Config, set[str]]:
    """Return the config and the names of the fields that were given as flags.

    The class docstring describes the command in its help, followed by `about`. Exits with status
    2 on a bad flag.
    """
    description = " ".join(f"{config_class.__doc__} {about}".split())
    parser = _Parser(prog=prog, description=description, allow_abbrev=False, add_help=False)
    parser.add_argument("-h", "--help", action="help", help="Show this help and exit.")
    for name, fields in grouped_fields(config_class).items():
        group = parser if name == NO_GROUP else parser.add_argument_group(name)
        for field in fields:
            _add_argument(group, field)
    given = vars(parser.parse_args(argv))
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return config_class(**given), set(given)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are a line: the usage of a command with many flags fills a screen."""

    def error(self, message: str) -> typing.NoReturn:
        _, is_unknown, given = message.partition("unrecognized arguments: ")
        unknown = given.partition(" ")[0].partition("=")[0] if is_unknown else ""
        hint = did_you_mean(unknown, self._option_string_actions)
        self.exit(2, f"{message}{hint}\n`{self.prog} --help` explains the flags\n")


def grouped_fields(
    config_class: "type[DataclassInstance]",
) -> dict[str, list[dataclasses.Field[Any]]]:
    """Return the fields of each group of settings, in the order in which help shows the groups."""
    fields = sorted(
        dataclasses.fields(config_class), key=lambda field: GROUPS.index(field.metadata["group"])
    )
    by_group = groupby(fields, key=lambda field: field.metadata["group"])
    return {name: list(some) for name, some in by_group}


def out_of_bounds(config: "DataclassInstance") -> list[str]:
    """Return a problem for every number of a config outside the bounds of its field."""
    problems = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if is_number and number not in field.metadata["words"].values():
                problems += [f"{flag(field.name)}: {p}" for p in _number_problems(field, number)]
    return problems


def type_problems(config: "DataclassInstance") -> list[str]:
    """Return a problem for every field whose value has a type or choice that no flag could give.

    Lists are accepted for tuples, and `Path` objects where a flag takes a path.
    """
    return [
        f"{field.name if field.metadata['positional'] else flag(field.name)}: "
        f"{reprlib.repr(getattr(config, field.name))}: expected {_expected(field)}"
        for field in dataclasses.fields(config)
        if not _has_field_type(field, getattr(config, field.name))
    ]


def from_json(config_class: type[Config], settings: Mapping[str, Any]) -> Config:
    """Rebuild a config from the JSON of its `dataclasses.asdict`.

    Raises TypeError for a value that no flag could have given.
    """
    values = {
        field.name: _from_json(field, settings[field.name])
        for field in dataclasses.fields(config_class)
        if field.name in settings
    }
    return config_class(**values)


def flag(name: str) -> str:
    """Return the flag that sets a field."""
    return "--" + name.replace("_", "-")


def format_value(field: dataclasses.Field[Any]) -> str:
    """Return how the help shows the value of a flag, such as FILE or N|auto."""
    kind, _ = _kind(field.type)
    return "|".join((field.metadata["metavar"] or METAVARS[kind], *field.metadata["words"]))


def format_range(field: dataclasses.Field[Any]) -> str:
    """Return the range of a number, such as "from 0 to 1"; "" if it has none."""
    low, above, high = (field.metadata[name] for name in ("at_least", "above", "at_most"))
    if above is not None:
        return f"more than {above:g}" + ("" if high is None else f" and at most {high:,g}")
    if low is None:
        return ""
    return f"{low:g} or more" if high is None else f"from {low:g} to {high:g}"


def _number_problems(field: dataclasses.Field[Any], number: float) -> list[str]:
    meta, problems = field.metadata, []
    if meta["at_least"] is not None and not number >= meta["at_least"]:
        problems.append(f"{number}: must be at least {meta['at_least']}")
    if meta["above"] is not None and not number > meta["above"]:
        problems.append(f"{number}: must be more than {meta['above']}")
    if meta["at_most"] is not None and not number <= meta["at_most"]:
        problems.append(f"{number}: must be at most {meta['at_most']}")
    if not math.isfinite(number):
        problems.append(f"{number}: must be a finite number")
    return problems


def _from_json(field: dataclasses.Field[Any], value: Any) -> Any:
    if not _has_field_type(field, value) or isinstance(value, tuple | os.PathLike):
        raise TypeError(f"{field.name} is {reprlib.repr(value)}")
    return tuple(value) if isinstance(value, list) else value


def _has_field_type(field: dataclasses.Field[Any], value: Any) -> bool:
    kind, count = _kind(field.type)
    choices = field.metadata["choices"]
    if value is None and field.default is None:
        return True
    if bool(count) != isinstance(value, list | tuple):
        return False
    values = value if count else [value]
    if isinstance(count, int) and len(values) != count:
        return False
    if choices:
        return all(type(v) is kind and v in choices for v in values)
    return all(
        type(v) is kind
        or (kind is float and type(v) is int)
        or (isinstance(v, os.PathLike) and field.metadata["metavar"] in PATH_METAVARS)
        for v in values
    )


def _expected(field: dataclasses.Field[Any]) -> str:
    """Return the values that a field accepts, such as "a tuple of texts"."""
    kind, count = _kind(field.type)
    meta = field.metadata
    if meta["choices"]:
        return f"one of {', '.join(meta['choices'])}"
    if count:
        name = {str: "texts", int: "whole numbers", float: "numbers"}[kind]
        return f"a tuple of {name}" if count == "+" else f"a tuple of {count} {name}"
    words = "".join(f", or {value} for {word}" for word, value in meta["words"].items())
    name = {str: "a text", int: "a whole number", float: "a number", bool: "True or False"}[kind]
    return f"{name}{words}{', or None' if field.default is None else ''}"


def _add_argument(group: argparse._ActionsContainer, field: dataclasses.Field[Any]) -> None:
    kind, count = _kind(field.type)
    meta = field.metadata
    keywords: dict[str, Any] = {"help": _help(field).replace("%", "%%")}
    if kind is bool:
        group.add_argument(
            flag(field.name), action="store_true", default=argparse.SUPPRESS, **keywords
        )
        return
    keywords["type"] = _number_or_word(kind, meta["words"]) if meta["words"] else kind
    if meta["choices"]:
        keywords["choices"] = meta["choices"]
    if count:
        keywords["nargs"] = count
    if meta["positional"]:
        group.add_argument(field.name, metavar=field.name.upper(), **keywords)
        return
    if not meta["choices"]:
        value = format_value(field)
        keywords["metavar"] = tuple(value.split()) if isinstance(count, int) else value
    group.add_argument(flag(field.name), default=argparse.SUPPRESS, **keywords)


def _help(field: dataclasses.Field[Any]) -> str:
    """Return a field's help with its default and its range, except "0 or more" of a count."""
    text, words, rest = str(field.metadata["help"]).partition(" (default:")
    is_count = _kind(field.type)[0] is int and field.metadata["at_most"] is None
    bounds = "" if is_count else format_range(field)
    if bounds:
        text += f" {bounds[0].upper()}{bounds[1:]}."
    return text + words + rest + _default_note(field)


def _default_note(field: dataclasses.Field[Any]) -> str:
    """Return the end of a flag's help that states its default, if it has one."""
    default = field.default
    if default is None or default is False or default in ("", ()):
        return ""
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
    return f" (default: {shown})"


def _number_or_word(kind: type, words: Mapping[str, int]) -> Callable[[str], Any]:
    """Return a parser of numbers that takes some words, but not the numbers they stand for."""

    def read(text: str) -> Any:
        if text in words:
            return words[text]
        if (value := kind(text)) in words.values():
            raise ValueError
        return value

    read.__name__ = kind.__name__  # argparse names it in "invalid int value"
    return read


def _kind(annotation: Any) -> tuple[type, int | str | None]:
    """Return the type of one value of a field and argparse's nargs, None for a single value."""
    if typing.get_origin(annotation) is tuple:
        kinds = typing.get_args(annotation)
        return kinds[0], "+" if kinds[-1] is Ellipsis else len(kinds)
    if isinstance(annotation, types.UnionType):
        return next(a for a in typing.get_args(annotation) if a is not type(None)), None
    return annotation, None
