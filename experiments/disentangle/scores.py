"""Does each latent variable stand for one factor of variation, and each factor for one latent?

`latents` (N, d) are codes such as posterior means, `factors` (N, F) whole numbers that the rows were
rendered from. All scores are at most 1, higher is better.

    MIG      mean over factors of (I_1 - I_2) / H, with I_1 >= I_2 the two largest mutual informations
             of a latent with the factor and H its entropy           (Chen et al. 2018, arXiv 1802.04942)
    Factor   accuracy of a majority vote that tells which factor was held fixed from the latent that
             then varies least                                   (Kim and Mnih 2018, arXiv 1802.05983)
    DCI      from importances R (d, F) of latents for predicting factors: disentanglement, 1 - entropy of
             R's rows; completeness, 1 - entropy of its columns; informativeness, the accuracy
                                                          (Eastwood and Williams 2018, ICLR)

Latents are cut into equal bins (20) for the information, as Locatello et al. (2019, arXiv 1811.12359)
do: a factor of more values than bins cannot reach a MIG of 1 (40 values: log 20 / log 40 = 0.81).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from gibbsian.core.errors import UsageError, require_positive, unknown
from gibbsian.core.optional import scikit_learn
from gibbsian.metrics.arrays import table

Draw = Callable[[int, torch.Generator], Tensor]
"""`draw(factor, rng)`: latents (rows, d) of rows that share one random value of that factor."""


def mig(latents: Tensor, factors: Tensor, *, bins: int = 20) -> float:
    """Mutual information gap, from 0 to 1: a mean over factors."""
    information = mutual_information(latents, factors, bins=bins)
    entropies = torch.tensor([_entropy(column) for column in factors.T], dtype=torch.float64)
    if bool((entropies <= 0).any()):
        raise UsageError(f"factor {int(entropies.argmin())} has one value only: leave it out")
    best = information.sort(0, descending=True).values
    second = best[1] if len(best) > 1 else torch.zeros_like(best[0])
    return float(((best[0] - second) / entropies).mean())


def mutual_information(latents: Tensor, factors: Tensor, *, bins: int = 20) -> Tensor:
    """I(z_i; v_j) in nats (d, F), each latent cut into `bins` equal bins between its extremes."""
    require_positive(bins=bins)
    z, v = _checked(latents, factors)
    cells = [_binned(column, bins) for column in z.T]
    return torch.tensor([[_information(c, f) for f in v.T] for c in cells], dtype=torch.float64)


def factor_score(
    latents: Tensor,
    factors: Tensor,
    rng: torch.Generator,
    *,
    rows: int = 64,
    votes: int = 800,
    checks: int = 800,
) -> float:
    """Kim and Mnih's score from arrays: `rows` rows of one random value of one random factor a vote.

    Rows are drawn with replacement; values of fewer than `rows` rows are not used. Codes that tell nothing
    score about 1 / F. Raises `UsageError` for a factor of which no value has so many rows.
    """
    z, v = _checked(latents, factors)
    require_positive(rows=rows)
    groups = [_groups(column, rows, j) for j, column in enumerate(v.T)]

    def draw(factor: int, rng: torch.Generator) -> Tensor:
        order, starts, counts = groups[factor]
        value = int(torch.randint(len(starts), (), generator=rng))
        return z[order[starts[value] + torch.randint(int(counts[value]), (rows,), generator=rng)]]

    return vote_score(draw, v.shape[1], z.std(0), rng, votes=votes, checks=checks)


def vote_score(
    draw: Draw, factors: int, deviation: Tensor, rng: torch.Generator, *, votes: int = 800, checks: int = 800
) -> float:
    """The same score for any way to draw rows. `deviation` (d,) is that of each latent over all the data.

    The vote is learnt from `votes` draws and scored on `checks` others. Latents of deviation 0 are left out.
    """
    require_positive(factors=factors, votes=votes, checks=checks)
    live = deviation > 0
    if not bool(live.any()):
        raise UsageError("every latent is constant: there is nothing to score")

    def vote() -> tuple[int, int]:
        factor = int(torch.randint(factors, (), generator=rng))
        spread = draw(factor, rng)[:, live].double() / deviation[live]
        return int(spread.var(0).argmin()), factor

    counts = torch.zeros(int(live.sum()), factors)
    for latent, factor in (vote() for _ in range(votes)):
        counts[latent, factor] += 1
    told = counts.argmax(1)
    return sum(int(told[latent]) == factor for latent, factor in (vote() for _ in range(checks))) / checks


@dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness, and informativeness as accuracy on held-out rows (mean of factors)."""

    disentanglement: float
    completeness: float
    informativeness: float


def dci(
    latents: Tensor,
    factors: Tensor,
    rng: torch.Generator,
    *,
    model: Literal["forest", "boosting"] = "forest",
    test_share: float = 0.2,
) -> DCI:
    """Eastwood and Williams' three numbers, by scikit-learn's trees, one model a factor.

    `model`: "forest", 30 trees that see all latents at every split, with at least 1 row of 200 (and 5) in
    a leaf, so that they do not fit noise; or "boosting", 100 rounds of trees of depth 3, the choice of
    Locatello et al. (2019), tens of times slower. Compare only scores of one model and one number of rows.
    Raises `UsageError` with fewer than 2 latents or factors, and without scikit-learn.
    """
    z, v = _checked(latents, factors)
    if min(z.shape[1], v.shape[1]) < 2:
        raise UsageError(f"DCI needs 2 latents and 2 factors or more, got {z.shape[1]} and {v.shape[1]}")
    held = round(test_share * len(z))
    if not 0 < held < len(z):
        raise UsageError(f"test_share is {test_share} of {len(z)} rows: it must leave rows on both sides")
    order = torch.randperm(len(z), generator=rng)
    train, test = order[held:], order[:held]
    importances, right = [], []
    for target in v.T.numpy():
        fitted = _trees(model, len(train), rng).fit(z[train].numpy(), target[train])
        importances.append(torch.from_numpy(fitted.feature_importances_).double())
        right.append(float(fitted.score(z[test].numpy(), target[test])))
    weights = torch.stack(importances, 1)
    return DCI(unevenness(weights), unevenness(weights.T), sum(right) / len(right))


def unevenness(importances: Tensor) -> float:
    """Mean of 1 - entropy of the rows of `importances` (R, C) in units of log C, each row with its weight."""
    total = importances.sum(1)
    shares = importances / total.clamp(min=torch.finfo(importances.dtype).tiny)[:, None]
    score = 1 - torch.special.entr(shares).sum(1) / math.log(importances.shape[1])
    return float((score * total).sum() / total.sum())


def _trees(model: str, n: int, rng: torch.Generator) -> Any:
    ensemble = scikit_learn("ensemble", "DCI")
    seed = int(torch.randint(2**31 - 1, (), generator=rng))
    if model == "forest":
        leaf = max(5, n // 200)
        return ensemble.RandomForestClassifier(
            30, max_features=None, min_samples_leaf=leaf, random_state=seed
        )
    if model == "boosting":
        return ensemble.GradientBoostingClassifier(random_state=seed)
    raise unknown("model", model, ("forest", "boosting"))


def _groups(v: Tensor, least: int, factor: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row numbers sorted by value; where each value of at least `least` rows starts, and its count."""
    counts = torch.unique(v, return_counts=True)[1]
    starts = counts.cumsum(0) - counts
    enough = counts >= least
    if not bool(enough.any()):
        raise UsageError(
            f"no value of factor {factor} has {least} rows: give more latents or fewer rows a vote"
        )
    return v.argsort(), starts[enough], counts[enough]


def _binned(z: Tensor, bins: int) -> Tensor:
    """Number (N,) of the bin of each value, of equal bins from the smallest to the largest."""
    low, high = z.min(), z.max()
    return ((z - low) / (high - low).clamp(min=1e-300) * bins).long().clamp(max=bins - 1)


def _information(a: Tensor, b: Tensor) -> float:
    """I(a; b) in nats of two rows of whole numbers (N,) from 0."""
    return _entropy(a) + _entropy(b) - _entropy(a * (int(b.max()) + 1) + b)


def _entropy(a: Tensor) -> float:
    """Entropy in nats of whole numbers (N,)."""
    counts = torch.unique(a, return_counts=True)[1].double()
    return float(torch.special.entr(counts / len(a)).sum())


def _checked(latents: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """Float64 latents (N, d) and int64 factors (N, F), on the CPU."""
    z = table(latents, "the latents").cpu()
    if factors.dim() != 2 or len(factors) != len(z) or factors.is_floating_point() or int(factors.min()) < 0:
        raise UsageError(
            f"factors are {factors.dtype} of shape {tuple(factors.shape)} for {len(z)} latents: expected "
            "whole numbers (N, F) from 0"
        )
    return z, factors.long().cpu()
