"""What operations of `aten` do to what they are given, as the tape needs to know it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

aten = torch.ops.aten
SAME = {aten.detach.default, aten.alias.default, aten.lift_fresh.default}
"""Operations whose result is their argument."""
FILLED = {
    getattr(aten, name).default
    for name in ("ones_like", "zeros_like", "full_like", "new_ones", "new_zeros", "new_full", "empty_like")
}
"""Operations that read no numbers of their argument, only its shape."""


class Traits(NamedTuple):
    """What an operation does: draw random numbers, write to an argument, make tensors of a size that depends
    on numbers.
    """

    chance: bool
    writes: bool
    sized: bool


@cache
def traits(func: Any) -> Traits:
    """Those of an operation."""
    return Traits(
        torch.Tag.nondeterministic_seeded in func.tags,
        func._schema.is_mutable,
        torch.Tag.dynamic_output_shape in func.tags,
    )


def by_mask(indices: Sequence[Tensor | None]) -> bool:
    """Whether rows are chosen by a mask, and not by their numbers."""
    return any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in indices)


def written_by(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """The arguments that an operation writes to."""
    given = given_to(func, args, kwargs)
    marked = [a.name for a in func._schema.arguments if a.alias_info and a.alias_info.is_write]
    return [given[name] for name in marked if isinstance(given.get(name), Tensor)]


def given_to(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an operation by their names, with its defaults."""
    expected = func._schema.arguments
    defaults = {a.name: a.default_value for a in expected if a.has_default_value()}
    return {**defaults, **dict(zip((a.name for a in expected), args, strict=False)), **kwargs}
