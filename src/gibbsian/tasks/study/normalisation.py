"""Is an energy over noise levels normalised? Annealed importance sampling along its own levels.

Rows go from the Gaussian at the largest noise, whose constant is known, down to the least, and from held-out
data with the least noise up. Were U normalised at every level, the mean weight of either would be 1.

    log_z      log Z of the least level by the weights of both ways together (`mcmc.annealed.bridged`)
    lower      mean log-weight of the way down, below it on average
    upper      minus that of the way up, above it on average where the data are what the model says
    smc        log of the mean weight of the way down with resampling at half of the effective sample size

Resampling follows few heavy rows: where `smc` is far above the others, chains find regions of low energy
that no data are in, which a mean over rows hardly sees. The way is that of `tasks.noise_path`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ...core.device import device_of
from ...core.errors import UsageError, require_some
from ...core.random import derive, generator
from ...core.show import tables
from ...data.load import load
from ...mcmc.annealed import Annealed, annealed, bridged
from ...metrics.interval import Interval, require_draws
from ...models.capabilities import LevelEnergies, offered
from ...models.data_noise import with_noise
from ...models.model import EnergyModel
from ...nets.frozen import frozen
from ...noise.levels import geometric_levels
from ...report.tables import cell, over, plain
from ..noise_path import Level, downward, tuned, upward

AGREE = 0.04
"""Nats a dimension between estimates up to which log Z counts as measured: half of it either way."""


@dataclass(frozen=True)
class NormalisationStudy:
    """log Z of the least level and its bounds, with 95 % intervals over draws, in nats.

    `dimensions`: coordinates of the data. `ess`: how many of n weights count, with resampling.
    `acceptance`: of the moves. `path`: the levels, tuned.
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
    path: Sequence[Level] = field(default=(), repr=False)

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
    def excess(self) -> float:
        """How far `smc` is above log Z, a dimension."""
        return (self.rows["smc"].estimate - self.rows["log_z"].estimate) / self.dimensions

    @property
    def measured(self) -> bool:
        """Whether the bounds are within `AGREE`, and `smc` with them."""
        return not self.doubt

    @property
    def doubt(self) -> str:
        """Why log Z is not measured; empty where it is."""
        if abs(self.gap) > AGREE:
            return f"the bounds are {self.gap:.3f} nats a dimension apart"
        if self.excess > AGREE:
            return (
                f"resampled chains give it {self.excess:.3f} nats a dimension more than the others: they "
                "found energies lower than those of data"
            )
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        head = {k: getattr(self, k) for k in ("data", "n", "draws", "levels", "seed", "dimensions")}
        rows = {name: plain(found) for name, found in self.rows.items()}
        more = {
            "per_dimension": self.per_dimension,
            "gap": self.gap,
            "excess": self.excess,
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
        lines.append(said if self.measured else f"not measured: {self.doubt}; raise --levels or --moves")
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
    of, spec = offered(model.inner, LevelEnergies), model.inner.spec
    if of is None:
        raise UsageError("this model has no normalised noise levels to anneal over: train noise_energy")
    if not of.knows_marginal:
        raise UsageError("this model knows p(x | c) alone: train with net.condition_dropout for its log Z")
    require_draws(draws, n, 2)
    require_some({"moves": moves, "levels": levels - 1})
    held_out = load(data, "test", data_dir=data_dir)
    if len(held_out) < n * draws:
        raise UsageError(
            f"{draws} draws of {n} rows, but {held_out.name} holds out {len(held_out)}: ask for fewer"
        )
    device = device_of(model)
    rng = generator(derive(seed, "normalisation"), device)
    pick = torch.randperm(len(held_out), generator=rng, device=device)[: n * draws].cpu()
    rows = held_out.batch(pick, spec.low, spec.high).x.to(device)
    found: dict[str, list[Annealed]] = {"down": [], "smc": [], "up": []}
    with frozen(model):
        progress("tuning steps")
        sigmas = geometric_levels(of.sigma_max, of.sigma_min, levels)
        path = tuned(of, sigmas, moves, rng)
        down, up = downward(of, path, moves), upward(of, path, moves)
        for k, x in enumerate(rows.split(n)):
            progress(f"draw {k + 1} of {draws}")
            found["down"].append(annealed(down, of.top(n, of.sigma_max, rng), rng))
            found["smc"].append(annealed(down, of.top(n, of.sigma_max, rng), rng, resampling=0.5))
            found["up"].append(annealed(up, with_noise(of.sigma_min, x, rng), rng))
    return replace(_study(found, data, n, levels, seed, of.base.size), path=path)


def _study(
    found: dict[str, list[Annealed]], data: str, n: int, levels: int, seed: int, size: int
) -> NormalisationStudy:
    down, up = found["down"], found["up"]
    rows = {
        "log_z": over([bridged(a.log_weights, b.log_weights) for a, b in zip(down, up, strict=True)]),
        "lower": over([float(a.log_weights.mean()) for a in down]),
        "upper": over([-float(a.log_weights.mean()) for a in up]),
        "smc": over([a.log_z for a in found["smc"]]),
    }
    acceptance = sum(a.acceptance for a in (*down, *up)) / len((*down, *up))
    ess = over([a.ess for a in found["smc"]])
    return NormalisationStudy(data, n, len(down), levels, seed, size, rows, ess, acceptance)
