"""Operations with fixed weights, in the layout and by the routine that is quick on a CPU.

Autograd takes what it is given: weights in torch's default layout, and of two routines for one product that
of the forward pass. In a recording the weights are constants, so each may be laid out once for all steps.
Numbers change by rounding, and by no more than that. Measured on two threads of one core with AVX-512, times
of one operation in microseconds before and after (with AVX2 alone the gains are smaller, seldom below 1):

    image with one channel, 5x5 to 64 maps     4,900 -> 380     seen channels last
    gradient of that by the image              3,300 -> 1,100   one product and its windows added up
    gradient by 64 maps, 3x3 from 128          12,200 -> 2,600  as a transposed convolution, channels last
    2,000 rows times 128 x 128                   310 -> 180     by oneDNN, which wins from some millions of
                                                                products on
    2,000 rows times 128 x 2                      90 -> 20      the matrix in columns
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .tape import Layout, Made, Recording, Step

aten = torch.ops.aten
LAST = torch.channels_last
FEW_CHANNELS, FEW_COLUMNS = 4, 8
LEAST_SIDE, MANY_PRODUCTS = 16, 4_000_000
ONLY_INPUT = [True, False, False]
PLAIN: tuple[str, list[float], str] = ("none", [], "")
"""No activation behind a product of oneDNN's."""

Numbers: TypeAlias = Iterator[int]
Layouts: TypeAlias = dict[int, Layout]
Rule: TypeAlias = Callable[[Step, Layouts, Numbers], "list[Step] | None"]


def laid_out(recording: Recording) -> Recording:
    """The recording with its steps as they are quick; as it is, where a step reads memory by its places, or
    writes to a view, which another layout would make a copy."""
    views = {n for step in recording.steps if step.is_view() for n in step.results}
    for step in recording.steps:
        if step.operation is aten.as_strided.default or (step.in_place and views & step.uses()):
            return recording
    fresh = count(1 + max(recording.layouts, default=0))
    steps: list[Step] = []
    for step in recording.steps:
        rule = RULES.get(step.operation)
        steps += (rule(step, recording.layouts, fresh) if rule else None) or [step]
    return replace(recording, steps=steps)


def convolution(step: Step, layouts: Layouts, fresh: Numbers) -> list[Step] | None:
    """Weights channels last; an image with one channel too, of which that is another view."""
    x, weight, bias, stride, padding, dilation, transposed, *rest = step.args
    if not _planar(weight) or rest[-1] != 1:
        return None
    steps = []
    if isinstance(x, Made) and not transposed and _one_channel(layouts[x.number]):
        size = layouts[x.number].size
        height, width = size[2:]
        seen = Made(next(fresh))
        strides = [height * width, 1, width, 1]
        steps.append(Step(aten.as_strided.default, (x, list(size), strides), {}, (seen.number,)))
        x = seen
    args = (x, weight.contiguous(memory_format=LAST), bias, stride, padding, dilation, transposed, *rest)
    return [*steps, step._replace(args=args)]


def by_input(step: Step, layouts: Layouts, fresh: Numbers) -> list[Step] | None:
    """The gradient of a convolution by its input as a transposed one, and the other way round; by few
    channels as a matrix product, whose windows are added up."""
    g, x, weight, _, stride, padding, dilation, transposed, _, groups, mask = step.args
    if not _planar(weight) or groups != 1 or mask != ONLY_INPUT or not isinstance(g, Made):
        return None
    size = layouts[x.number].size if isinstance(x, Made) else x.shape
    if not transposed and size[1] <= FEW_CHANNELS and weight.dtype == torch.float32:
        return _windows(step, layouts[g.number].size, size, fresh)
    laid = weight.contiguous(memory_format=LAST)
    added = [0, 0]
    if not transposed:
        made = layouts[g.number].size[2:]
        kernel = weight.shape[2:]
        added = [
            size[2 + k] - ((made[k] - 1) * stride[k] - 2 * padding[k] + dilation[k] * (kernel[k] - 1) + 1)
            for k in range(2)
        ]
        if any(not 0 <= a < max(stride[k], dilation[k]) for k, a in enumerate(added)):
            return None
    args = (g, laid, None, stride, padding, dilation, not transposed, added, 1)
    return [Step(aten.convolution.default, args, {}, step.results[:1])]


def _windows(step: Step, made: torch.Size, size: torch.Size, fresh: Numbers) -> list[Step]:
    g, _, weight, _, stride, padding, dilation, *_ = step.args
    places = made[2] * made[3]
    matrix = weight.flatten(1).t().contiguous()
    # A buffer of its own: some MiB that are allocated at each step would cost more than the product.
    windows = weight.new_empty(made[0], len(matrix), places)
    flat, product = Made(next(fresh)), Made(next(fresh))
    factors = (matrix.expand(made[0], *matrix.shape), flat)
    args = (product, list(size[2:]), list(weight.shape[2:]), dilation, padding, stride)
    return [
        Step(aten.reshape.default, (g, [made[0], made[1], places]), {}, (flat.number,)),
        Step(aten.bmm.out, factors, {"out": windows}, (product.number,)),
        Step(aten.col2im.default, args, {}, step.results[:1]),
    ]


def seen_anew(step: Step, layouts: Layouts, fresh: Numbers) -> list[Step]:
    """Another shape of the same numbers, copied where they lie in another order than they did; rows that
    become maps lie as maps do."""
    x, number = step.args[0], step.results[0]
    reshaped = step._replace(operation=aten.reshape.default)
    if number is None or not isinstance(x, Made) or len(layouts[x.number].size) != 2:
        return [reshaped]
    size = layouts[number].size
    if len(size) != 4 or size[1] <= FEW_CHANNELS:
        return [reshaped]
    rows = next(fresh)
    turned = Step(aten.clone.default, (Made(rows),), {"memory_format": LAST}, (number,))
    return [reshaped._replace(results=(rows,)), turned]


def affine(step: Step, layouts: Layouts, fresh: Numbers) -> list[Step] | None:
    """x W + b."""
    bias, x, weight, *_ = step.args
    plain = not step.kwargs and isinstance(bias, Tensor) and bias.dim() == 1
    return _product(step, x, weight, bias, layouts) if plain else None


def product(step: Step, layouts: Layouts, fresh: Numbers) -> list[Step] | None:
    """x W."""
    x, weight = step.args
    return _product(step, x, weight, None, layouts)


def _product(step: Step, x: Any, weight: Any, bias: Tensor | None, layouts: Layouts) -> list[Step] | None:
    if not isinstance(x, Made) or not isinstance(weight, Tensor) or weight.dtype != torch.float32:
        return None
    rows, (terms, columns) = layouts[x.number].size[0], weight.shape
    if min(terms, columns) >= LEAST_SIDE and rows * terms * columns >= MANY_PRODUCTS and ONEDNN is not None:
        return [step._replace(operation=ONEDNN, args=(x, weight.t().contiguous(), bias, *PLAIN))]
    if columns <= FEW_COLUMNS and bias is None:
        return [step._replace(args=(x, weight.t().contiguous().t()))]
    return None


def _planar(weight: Any) -> bool:
    return (
        isinstance(weight, Tensor) and weight.dim() == 4 and weight.dtype in (torch.float32, torch.bfloat16)
    )


def _one_channel(x: Layout) -> bool:
    (_, channels, height, width), (image, _, row, pixel), _ = x
    return channels == 1 and (image, row, pixel) == (height * width, width, 1)


def _onednn() -> Any:
    """The product by oneDNN, where this torch has it."""
    if not torch.backends.mkldnn.is_available():
        return None
    return getattr(getattr(torch.ops.mkldnn, "_linear_pointwise", None), "default", None)


ONEDNN = _onednn()
RULES: dict[Any, Rule] = {
    aten.convolution.default: convolution,
    aten.convolution_backward.default: by_input,
    aten.view.default: seen_anew,
    aten._unsafe_view.default: seen_anew,
    aten.addmm.default: affine,
    aten.mm.default: product,
}
