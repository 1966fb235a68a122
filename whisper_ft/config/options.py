"""Flags from dataclasses: a setting is written once, with its help, default and bounds."""

import argparse
import dataclasses
import math
import reprlib
import types
import typing
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

C = TypeVar("C")


def option(
    default: Any,
    help: str,
    *,
    group: str = "options",
    choices: Sequence[str] = (),
    words: Mapping[str, int] = MappingProxyType({}),
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    positional: bool = False,
) -> Any:
    """A dataclass field that is also a flag; a number outside its bounds is a problem.

    `words` may stand for a number.
    """
    metadata = {
        "help": help,
        "group": group,
        "choices": tuple(choices),
        "words": words,
        "at_least": at_least,
        "above": above,
        "at_most": at_most,
        "positional": positional,
    }
    return dataclasses.field(default=default, metadata=metadata)


def out_of_bounds(config: Any) -> list[str]:
    """A problem for every number of a config that lies outside its field's bounds."""
    found = []
    for field in dataclasses.fields(config):
        value, meta = getattr(config, field.name), field.metadata
        for number in value if isinstance(value, tuple) else (value,):
            if not isinstance(number, int | float) or isinstance(number, bool):
                continue
            if number in meta["words"].values():
                continue
            for bound, holds, words in (
                (meta["at_least"], lambda n, b: n >= b, "at least"),
                (meta["above"], lambda n, b: n > b, "more than"),
                (meta["at_most"], lambda n, b: n <= b, "at most"),
            ):
                if bound is not None and not holds(number, bound):
                    found.append(f"{flag(field.name)}: {number}: must be {words} {bound}")
            if not math.isfinite(number):
                found.append(f"{flag(field.name)}: {number}: must be a finite number")
    return found


def parse(
    config_class: type[C], argv: Sequence[str] | None, prog: str, about: str = ""
) -> tuple[C, set[str]]:
    """(config, names of the fields that flags gave); `about` ends the help's description.

    Exits on a bad flag.
    """
    described = " ".join(f"{config_class.__doc__} {about}".split())
    parser = argparse.ArgumentParser(prog=prog, description=described, allow_abbrev=False)
    groups: dict[str, Any] = {}
    for field in dataclasses.fields(config_class):  # type: ignore[arg-type]
        name = field.metadata["group"]
        if name not in groups:
            groups[name] = parser if name == "options" else parser.add_argument_group(name)
        _add_argument(groups[name], field)
    given = vars(parser.parse_args(argv))
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return config_class(**given), set(given)


def from_json(config_class: type[C], settings: dict[str, Any]) -> C:
    """The config that `dataclasses.asdict` and JSON made these settings from.

    Raises TypeError for a value that none of its flags can have given.
    """
    values = {
        field.name: _from_json(field, settings[field.name])
        for field in dataclasses.fields(config_class)  # type: ignore[arg-type]
        if field.name in settings
    }
    return config_class(**values)


def _from_json(field: dataclasses.Field, value: Any) -> Any:
    kind, count = _kind(field.type)
    values = value if count and isinstance(value, list) else [value]
    if value is None and field.default is None:
        return None
    right = all(type(v) is kind or (kind is float and type(v) is int) for v in values)
    if isinstance(count, int):
        right &= len(values) == count
    if field.metadata["choices"]:
        right &= all(v in field.metadata["choices"] for v in values)
    if not right or bool(count) != isinstance(value, list):
        raise TypeError(f"{field.name} is {reprlib.repr(value)}")
    return tuple(values) if count else value


def flag(name: str) -> str:
    """The flag that sets a field."""
    return "--" + name.replace("_", "-")


def _add_argument(group: Any, field: dataclasses.Field) -> None:
    kind, count = _kind(field.type)
    meta = field.metadata
    unset = field.default is None or field.default is False or field.default in ("", ())
    default: Any = field.default
    default = " ".join(map(str, default)) if count else default
    format_score = "" if unset else f" (default: {default})"
    keywords: dict[str, Any] = {"help": meta["help"].replace("%", "%%") + format_score}
    if kind is bool:
        group.add_argument(
            flag(field.name), action="store_true", default=argparse.SUPPRESS, **keywords
        )
        return
    keywords["type"] = _or_word(kind, meta["words"]) if meta["words"] else kind
    if meta["choices"]:
        keywords["choices"] = meta["choices"]
    if count:
        keywords["nargs"] = count
    if meta["positional"]:
        group.add_argument(field.name, metavar=field.name.upper(), **keywords)
        return
    if not meta["choices"]:
        names = ({str: "TEXT", int: "N", float: "X"}[kind], *meta["words"])
        keywords["metavar"] = "|".join(names)
    group.add_argument(flag(field.name), default=argparse.SUPPRESS, **keywords)


def _or_word(kind: type, words: Mapping[str, int]) -> Any:
    def read(text: str) -> Any:
        if text in words:
            return words[text]
        if (value := kind(text)) in words.values():  # what only a word may mean
            raise ValueError
        return value

    read.__name__ = kind.__name__  # which argparse's messages say
    return read


def _kind(annotation: Any) -> tuple[type, int | str | None]:
    """(type of one value, how many: argparse's nargs) of a field's annotation."""
    if typing.get_origin(annotation) is tuple:
        kinds = typing.get_args(annotation)
        return kinds[0], "+" if kinds[-1] is Ellipsis else len(kinds)
    if isinstance(annotation, types.UnionType):
        return next(a for a in typing.get_args(annotation) if a is not type(None)), None
    return annotation, None
