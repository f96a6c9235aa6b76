"""Unadjusted Langevin dynamics, the work-horse of deep energy-based models.

    x' = x - (s/2) grad E(x) + sqrt(s T) xi,    xi ~ N(0, I),    s = step_size, T = temperature

The stationary density is exp(-E/T) up to a bias of order s: on a Gaussian of precision lambda at T = 1 the
variance is 1 / (lambda (1 - s lambda / 4)). (E, s, T) and (E/T, s T, 1) are the same chain.

The image papers vary the parts of a step. Each variation is a field, and the parts act in one order:

    noise (if first) -> clamp (if noised) -> gradient -> clip it -> move -> noise (if not first) -> clamp

A clip, a clamp or a schedule of the temperature changes the stationary density by an amount that does
not vanish with s. With the noise first, gradients are taken at the points of the plain step, and x lacks one
draw of noise: its bias is of order s too, of the other sign. Metropolis kernels have no such fields: a
clamped MALA has variance .44 where .29 is right. To fix known coordinates restrict the energy.
Positions are `(B, *event)` or tuples of such.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..core.draws import Rng
from ..core.energy import Energy, gradient
from ..core.errors import UsageError, require_positive
from ..core.position import Position, detach, dot, expand, leaves, randn_like, tree_map
from ..core.show import one_line
from .reports import ChainInfo, Length
from .settings import LangevinSettings
from .state import ChainState


@dataclass(frozen=True)
class Langevin(LangevinSettings):
    """x' = x - (s/2) grad E(x) + sqrt(s T) xi (Roberts and Tweedie 1996, Bernoulli 2(4), eq. 2), with the
    variations of the image papers.

        Langevin(0.02)                                                              # plain, T = 1
        replace(Langevin.from_drift(10, 0.005), noise_first=True, clip_value=0.01, clamp=(0, 1))    # IGEBM

    Noise before the gradient is IGEBM's released code (Du and Mordatch 2019, arXiv 1903.08689) and the UvA
    deep-learning tutorial 8, which clamps the noised point too; noise that fades to 0 is CF-EBM's (Zhao et
    al. 2021). `exact` is False: a step-size bias remains. One gradient a step, none at the start.

    Args:
        step_size: s > 0, in units of x squared over energy.
        temperature: T >= 0; 0 is plain gradient descent.
        noise_first: add the noise, then take the gradient at the noised point: y = x + sqrt(s T) xi,
            x' = y - (s/2) grad E(y).
        clip_value: limit each coordinate of the gradient to [-clip_value, clip_value].
        clip_norm: scale the gradient of a chain, over all its coordinates and leaves, to this Euclidean
            length if it is longer; it keeps its direction.
        clamp: (low, high) to which every coordinate is clamped after the move.
        clamp_noised: clamp the point at which the gradient is taken too; needs `noise_first` and `clamp`.
        step_size_schedule: a function of the number of steps made, from 0, that replaces `step_size`.
        temperature_schedule: the same for `temperature`. Every step then draws noise, at T = 0 too, so that
            all steps are alike.
        start_step: steps that count as made before the first one; schedules go on from there.

    Raises:
        UsageError: for values out of range or that exclude each other; in a step, for a schedule that leaves
            the allowed range.
    """

    exact: ClassVar[bool] = False
    gradients_per_step: ClassVar[int] = 1

    __repr__ = one_line

    @classmethod
    def from_drift(cls, drift: float, noise: float) -> Langevin:
        """The kernel x' = x - drift grad E(x) + noise xi, as papers state it.

        s = 2 drift and T = noise^2 / (2 drift): IGEBM (10, .005) has T = 1.25e-6, JEM (1, .01) 5e-5.

        Args:
            drift: positive factor on grad E, in units of x squared over energy.
            noise: standard deviation of the noise of one step, in units of x; 0 for none.

        Raises `UsageError` for values out of range.
        """
        require_positive(drift=drift)
        if not 0 <= noise < float("inf"):
            raise UsageError(f"noise is {noise}: a standard deviation must be finite and not negative")
        return cls(step_size=2 * drift, temperature=noise**2 / (2 * drift))

    def from_step(self, made: int) -> Langevin:
        """The same kernel after `made` >= 0 more steps: its schedules go on where other chains ended."""
        return replace(self, start_step=self.start_step + made)

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x`. The energy is not called."""
        return ChainState(x)

    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step without a graph."""
        with torch.no_grad():
            return self.step_by(*self.at(state.count).scales, energy, state, rng)

    def step_with_graph(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step whose result depends, for autograd, on the energy's parameters and on the position."""
        with torch.enable_grad():
            return self.step_by(*self.at(state.count).scales, energy, state, rng, differentiable=True)

    def step_by(
        self,
        step_size: float | Tensor,
        sigma: float | Tensor,
        energy: Energy,
        state: ChainState,
        rng: Rng,
        *,
        differentiable: bool = False,
    ) -> tuple[ChainState, ChainInfo]:
        """One step of size s with noise of standard deviation `sigma`, whatever the fields say of both.

        Numbers, or scalar tensors in a compiled chain, whose graph then serves any step size and temperature.
        `divergent` marks chains whose gradient or move was not finite, or so large that its square is not.
        """
        x, clamp = state.position, self.clamp
        xi = randn_like(x, rng) if self.noisy else None
        start = _push(x, xi, sigma) if self.noise_first else x
        if clamp is not None and self.clamp_noised:
            start = _clamp(start, clamp)
        grad = gradient(energy, start, differentiable=differentiable)
        force, clipped = self._clip(grad)
        x = _push(start, force, -step_size / 2)
        x = x if self.noise_first else _push(x, xi, sigma)
        # A sum of squares is finite only if all its parts are; a clipped gradient has lost what it was.
        moved = detach(x)
        watched = Length(moved if clipped is None else (*leaves(moved), *leaves(detach(grad))))
        x = x if clamp is None else _clamp(x, clamp)
        info = ChainInfo(
            acceptance=None,
            divergent=watched,
            drift=Length(detach(force), step_size / 2),
            noise=None if xi is None else Length(xi, sigma),
            clipped=clipped,
            saturated=None if clamp is None else _saturated(detach(x), clamp),
        )
        return ChainState(x, count=state.count + 1), info

    def _clip(self, grad: Position) -> tuple[Position, Tensor | None]:
        """The clipped gradient and the share of it that was clipped."""
        if self.clip_value is not None:
            limit = self.clip_value
            clipped = _share(tree_map(lambda g: g.detach().abs() > limit, grad))
            return tree_map(lambda g: g.clamp(-limit, limit), grad), clipped
        if self.clip_norm is not None:
            square = dot(grad, grad)
            clipped = (square.detach() > self.clip_norm**2).float().mean()
            factor = self.clip_norm * square.clamp(min=self.clip_norm**2).rsqrt()
            return tree_map(lambda g: g * expand(factor, g), grad), clipped
        return grad, None


def _push(x: Position, direction: Position | None, amount: float | Tensor) -> Position:
    if direction is None:
        return x
    if isinstance(amount, Tensor):
        size = amount
        return tree_map(lambda a, d: a + size * d, x, direction)
    return tree_map(lambda a, d: torch.add(a, d, alpha=amount), x, direction)


def _clamp(x: Position, clamp: tuple[float, float]) -> Position:
    return tree_map(lambda a: a.clamp(*clamp), x)


def _saturated(x: Position, clamp: tuple[float, float]) -> Tensor:
    return _share(tree_map(lambda a: (a <= clamp[0]) | (a >= clamp[1]), x))


def _share(marks: Position) -> Tensor:
    """The share of true coordinates over all chains and leaves, a scalar."""
    total = sum(m.numel() for m in leaves(marks))
    return torch.stack([m.sum() for m in leaves(marks)]).sum() / total
