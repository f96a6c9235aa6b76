"""Energies with labels: given, chosen, summed out, guided.

Two kinds of model are told apart. A *conditional* energy `E(x, y) -> (B,)` defines exp(-E(x, y)) / Z(y)
with one unknown Z(y) a label. A *joint* one returns all classes at once, `E_all(x) -> (B, C)`, and defines
p(x, y) = exp(-E_all(x)[y]) / Z with a single Z; only it has the marginal

    E(x) = -log sum_y exp(-E(x, y)),      p(y | x) = softmax_y(-E(x, y)).

Sources: W. Grathwohl et al., Your classifier is secretly an energy based model, 2020 (arXiv:1912.03263);
J. Ho, T. Salimans, Classifier-free diffusion guidance, 2022 (arXiv:2207.12598).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.position import Position, batch_size
from ..core.show import one_line
from .context import Index, labels, rows, take

ConditionalEnergy: TypeAlias = Callable[[Position, Tensor], Tensor]
JointEnergy: TypeAlias = Callable[[Position], Tensor]


@dataclass(frozen=True, eq=False)
class Given:
    """E(x, y) at a fixed y: an int, or a tensor `(B, ...)` of one label or condition a chain.

    `energy` is called with y as a tensor `(B, ...)`. Raises `UsageError` if y fits neither B chains nor 1.
    """

    energy: ConditionalEnergy
    y: int | Tensor

    __repr__ = one_line

    def __call__(self, x: Position) -> Tensor:
        return self.energy(x, labels(self.y, x))

    def rows(self, index: Index) -> Given:
        """The conditional energy over the chains at `index`, with their labels."""
        return Given(rows(self.energy, index), take(self.y, index))


@dataclass(frozen=True, eq=False)
class OfClass:
    """E_all(x)[y]: the class `y`, an int or `(B,)`, of a joint energy `(B, C)`.

    Raises `UsageError` on another shape, or on an int outside the C classes.
    """

    energy_all: JointEnergy
    y: int | Tensor

    __repr__ = one_line

    def __call__(self, x: Position) -> Tensor:
        return _chosen(class_energies(self.energy_all, x), self.y, x)

    def rows(self, index: Index) -> OfClass:
        """The class energy over the chains at `index`, with their labels."""
        return OfClass(rows(self.energy_all, index), take(self.y, index))


@dataclass(frozen=True, eq=False)
class Marginal:
    """E(x) = -logsumexp_y(-E(x, y)) of a joint energy `(B, C)` (Grathwohl et al. 2020).

    Raises `UsageError` on another shape.
    """

    energy_all: JointEnergy

    __repr__ = one_line

    def __call__(self, x: Position) -> Tensor:
        return -torch.logsumexp(-class_energies(self.energy_all, x), dim=1)

    def rows(self, index: Index) -> Marginal:
        """The marginal over the chains at `index`."""
        return Marginal(rows(self.energy_all, index))


@dataclass(frozen=True, eq=False)
class Guided:
    """(1 + w) E(x, y) - w E(x), the density p(x) p(y | x)^(1 + w), for a joint energy `(B, C)`.

    w = 0 conditions on y, w > 0 sharpens. Both terms come from one evaluation, hence at one temperature,
    that of the joint model (`algebra.Tempered` acts on the whole). A conditional energy `E(x, y) -> (B,)`
    is refused: its normaliser Z(y) is unknown, so it has no E(x). With a separate marginal model at the same
    temperature, write Negation(Scaled(conditional, 1 + w), marginal, alpha=w).
    Raises `UsageError` for that, for a label out of range, and unless w is finite.
    """

    joint: JointEnergy
    y: int | Tensor
    w: float

    __repr__ = one_line

    def __post_init__(self) -> None:
        if not math.isfinite(self.w):
            raise UsageError(f"w is {self.w}: it must be finite; 0 is plain conditioning, try 1")

    def __call__(self, x: Position) -> Tensor:
        e_all = class_energies(self.joint, x)
        marginal = -torch.logsumexp(-e_all, dim=1)
        return (1 + self.w) * _chosen(e_all, self.y, x) - self.w * marginal

    def rows(self, index: Index) -> Guided:
        """The guided energy over the chains at `index`, with their labels."""
        return replace(self, joint=rows(self.joint, index), y=take(self.y, index))


def class_energies(energy_all: JointEnergy, x: Position) -> Tensor:
    """E_all(x) of shape `(B, C)`; raises `UsageError`, saying why it is needed, on any other shape."""
    e_all = energy_all(x)
    if e_all.dim() != 2 or e_all.shape[0] != batch_size(x):
        raise UsageError(
            f"energy returned shape {tuple(e_all.shape)} for {batch_size(x)} chains: a marginal or guidance "
            "needs the energies of all classes, (B, C), under one normaliser; a conditional E(x, y) has an "
            "unknown Z(y) for each y, so train a joint model (jem) or a separate marginal one"
        )
    return e_all


def _chosen(e_all: Tensor, y: int | Tensor, x: Position) -> Tensor:
    if not isinstance(y, Tensor) and not 0 <= y < e_all.shape[1]:
        raise UsageError(f"y is {y}: the energy has {e_all.shape[1]} classes, counted from 0")
    return e_all.gather(1, labels(y, x)[:, None]).squeeze(1)
