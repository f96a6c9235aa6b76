"""The ceiling of a case: its matrix products and convolutions alone, in the same order, nothing between.

The products are written down while the case's own network runs: one gradient by position, repeated for
every step, or a whole training update. They are then repeated on buffers of the same shapes, without
activations, noise, biases or Python beyond the loop. What a chain takes beyond this is overhead or memory
traffic; no arrangement of the same products can be faster than they are, short of computing less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gibbsian.core.energy import value_and_grad
from gibbsian.core.random import generator
from gibbsian.nets.frozen import frozen

from .implementations import our_updates
from .problems import SEED, Chains, Problem
from .timing import Call, seconds

Format = Literal["contiguous", "channels-last"]
ATEN = torch.ops.aten
PRODUCTS = (
    ATEN.mm.default,
    ATEN.addmm.default,
    ATEN.bmm.default,
    ATEN.convolution.default,
    ATEN.convolution_backward.default,
)


@dataclass(frozen=True)
class Shape:
    """Where a tensor stood among the arguments of a product."""

    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Product:
    """One matrix product or convolution: its operator, and its arguments with `Shape`s for tensors."""

    op: Any
    args: tuple[Any, ...]


class Recorder(TorchDispatchMode):
    """Writes down the products that run inside it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[Product] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in PRODUCTS:
            self.products.append(Product(func, tuple(map(_outline, args))))
        return func(*args, **(kwargs or {}))


def products(problem: Problem) -> list[Product]:
    """Every product of one run of the whole problem, in order."""
    if isinstance(problem, Chains):
        with frozen(problem.energy), Recorder() as recorder:
            value_and_grad(problem.energy, problem.x0)
        return recorder.products * problem.steps
    call = our_updates(problem, replay=False)
    with Recorder() as recorder:
        call()
    return recorder.products


def ceiling(problem: Problem, device: torch.device, dtype: torch.dtype, wait: Call) -> tuple[Call, Format]:
    """A call that runs the products of `problem` in `dtype`, in the faster of the two memory formats."""
    found = products(problem)
    calls: dict[Format, Call] = {f: replay(found, device, dtype, f) for f in ("contiguous", "channels-last")}
    for call in calls.values():
        call()
    taken = {form: seconds(call, wait) for form, call in calls.items()}
    best = min(taken, key=lambda form: taken[form])
    return calls[best], best


def replay(
    found: list[Product], device: torch.device, dtype: torch.dtype, form: Format
) -> Callable[[], None]:
    """A call that runs `found` in order; equal products share their buffers."""
    rng = generator(SEED, device)
    ready = {product: _ready(product, rng, dtype, form) for product in dict.fromkeys(found)}
    calls = [ready[product] for product in found]

    def call() -> None:
        with torch.no_grad():
            for each in calls:
                each()

    return call


def _outline(arg: Any) -> Any:
    if isinstance(arg, Tensor):
        return Shape(tuple(arg.shape), arg.stride())
    return tuple(arg) if isinstance(arg, (list, tuple)) else arg


def _ready(product: Product, rng: torch.Generator, dtype: torch.dtype, form: Format) -> Call:
    filled = [_filled(a, rng, dtype, form) if isinstance(a, Shape) else a for a in product.args]
    if product.op is ATEN.convolution.default:
        filled[2] = None  # no bias
    if product.op in (ATEN.convolution.default, ATEN.convolution_backward.default):
        return lambda: product.op(*filled)
    a, b = filled[-2:]  # addmm has its bias first
    out = torch.empty(*a.shape[:-1], b.shape[-1], dtype=dtype, device=rng.device)
    multiply = torch.bmm if a.dim() == 3 else torch.mm
    return lambda: multiply(a, b, out=out)


def _filled(shape: Shape, rng: torch.Generator, dtype: torch.dtype, form: Format) -> Tensor:
    x = torch.empty_strided(shape.size, shape.stride, dtype=dtype, device=rng.device)
    x.normal_(generator=rng)
    if x.dim() != 4:
        return x
    memory = torch.channels_last if form == "channels-last" else torch.contiguous_format
    return x.contiguous(memory_format=memory)
