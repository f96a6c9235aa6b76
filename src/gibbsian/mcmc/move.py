"""One step of Langevin dynamics with every variation of the image papers, as plain numbers and a function.

The parts of a step always act in one order:

    noise (if first)  ->  clamp (if noised)  ->  gradient  ->  clip  ->  move  ->  clamp

Positions are `(B, *event)` or tuples of such.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.draws import Rng
from ..core.energy import Energy, value_and_grad
from ..core.errors import UsageError, require_positive
from ..core.position import Position, detach, dot, expand, leaves, norm, randn_like, tree_map
from .state import ChainInfo


@dataclass(frozen=True)
class Move:
    """The plain numbers of one Langevin step, after every wrapper had its say.

    `box` is (low, high) of the clamp; `annealed` tells that the temperature follows a schedule; `inputs`,
    `(2,)`, are the numbers of a compiled chain, whose graph then serves any step size and temperature.
    """

    step_size: float
    temperature: float
    noise_first: bool = False
    clip_value: float | None = None
    clip_norm: float | None = None
    box: tuple[float, float] | None = None
    box_noised: bool = False
    annealed: bool = False
    inputs: Tensor | None = None

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
        """Step size s, and the standard deviation sqrt(s T) of the noise."""
        if self.inputs is not None:
            return self.inputs[0], self.inputs[1]
        return self.step_size, (self.step_size * self.temperature) ** 0.5

    def with_inputs(self, x: Position) -> Move:
        """The same move for a graph that takes its numbers as inputs, in the precision of `x`."""
        kind = torch.float32
        for a in leaves(x):
            kind = torch.promote_types(kind, a.dtype)
        inputs = torch.tensor(self.numbers, dtype=kind, device=leaves(x)[0].device)
        return replace(self, step_size=1.0, temperature=float(self.noisy), inputs=inputs)


def langevin_step(
    move: Move, energy: Energy, x: Position, rng: Rng, *, differentiable: bool = False
) -> tuple[Position, ChainInfo]:
    """One step from `x` `(B, *event)`; `divergent` marks chains whose gradient or move was not finite, or so
    large that its square is not."""
    step_size, sigma = move.numbers
    xi = randn_like(x, rng) if move.noisy else None
    start = _push(x, xi, sigma) if move.noise_first else x
    if move.box is not None and move.box_noised:
        start = _clamp(start, move.box)
    _, grad = value_and_grad(energy, start, differentiable=differentiable)
    force, clipped = _clip(grad, move)
    x = _push(start, force, -step_size / 2)
    x = x if move.noise_first else _push(x, xi, sigma)
    # A sum of squares is finite only if all parts are: norms tell, and are wanted anyway.
    sound = norm(detach(x)) if clipped is None else norm(detach(x)) + norm(detach(grad))
    x = x if move.box is None else _clamp(x, move.box)
    info = ChainInfo(
        acceptance=None,
        divergent=~(sound < torch.inf),
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
