"""Running the chains of a restoration: several completions an image, with their energies and a film."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from ...core.energy import score
from ...core.errors import UsageError
from ...core.position import Position, rows
from ...mcmc.state import ChainInfo, ChainState
from ...models.capabilities import Denoiser, offered
from ...models.model import EnergyModel
from ...models.sampler import Stages
from ...models.sampling import run_stages
from ...nets.frozen import frozen
from ..film import Film
from .baselines import Gallery
from .begin import Beginnings
from .damage import Damaged
from .how import How, Way
from .legs import legs, usual_way

CHAINS, ENERGIES = 512, 1000
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Completed:
    """What chains made of `N` damaged images.

    `x` `(M, N, C, H, W)` in the model's range, on the CPU, known pixels bit for bit as they were; `energy`
    `(M, N)`, the neg_log_prob of each, lower is likelier; `frames` `(n, C, H, W)` of the first completion of
    the first images, with `frame_energies`, the mean of what the chain moves on; `way` as it was taken.
    """

    x: Tensor
    energy: Tensor
    way: Way
    frames: Sequence[Tensor] = ()
    frame_energies: Sequence[float] = ()

    @property
    def average(self) -> Tensor:
        """The mean of the completions, `(N, C, H, W)`."""
        return self.x[0] if len(self.x) == 1 else self.x.mean(0)

    @property
    def likeliest(self) -> Tensor:
        """Of each image the completion of lowest energy, `(N, C, H, W)`."""
        return self.x[self.energy.argmin(0), torch.arange(self.x.shape[1])]


def complete(
    model: EnergyModel,
    damaged: Damaged,
    how: How,
    *,
    rng: torch.Generator,
    y: Tensor | None = None,
    gallery: Gallery | None = None,
    shown: int = 0,
    progress: Progress | None = None,
) -> Completed:
    """Restore `damaged` images `how.completions` times, at most 512 chains at once (`rng` on the device).

    Args:
        y: labels `(N,)` of a conditional model; None leaves the class open.
        gallery: training images, for starts "mean" and "nearest".
        shown: images whose first chain is filmed.

    Raises:
        UsageError: for a way or a start that the model or the damage does not have.
    """
    way, size = how.way or usual_way(model, damaged), max(1, CHAINS // how.completions)
    if how.start is not None and way != "chain":
        raise UsageError(f"start {how.start} is for way chain, and this is {way}: leave the start out")
    film = Film(model.sampler(), keep=shown > 0, progress=progress)
    ends, frames = [], []
    begin = Beginnings(model, how, gallery, rng)
    with frozen(model):
        for first in range(0, len(damaged), size):
            part = slice(first, first + size)
            labels = None if y is None else y[part]
            one = damaged.rows(part)
            if way == "tweedie":
                ends.append(tweedie(model, one, labels, how.step_factor)[None])
                continue
            turn = _Turn(model, one, way, how, labels, begin)
            film.make = turn.plan
            observe = film.observe if shown or progress else None
            chains = run_stages(film.stages(0, rng), rng, observe=observe)
            ends.append(turn.finished(chains[-1].position))
            if shown and not first:
                frames = [turn.shown(x, shown) for x in film.positions]
        x = torch.cat(ends, dim=1)
        energy = torch.stack([_neg_log_prob(model, one, y) for one in x])
    return Completed(x.cpu(), energy.cpu(), way, frames, film.energies)


def passing(
    model: EnergyModel,
    damaged: Damaged,
    way: Way,
    how: How,
    marks: Sequence[int],
    *,
    rng: torch.Generator,
    y: Tensor | None = None,
    gallery: Gallery | None = None,
) -> dict[int, Tensor]:
    """Completions `(M, N, C, H, W)` after each number of steps in `marks`, from chains of one leg."""
    turn = _Turn(model, damaged, way, how, y, Beginnings(model, how, gallery, rng))
    found: dict[int, Tensor] = {}

    def observe(step: int, state: ChainState, info: ChainInfo) -> None:
        if step + 1 in marks:
            found[step + 1] = turn.finished(state.position).cpu()

    with frozen(model):
        run_stages(turn.plan(0, rng), rng, observe=observe)
    return found


def tweedie(model: EnergyModel, damaged: Damaged, y: Tensor | None, factor: float = 1.0) -> Tensor:
    """x~ + factor sigma^2 grad log p(x~), clamped to the range, `(N, C, H, W)`.

    E[x | x~] where exp(-neg_log_prob) is the law of data with noise sigma in them. A ladder of noises is read at
    the temperature of sigma.

    Raises `UsageError` for images without Gaussian noise.
    """
    if damaged.sigma is None:
        raise UsageError("way tweedie takes Gaussian noise away: use chain for other damage")
    denoiser = offered(model, Denoiser)
    if denoiser is not None:
        upward = denoiser.noisy_score(damaged.x, damaged.sigma)
    else:
        law = model.neg_log_prob if y is None else partial(model.neg_log_prob, y=y)
        upward = cast(Tensor, score(cast(Callable[[Position], Tensor], law), damaged.x))
    moved = damaged.x + factor * damaged.sigma**2 * upward
    return moved.clamp(model.spec.low, model.spec.high)


@dataclass(frozen=True, eq=False)
class _Turn:
    """The chains of some images: all of them once, then again, as often as there are completions."""

    model: EnergyModel
    damaged: Damaged
    way: Way
    how: How
    y: Tensor | None
    begin: Beginnings

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The legs of these chains, whatever is asked for."""
        times = self.how.completions
        begin = self.begin.draw(self.damaged, self.y)
        labels = None if self.y is None else self.y.repeat(times)
        return legs(self.model, self.damaged.repeated(times), self.way, self.how, begin, labels, rng)

    def finished(self, position: Position) -> Tensor:
        """Images `(M, n, C, H, W)` from where the chains stand: in range, known pixels as they were."""
        x = self._data(position, self.damaged.repeated(self.how.completions))
        return x.unflatten(0, (self.how.completions, len(self.damaged)))

    def shown(self, position: Position, count: int) -> Tensor:
        """The same for the first completion of the first `count` images, on the CPU."""
        first = slice(0, min(count, len(self.damaged)))
        return self._data(rows(position, first), self.damaged.rows(first)).cpu()

    def _data(self, position: Position, damaged: Damaged) -> Tensor:
        pixels = self.model.spec
        with torch.no_grad():
            x = self.model.sampler().decode(position).clamp(pixels.low, pixels.high)
        return x if damaged.known is None else torch.where(damaged.known, damaged.x, x)


def _neg_log_prob(model: EnergyModel, x: Tensor, y: Tensor | None) -> Tensor:
    labels = [None] * len(x.split(ENERGIES)) if y is None else y.split(ENERGIES)
    with torch.no_grad():
        return torch.cat([model.neg_log_prob(a, b) for a, b in zip(x.split(ENERGIES), labels, strict=True)])
