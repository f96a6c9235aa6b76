"""The No-U-Turn sampler: trajectories of Hamiltonian Monte Carlo that end where they begin to turn back.

A trajectory is doubled, in a direction drawn anew each time, until its ends approach one another; the next
point is drawn from all of its points. Each chain has its own: one whose trajectory has ended waits for the
others, which is the price of moving B chains together.

    weights       multinomial: p(point) ~ exp((H_0 - H) / T), H = E + |v|^2 / 2        (Betancourt 2017, A.2)
    within 2^d    a new point replaces the proposal with probability w / (sum of w so far)
    the doubling  replaces it with min(1, its weight / weight before), which prefers what is far
    turning       v_first . r <= 0 or v_last . r <= 0,  r = (sum of v) - (v_first + v_last) / 2,
                  of the whole and of every balanced part of each doubling

Parts are looked at as they are completed, by the velocities where parts begin that are not complete, of
which there are d + 1 at most (Phan, Pradhan, Jankowiak 2019, arXiv 1912.11554, Algorithm 2): no recursion,
memory of d points. A doubling that turns inside, or whose H rises by more than 1,000 T, is given back whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ..core.draws import Rng
from ..core.energy import Energy, value_and_grad
from ..core.position import Position, detach, dot, finite, randn_like, tree_map, where
from ..core.random import generator
from ..core.show import one_line
from .leapfrog import hamiltonian, leapfrog
from .metric import Metric, require_fit, require_metric
from .reports import ChainInfo
from .settings import NUTSSettings
from .state import ChainState, cached, known_energy

LOST = 1000.0
"""Rise of H, in units of T, from which a trajectory has left the surface of constant H."""


class End(NamedTuple):
    """One end of a trajectory: position, energy and gradient there, and the velocity."""

    state: ChainState
    velocity: Position


class Part(NamedTuple):
    """What is known of a trajectory or a doubling.

    `last`: the end at which it grows. `proposal`: a point of it. `log_weight` `(B,)`: of all its points.
    `velocities`: their sum. `going` `(B,)` bool: chains that have neither turned nor been lost in it.
    """

    last: End
    proposal: ChainState
    log_weight: Tensor
    velocities: Position
    going: Tensor


@dataclass(frozen=True)
class NUTS(NUTSSettings):
    """The No-U-Turn sampler (Hoffman and Gelman 2014, arXiv 1111.4246) with multinomial weights (Betancourt
    2017, arXiv 1701.02434), all chains in step.

    A step costs as many gradients as its longest trajectory has points, up to 2^depth - 1, beside one at the
    start; `ChainInfo.gradients` says how many each chain itself needed. It draws as many numbers as its
    trajectories need, so chains of it are not compiled.

    Args:
        step_size: h > 0 of the leapfrog, in units of x over the square root of energy.
        depth: doublings of a trajectory, at most; 10 are 1,023 leapfrogs.
        temperature: T > 0 of the target exp(-E/T).
        metric: inverse masses, one positive tensor of the event's shape a leaf (see `metric`), or None.

    Raises:
        UsageError: for a value out of range; in `init`, for a metric that does not fit the position.
    """

    metric: Metric = None

    exact: ClassVar[bool] = True
    gradients_per_step: ClassVar[int] = 0
    """Told by the report of each step."""

    __repr__ = one_line

    def __post_init__(self) -> None:
        super().__post_init__()
        require_metric(self.metric)

    def init(self, energy: Energy, x: Position) -> ChainState:
        """A state at `x` with its energy and gradient."""
        require_fit(self.metric, x)
        return ChainState(detach(x), *value_and_grad(energy, x))

    @torch.no_grad()
    def step(self, energy: Energy, state: ChainState, rng: Rng) -> tuple[ChainState, ChainInfo]:
        """One trajectory of every chain. Raises `TypeError` for numbers drawn beforehand."""
        if not isinstance(rng, torch.Generator):
            raise TypeError("NUTS draws as many numbers as its trajectories need")
        return Trajectory(self, energy, state, rng).grown()


class Trajectory:
    """The trajectories of all chains from one state, and what is counted on their way."""

    def __init__(self, kernel: NUTS, energy: Energy, state: ChainState, rng: torch.Generator) -> None:
        self.kernel, self.energy, self.begun = kernel, energy, state
        v = tree_map(lambda n: n * kernel.temperature**0.5, randn_like(state.position, rng))
        self.level = hamiltonian(state, v)
        # A stream of its own, so that how long one chain goes does not change what the others draw next.
        seed = torch.randint(2**62, (), generator=rng, device=rng.device)
        self.rng = generator(int(seed), rng.device)
        self.left = self.right = End(state, v)
        zero = torch.zeros_like(self.level)
        self.accepted, self.points = zero, zero
        # A chain that stands at no finite energy has no level to follow: it stays, and is told of as lost.
        sound = self.level.isfinite()
        self.lost = ~sound
        self.whole = Part(self.right, state, zero, v, sound)

    def grown(self) -> tuple[ChainState, ChainInfo]:
        """The next state and the report."""
        for depth in range(self.kernel.depth):
            if not bool(self.whole.going.any()):
                break
            self._double(depth)
        report = ChainInfo(self.accepted / self.points.clamp(min=1), self.lost, gradients=self.points)
        return self.whole.proposal._replace(count=self.begun.count + 1), report

    def _double(self, depth: int) -> None:
        """Grow every trajectory that is going to twice its length, in a direction drawn for each chain."""
        whole = self.whole
        right = self._uniform() < 0.5
        begun = _end_where(right, self.right, self.left)
        part = self._part(depth, begun, torch.where(right, 1.0, -1.0).to(self.level))
        grown = part.going
        taken = grown & (self._uniform().log() < part.log_weight - whole.log_weight)
        self.right = _end_where(grown & right, part.last, self.right)
        self.left = _end_where(grown & ~right, part.last, self.left)
        total = where(grown, _sum(whole.velocities, part.velocities), whole.velocities)
        straight = ~_turns(self.left.velocity, self.right.velocity, total)
        self.whole = Part(
            self.right,
            _state_where(taken, part.proposal, whole.proposal),
            torch.where(grown, torch.logaddexp(whole.log_weight, part.log_weight), whole.log_weight),
            total,
            whole.going & grown & straight,
        )

    def _part(self, depth: int, begun: End, sign: Tensor) -> Part:
        """2^depth points beyond an end, in the direction `sign` `(B,)`."""
        point = self._point(begun, sign)
        part = self._begin(point)
        # Where parts begin that are not complete: the velocity there, and the sum of all up to it.
        starts = [(point.velocity, part.velocities)]
        for k in range(1, 2**depth):
            if not bool(part.going.any()):
                break
            point = self._point(part.last, sign)
            part = self._append(part, point)
            ended = _ones(k)
            if ended:
                part = part._replace(going=part.going & self._straight(part, point, starts[-ended:]))
                del starts[len(starts) - ended + 1 :]  # the first of them begins a part twice as long
            else:
                starts.append((point.velocity, part.velocities))
        return part

    def _straight(self, part: Part, point: End, starts: list[tuple[Position, Position]]) -> Tensor:
        """Whether none of the parts from `starts` to this point turns back, `(B,)`."""
        straight = torch.ones_like(part.going)
        for first, before in starts:
            inside = tree_map(lambda total, b, a: total - b + a, part.velocities, before, first)
            straight = straight & ~_turns(first, point.velocity, inside)
        return straight

    def _begin(self, point: End) -> Part:
        log_weight, sound = self._weighed(point, self.whole.going)
        return Part(point, point.state, log_weight, point.velocity, sound)

    def _append(self, part: Part, point: End) -> Part:
        log_weight, sound = self._weighed(point, part.going)
        total = torch.logaddexp(part.log_weight, log_weight)
        taken = self._uniform().log() < log_weight - total
        return Part(
            _end_where(sound, point, part.last),
            _state_where(sound & taken, point.state, part.proposal),
            total,
            _sum(part.velocities, point.velocity),
            sound,
        )

    def _weighed(self, point: End, going: Tensor) -> tuple[Tensor, Tensor]:
        """log of the weight of a point `(B,)`, and which of the chains that were going it does not lose."""
        rise = (hamiltonian(point.state, point.velocity) - self.level) / self.kernel.temperature
        log_weight = torch.where(rise.isnan(), -torch.inf, -rise)
        sound = log_weight.isfinite() & (log_weight > -LOST) & finite(cached(point.state)[1])
        # An energy of +inf at a finite place is a wall: the trajectory ends there, and nothing is lost.
        wall = known_energy(point.state) == torch.inf
        self.accepted = self.accepted + going * log_weight.clamp(max=0.0).exp()
        self.points = self.points + going
        self.lost = self.lost | (going & ~sound & ~wall)
        return log_weight, going & sound

    def _point(self, end: End, sign: Tensor) -> End:
        step = self.kernel.step_size * sign
        return End(*leapfrog(self.energy, end.state, end.velocity, step, 1, self.kernel.metric))

    def _uniform(self) -> Tensor:
        like = self.level
        return torch.rand(like.shape, generator=self.rng, dtype=like.dtype, device=like.device)


def _ones(k: int) -> int:
    """The ones at the end of k in binary: how many balanced parts the point k, counted from 0, completes."""
    return (k ^ (k + 1)).bit_length() - 1


def _turns(first: Position, last: Position, velocities: Position) -> Tensor:
    """Whether trajectories with these velocities at their ends, and this sum of all, turn back, `(B,)`."""
    r = tree_map(lambda total, a, b: total - (a + b) / 2, velocities, first, last)
    return (dot(first, r) <= 0) | (dot(last, r) <= 0)


def _sum(a: Position, b: Position) -> Position:
    return tree_map(torch.add, a, b)


def _state_where(mask: Tensor, new: ChainState, old: ChainState) -> ChainState:
    (e, grad), (e_old, grad_old) = cached(new), cached(old)
    x = where(mask, new.position, old.position)
    return ChainState(x, torch.where(mask, e, e_old), where(mask, grad, grad_old))


def _end_where(mask: Tensor, new: End, old: End) -> End:
    return End(_state_where(mask, new.state, old.state), where(mask, new.velocity, old.velocity))
