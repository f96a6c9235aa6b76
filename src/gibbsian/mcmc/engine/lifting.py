"""Factors in products and sums as tensors, so that a step of another size is no other program.

A step size, a temperature, the strength of a tether meet a position as numbers of Python, which a compiler
takes for constants. As tensors without dimensions they are inputs, and are rounded as the numbers were. Other
numbers (the slope of an activation, a clamp) stay what they are.
"""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import torch
from torch import Tensor

from .tape import Layout, Made, Step

aten = torch.ops.aten
SIMPLE = (0.0, 0.5, 1.0, 2.0)
"""Factors that are no setting of anybody's, up to their sign."""
SUMS = (aten.add.Tensor, aten.sub.Tensor)


class Lifting:
    """Makes steps without settings of others; equal settings are one tensor.

    `layouts`: how the tensors lie that numbers stand for. `fresh`: the first number that stands for nothing.
    """

    def __init__(self, layouts: dict[int, Layout], fresh: int) -> None:
        self.layouts = layouts
        self.factors: dict[tuple[float, torch.dtype], Tensor] = {}
        self.fresh = count(fresh)

    def __call__(self, step: Step) -> list[Step]:
        """The step itself, or those that stand for it."""
        operation, args, kwargs = step.operation, step.args, step.kwargs
        dtype = self._dtype(step)
        if dtype is None:
            return [step]
        if operation in (aten.mul.Tensor, aten.div.Tensor, *SUMS) and _setting(args[1]):
            return [step._replace(args=(args[0], self._factor(args[1], dtype), *args[2:]))]
        if operation in SUMS and _setting(kwargs.get("alpha")):
            number, scaled = self._times(args[1], self._factor(kwargs["alpha"], dtype))
            return [scaled, step._replace(args=(args[0], number), kwargs={})]
        if operation is aten.addcmul.default and _setting(kwargs.get("value")):
            whole, product = self._times(args[1], args[2])
            number, scaled = self._times(whole, self._factor(kwargs["value"], dtype))
            total = Step(aten.add.Tensor, (args[0], number), {}, step.results)
            return [product, scaled, total]
        return [step]

    def _factor(self, number: float, dtype: torch.dtype) -> Tensor:
        return self.factors.setdefault((number, dtype), torch.tensor(number, dtype=dtype))

    def _times(self, a: Any, b: Any) -> tuple[Made, Step]:
        number = next(self.fresh)
        return Made(number), Step(aten.mul.Tensor, (a, b), {}, (number,))

    def _dtype(self, step: Step) -> torch.dtype | None:
        """The type of the result, if all tensors are of it and have a dimension; else factors would be
        rounded in another way than numbers are."""
        made = self.layouts.get(step.results[0]) if step.results and step.results[0] is not None else None
        if made is None or made.dtype not in (torch.float32, torch.float64):
            return None  # a number meets bfloat16 in float32
        given = [self._layout(a) for a in step.args if isinstance(a, (Made, Tensor))]
        return made.dtype if all(a and a.dtype == made.dtype and a.size for a in given) else None

    def _layout(self, a: Made | Tensor) -> Layout | None:
        return self.layouts.get(a.number) if isinstance(a, Made) else Layout.of(a)


def _setting(part: Any) -> bool:
    return isinstance(part, float) and math.isfinite(part) and abs(part) not in SIMPLE
