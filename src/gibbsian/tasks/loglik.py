"""log p of data in nats and bits: what a sampler of known density gives at least, and what the energy says.

    log p(x) = -U(x, sigma_min) - log Z

at rows with the model's least noise, a density of x + noise; for images also at rows with uniform noise of
a grey level (B. Uria, I. Murray, H. Larochelle, 2013), the usual dequantisation. log Z is measured
(`tasks.study.normalisation`) and subtracted; where it is not known or too large, the energy's claim is left
out, and why is said. The bound of the sampler (`tasks.noise_path.sampler_bound`) stands in any case. Models
without noise levels that claim a density are measured by `tasks.density`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
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
from .density import DensityLikelihood, density_loglik, require_density
from .noise_path import Level, sampler_bound
from .parts import name_of, part_of
from .study.normalisation import NormalisationStudy, study_normalisation

BOUND = 0.1
"""|log Z| in nats a dimension up to which it is a correction; beyond, the model is no density to speak of."""
CHUNK, CHAINS = 500, 100
LEAST, AT_LEAST, BASE = "with the least noise", "its sampler, at least", "its Gaussian base"
UNTOUCHED = (AT_LEAST, BASE)
"""What needs no log Z."""


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """Mean log p of `n` rows with the noise named, in nats, log Z subtracted; 95 % over rows and of log Z.

    `rows`: log p of each row with noise `sigma`, `(n,)`, by the first of `means`. `study`: how log Z was
    found. `span`: of the grey levels of images. `refused`: why log p of the energy itself is left out, empty
    where it is not.
    """

    data: str
    n: int
    sigma: float
    means: dict[str, Interval]
    rows: Tensor
    study: NormalisationStudy
    span: float | None
    refused: str

    __repr__ = tables

    def bits(self, nats: float) -> float:
        """Bits a dimension of log p = `nats`; of 8-bit values where data are images."""
        return bits_per_dimension(-nats, self.study.dimensions, self.span)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        means = {name: plain(v) | {"bits": self.bits(v.estimate)} for name, v in self.means.items()}
        head = {"data": self.data, "n": self.n, "sigma": self.sigma, "nats": means}
        return {**head, "refused": self.refused, "normalisation": self.study.to_dict()}

    def text(self) -> str:
        """A table, and what was measured of log Z."""
        body = [[name, cell(v, ".5g"), f"{self.bits(v.estimate):.3f}"] for name, v in self.means.items()]
        log_z = cell(self.study.rows["log_z"])
        said = f"log Z {log_z} nats is subtracted, {self.study.per_dimension:.4f} a dimension"
        said = f"log p of the energy itself is left out: {self.refused}" if self.refused else said
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
    annealing: Mapping[str, Any] | None = None,
    held: str | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    net: nn.Module | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> LogLikelihood | DensityLikelihood:
    """log p of at most `n` rows of `data`, in nats and bits.

    Args:
        model: a model that claims a density, or the folder of a run of one; log Z is measured along its noise
            levels, where it has such, as noise_energy does.
        data: rows, in any form that `gb.dataset` takes; by default those that the run held out.
        n: rows at most.
        bound: |log Z| in nats a dimension beyond which log p of the energy is left out.
        levels: of the annealing; `moves` steps of MALA at each, with `draws` sets of `rows` chains; 100, or
            as many as there are held-out rows for. For models with noise levels.
        annealing: for models without: options of `gibbsian.log_partition`, such as particles and runs.
        held: name of the data from whose held-out rows chains anneal upwards; those of training by default.
        seed: of the noise and the chains.
        net: the network of a run that was trained with one of your own.

    Raises:
        UsageError: a model that claims no density, data of another shape.
    """
    require_positive(n=n, bound=bound, draws=draws)
    if isinstance(model, (str, Path)):
        held = held or trained_on(Path(model)) or None
        model = load(model, net=net)
    of, inner = offered(model.inner, LevelEnergies), model.inner
    if of is None:
        require_density(inner)
    if held is None and (data is None or of is not None):
        raise UsageError("what the model was trained on is not known: name the data set as held=")
    given = data if data is not None else held
    assert given is not None
    found, name = _rows(given, inner, data_dir), name_of(given)
    rng = generator(derive(seed, "loglik"))
    index = torch.randperm(len(found), generator=rng)[:n]
    if len(index) < 2:
        raise UsageError(f"n is {len(index)}: a mean with an interval takes 2 rows or more")
    if of is None:
        train = None if held is None else part_of(held, "train", inner.spec, data_dir=data_dir)
        return density_loglik(
            inner, found, index, train, name=name, bound=bound, seed=seed, options=annealing or {},
            progress=progress,
        )  # fmt: skip
    assert held is not None
    rows = rows or min(CHAINS, len(load_data(held, "test", data_dir=data_dir)) // draws)
    study = study_normalisation(
        inner, held, levels=levels, moves=moves, n=rows, draws=draws, seed=seed, data_dir=data_dir,
        progress=progress,
    )  # fmt: skip
    progress("log p")
    refused = doubt(study, bound)
    with frozen(inner):
        nats = _nats(inner, of, found, index, rng, study.path)
    log_z = study.rows["log_z"]
    own = {} if refused else {k: v - log_z.estimate for k, v in nats.items() if k not in UNTOUCHED}
    means = {k: _interval(v, log_z.half_width) for k, v in own.items()}
    means |= {k: _interval(nats[k]) for k in UNTOUCHED}
    span = inner.spec.high - inner.spec.low if found.is_image else None
    rows_of = own[LEAST] if own else nats[AT_LEAST]
    return LogLikelihood(name, len(index), of.sigma_min, means, rows_of, study, span, refused)


def doubt(study: NormalisationStudy, bound: float = BOUND) -> str:
    """Why the energy is no density to quote: log Z is not known, or beyond `bound` nats a dimension."""
    if study.doubt:
        return f"log Z is not known, {study.doubt}; raise levels or moves, or train longer"
    if study.per_dimension > bound:
        return (
            f"log Z is {study.rows['log_z'].estimate:.4g} nats, {study.per_dimension:.3f} a dimension, "
            f"beyond the bound of {bound:g}; train longer, or raise bound"
        )
    return ""


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
    path: Sequence[Level],
) -> dict[str, Tensor]:
    """-U of rows with each kind of noise, the bound of the sampler and log p of the Gaussian base, `(n,)` in
    float64, in the units of a table.
    """
    spec, device = model.spec, device_of(model)
    scale = 0.0 if spec.table is None else sum(map(math.log, spec.table.scale))
    level = torch.full((1,), of.sigma_min, device=device)
    own = generator(derive(rng.initial_seed(), "paths"), device)
    found: dict[str, list[Tensor]] = defaultdict(list)
    for part in index.split(CHUNK):
        x = data.batch(part, spec.low, spec.high).x.to(device)
        noised = x + of.sigma_min * torch.randn(x.shape, generator=rng).to(device)
        found[LEAST].append(-model.neg_log_prob(noised))
        if data.is_image:
            grey = (torch.rand(x.shape, generator=rng).to(device) - 0.5) * (spec.high - spec.low) / STEPS
            found["dequantised"].append(-model.neg_log_prob(x + grey))
        found[AT_LEAST].append(sampler_bound(of, path, noised, own))
        found[BASE].append(-of.base.neg_log_density(noised, level))
    return {name: torch.cat(parts).double().cpu() - scale for name, parts in found.items()}


def _interval(values: Tensor, more: float = 0.0) -> Interval:
    """Of the mean over rows, with the half-width `more` of log Z in squares where it was subtracted."""
    found = mean_interval(values)
    half = math.hypot(found.half_width, more)
    return Interval(found.estimate, found.estimate - half, found.estimate + half)
