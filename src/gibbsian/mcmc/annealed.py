"""Annealed importance sampling along a path of energies, with a way from each to the next.

    log w = sum over steps of  U_k(x) - U_{k+1}(x') + log back(x | x') / there(x' | x),
    then moves that keep exp(-U_{k+1})

A way is a map, whose ratio is log |det|, or a draw of a density (`mcmc.noise_moves`). exp(log w) has the mean
Z_last / Z_first, whatever the moves' mixing (R. Neal, 2001; the maps: M. Arbel, A. Matthews, A. Doucet, 2021;
densities: P. Del Moral, A. Doucet, A. Jasra, 2006), so that a path of normalised energies must give 1. With
resampling the rows whose weights fall behind give way to others (sequential Monte Carlo).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ..core.energy import Energy, value
from ..core.show import one_line
from .base import Kernel, run
from .importance import effective_sample_size, resample

Carry = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""Rows `(N, *event)` at the next energy, and log of what the way back has over the way there, `(N,)`."""


@dataclass(frozen=True)
class PathStep:
    """One step of a path: the energy left and the one reached, the way between, the kernel and its moves."""

    energy: Energy
    to: Energy
    carry: Carry
    kernel: Kernel
    moves: int = 1

    __repr__ = one_line


@dataclass(frozen=True)
class Annealed:
    """`log_weights` `(N,)`, where the rows ended `x` `(N, *event)`, the mean `acceptance` of the moves."""

    log_weights: Tensor
    x: Tensor
    acceptance: float

    __repr__ = one_line

    @property
    def log_z(self) -> float:
        """log of the mean weight: of Z_last / Z_first, below it on average."""
        return float(self.log_weights.double().logsumexp(0)) - math.log(len(self.log_weights))

    @property
    def ess(self) -> float:
        """How many of the N draws the weights are worth."""
        return float(effective_sample_size(self.log_weights))


def bridged(down: Tensor, up: Tensor) -> float:
    """log Z_last / Z_first of log-weights `(N,)` of the way there and `(N,)` of the way back.

    The value at which both are as surprised (C. Bennett, 1976): its error is second order in what either way
    alone is wrong by. The way back must begin at draws of the last.
    """
    down, up = down.double(), up.double()
    low, high = (float(t) for t in torch.cat([down, -up]).aminmax())
    for _ in range(60):
        middle = (low + high) / 2
        excess = (down - middle).sigmoid().sum() - (up + middle).sigmoid().sum()
        low, high = (middle, high) if excess > 0 else (low, middle)
    return (low + high) / 2


def annealed(
    path: Sequence[PathStep],
    x: Tensor,
    rng: torch.Generator,
    *,
    resampling: float = 0.0,
    observe: Callable[[Tensor, Tensor], None] = lambda x, log_weights: None,
) -> Annealed:
    """Carry rows `x` `(N, *event)`, which are draws of exp(-U) of the first energy, along `path`.

    The kernels must be exact, such as MALA, for the mean weight to be right. `resampling`: share of N below
    which the effective sample size makes rows be drawn anew in proportion to their weights, all of which are
    then their mean; 0 for never, which leaves the rows independent. `observe`: called with rows and their
    log-weights `(N,)`, float64, at the first energy and after the moves at every other.
    """
    log_w, accepted = torch.zeros(len(x), dtype=torch.float64, device=x.device), []
    observe(x, log_w)
    for step in path:
        with torch.no_grad():
            moved, ratio = step.carry(x, rng)
            log_w += (value(step.energy, x) - value(step.to, moved) + ratio).double()
        if resampling and float(effective_sample_size(log_w)) < resampling * len(x):
            moved = moved[resample(log_w, len(x), rng)]
            log_w = (log_w.logsumexp(0) - math.log(len(x))).expand(len(x)).clone()
        chain = run(step.kernel, step.to, moved, steps=step.moves, rng=rng)
        x = cast(Tensor, chain.position)
        if chain.info.acceptance is not None:
            accepted.append(float(chain.info.acceptance.mean()))
        observe(x, log_w)
    return Annealed(log_w, x, sum(accepted) / max(len(accepted), 1))
