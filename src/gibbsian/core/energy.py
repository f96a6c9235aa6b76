"""The sign convention and the only place that differentiates an energy by position.

    p(x) = exp(-E(x) / T) / Z,    low energy = likely,    grad log p(x) = -grad E(x) / T

An energy is any callable from a position with B chains to a tensor of shape `(B,)`. Chains must
not depend on one another (no batch norm): gradients are taken of the sum over chains.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from .errors import UsageError
from .position import Position, batch_size, leaves, like, tree_map
from .spec import DataSpec

Energy: TypeAlias = Callable[[Position], Tensor]


class OwnGradient(ABC):
    """An energy that has its own way to its gradient by position, such as slice by slice.

    `value_and_grad` below asks it, unless the gradient must keep its graph or is being compiled.
    """

    @abstractmethod
    def __call__(self, x: Position) -> Tensor:
        """E(x), shape `(B,)`."""

    @abstractmethod
    def value_and_grad(self, x: Position) -> tuple[Tensor, Position]:
        """E(x) of shape `(B,)` and dE/dx in the structure of `x`, both without a graph."""

    def gradient(self, x: Position) -> Position:
        """dE/dx alone, which may be quicker."""
        return self.value_and_grad(x)[1]


def called(energy: Energy, x: Position) -> Tensor:
    """What the energy returns at `x`; a column `(B, 1)` of a network, which would broadcast, as `(B,)`."""
    e = energy(x)
    return e.squeeze(1) if isinstance(e, Tensor) and e.shape == (batch_size(x), 1) else e


def value(energy: Energy, x: Position) -> Tensor:
    """E(x), shape `(B,)`; a column `(B, 1)` is taken for it, and anything else raises `UsageError`."""
    e = called(energy, x)
    if not isinstance(e, Tensor):
        raise UsageError(
            f"energy returned {type(e).__name__}: it must return a tensor of one number a chain, "
            f"shape ({batch_size(x)},)"
        )
    if e.shape != (batch_size(x),):
        raise UsageError(
            f"energy returned shape {tuple(e.shape)} for {batch_size(x)} chains: it must return one "
            f"number a chain, shape ({batch_size(x)},); sum over the event dimensions or squeeze"
        )
    return e


def value_and_grad(energy: Energy, x: Position, *, differentiable: bool = False) -> tuple[Tensor, Position]:
    """E(x) of shape `(B,)` and dE/dx in the structure of `x`.

    With `differentiable` the graph is kept, so that the gradient can itself be differentiated by
    position or by parameters (score matching, improved contrastive divergence); else both are detached.
    """
    if torch.compiler.is_compiling():
        return _traced(energy, x, differentiable)
    if isinstance(energy, OwnGradient) and not differentiable:
        return energy.value_and_grad(x)
    with torch.enable_grad():
        if differentiable:
            xs = tuple(a if a.requires_grad else a.detach().requires_grad_() for a in leaves(x))
        else:
            xs = tuple(a.detach().requires_grad_() for a in leaves(x))
        e = value(energy, like(x, xs))
        if not e.requires_grad:
            raise UsageError("energy does not depend on its position through torch operations: no gradient")
        grads = torch.autograd.grad(e.sum(), xs, create_graph=differentiable, allow_unused=True)
    filled = tuple(torch.zeros_like(a) if g is None else g for a, g in zip(xs, grads, strict=True))
    return (e if differentiable else e.detach()), like(x, filled)


def gradient(energy: Energy, x: Position, *, differentiable: bool = False) -> Position:
    """dE/dx of `value_and_grad`, for those who do not need E(x)."""
    if not differentiable and isinstance(energy, OwnGradient) and not torch.compiler.is_compiling():
        return energy.gradient(x)
    return value_and_grad(energy, x, differentiable=differentiable)[1]


def _traced(energy: Energy, x: Position, differentiable: bool) -> tuple[Tensor, Position]:
    """The same inside a graph, where only the functional form of the gradient can be traced."""

    def total(*parts: Tensor) -> tuple[Tensor, Tensor]:
        e = value(energy, like(x, parts))
        return e.sum(), e

    argnums = tuple(range(len(leaves(x))))
    grads, e = torch.func.grad(total, argnums=argnums, has_aux=True)(*leaves(x))
    if differentiable:
        return e, like(x, grads)
    return e.detach(), like(x, tuple(g.detach() for g in grads))


def score_function(
    energy: Energy, x: Position, *, temperature: float | None = None, differentiable: bool = False
) -> Position:
    """grad log p(x), in the structure of `x`: -grad E(x) / T of an energy, minus the gradient of
    `neg_log_prob` of a model, which has its own temperature and base.

    Args:
        energy: an energy, or a model (what has a `neg_log_prob`). Of one condition or class, give
            `partial(model.neg_log_prob, y=y)`.
        x: points `(B, ...)` as floats in the coordinates of the energy: of a model of images in
            [model.spec.low, model.spec.high], as `gibbsian.dataset(images).batch` makes them; of a model in
            the units of a table, rows in those units.
        temperature: T of an energy, 1 by default.
        differentiable: keep the graph, so that the gradient can itself be differentiated.

    Raises `UsageError` for a temperature of a model, for points that are whole numbers, and for points of
    another shape than the model's.
    """
    if (density := getattr(energy, "neg_log_prob", None)) is not None:
        if temperature is not None:
            raise UsageError(
                f"temperature is {temperature:g}, but a model has its own: leave it out, or give model.energy"
            )
        energy = density
    spec = getattr(getattr(energy, "__self__", None), "spec", None)
    _require_points(x, spec if isinstance(spec, DataSpec) else None)
    _, grad = value_and_grad(energy, x, differentiable=differentiable)
    return tree_map(lambda g: -g / (1.0 if temperature is None else temperature), grad)


def _require_points(x: Position, spec: DataSpec | None) -> None:
    """Raise `UsageError` for points without a gradient, and for those of another shape than the model's."""
    kinds = [a.dtype for a in leaves(x) if not a.is_floating_point()]
    low, high = (spec.low, spec.high) if spec else (-1.0, 1.0)
    if kinds:
        raise UsageError(
            f"x is of type {str(kinds[0]).removeprefix('torch.')}: give floats in the coordinates of the "
            f"energy; images by gibbsian.dataset(x).batch(torch.arange(len(x)), {low:g}, {high:g}).x"
        )
    if spec and isinstance(x, Tensor) and x.shape[1:] != spec.event_shape:
        wanted = ", ".join(map(str, ("B", *spec.event_shape)))
        raise UsageError(f"x has shape {tuple(x.shape)}: this model takes points of shape ({wanted})")


def hessian_vector(energy: Energy, x: Position, v: Position) -> Position:
    """(d2E/dx2) v, chain by chain, in the structure of `x`."""
    xs = tuple(a.detach().requires_grad_() for a in leaves(x))
    with torch.enable_grad():
        _, grad = value_and_grad(energy, like(x, xs), differentiable=True)
        inner = sum((g * w).sum() for g, w in zip(leaves(grad), leaves(v), strict=True))
        if not isinstance(inner, Tensor) or not inner.requires_grad:
            return tree_map(torch.zeros_like, x)
        out = torch.autograd.grad(inner, xs, allow_unused=True)
    return like(x, tuple(torch.zeros_like(a) if h is None else h for a, h in zip(xs, out, strict=True)))


def curvature(
    energy: Energy, x: Position, probes: Sequence[Position]
) -> tuple[Tensor, Position, tuple[Tensor, ...]]:
    """E `(B,)`, dE/dx, and v'(d2E/dx2)v `(B,)` for each of the `probes` v, all with their graph.

    One forward and one backward pass for the gradient, then one backward pass a probe: what the trace of
    score matching is made of. Probes have the structure of `x`. Where the gradient does not depend on the
    position (a linear energy, or a network of kinked activations) the curvature is 0.
    """
    xs = tuple(a.detach().requires_grad_() for a in leaves(x))
    with torch.enable_grad():
        e, grad = value_and_grad(energy, like(x, xs), differentiable=True)
        found = tuple(_second(grad, xs, leaves(v)) for v in probes)
    return e, grad, found


def _second(grad: Position, xs: tuple[Tensor, ...], v: tuple[Tensor, ...]) -> Tensor:
    inner = torch.stack([(g * w).sum() for g, w in zip(leaves(grad), v, strict=True)]).sum()
    if not inner.requires_grad:
        return xs[0].new_zeros(len(xs[0]))
    out = torch.autograd.grad(inner, xs, create_graph=True, allow_unused=True)
    parts = [(h * w).flatten(1).sum(1) for h, w in zip(out, v, strict=True) if h is not None]
    return torch.stack(parts).sum(0) if parts else xs[0].new_zeros(len(xs[0]))
