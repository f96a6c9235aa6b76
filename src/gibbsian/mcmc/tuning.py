"""Adapt a Metropolis kernel once, then use it as it is.

The step size is doubled or halved until the acceptance crosses its target, then follows dual averaging
(Nesterov 2009; Hoffman and Gelman 2014, arXiv 1111.4246, section 3.2)

    log s_{t+1} = log s_0 - sqrt(t) / (g (t + t0)) sum_{i<=t} (target - acceptance_i)

with the acceptance averaged over the chains that are alive, so that one dead chain (a non-finite energy or
gradient) neither stops nor poisons it. The result is the average of log s with weights t^-kappa. The
constants are theirs but for g = .25 (theirs: .05, for one chain): over many chains the acceptance is hardly
noisy, and a small g only makes the step swing. A diagonal metric is the variance of each coordinate over
chains and steps.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import GibbsianError, UsageError
from ..core.position import Position, detach, finite, leaves, rows
from ..core.random import RngLike, as_generator
from ..nets.frozen import frozen
from .engine.recorded import replayed
from .hmc import HMC
from .mala import MALA
from .nuts import NUTS
from .state import ChainState, cached
from .underdamped import Underdamped

K = TypeVar("K", MALA, HMC, NUTS, Underdamped)

TARGETS: dict[type, float] = {MALA: 0.574, HMC: 0.65, NUTS: 0.8, Underdamped: 0.8}
WIDEST = 30  # doublings


def tune(
    kernel: K,
    energy: Energy,
    x: Position,
    rng: RngLike = None,
    *,
    steps: int = 500,
    target: float | None = None,
    metric: bool = False,
) -> K:
    """A kernel of the same class whose mean acceptance is near `target`.

    Reads one number from the device a step. The chains start at `x` and are thrown away.

    Args:
        kernel: MALA, HMC, NUTS, or Underdamped with `metropolis`; its step size is the first guess.
        x: start `(B, *event)`; many chains make it accurate.
        rng: a generator on the device of `x`, a seed, or None for torch's own generator.
        steps: kernel steps in all, at least 20; `metric` spends the first half on measuring.
        target: acceptance in (0, 1); None takes .574 (MALA: Roberts and Rosenthal 1998), .65 (HMC: Beskos
            et al. 2013) or .8 (NUTS: Betancourt et al. 2014; Underdamped).
        metric: also estimate inverse masses (MALA, HMC and NUTS), scaled to a geometric mean of 1.

    Raises:
        UsageError: for a kernel without acceptance or a value out of range.
        GibbsianError: if no chain has a finite energy and gradient.
    """
    goal = _goal(kernel, steps, target)
    rng = as_generator(rng, leaves(x)[0].device)
    with frozen(energy):
        energy = replayed(energy, x, kernel, steps)
        return _tuned(kernel, energy, kernel.init(energy, detach(x)), rng, steps, goal, metric)


def _goal(kernel: MALA | HMC | NUTS | Underdamped, steps: int, target: float | None) -> float:
    if type(kernel) not in TARGETS or not kernel.exact:
        raise UsageError(
            f"{type(kernel).__name__} accepts every step or has no step size, so there is nothing to tune: "
            "give MALA, HMC, NUTS or Underdamped(splitting='obabo', metropolis=True)"
        )
    if steps < 20:
        raise UsageError(f"steps is {steps}: tuning needs at least 20")
    goal = TARGETS[type(kernel)] if target is None else target
    if not 0 < goal < 1:
        raise UsageError(f"target is {target}: an acceptance lies between 0 and 1")
    return goal


def _tuned(
    kernel: K,
    energy: Energy,
    state: ChainState,
    rng: torch.Generator,
    steps: int,
    goal: float,
    metric: bool,
) -> K:
    if not metric:
        return _adapt(kernel, energy, state, rng, steps, goal)[0]
    if isinstance(kernel, Underdamped):
        raise UsageError("Underdamped has no metric: tune it with metric=False, or use HMC")
    moments = _Moments()
    kernel, state = _adapt(kernel, energy, state, rng, steps // 2, goal, moments)
    # Another metric asks for another step size, so the second half looks for it from where the first ended.
    kernel = replace(kernel, metric=moments.metric())
    return _adapt(kernel, energy, state, rng, steps - steps // 2, goal)[0]


def _adapt(
    kernel: K,
    energy: Energy,
    state: ChainState,
    rng: torch.Generator,
    steps: int,
    goal: float,
    moments: _Moments | None = None,
) -> tuple[K, ChainState]:
    """Search and dual averaging over `steps`; the second half of the way goes into `moments`.

    The first half is left out of them: the chains may still come from where they began.
    """
    averaging = _StepSize(goal, math.log(kernel.step_size))
    for k in range(steps):
        alive = _alive(state)
        trial = replace(kernel, step_size=math.exp(averaging.trial))
        state, info = trial.step(energy, state, rng)
        if info.acceptance is not None:
            # Of the chains alive before the step: one that dies of it counts as a rejection.
            averaging.update(float(info.acceptance[alive].mean()))
        if moments is not None and k >= steps // 2:
            moments.add(rows(state.position, alive))
    return replace(kernel, step_size=math.exp(averaging.averaged)), state


def _alive(state: ChainState) -> Tensor:
    """Indices of the chains that stand at a finite energy and gradient."""
    e, grad = cached(state)
    alive = (e.isfinite() & finite(grad) & finite(state.position)).nonzero()[:, 0]
    if len(alive) == 0:
        raise GibbsianError("no chain has a finite energy and gradient: start where the energy is finite")
    return alive


class _StepSize:
    """The log of a step size on its way to acceptance `goal`: first by doublings, then by dual averaging."""

    def __init__(self, goal: float, first: float) -> None:
        self.goal = goal
        self.trial = self.averaged = self.first = first
        self.direction = 0
        self.doublings = 0
        self.count = 0
        self.error = 0.0

    def update(self, acceptance: float) -> None:
        """Take note of the acceptance at `trial`, and choose the next."""
        direction = 1 if acceptance > self.goal else -1
        # The search ends for good where a doubling would take back the last one: the target is in between.
        if self.count == 0 and direction != -self.direction and self.doublings < WIDEST:
            self.direction, self.doublings = direction, self.doublings + 1
            self.trial += direction * math.log(2)
            self.first = self.averaged = self.trial
        else:
            self._average(acceptance)

    def _average(self, acceptance: float, g: float = 0.25, t0: float = 10.0, kappa: float = 0.75) -> None:
        self.count += 1
        self.error += self.goal - acceptance
        # All errors so far drive the trial, which swings about the answer; its weighted mean is the result.
        self.trial = self.first - math.sqrt(self.count) / (g * (self.count + t0)) * self.error
        weight = self.count**-kappa
        self.averaged = weight * self.trial + (1 - weight) * self.averaged


class _Moments:
    """Pooled mean and variance of each coordinate, updated batch by batch (Chan et al. 1983)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: list[Tensor] = []
        self.square: list[Tensor] = []

    def add(self, x: Position) -> None:
        parts = [a.double() for a in leaves(x)]
        means, n = [a.mean(0) for a in parts], parts[0].shape[0]
        squares = [((a - m) ** 2).sum(0) for a, m in zip(parts, means, strict=True)]
        self.dtypes = [a.dtype for a in leaves(x)]
        if not self.count:
            self.count, self.mean, self.square = n, means, squares
            return
        total = self.count + n
        for i, (m, s) in enumerate(zip(means, squares, strict=True)):
            delta = m - self.mean[i]
            self.mean[i] = self.mean[i] + delta * (n / total)
            self.square[i] = self.square[i] + s + delta**2 * (self.count * n / total)
        self.count = total

    def metric(self) -> tuple[Tensor, ...]:
        """Variances over their geometric mean; the smallest are raised to 1e-12 of the largest."""
        variances = [s / self.count for s in self.square]
        top = torch.stack([v.max() for v in variances]).max()
        if not top > 0:
            raise GibbsianError("no chain moved while the metric was measured: try a smaller step_size")
        floored = [v.clamp(min=float(top) * 1e-12) for v in variances]
        scale = torch.cat([v.log().flatten() for v in floored]).mean().exp()
        return tuple((v / scale).to(d) for v, d in zip(floored, self.dtypes, strict=True))
