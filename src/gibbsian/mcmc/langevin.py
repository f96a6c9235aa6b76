"""Unadjusted Langevin dynamics, the work-horse of deep energy-based models.

    x' = x - (s/2) grad E(x) + sqrt(s T) xi,    xi ~ N(0, I),    s = step_size, T = temperature

The stationary law is exp(-E/T) up to a bias of order s: on a Gaussian of precision lambda at T = 1 the
variance is 1 / (lambda (1 - s lambda / 4)). (E, s, T) and (E/T, s T, 1) are the same chain.

The image papers vary the order of the parts (noise before the gradient, clipped gradient, clamped pixels).
Each variation is a wrapper; all of them come down to one `Move`, whose parts always act in one order:

    noise (if first)  ->  clamp (if noised)  ->  gradient  ->  clip  ->  move  ->  clamp

so wrappers nest in any order and mean the same. Positions are `(B, *event)` or tuples of such.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.draws import Rng
from ..core.energy import Energy, value_and_grad
from ..core.errors import UsageError, require_positive
from ..core.position import Position, detach, dot, expand, finite, leaves, norm, randn_like, tree_map
from .state import ChainInfo, ChainState


@dataclass(frozen=True)
class Move:
    """The plain numbers of one Langevin step, after every wrapper had its say.

    `box` is (low, high) of the clamp; `annealed` tells that the temperature follows a schedule; `inputs`
    are step size and temperature as scalar tensors, for a compiled chain in which they change.
    """

    step_size: float
    temperature: float
    noise_first: bool = False
    clip_value: float | None = None
    clip_norm: float | None = None
    box: tuple[float, float] | None = None
    box_noised: bool = False
    annealed: bool = False
    inputs: tuple[Tensor, Tensor] | None = None

    def __post_init__(self) -> None:
        require_positive(step_size=self.step_size)
        if not 0 <= self.temperature < float("inf"):
            raise UsageError(f"temperature is {self.temperature}: it must be finite and not negative")

    @property
    def noisy(self) -> bool:
        """Whether a step draws noise. Annealed ones do at T = 0 too, so that all steps are alike."""
        return self.annealed or self.temperature > 0

    @property
    def matched(self) -> bool:
        """Whether exp(-E/T) is the law that the chain aims at, up to the step-size bias."""
        changed = self.noise_first or self.clip_value or self.clip_norm or self.box or self.annealed
        return not changed and self.temperature > 0

    @property
    def numbers(self) -> tuple[float | Tensor, float | Tensor]:
        """Step size and temperature."""
        return self.inputs or (self.step_size, self.temperature)

    def with_inputs(self, device: torch.device) -> Move:
        """The same move for a graph that takes its numbers as inputs."""
        s, t = (torch.tensor(n, device=device) for n in (self.step_size, self.temperature))
        return replace(self, inputs=(s, t))


class Unadjusted(ABC):
    """The Langevin family: a kernel is its `move`; `init` and `step` are the same for all.

    `exact` is False: a step-size bias remains. One gradient a step, none at the start.
    """

    exact = False
    gradients_per_step = 1

    @abstractmethod
    def move(self, count: int) -> Move:
        """The numbers of the step that follows `count` earlier ones."""

    @property
    def steady(self) -> bool:
        """Whether the move is the same at every step."""
        return True

    @property
    def matched(self) -> bool:
        """Whether log-densities of exp(-E/T) make sense for what this chain samples (design: `matched`)."""
        return self.move(0).matched

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x`. The energy is not called."""
        move = self.move(0)
        if move.box_noised and not move.noise_first:
            raise UsageError("Clamped(noised=True) clamps the point after noise: wrap NoiseFirst as well")
        return ChainState(x)

    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step without a graph."""
        with torch.no_grad():
            x, info = langevin_step(self.move(state.count), energy, state.position, rng)
        return ChainState(x, count=state.count + 1), info

    def step_with_graph(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One step whose result depends, for autograd, on the energy's parameters and on the position."""
        with torch.enable_grad():
            x, info = langevin_step(self.move(state.count), energy, state.position, rng, differentiable=True)
        return ChainState(x, count=state.count + 1), info


@dataclass(frozen=True)
class Langevin(Unadjusted):
    """x' = x - (s/2) grad E(x) + sqrt(s T) xi (Roberts and Tweedie 1996, Bernoulli 2(4), eq. 2).

    Args:
        step_size: s > 0, in units of x squared over energy.
        temperature: T >= 0; 0 is plain gradient descent.

    Raises:
        UsageError: for a step size or temperature out of range.
    """

    step_size: float
    temperature: float = 1.0

    def __post_init__(self) -> None:
        self.move(0)

    @classmethod
    def matched_to(cls, drift: float, noise: float) -> Langevin:
        """The papers' pair: factor `drift` on grad E, standard deviation `noise`.

        s = 2 drift and T = noise^2 / (2 drift): IGEBM (10, .005) has T = 1.25e-6, JEM (1, .01) 5e-5.
        """
        require_positive(drift=drift)
        if not 0 <= noise < float("inf"):
            raise UsageError(f"noise is {noise}: a standard deviation must be finite and not negative")
        return cls(step_size=2 * drift, temperature=noise**2 / (2 * drift))

    def move(self, count: int) -> Move:
        """Step size and temperature, the same at every step."""
        return Move(self.step_size, self.temperature)


@dataclass(frozen=True)
class Fixed(Unadjusted):
    """A kernel whose every step is the same, given `numbers`: one step of any other of this family."""

    numbers: Move

    def move(self, count: int) -> Move:
        """The numbers, at every step."""
        return self.numbers


@dataclass(frozen=True)
class NoiseFirst(Unadjusted):
    """Noise is added, then the gradient is taken at the noised point: y = x + sqrt(s T) xi,
    x' = y - (s/2) grad E(y).

    The order of IGEBM's released code (Du and Mordatch 2019, arXiv 1903.08689) and of the UvA
    deep-learning tutorial 8. `kernel` is any of the Langevin family, else `UsageError`.
    """

    kernel: Unadjusted

    def __post_init__(self) -> None:
        require_unadjusted("NoiseFirst", self.kernel)

    @property
    def steady(self) -> bool:
        """As the wrapped kernel."""
        return self.kernel.steady

    def move(self, count: int) -> Move:
        """The wrapped move with the noise first."""
        return replace(self.kernel.move(count), noise_first=True)


def require_unadjusted(wrapper: str, kernel: object) -> None:
    """Raise `UsageError` unless `kernel` is of the Langevin family."""
    if not isinstance(kernel, Unadjusted):
        raise UsageError(
            f"{wrapper} cannot wrap {type(kernel).__name__}: it would change the proposal behind the "
            "acceptance ratio and bias the chain; wrap Langevin, or give the energy a +inf wall"
        )


def langevin_step(
    move: Move, energy: Energy, x: Position, rng: Rng, *, differentiable: bool = False
) -> tuple[Position, ChainInfo]:
    """One step from `x` `(B, *event)`; `divergent` marks chains whose gradient or move was not finite."""
    step_size, temperature = move.numbers
    sigma = (step_size * temperature) ** 0.5
    xi = randn_like(x, rng) if move.noisy else None
    start = _push(x, xi, sigma) if move.noise_first else x
    if move.box is not None and move.box_noised:
        start = _clamp(start, move.box)
    _, grad = value_and_grad(energy, start, differentiable=differentiable)
    force, clipped = _clip(grad, move)
    x = _push(start, force, -step_size / 2)
    x = x if move.noise_first else _push(x, xi, sigma)
    divergent = ~finite(detach(x)) if clipped is None else ~(finite(detach(x)) & finite(detach(grad)))
    x = x if move.box is None else _clamp(x, move.box)
    info = ChainInfo(
        acceptance=None,
        divergent=divergent,
        drift=norm(detach(force)) * (step_size / 2),
        noise=None if xi is None else norm(xi) * sigma,
        clipped=clipped,
        saturated=None if move.box is None else _saturated(detach(x), move.box),
    )
    return x, info


def _push(x: Position, direction: Position | None, amount: float | Tensor) -> Position:
    if direction is None:
        return x
    if isinstance(amount, Tensor):
        size = amount
        return tree_map(lambda a, d: a + size * d, x, direction)
    return tree_map(lambda a, d: torch.add(a, d, alpha=amount), x, direction)


def _clamp(x: Position, box: tuple[float, float]) -> Position:
    return tree_map(lambda a: a.clamp(*box), x)


def _clip(grad: Position, move: Move) -> tuple[Position, Tensor | None]:
    """The clipped gradient and the share of it that was clipped."""
    clipped: Tensor | None = None
    if move.clip_value is not None:
        limit = move.clip_value
        clipped = _share(tree_map(lambda g: g.detach().abs() > limit, grad))
        grad = tree_map(lambda g: g.clamp(-limit, limit), grad)
    if move.clip_norm is not None:
        square = dot(grad, grad)
        clipped = (square.detach() > move.clip_norm**2).float().mean()
        factor = move.clip_norm * square.clamp(min=move.clip_norm**2).rsqrt()
        grad = tree_map(lambda g: g * expand(factor, g), grad)
    return grad, clipped


def _saturated(x: Position, box: tuple[float, float]) -> Tensor:
    return _share(tree_map(lambda a: (a <= box[0]) | (a >= box[1]), x))


def _share(marks: Position) -> Tensor:
    """The share of true coordinates over all chains and leaves, a scalar."""
    total = sum(m.numel() for m in leaves(marks))
    return torch.stack([m.sum() for m in leaves(marks)]).sum() / total
