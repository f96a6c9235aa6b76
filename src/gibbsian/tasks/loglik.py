"""log p of data in nats and bits, by a model whose constant was measured before anything is said.

    log p(x) = -U(x, sigma_min) - log Z

at rows with the model's least noise, a density of x + noise; for images also at rows with uniform noise of
a grey level (B. Uria, I. Murray, H. Larochelle, 2013), the usual dequantisation. log Z is found by annealing
both ways (`tasks.study.normalisation`) and subtracted, so that a claim of the model alone is never quoted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.device import device_of
from ..core.errors import UsageError, require_positive
from ..core.random import derive, generator
from ..core.show import tables
from ..data.dataset import Dataset
from ..data.load import load as load_data
from ..data.own import Given
from ..data.recipe import DataRecipe, named
from ..metrics.interval import Interval, mean_interval
from ..metrics.likelihood import STEPS, bits_per_dimension
from ..models.capabilities import LevelEnergies, offered
from ..models.model import EnergyModel
from ..nets.frozen import frozen
from ..report.tables import cell, plain
from ..report.tables import table as drawn
from ..train.load import load, trained_on
from .parts import name_of, part_of
from .study.normalisation import NormalisationStudy, study_normalisation

BOUND = 0.1
"""|log Z| in nats a dimension up to which it is a correction; beyond, the model is no density to speak of."""
CHUNK, CHAINS = 500, 100


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """Mean log p of `n` rows with the noise named, in nats, log Z subtracted; 95 % over rows and of log Z.

    `rows`: log p of each row with noise `sigma`, `(n,)`. `base`: of the model's Gaussian there. `study`: how
    log Z was found. `span`: of the grey levels of images, 0 for other data.
    """

    data: str
    n: int
    sigma: float
    means: dict[str, Interval]
    rows: Tensor
    study: NormalisationStudy
    span: float | None

    __repr__ = tables

    def bits(self, nats: float) -> float:
        """Bits a dimension of log p = `nats`; of 8-bit values where data are images."""
        return bits_per_dimension(-nats, self.study.dimensions, self.span)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        means = {name: plain(v) | {"bits": self.bits(v.estimate)} for name, v in self.means.items()}
        head = {"data": self.data, "n": self.n, "sigma": self.sigma, "nats": means}
        return {**head, "normalisation": self.study.to_dict()}

    def text(self) -> str:
        """A table, and what was measured of log Z."""
        body = [[name, cell(v, ".5g"), f"{self.bits(v.estimate):.3f}"] for name, v in self.means.items()]
        log_z = cell(self.study.rows["log_z"])
        said = f"log Z {log_z} nats is subtracted, {self.study.per_dimension:.4f} a dimension"
        head = [f"{self.data}, n = {self.n}", "nats", "bits a dimension"]
        return f"{drawn(head, body)}\n{said}; noise {self.sigma:g} in the model's range"

    def figures(self) -> dict[str, Any]:
        """None."""
        return {}


def loglik(
    model: EnergyModel | str | Path,
    data: Given | None = None,
    *,
    n: int = 1000,
    bound: float = BOUND,
    levels: int = 200,
    moves: int = 2,
    rows: int | None = None,
    draws: int = 3,
    held: str | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    net: nn.Module | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> LogLikelihood:
    """log p of at most `n` rows of `data`, in nats and bits.

    Args:
        model: a model with normalised noise levels, or the folder of a run of one, such as noise_energy.
        data: rows, in any form that `gb.dataset` takes; by default those that the run held out.
        n: rows at most.
        bound: |log Z| in nats a dimension beyond which log p is refused.
        levels: of the annealing; `moves` steps of MALA at each, with `draws` sets of `rows` chains; 100, or
            as many as there are held-out rows for.
        held: name of the data from whose held-out rows chains anneal upwards; those of training by default.
        seed: of the noise and the chains.
        net: the network of a run that was trained with one of your own.

    Raises:
        UsageError: a model of another kind, a log Z that was not measured well enough or is beyond `bound`,
            data of another shape.
    """
    require_positive(n=n, bound=bound, draws=draws)
    if isinstance(model, (str, Path)):
        held = held or trained_on(Path(model)) or None
        model = load(model, net=net)
    of, inner = offered(model.inner, LevelEnergies), model.inner
    if of is None:
        raise UsageError("this model has no noise levels to find its constant along: train noise_energy")
    if held is None:
        raise UsageError("what the model was trained on is not known: name the data set as held=")
    found = _rows(data if data is not None else held, inner, data_dir)
    rng = generator(derive(seed, "loglik"))
    index = torch.randperm(len(found), generator=rng)[:n]
    if len(index) < 2:
        raise UsageError(f"n is {len(index)}: a mean with an interval takes 2 rows or more")
    rows = rows or min(CHAINS, len(load_data(held, "test", data_dir=data_dir)) // draws)
    study = study_normalisation(
        inner, held, levels=levels, moves=moves, n=rows, draws=draws, seed=seed, data_dir=data_dir,
        progress=progress,
    )  # fmt: skip
    require_measured(study, bound)
    progress("log p")
    nats = _nats(inner, of, found, index, rng, study)
    means = {name: _interval(value, study, name != "its Gaussian base") for name, value in nats.items()}
    span = inner.spec.high - inner.spec.low if found.is_image else None
    name = name_of(data) if data is not None else held
    return LogLikelihood(name, len(index), of.sigma_min, means, next(iter(nats.values())), study, span)


def require_measured(study: NormalisationStudy, bound: float = BOUND) -> None:
    """Raise `UsageError` unless log Z is known, and within `bound` nats a dimension."""
    lower, upper = (study.rows[name].estimate for name in ("lower", "upper"))
    if not study.measured:
        raise UsageError(
            f"log p is not known: log Z lies between {lower:.4g} and {upper:.4g} nats, {study.gap:.3f} a "
            "dimension apart, too far to subtract it; raise levels or moves, or train longer"
        )
    if study.per_dimension > bound:
        raise UsageError(
            f"log Z is {study.rows['log_z'].estimate:.4g} nats, {study.per_dimension:.3f} a dimension, "
            f"beyond the bound of {bound:g}: this energy is no density yet; train longer, or raise bound"
        )


def _rows(data: Given, model: EnergyModel, data_dir: str | Path | None) -> Dataset:
    own = not isinstance(data, (str, Path)) or DataRecipe.parse(named(data)).places
    found = part_of(data, "all" if own else "test", model.spec, data_dir=data_dir)
    if found.event_shape != model.spec.event_shape:
        raise UsageError(f"rows are {found.event_shape}: this model takes {model.spec.event_shape}")
    return found


@torch.no_grad()
def _nats(
    model: EnergyModel,
    of: LevelEnergies,
    data: Dataset,
    index: Tensor,
    rng: torch.Generator,
    study: NormalisationStudy,
) -> dict[str, Tensor]:
    """log p of rows with each kind of noise, and of the Gaussian base, `(n,)` in float64, in the units of a
    table.
    """
    spec, device = model.spec, device_of(model)
    scale = 0.0 if spec.table is None else sum(map(math.log, spec.table.scale))
    log_z = study.rows["log_z"].estimate + scale
    level = torch.full((1,), of.sigma_min, device=device)
    found: dict[str, list[Tensor]] = {"with the least noise": []}
    if data.is_image:
        found["dequantised"] = []
    found["its Gaussian base"] = []
    with frozen(model):
        for part in index.split(CHUNK):
            x = data.batch(part, spec.low, spec.high).x.to(device)
            noised = x + of.sigma_min * torch.randn(x.shape, generator=rng).to(device)
            found["with the least noise"].append(-model.neg_log_prob(noised).double().cpu() - log_z)
            base = of.base.neg_log_density(noised, level).double().cpu()
            found["its Gaussian base"].append(-base - scale)
            if data.is_image:
                grey = (torch.rand(x.shape, generator=rng).to(device) - 0.5) * (spec.high - spec.low) / STEPS
                found["dequantised"].append(-model.neg_log_prob(x + grey).double().cpu() - log_z)
    return {name: torch.cat(parts) for name, parts in found.items()}


def _interval(values: Tensor, study: NormalisationStudy, corrected: bool) -> Interval:
    """Of the mean over rows, with the half-width of log Z in squares where it was subtracted."""
    found = mean_interval(values)
    more = study.rows["log_z"].half_width if corrected else 0.0
    half = math.hypot(found.half_width, more)
    return Interval(found.estimate, found.estimate - half, found.estimate + half)
