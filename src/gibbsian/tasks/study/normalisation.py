"""Is an energy over noise levels normalised? Annealed importance sampling along its own levels.

Chains go from the Gaussian at the largest noise, whose constant is known, down to the least, and from
held-out data with the least noise up. Were U normalised at every level, the mean weight of either would be 1.

    log_z      log Z of the least level by the weights of both ways together (`mcmc.annealed.bridged`)
    lower      mean log-weight of the way down, below it on average
    upper      minus that of the way up, above it on average where the data are what the model says

The maps between levels are those of the base, so that the weights know the network's part alone; steps are
tuned on a pilot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.device import device_of
from ...core.errors import UsageError, require_some
from ...core.random import derive, generator
from ...core.show import tables
from ...data.load import load
from ...mcmc.annealed import Annealed, PathStep, annealed, bridged
from ...mcmc.mala import MALA
from ...metrics.interval import Interval, require_draws
from ...models.model import EnergyModel
from ...models.noise_energy.model import NoiseEnergy
from ...nets.frozen import frozen
from ...noise.levels import geometric_levels
from ...report.tables import cell, over, plain

AIM, PILOT = 0.65, 16
"""Acceptance that steps are tuned to, and rows of the pilot."""
AGREE = 0.04
"""Nats a dimension between the bounds up to which log Z counts as measured: half of it either way."""


@dataclass(frozen=True)
class NormalisationStudy:
    """log Z of the least level and its bounds, with 95 % intervals over draws, in nats.

    `dimensions`: coordinates of the data. `ess`: how many of n weights count. `acceptance`: of the moves.
    """

    data: str
    n: int
    draws: int
    levels: int
    seed: int
    dimensions: int
    rows: dict[str, Interval]
    ess: Interval
    acceptance: float

    __repr__ = tables

    @property
    def per_dimension(self) -> float:
        """|log Z| a dimension."""
        return abs(self.rows["log_z"].estimate) / self.dimensions

    @property
    def gap(self) -> float:
        """How far apart the bounds are, a dimension."""
        return (self.rows["upper"].estimate - self.rows["lower"].estimate) / self.dimensions

    @property
    def measured(self) -> bool:
        """Whether the bounds are within `AGREE`."""
        return abs(self.gap) <= AGREE

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        head = {k: getattr(self, k) for k in ("data", "n", "draws", "levels", "seed", "dimensions")}
        rows = {name: plain(found) for name, found in self.rows.items()}
        more = {
            "per_dimension": self.per_dimension,
            "gap": self.gap,
            "measured": self.measured,
            "acceptance": self.acceptance,
        }
        return {**head, "log_z": rows, "ess": plain(self.ess), **more}

    def text(self) -> str:
        """The rows, and what they say a dimension."""
        lines = [f"{self.data}: log Z of the least noise in nats, {self.dimensions} dimensions"]
        lines += [f"  {name:<8} {cell(found)}" for name, found in self.rows.items()]
        lines.append(f"  effective draws of {self.n}: {cell(self.ess)}; acceptance {self.acceptance:.2f}")
        said = f"|log Z| is {self.per_dimension:.4f} nats a dimension, the bounds {self.gap:.4f} apart"
        lines.append(said if self.measured else f"{said}: not measured, raise --levels or --moves")
        return "\n".join(lines)

    def figures(self) -> dict[str, Any]:
        """None."""
        return {}


def study_normalisation(
    model: EnergyModel,
    data: str,
    *,
    levels: int = 200,
    moves: int = 2,
    n: int = 100,
    draws: int = 3,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> NormalisationStudy:
    """Anneal `draws` sets of `n` rows down and up `levels` levels, with `moves` steps of MALA at each.

    Raises `UsageError` for models of another kind, fewer than 2 levels, and more rows than held-out data.
    """
    inner = model.inner
    if not isinstance(inner, NoiseEnergy):
        raise UsageError("this model has no normalised noise levels to anneal over: train noise_energy")
    if not inner.knows_marginal:
        raise UsageError("this model knows p(x | c) alone: train with net.condition_dropout for its log Z")
    require_draws(draws, n, 2)
    require_some({"moves": moves, "levels": levels - 1})
    held_out = load(data, "test", data_dir=data_dir)
    if len(held_out) < n * draws:
        raise UsageError(f"{draws} draws of {n} rows, but {data} holds out {len(held_out)}: lower -n")
    device, rng = device_of(inner), generator(derive(seed, "normalisation"))
    pick = torch.randperm(len(held_out), generator=rng)[: n * draws]
    rows = held_out.batch(pick, inner.spec.low, inner.spec.high).x.to(device)
    found: dict[str, list[Annealed]] = {"forward": [], "reverse": []}
    with frozen(inner):
        down = _path(inner, levels, moves, rng, progress)
        for k in range(draws):
            progress(f"draw {k + 1} of {draws}")
            begun = inner.base.draw(n, inner.sigma_max, rng).view(-1, *inner.spec.event_shape)
            found["forward"].append(annealed(down, begun, rng))
            x = rows[k * n : (k + 1) * n]
            noise = torch.randn(x.shape, generator=rng, device=device)
            found["reverse"].append(annealed(_up(inner, down), x + inner.sigma_min * noise, rng))
    return _study(found, data, n, levels, seed, inner.base.size)


def _path(
    model: NoiseEnergy, levels: int, moves: int, rng: torch.Generator, progress: Callable[[str], None]
) -> list[PathStep]:
    """The way down, its steps tuned on `PILOT` rows that are not used again."""
    progress("tuning steps")
    sigmas = geometric_levels(model.sigma_max, model.sigma_min, levels)
    x = model.base.draw(PILOT, sigmas[0], rng).view(-1, *model.spec.event_shape)
    path, scale = [], 0.5
    for sigma, to in zip(sigmas, sigmas[1:], strict=False):
        step = PathStep(
            model.at_level(sigma), model.at_level(to), _carry(model, sigma, to), MALA(scale * to**2), moves
        )
        tried = annealed([step], x, rng)
        x, scale = tried.x, scale * 2 ** (tried.acceptance - AIM)
        path.append(step)
    return path


def _up(model: NoiseEnergy, down: list[PathStep]) -> list[PathStep]:
    """The same levels from the least; at each the step of the way down."""
    sigmas = geometric_levels(model.sigma_max, model.sigma_min, len(down) + 1)
    pairs = zip(sigmas[:0:-1], sigmas[-2::-1], strict=True)
    kernels = [down[0].kernel, *(step.kernel for step in down[:-1])][::-1]
    return [
        replace(
            step, energy=model.at_level(a), to=model.at_level(b), carry=_carry(model, a, b), kernel=kernel
        )
        for step, kernel, (a, b) in zip(down, kernels, pairs, strict=True)
    ]


def _carry(model: NoiseEnergy, sigma: float, to: float) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    return lambda x: model.base.carried(x, sigma, to)


def _study(
    found: dict[str, list[Annealed]], data: str, n: int, levels: int, seed: int, size: int
) -> NormalisationStudy:
    down, up = found["forward"], found["reverse"]
    rows = {
        "log_z": over([bridged(a.log_weights, b.log_weights) for a, b in zip(down, up, strict=True)]),
        "lower": over([float(a.log_weights.mean()) for a in down]),
        "upper": over([-float(a.log_weights.mean()) for a in up]),
    }
    acceptance = sum(a.acceptance for a in (*down, *up)) / len((*down, *up))
    ess = over([a.ess for a in down])
    return NormalisationStudy(data, n, len(down), levels, seed, size, rows, ess, acceptance)
