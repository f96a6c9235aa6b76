"""Help texts, the same on every terminal and every Python, so that the reference page can be checked."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

from .options import REQUIRED, Option, Setting, gathering, options

WIDTH = 100
CODES = "exit codes: 0 done, 1 failed, 2 usage, 3 unexpected (log written), 4 diverged, 130 interrupted"
ALWAYS = (
    ("--json", "print one JSON object on stdout; messages stay on stderr"),
    ("--trust", "run code that a run or model names: a paper or network module:NAME that is not registered"),
    (
        "--paper FILE.py:OBJECT",
        "the paper or loss of your own that RUN is of, whatever it is called there",
    ),
    ("--help, -h", "this text"),
)


def overview(commands: Mapping[str, tuple[str, str]]) -> str:
    """The text of `gibbsian --help`."""
    lines = [
        "usage: gibbsian COMMAND ...",
        "",
        "Deep energy-based generative models, p(x) ~ exp(-E(x)/T).",
        "",
    ]
    wide = max(map(len, commands)) + 2
    lines += [f"  {name:<{wide}}{about}" for name, (_, about) in commands.items()]
    return "\n".join(
        [*lines, "", "gibbsian COMMAND --help tells more; gibbsian --version the version.", CODES]
    )


def command_help(name: str, function: Callable[..., Any], given: Mapping[str, Any]) -> str:
    """The text of `NAME --help`, NAME being "gibbsian train", say; settings are those of what is `given`."""
    known, keys = options(function), gathering(function)
    blocks = [usage(name, function), _wrap(inspect.getdoc(function) or ""), _pairs(known)]
    if keys:
        blocks.append(
            settings_help(keys[1].settings(given)) or f"Settings are listed once {keys[1].needs} is given."
        )
    return "\n\n".join(blocks)


def usage(name: str, function: Callable[..., Any]) -> str:
    """The first line of a command's help."""
    words = [
        o.metavar if o.default is REQUIRED else f"[{o.metavar}]" for o in options(function) if not o.flag
    ]
    settings = ["[--section.key value ...]"] if gathering(function) else []
    return " ".join(["usage:", name, *words, "[options]", *settings])


def settings_help(settings: list[Setting]) -> str:
    """Settings by section: name, type, value by default, meaning."""
    blocks, own = [], [s for s in settings if not s.foreign]
    for section, group in groupby(own, key=lambda s: s.name.partition(".")[0] if "." in s.name else ""):
        lines = [f"  --{s.name} {s.kind} = {value_text(s.default)}" + _under(s.doc) for s in group]
        blocks.append("\n".join([f"{section or 'own'} settings:", *lines]))
    return "\n\n".join(blocks)


def value_text(value: Any) -> str:
    """A default as one types it on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def option_words(option: Option) -> str:
    """An option as the help's left column names it."""
    if not option.flag:
        return option.metavar
    return option.flag if option.kind is bool else f"{option.flag} {option.metavar}"


def option_text(option: Option) -> str:
    """An option's help, with the default where there is one worth telling."""
    told = option.default not in (None, False, REQUIRED)
    return option.help + (f" [{value_text(option.default)}]" if told else "")


def _pairs(known: list[Option]) -> str:
    rows = [(option_words(o), option_text(o)) for o in known] + list(ALWAYS)
    return "\n".join(_row(left, right) for left, right in rows)


def _row(left: str, right: str, column: int = 30) -> str:
    head = f"  {left}"
    body = textwrap.wrap(right, WIDTH - column)
    pad = "\n" + " " * column
    return (head.ljust(column) if len(head) < column - 1 else head + pad) + pad.join(body)


def _under(doc: str) -> str:
    return "".join(f"\n      {line}" for line in textwrap.wrap(doc, WIDTH - 6))


def _wrap(text: str) -> str:
    blocks = [b if b.startswith("  ") else textwrap.fill(b, WIDTH) for b in text.split("\n\n")]
    return "\n\n".join(blocks)
