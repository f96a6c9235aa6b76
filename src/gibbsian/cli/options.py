"""A command's signature read as its command line.

    def sample(run: Annotated[str, Arg("run folder")], *, n: Annotated[int, Arg("samples", "-n")] = 64, ...)

Parameters before the star are positional, those after it are options; `bool` makes a switch, `Literal` a
choice. A parameter marked `Keys` gathers settings such as `--chain.steps 30`. Which settings there are
depends on other words of the same line (the system), and a wrong name is answered by the nearest one:
both are why this is not argparse.
"""

from __future__ import annotations

import inspect
import os
import types
import typing
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ..core.errors import UsageError, did_you_mean
from .flags import unknown_flag

Given = Mapping[str, Any]
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Arg:
    """One line of help, what stands for the value there, and the flag if it is not `--name`."""

    help: str
    metavar: str = ""
    flag: str = ""


@dataclass(frozen=True)
class Setting:
    """One dotted key: its type in words, its value by default, what it means."""

    name: str
    kind: str
    default: Any
    doc: str
    foreign: bool = False
    """Whether only another kind of its section has it, so that help leaves it out."""


@dataclass(frozen=True)
class Keys:
    """Marks what gathers settings: `settings(given)` lists them, none before the word `needs` is given.

    `given` holds the options, and by the name of the marked parameter the settings themselves, as typed.
    """

    settings: Callable[[Given], list[Setting]]
    needs: str
    many: bool = False
    """Whether each setting takes several values between commas, and is handed on as their list."""


@dataclass(frozen=True)
class Option:
    """One positional word (no flag) or option of a command."""

    name: str
    flag: str
    kind: type
    choices: tuple[str, ...]
    default: Any
    help: str
    metavar: str
    many: bool = False
    """Whether a positional takes all words that are left."""

    def convert(self, text: str) -> Any:
        """The value that `text` stands for; raises `UsageError` with the type or the nearest choice."""
        what = self.flag or self.metavar
        if not text:
            raise UsageError(f"{what} is empty: give a value, or leave it out")
        if self.choices and text not in self.choices:
            raise UsageError(f"{what} is '{text}': {did_you_mean(text, self.choices)}")
        if self.kind is str and "~" in text:
            text = ",".join(map(os.path.expanduser, text.split(",")))  # the shell leaves quoted ones
        try:
            return self.kind(text)
        except ValueError as error:
            raise UsageError(f"{what} is '{text}': it must be a {NUMBERS[self.kind]}") from error


FREE = "{...}"
"""The type of a setting that takes any keys below it."""
NUMBERS = {int: "whole number", float: "number"}


@dataclass
class Words:
    """A command line taken apart: options by parameter name, settings, words without a flag."""

    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)


def options(function: Callable[..., Any]) -> list[Option]:
    """The positionals and options of a command, in order."""
    hints = typing.get_type_hints(function, include_extras=True)
    found = [_option(p, hints[p.name]) for p in inspect.signature(function).parameters.values()]
    return [option for option in found if option is not None]


def gathering(function: Callable[..., Any]) -> tuple[str, Keys] | None:
    """The parameter that gathers settings, if the command has one."""
    for name, hint in typing.get_type_hints(function, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, Keys):
                return name, mark
    return None


def parse(function: Callable[..., Any], argv: Sequence[str]) -> dict[str, Any]:
    """The keyword arguments that `argv` means for `function`.

    Raises `UsageError` in one line for unknown, missing or surplus words and for values of a wrong type.
    """
    known, keys = options(function), gathering(function)
    words = split(function, argv)
    values = _placed(known, words.free) | words.options
    missing = [o.flag or o.metavar for o in known if o.default is REQUIRED and o.name not in values]
    if missing:
        raise UsageError(f"{missing[0]} is missing: see --help")
    if keys and words.settings:
        _require_known(words.settings, keys[1], {**values, keys[0]: words.settings}, known)
        read = _yamls if keys[1].many else _yaml
        values[keys[0]] = {name: read(name, text) for name, text in words.settings.items()}
    return values


def split(function: Callable[..., Any], argv: Sequence[str]) -> Words:
    """`argv` taken apart, options converted; nothing is required yet, so that help can look at it."""
    by_flag = {o.flag: o for o in options(function) if o.flag}
    words, left = Words(), deque(argv)
    while left:
        word = left.popleft()
        flag, equals, value = word.partition("=")
        option = by_flag.get(flag) or by_flag.get(flag.replace("_", "-"))
        if option is None and (not word.startswith("-") or _is_number(word)):
            words.free.append(word)
        elif option is None:
            _require_gathering(function, flag, by_flag)
            words.settings[flag[2:]] = value if equals else _next(flag, left, None)
        elif option.kind is bool:
            if equals:
                raise UsageError(f"{flag} is a switch and takes no value: leave out '={value}'")
            words.options[option.name] = True
        else:
            words.options[option.name] = option.convert(value if equals else _next(flag, left))
    return words


def _option(parameter: inspect.Parameter, hint: Any) -> Option | None:
    inner, *marks = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
    arg = next((m for m in marks if isinstance(m, Arg)), None)
    if arg is None:
        return None
    kind, choices = _kind(inner)
    flag = ""
    if parameter.kind is parameter.KEYWORD_ONLY:
        flag = arg.flag or "--" + parameter.name.replace("_", "-")
    metavar = arg.metavar or ("|".join(choices) if choices else parameter.name.upper())
    many = typing.get_origin(inner) is tuple
    return Option(parameter.name, flag, kind, choices, parameter.default, arg.help, metavar, many)


def _kind(hint: Any) -> tuple[type, tuple[str, ...]]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    if typing.get_origin(hint) is Literal:
        return str, typing.get_args(hint)
    return (typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else hint), ()


def _placed(known: list[Option], free: list[str]) -> dict[str, Any]:
    positional = [o for o in known if not o.flag]
    if positional and positional[-1].many and len(free) >= len(positional):
        *first, last = positional
        rest = tuple(last.convert(text) for text in free[len(first) :])
        return {**_placed(first, free[: len(first)]), last.name: rest}
    if len(free) > len(positional):
        raise UsageError(f"'{free[len(positional)]}' has no place here: see --help")
    return {o.name: o.convert(text) for o, text in zip(positional, free, strict=False)}


def _next(flag: str, left: deque[str], default: Any = REQUIRED) -> Any:
    """The word after `flag`; without one `default`, or `UsageError` where there is none."""
    if left and not left[0].startswith("--"):
        return left.popleft()
    if default is REQUIRED:
        raise UsageError(f"{flag} needs a value: see --help")
    return default


def _require_gathering(function: Callable[..., Any], flag: str, flags: Iterable[str]) -> None:
    if gathering(function) is None or not flag.startswith("--"):
        raise unknown_flag(flag, flags)


def _require_known(named: Mapping[str, Any], keys: Keys, given: Given, known: list[Option]) -> None:
    settings = keys.settings(given)
    names, free = {f"--{s.name}" for s in settings}, [f"{s.name}." for s in settings if s.kind == FREE]
    for name in named:
        section = name.partition(".")[0]
        if "." in name and (not names or (keys.needs == f"--{section}" and not given.get(section))):
            raise UsageError(f"--{name} needs {keys.needs}: see --help")
        if f"--{name}" not in names and not name.startswith(tuple(free)):
            raise unknown_flag(f"--{name}", [*names, *(o.flag for o in known if o.flag)])
        if named[name] is None:
            raise UsageError(f"--{name} needs a value: see --help")


def _yaml(name: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--{name} is '{text}': it does not parse; quote lists, as in '[32, 64]'") from error


def _yamls(name: str, text: str) -> list[Any]:
    """Values between commas that stand in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    if not all(map(str.strip, parts)):
        raise UsageError(f"--{name} is '{text}': a value is missing between its commas")
    return [_yaml(name, part) for part in parts]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
