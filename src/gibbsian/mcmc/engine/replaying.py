"""A recording as a function: one line of Python for each operation, and nothing else.

The text of the function holds the order of operations alone; operations, weights and numbers are given to
it. So all calls of one network share one text, which is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .tape import Made, Recording, Step, made_in

Replay: TypeAlias = Callable[..., tuple[Tensor, ...]]


def replay(recording: Recording, wanted: Sequence[Any]) -> Replay:
    """A function of the leaves of a position that returns `wanted` parts of a recording as new tensors."""
    given, steps = len(recording.grads), list(recording.steps)
    fresh = 1 + max((n for s in steps for n in s.results if n is not None), default=given)
    outputs = []
    for number, part in enumerate(wanted, fresh):
        own = isinstance(part, Made) and part.number >= given
        if not own:  # a constant, or the position itself, would be given away at every call
            steps.append(Step(torch.ops.aten.clone.default, (part,), {}, (number,)))
        outputs.append(part.number if own else number)
    text, constants = written(needed(steps, outputs), given, outputs)
    return _compiled(text)(constants)


def needed(steps: Sequence[Step], outputs: Iterable[int]) -> list[Step]:
    """The steps that `outputs` come from; those that write in place are kept, as others may see it, and those
    that make no tensor, which check something."""
    wanted, kept = set(outputs), []
    for step in reversed(steps):
        checks = all(n is None for n in step.results)
        if checks or step.in_place or wanted.intersection(step.results):
            kept.append(step)
            wanted |= step.uses()
    return kept[::-1]


def written(steps: Sequence[Step], given: int, outputs: Sequence[int]) -> tuple[str, list[Any]]:
    """The text of a function that makes the function, given its constants, and these."""
    constants: list[Any] = []
    dead = _dead_after(steps, outputs)
    lines = []
    for step, gone in zip(steps, dead, strict=True):
        call = _call(step, constants)
        names = ", ".join("_" if n is None else f"v{n}" for n in step.results)
        lines.append(f"{names}{',' if step.many else ''} = {call}" if names else call)
        lines += [f"del {', '.join(f'v{n}' for n in sorted(gone))}"] if gone else []
    taken = "".join(f"c{k}, " for k in range(len(constants)))
    return "\n".join(
        [
            "def make(constants):",
            f"    {taken}= constants" if taken else "    pass",
            f"    def function({', '.join(f'v{n}' for n in range(given))}):",
            *(f"        {line}" for line in lines),
            f"        return {''.join(f'v{n}, ' for n in outputs)}",
            "    return function",
        ]
    ), constants


def _call(step: Step, constants: list[Any]) -> str:
    def term(part: Any) -> str:
        if isinstance(part, Made):
            return f"v{part.number}"
        if isinstance(part, (list, tuple)) and any(made_in(part)):
            return f"[{', '.join(map(term, part))}]"
        constants.append(part)
        return f"c{len(constants) - 1}"

    name = term(step.operation)
    args = [term(part) for part in step.args] + [f"{k}={term(v)}" for k, v in step.kwargs.items()]
    return f"{name}({', '.join(args)})"


def _dead_after(steps: Sequence[Step], outputs: Sequence[int]) -> list[set[int]]:
    """After each step, what nobody uses any more, so that its memory can be used again."""
    alive, dead = set(outputs), []
    for step in reversed(steps):
        seen = step.uses() | {n for n in step.results if n is not None}
        dead.append(seen - alive)
        alive |= seen
    return dead[::-1]


@lru_cache(maxsize=256)
def _compiled(text: str) -> Callable[[list[Any]], Replay]:
    around: dict[str, Any] = {}
    exec(compile(text, "<recorded gradient>", "exec"), around)  # names and commas only: see `written`
    made: Callable[[list[Any]], Replay] = around["make"]
    return made
