"""`gibbsian COMMAND ...`: find the command, call it with plain values, print its result, exit with a code.

Commands are imported when called, and none imports torch before its words are parsed.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import sysconfig
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ..core.errors import GibbsianError, UsageError, out_of_memory, unknown
from ..core.found import trust
from .help import command_help, overview
from .options import gathering, options, parse, split
from .result import Result

COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("train:train", "fit a system to data, or go on with a run"),
    "sample": ("sample:sample", "draw from a trained system: pictures, arrays, moving chains"),
    "score": ("score:score", "energy, rank and flag of every image or row of your own"),
    "compose": ("compose:compose", "draw from a product, a mixture or a negation of trained systems"),
    "infer": ("infer:infer", "say which concept, a class or an attribute, explains several views"),
    "loglik": ("loglik:loglik", "log p of data in nats and bits, with log Z measured first"),
    "evaluate": ("evaluate:evaluate", "measure quality, diversity and chains of a trained system"),
    "compare": ("compare:compare", "runs side by side: settings, curves, samples, measures"),
    "sweep": ("sweep:sweep", "train over seeds and settings, and say what is more than seed noise"),
    "restore": ("restore:restore", "fill hidden pixels or take noise away, by chains from damaged images"),
    "translate": ("translate:translate", "move images of one domain into another, or into a class"),
    "crossclass": ("crossclass:crossclass", "chains of a conditional model from one class to another"),
    "rollout": ("rollout:rollout", "many futures of one state, by a model of the steps of paths"),
    "continual": ("continual:continual", "learn classes in sequence, and see what is kept of earlier ones"),
    "ood": ("ood:ood", "tell data inside from other images, beside likelihood baselines"),
    "attack": ("attack:attack", "how easily a classifier is fooled, also through the chain that refines"),
    "study modes": ("study:modes", "classes and duplicates of a model's samplers, by length of chain"),
    "study longrun": ("study:longrun", "whether chains of thousands of steps still look like data"),
    "study normalisation": ("study:normalisation", "log Z of energies over noise levels, by annealing"),
    "study dimension": ("study:dimension", "free directions of the energy at held-out images"),
    "study calibration": ("study:calibration", "how far a classifier's answers are to be believed"),
    "export": ("export:export", "make a model folder that gibbsian.load reads, without training state"),
    "doctor": ("doctor:doctor", "check this machine, or say in words how a run fares"),
    "list": ("lists:show", "systems, presets, data sets or kernels"),
    "cite": ("lists:cite", "the paper behind a system, and the figures it printed"),
}
HELP = ("-h", "--help", "help")


def run() -> NoReturn:
    """Entry point: `main`, with a reader that closes the pipe early taken for granted."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; never raises but for a broken pipe."""
    return _run(answer, list(sys.argv[1:] if argv is None else argv))


def program(name: str, function: Callable[..., Result], argv: Sequence[str] | None = None) -> int:
    """Run one command that is no part of `gibbsian`, called `name`, as `main` does; its exit code."""
    return _run(partial(_answer_of, name, function), list(sys.argv[1:] if argv is None else argv))


def _run(answer: Callable[[list[str]], Result], words: list[str]) -> int:
    as_json = "--json" in words
    if "--trust" in words:
        trust()
    try:
        with warnings_as_lines():
            result = answer(without_papers([w for w in words if w not in ("--json", "--trust")]))
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        result = failure(error, words)
        print(f"gibbsian: {result.text}", file=sys.stderr)
        if not as_json:
            return result.code
    print(result.shown(as_json))
    return result.code


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Warnings are told as other lines are, without the place in the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)  # PYTHONWARNINGS=error is for libraries
        warnings.showwarning = lambda message, *rest, **more: print(message, file=sys.stderr)
        yield


def answer(words: list[str]) -> Result:
    """The result of a command line without `--json`."""
    topics = (
        {name: line for name, line in COMMANDS.items() if name.startswith(f"{words[0]} ")} if words else {}
    )
    if not words or words[0] in HELP or (topics and (len(words) == 1 or words[1] in HELP)):
        text = overview(topics or COMMANDS)
        return Result({"help": text}, text)
    if words[0] == "--version":
        return Result({"version": __version__}, __version__)
    size = 2 if topics else 1  # words of the name
    name, rest = " ".join(words[:size]), words[size:]
    function = command(name)
    return _answer_of(f"gibbsian {name}", function, without_net(function, rest))


def without_net(function: Callable[..., Result], words: list[str]) -> list[str]:
    """`words` less `--net module:Class` where the command has no such option: a RUN may then name that
    class.
    """
    if "--net" not in words[:-1] or any(o.flag == "--net" for o in options(function)):
        return words
    place = words.index("--net")
    trust(words[place + 1])
    return [*words[:place], *words[place + 2 :]]


def without_papers(words: list[str]) -> list[str]:
    """`words` less each `--paper FILE.py:OBJECT`, which is the paper of others that a RUN is of."""
    if "--paper" not in words:
        return words
    from ..models.papers import GIVEN, entry

    place = words.index("--paper")
    named = words[place + 1 : place + 2]
    if not named or ":" not in named[0]:
        said = f"'{named[0]}'" if named else "missing"
        raise UsageError(f"--paper is {said}: give FILE.py:OBJECT or module:OBJECT, a loss or a PaperEntry")
    GIVEN[named[0]] = entry(named[0])
    return without_papers([*words[:place], *words[place + 2 :]])


def _answer_of(name: str, function: Callable[..., Result], words: list[str]) -> Result:
    if any(w in HELP[:2] for w in words):
        return _help(name, function, [w for w in words if w not in HELP[:2]])
    result: Result = function(**parse(function, words))
    return result


def command(name: str) -> Callable[..., Result]:
    """The function of a command; raises `UsageError` naming the nearest for an unknown one."""
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    module, _, function = COMMANDS[name][0].partition(":")
    found: Callable[..., Result] = getattr(importlib.import_module(f"gibbsian.cli.{module}"), function)
    return found


def failure(error: BaseException, words: list[str]) -> Result:
    """An error as one line and an exit code; what nobody expected goes to a log file."""
    if isinstance(error, GibbsianError):
        text, code = str(error), error.exit_code
    elif isinstance(error, KeyboardInterrupt):
        text, code = "interrupted", 130
    elif out_of_memory(error):
        text, code = "out of memory: lower train.batch_size, -n or the sizes of the net", 1
    else:
        text, code = f"unexpected {type(error).__name__}{_own_line(error)}: {error}", 3
        text += f" (details in {write_log(error, words)})"
    text = " ".join(text.split())
    return Result({"error": text, "exit_code": code}, text, code)


def _own_line(error: BaseException) -> str:
    """Where in code of the person's own `error` arose, if it did: " at my_net.py:31 in forward"."""
    ours = (str(Path(__file__).parents[1]), sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), "<")
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(ours)]
    inside = [f for f in own if Path(f.filename).name != Path(sys.argv[0]).name]
    return f" at {Path(inside[-1].filename).name}:{inside[-1].lineno} in {inside[-1].name}" if inside else ""


def write_log(error: BaseException, words: list[str]) -> str:
    """A file with versions and traceback, to paste in a report."""
    torch: Any = sys.modules.get("torch")
    head = [
        f"gibbsian {__version__}, python {platform.python_version()}, torch {torch and torch.__version__}, "
        f"{platform.platform()}",
        f"gibbsian {' '.join(words)}",
    ]
    with tempfile.NamedTemporaryFile("w", prefix="gibbsian-", suffix=".log", delete=False) as log:
        log.write("\n".join([*head, "", *traceback.format_exception(error)]))
    return log.name


def _help(name: str, function: Callable[..., Result], rest: list[str]) -> Result:
    words = split(function, rest)
    first = [o.name for o in options(function) if not o.flag]
    given = {**dict(zip(first, words.free, strict=False)), **words.options}
    if keys := gathering(function):
        given[keys[0]] = words.settings
    text = command_help(name, function, given)
    return Result({"help": text}, text)
