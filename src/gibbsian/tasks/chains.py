"""How sampling chains fare: what their kernels tell, and whether their energies mix; chains from a level."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive
from ..core.position import Position
from ..mcmc.reports import ChainInfo
from ..mcmc.state import ChainState
from ..metrics.chains import autocorrelation_time, ess, rhat, switch_rate
from ..models.capabilities import MultiLevel, offered
from ..models.data_noise import with_noise
from ..models.labels import class_or_condition
from ..models.model import EnergyModel
from ..models.sampler import RunOptions, Sampler, Stages, next_stage
from ..models.samples import Samples, draw_samples
from ..nets.frozen import frozen

CHAINS, KEPT, ROWS = 64, 50, 1000


def chain_report(
    model: EnergyModel,
    rng: torch.Generator,
    sampler: Sampler | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008
    modes: Callable[[Tensor], Tensor | None] = lambda x: None,
) -> dict[str, float]:
    """Diagnostics of `CHAINS` sampling chains from noise, over all stages of their sampler.

    Bulk and tail ESS, autocorrelation time (steps) and split R-hat of the neg_log_prob over the second half
    of the way, how many times in 100 steps a chain goes to another mode there, `modes` saying which those of
    data `(N, *event)` are, acceptance, drift/noise ratio, saturation. Short-run chains are not meant to have
    converged: an R-hat far above 1.01 then says just that.
    """
    y = every_label(model, CHAINS, rng)
    steps = total_steps(model, rng, sampler)
    kept: list[Position] = []
    thin, made = max(1, steps // KEPT), 0

    def observe(step: int, state: ChainState, info: ChainInfo) -> None:
        nonlocal made
        made += 1
        if made % thin == 0:
            kept.append(state.position)

    drawn = draw_samples(
        model, sampler or model.sampler(), CHAINS, rng=rng, y=y, options=options, observe=observe
    )
    out = {"steps": float(steps), **_stage_means(drawn)}
    energies = _energies(model, kept, y)
    if energies is not None and energies.shape[1] >= 8:
        half = energies[:, energies.shape[1] // 2 :]
        out |= {
            "energy_ess": float(ess(half)),
            "energy_tail_ess": float(ess(half, "tail")),
            "energy_autocorrelation": float(autocorrelation_time(half)) * thin,
            "energy_rhat": float(rhat(half)),
        }
        with frozen(model), torch.no_grad():
            found = [modes(model.sampler().decode(x)) for x in kept[len(kept) // 2 :]]
        known = [m for m in found if m is not None]
        if len(known) > 1:
            out["switches"] = 100 * switch_rate(torch.stack(known, 1)) / thin
    return {**out, "energy_end": float(drawn.energy.mean())}


def every_label(model: EnergyModel, n: int, rng: torch.Generator) -> Tensor | None:
    """Labels 0, 1, ... over and over, `(n,)`; conditions `(n, D)` of training rows; None for a model of x."""
    classes = model.spec.num_classes
    in_turn = torch.arange(n, device=rng.device) % classes if classes else None
    return class_or_condition(model, n, in_turn, rng)


def _stage_means(drawn: Samples) -> dict[str, float]:
    """What the kernel of every stage that moves tells, averaged over steps; `divergent` is a share of chains,
    at any time."""
    infos = [chain.info for chain in drawn.chains]
    moving = [i for i in infos if i.steps]
    weights = torch.tensor([float(i.steps) for i in moving], dtype=torch.float64)
    out = {}
    for key in ("acceptance", "drift_noise", "saturated", "clipped"):
        known = [getattr(i, key) for i in moving]
        if known and all(v is not None for v in known):
            means = torch.tensor([float(v.float().mean()) for v in known], dtype=torch.float64)
            out[key] = float((means * weights).sum() / weights.sum())
    return {**out, "divergent": float(torch.stack([i.divergent for i in infos]).any(0).float().mean())}


def total_steps(model: EnergyModel, rng: torch.Generator, sampler: Sampler | None = None) -> int:
    """Steps of all stages of a sampler, by default the model's own; none of them is run."""
    total = 0
    with frozen(model):
        stages = (sampler or model.sampler()).stages(1, rng)
        stage = next(stages, None)
        while stage is not None:
            total += stage.steps
            stage = next_stage(stages, stage.position)
    return total


def neg_log_probs(model: EnergyModel, x: Tensor, y: Tensor | None = None) -> Tensor:
    """neg_log_prob of many rows `(N, *event)` with labels `y`, some at a time, without a gradient."""
    labels = [None] * len(x.split(ROWS)) if y is None else y.split(ROWS)
    with torch.no_grad():
        return torch.cat([model.neg_log_prob(a, b) for a, b in zip(x.split(ROWS), labels, strict=True)])


def _energies(model: EnergyModel, kept: list[Position], y: Tensor | None) -> Tensor | None:
    """neg_log_prob at the kept positions, `(chains, kept)`; none where it is not finite."""
    if not kept:
        return None
    with frozen(model), torch.no_grad():
        values = torch.stack([model.neg_log_prob(model.sampler().decode(x), y) for x in kept], dim=1)
    return values.cpu() if bool(torch.isfinite(values).all()) else None


def from_noise(
    model: EnergyModel,
    x: Tensor,
    noise: float,
    y: Tensor | None,
    rng: torch.Generator,
    steps: int | None = None,
) -> Stages:
    """Down the levels from images `x` `(N, *event)` with Gaussian noise, a share of the model's range.

    Raises `UsageError` for models without levels of noise, and noise of 0 or less.
    """
    require_positive(noise=noise)
    ladder = offered(model, MultiLevel)
    if ladder is None or not ladder.levels:
        raise UsageError(
            "this model knows no levels of noise to begin at: leave --noise out, or take noise_energy"
        )
    sigma = noise * (model.spec.high - model.spec.low)
    return ladder.descent(with_noise(sigma, x, rng), sigma).stages(len(x), rng, y=y, steps=steps)
