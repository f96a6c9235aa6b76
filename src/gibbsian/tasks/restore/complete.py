"""Running the chains of a restoration, with energies and a film; choosing settings by validation images.

A chain is watched on its way, so that every number of steps costs one chain. For Gaussian noise the data
weight is tried by its pull, the share of the way back to the noisy image that a step makes: the same few
pulls fit models whose temperatures are orders apart. Test images choose nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...core.position import Position, rows
from ...core.random import derive, generator
from ...core.show import one_line
from ...mcmc.reports import ChainInfo
from ...mcmc.state import ChainState
from ...models.model import EnergyModel
from ...models.sampler import Stages
from ...models.samples import run_stages
from ...nets.frozen import frozen
from ..chains import neg_log_probs
from ..film import Film
from .corruption import Corrupted
from .methods import energy_of, own_steps, pull, stages_of, tweedie, usual_method
from .task import Method, RestoreConfig
from .training_images import Initialiser, TrainingImages

CHAINS = 512
FACTORS = (0.3, 1.0, 3.0)
PULLS = (0.003, 0.01, 0.03, 0.1, 0.3)
TIMES = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300)
LONGER = 6  # times the model's own number of steps: so far chains are watched


@dataclass(frozen=True, eq=False)
class Completed:
    """What chains made of `N` corrupted images.

    `x` `(M, N, C, H, W)` in the model's range, on the CPU, known pixels bit for bit as they were; `energy`
    `(M, N)`, the neg_log_prob of each, lower is likelier; `frames` `(n, C, H, W)` of the first completion of
    the first images, with `frame_energies`, the mean of what the chain moves on; `method` as it was taken.
    """

    x: Tensor
    energy: Tensor
    method: Method
    frames: Sequence[Tensor] = ()
    frame_energies: Sequence[float] = ()

    __repr__ = one_line

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
    corrupted: Corrupted,
    config: RestoreConfig,
    *,
    rng: torch.Generator,
    y: Tensor | None = None,
    train: TrainingImages | None = None,
    shown: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Completed:
    """Restore images `config.completions` times, at most 512 chains at once (`rng` on the device).

    Args:
        y: labels `(N,)` of a conditional model; None leaves the class open.
        train: training images, for starts "mean" and "nearest".
        shown: images whose first chain is filmed.

    Raises:
        UsageError: for a method or a start that the model or the corruption does not have.
    """
    method, size = config.method or usual_method(model, corrupted), max(1, CHAINS // config.completions)
    if config.start is not None and method != "chain":
        raise UsageError(
            f"start {config.start} is for method chain, and this is {method}: leave the start out"
        )
    film = Film(model.sampler(), keep=shown > 0, progress=progress)
    ends, frames = [], []
    begin = Initialiser(model, config, train, rng)
    with frozen(model):
        for first in range(0, len(corrupted), size):
            part = slice(first, first + size)
            labels = None if y is None else y[part]
            one = corrupted.rows(part)
            if method == "tweedie":
                ends.append(tweedie(model, one, labels, config.step_factor)[None])
                continue
            chains = _Chains(model, one, method, config, labels, begin)
            film.make = chains.stages
            observe = film.observe if shown or progress else None
            made = run_stages(film.stages(0, rng), rng, observe=observe)
            ends.append(chains.finished(made[-1].position))
            if shown and not first:
                frames = [chains.shown(x, shown) for x in film.positions]
        x = torch.cat(ends, dim=1)
        energy = torch.stack([neg_log_probs(model, one, y) for one in x])
    return Completed(x.cpu(), energy.cpu(), method, frames, film.energies)


def completions_at(
    model: EnergyModel,
    corrupted: Corrupted,
    method: Method,
    config: RestoreConfig,
    times: Sequence[int],
    *,
    rng: torch.Generator,
    y: Tensor | None = None,
    train: TrainingImages | None = None,
) -> dict[int, Tensor]:
    """Completions `(M, N, C, H, W)` after each number of steps in `times`, from chains of one stage."""
    chains = _Chains(model, corrupted, method, config, y, Initialiser(model, config, train, rng))
    found: dict[int, Tensor] = {}

    def observe(step: int, state: ChainState, info: ChainInfo) -> None:
        if step + 1 in times:
            found[step + 1] = chains.finished(state.position).cpu()

    with frozen(model):
        run_stages(chains.stages(0, rng), rng, observe=observe)
    return found


@dataclass(frozen=True, eq=False)
class _Chains:
    """The chains of some images: all of them once, then again, as often as there are completions."""

    model: EnergyModel
    corrupted: Corrupted
    method: Method
    config: RestoreConfig
    y: Tensor | None
    begin: Initialiser

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The stages of these chains, whatever is asked for."""
        times = self.config.completions
        begin = self.begin.draw(self.corrupted, self.y)
        labels = None if self.y is None else self.y.repeat(times)
        repeated = self.corrupted.repeated(times)
        return stages_of(self.model, repeated, self.method, self.config, begin, labels, rng)

    def finished(self, position: Position) -> Tensor:
        """Images `(M, n, C, H, W)` from where the chains stand: in range, known pixels as they were."""
        x = self._data(position, self.corrupted.repeated(self.config.completions))
        return x.unflatten(0, (self.config.completions, len(self.corrupted)))

    def shown(self, position: Position, count: int) -> Tensor:
        """The same for the first completion of the first `count` images, on the CPU."""
        first = slice(0, min(count, len(self.corrupted)))
        return self._data(rows(position, first), self.corrupted.rows(first)).cpu()

    def _data(self, position: Position, corrupted: Corrupted) -> Tensor:
        with torch.no_grad():
            x = self.model.sampler().decode(position).clamp(self.model.spec.low, self.model.spec.high)
        return x if corrupted.known is None else torch.where(corrupted.known, corrupted.x, x)


@dataclass(frozen=True)
class Tuned:
    """Settings with their scores on `n` validation images by `criterion`, best first."""

    n: int
    criterion: str
    tried: Sequence[tuple[RestoreConfig, float]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        keys = ("steps", "step_factor", "data_weight")
        tried = [{**{k: getattr(c, k) for k in keys}, "score": score} for c, score in self.tried]
        return {"n": self.n, "criterion": self.criterion, "tried": tried}

    def text(self) -> str:
        """One line on the best of them."""
        (best, score), *_ = self.tried
        steps = "" if best.steps is None else f"{best.steps} steps, "
        told = f"{steps}step factor {best.step_factor:g}, data weight {best.data_weight:.3g}"
        return f"chosen on {self.n} validation images by {self.criterion} ({score:.4g}): {told}"


def choose(
    model: EnergyModel,
    corrupted: Corrupted,
    config: RestoreConfig,
    score: Callable[[Tensor], float],
    criterion: str,
    *,
    y: Tensor | None = None,
    train: TrainingImages | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> tuple[RestoreConfig, Tuned]:
    """The best of a small grid by `score` of completions `(M, N, C, H, W)` of `corrupted` validation images.

    What `config` states besides steps, step factor and data weight is kept. Ties go to the shorter chain.
    """
    method, own = config.method or usual_method(model, corrupted), config.completions
    config = replace(config, method=method, completions=own if config.average else 1)
    grid = [replace(config, step_factor=f) for f in FACTORS]
    if corrupted.sigma is not None and method == "chain":
        grid = [replace(one, data_weight=w) for one in grid for w in _weights(model, corrupted, one)]
    tried: list[tuple[RestoreConfig, float]] = []
    for k, one in enumerate(grid):
        progress(k, len(grid), f"step {one.step_factor:g} data weight {one.data_weight:.3g}")
        rng = generator(derive(seed, "tune"), corrupted.x.device)
        if method in ("chain", "latent"):
            times = _times(config.steps or own_steps(model, rng))
            long = replace(one, steps=times[-1])
            ends = completions_at(model, corrupted, method, long, times, rng=rng, y=y, train=train)
            tried += [(replace(one, steps=t), score(x)) for t, x in ends.items()]
        else:
            tried.append((one, score(complete(model, corrupted, one, rng=rng, y=y, train=train).x)))
    ranked = sorted(tried, key=lambda t: (-t[1], t[0].steps or 0))
    return replace(ranked[0][0], completions=own), Tuned(len(corrupted), criterion, ranked)


def _times(own: int) -> tuple[int, ...]:
    """Numbers of steps to look at."""
    return tuple(sorted({m for m in TIMES if m < LONGER * own} | {own, LONGER * own}))


def _weights(model: EnergyModel, corrupted: Corrupted, config: RestoreConfig) -> list[float]:
    """The likelihood's own weight, and those with the pulls that are tried."""
    assert corrupted.sigma is not None
    rng = generator(0, corrupted.x.device)
    with frozen(model):
        kernel = energy_of(model, corrupted.x[:1], None, rng)[1]
    own = pull(kernel, model, corrupted.sigma, replace(config, data_weight=1.0))
    return [w for w in (1.0, *(p / own for p in PULLS if own)) if own * w < 1]
