"""Energies of events of two values whose sums are known: the Ising model, the restricted Boltzmann machine.

Exact answers come from transfer matrices and from enumerating hidden units, float64, and so of small ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import RngLike, as_generator
from .context import single
from .target import Target, exact

LARGEST = 16
"""Bits that are enumerated, at most."""


class Ising(Target):
    """E(s) = -J sum of s_i s_j over neighbours - h sum of s_i, spins -1 or 1 on a grid with free borders.

    Events are `(rows, columns)`; at most 16 columns, by whose states the transfer matrix is indexed (H.
    Kramers and G. Wannier 1941). Draws are exact: rows are drawn one after another, given the one below.

    Raises:
        UsageError: for a grid without spins or with more columns.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        coupling: float = 0.4,
        field: float = 0.0,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if rows < 1 or not 1 <= columns <= LARGEST:
            raise UsageError(f"a grid of {rows} x {columns}: at least 1 x 1, at most {LARGEST} columns")
        self.event, self.dtype = (rows, columns), dtype
        self.coupling, self.field = coupling, field
        self._states = 2 * _bits(columns) - 1
        alone = coupling * (self._states[:, 1:] * self._states[:, :-1]).sum(1) + field * self._states.sum(1)
        self._between = coupling * self._states @ self._states.T
        self._below = [alone]
        for _ in range(rows - 1):  # log of the sum over all rows before, given this one
            self._below.append(alone + (self._between + self._below[-1]).logsumexp(1))
        self.log_z = float(self._below[-1].logsumexp(0))
        self.mean = self._marginals()
        self.var = 1 - self.mean.square()

    def __call__(self, x: Position) -> Tensor:
        s = single(x)
        pairs = (s[:, 1:] * s[:, :-1]).sum((1, 2)) + (s[:, :, 1:] * s[:, :, :-1]).sum((1, 2))
        return -self.coupling * pairs - self.field * s.sum((1, 2))

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        """`n` exact draws `(n, rows, columns)`."""
        rng = as_generator(rng, "cpu")
        drawn = [_drawn(self._below[-1].expand(n, -1), rng)]
        for below in reversed(self._below[:-1]):
            drawn.append(_drawn(below + self._between[drawn[-1]], rng))
        return torch.stack([self._states[k] for k in drawn[::-1]], 1).to(self.dtype)

    def _marginals(self) -> Tensor:
        """Means of the spins, from the sums of both sides of each row."""
        up, means = torch.zeros_like(self._below[0]), list[Tensor]()
        alone = self._below[0]
        for below in reversed(self._below):
            means.append((below + up).softmax(0) @ self._states)
            up = (self._between + alone + up).logsumexp(1)
        return torch.stack(means[::-1])


class RBM(Target):
    """E(v) = -b v - sum over hidden units of softplus(c + v W), bits v of 0 and 1: a restricted Boltzmann
    machine with its hidden bits summed out (P. Smolensky 1986).

    Args:
        weights: W `(visible, hidden)`, at most 16 hidden units.
        visible, hidden: biases b `(visible,)` and c `(hidden,)`.

    Raises:
        UsageError: for shapes that do not fit, and more hidden units.
    """

    def __init__(
        self, weights: object, visible: object, hidden: object, *, dtype: torch.dtype = torch.float32
    ) -> None:
        self.weights, self.visible = exact(weights, "weights", 2), exact(visible, "visible", 1)
        self.hidden = exact(hidden, "hidden", 1)
        shape = (len(self.visible), len(self.hidden))
        if self.weights.shape != shape or not 1 <= shape[1] <= LARGEST:
            raise UsageError(
                f"weights {tuple(self.weights.shape)} with biases {shape}: (visible, hidden), 1 to {LARGEST} "
                "hidden units"
            )
        self.event, self.dtype = (shape[0],), dtype
        self._states = _bits(shape[1])
        self._input = self.visible + self._states @ self.weights.T
        self._log_h = self._states @ self.hidden + softplus(self._input).sum(1)
        self.log_z = float(self._log_h.logsumexp(0))
        self.mean = self._log_h.softmax(0) @ self._input.sigmoid()
        self.var = self.mean * (1 - self.mean)

    def __call__(self, x: Position) -> Tensor:
        v = single(x)
        inner = self.hidden.to(v) + v @ self.weights.to(v)
        return -(v @ self.visible.to(v)) - softplus(inner).sum(1)

    def draw(self, n: int, rng: RngLike = None) -> Tensor:
        """`n` exact draws `(n, visible)`: hidden bits first, of their own distribution."""
        rng = as_generator(rng, "cpu")
        p = self._input[_drawn(self._log_h.expand(n, -1), rng)].sigmoid()
        return (torch.rand(p.shape, generator=rng, dtype=p.dtype) < p).to(self.dtype)


def _bits(n: int) -> Tensor:
    """All events of n bits, `(2^n, n)` float64."""
    return (torch.arange(2**n)[:, None] >> torch.arange(n)).remainder(2).double()


def _drawn(log_p: Tensor, rng: torch.Generator) -> Tensor:
    """A state for each row of unnormalised log-probabilities `(N, states)`."""
    return torch.multinomial(log_p.softmax(1), 1, generator=rng).squeeze(1)
