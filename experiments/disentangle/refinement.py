"""Sprites, a VAEBM, its chain with and without the energy: what the study of disentanglement measures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.disentangle.scores import dci, factor_score, mig
from gibbsian.core.energy import Energy
from gibbsian.core.errors import UsageError
from gibbsian.core.position import Position, leaves
from gibbsian.core.random import derive, generator
from gibbsian.data.dataset import Dataset
from gibbsian.energies.context import quadratic
from gibbsian.mcmc.base import run
from gibbsian.mcmc.kernels import kernel_of
from gibbsian.models.model import device_of
from gibbsian.models.vaebm.model import TiltedVAE
from gibbsian.nets.frozen import frozen

GALLERY, CHUNK, VOTE_ROWS = 20_000, 500, 64
VALUES = tuple(-2 + 0.5 * k for k in range(9))
BEFORE, CHAIN, NOISE = "posterior means", "after the chain", "after the chain, E = 0"
ENERGY = "the energy's part, paired"


@dataclass(frozen=True)
class Found:
    """The numbers of one draw."""

    scores: dict[str, dict[str, float]]
    moves: dict[str, float]
    changed: dict[str, dict[str, float]]
    coordinates: dict[str, list[float]]
    accuracy: dict[str, float]


class RefinementMeasures:
    """A VAEBM, sprites to score, sprites to predict by, and the chain with and without its energy."""

    def __init__(self, model: TiltedVAE, sprites: Dataset, steps: int, n: int, draws: int, seed: int) -> None:
        self.model, self.sprites, self.seed = model, sprites, seed
        self.steps, self.n, self.draws = steps, n, draws
        self.device = device_of(model)
        self.low, self.high = model.spec.low, model.spec.high
        order = torch.randperm(len(sprites), generator=generator(derive(seed, "sprites")))
        known = min(GALLERY, len(sprites) // 2)
        if len(sprites) - known < n:
            raise UsageError(
                f"{sprites.name} has {len(sprites)} test sprites, {known} of them to predict by: take n "
                f"of at most {len(sprites) - known}"
            )
        self.pool = order[known:]
        with frozen(model), torch.no_grad():
            self.gallery = self.encoded(order[:known]).cpu()
        assert sprites.factors is not None
        self.names, self.factors = sprites.factors.names, sprites.factors.values
        self.known = self.factors[order[:known]]

    def measured(self, draw: int) -> Found:
        """All numbers of one draw."""
        rows = self._rows(draw)
        factors, means = self.factors[rows], self.encoded(rows)
        scores, coordinates, moves, changed = {BEFORE: self._scores(means, factors, draw)}, {}, {}, {}
        prior = self.model.noise.draw(self.n, self._rng("prior", draw)).position
        before = self._predicted(prior)
        for name in (CHAIN, NOISE):
            refined = self.latents(self.chain(name, self.position(means, draw), draw))
            scores[name] = self._scores(refined, factors, draw)
            end = self.chain(name, prior, draw)
            gap = (self.latents(end) - self.latents(prior)).double()
            moves[name] = float(gap.norm(dim=1).mean()) / math.sqrt(gap.shape[1])
            coordinates[name] = gap.square().mean(0).sqrt().tolist()
            changed[name] = self._shares(before != self._predicted(end))
        scores[ENERGY] = {k: v - scores[NOISE][k] for k, v in scores[CHAIN].items()}
        right = self._shares(self._nearest(means) == factors, every=False)
        return Found(scores, moves, changed, coordinates, right)

    def encoded(self, rows: Tensor) -> Tensor:
        """Posterior means of the noise of sprites at `rows`, `(B, d)`."""
        parts = [
            self.sprites.batch(part, self.low, self.high).x.to(self.device) for part in rows.split(CHUNK)
        ]
        return torch.cat([self.model.latents(x) for x in parts])

    def position(self, eps: Tensor, draw: int) -> Position:
        """Latents `(B, d)` with fresh noise of x beside."""
        fresh = self.model.noise.draw(len(eps), self._rng("pixels", draw)).position
        return (*self.model.vae.split(eps), leaves(fresh)[-1])

    def latents(self, position: Position) -> Tensor:
        """The noise of all groups side by side, `(B, d)`."""
        return torch.cat(leaves(position)[:-1], 1)

    def chain(self, name: str, start: Position, draw: int) -> Position:
        """Where the model's chain from `start` ends, or the same chain with E = 0, from the same noise."""
        energy: Energy = self.model.potential(self.model.latent.beta) if name == CHAIN else _prior
        kernel, rng = kernel_of(self.model.latent), self._rng("chain", draw)
        return run(kernel, energy, start, steps=self.steps, rng=rng, evaluate=False).position

    def traversal(self) -> dict[str, Tensor]:
        """One sprite's latents, each set to `VALUES` in turn, decoded before and after the chain."""
        eps = self.encoded(self._rows(0)[:1])
        d, wide = eps.shape[1], len(VALUES)
        grid = eps.repeat(d * wide, 1)
        grid[torch.arange(d * wide), torch.arange(d).repeat_interleave(wide)] = grid.new_tensor(
            VALUES
        ).repeat(d)
        start = self.position(grid, 0)
        states = {"before": start, f"after {self.steps} steps": self.chain(CHAIN, start, 0)}
        means = {name: self.model.vae.mean(leaves(x)[:-1]).cpu() for name, x in states.items()}
        return {name: x.unflatten(0, (d, wide)) for name, x in means.items()}

    def _scores(self, eps: Tensor, factors: Tensor, draw: int) -> dict[str, float]:
        eps, rng = eps.cpu(), generator(derive(self.seed, f"scores {draw}"))
        varied = factors[:, factors.amax(0) > factors.amin(0)]
        trees = dci(eps, varied, rng)
        return {
            "MIG": mig(eps, varied),
            "FactorVAE": factor_score(eps, varied, rng, rows=vote_rows(varied)),
            "disentanglement": trees.disentanglement,
            "completeness": trees.completeness,
            "informativeness": trees.informativeness,
        }

    def _predicted(self, position: Position) -> Tensor:
        """Factors `(B, F)` of the decoded image."""
        return self._nearest(self.model.latents(self.model.sampler().decode(position)))

    def _nearest(self, eps: Tensor) -> Tensor:
        near = [torch.cdist(part.cpu(), self.gallery).argmin(1) for part in eps.split(CHUNK)]
        return self.known[torch.cat(near)]

    def _shares(self, hits: Tensor, *, every: bool = True) -> dict[str, float]:
        shares = dict(zip(self.names, hits.double().mean(0).tolist(), strict=True))
        return {**shares, **({"any": float(hits.any(1).double().mean())} if every else {})}

    def _rows(self, draw: int) -> Tensor:
        """Sprites of one draw: the next n of the pool, or n at random where it is too small for all draws."""
        if len(self.pool) >= self.n * self.draws:
            return self.pool[draw * self.n : (draw + 1) * self.n]
        order = torch.randperm(len(self.pool), generator=generator(derive(self.seed, f"rows {draw}")))
        return self.pool[order[: self.n]]

    def _rng(self, name: str, draw: int) -> torch.Generator:
        return generator(derive(self.seed, f"{name} {draw}"), self.device)


def vote_rows(factors: Tensor) -> int:
    """Rows of one vote of the FactorVAE score: 64, or fewer where every value of some factor is rarer."""
    return min(VOTE_ROWS, *(int(torch.bincount(column).max()) for column in factors.T))


def _prior(eps: Position) -> Tensor:
    """|eps|^2 / 2: the potential with E = 0."""
    return quadratic(eps, 0.0, 1.0)
