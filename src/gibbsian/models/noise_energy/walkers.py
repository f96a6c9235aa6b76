"""Chains of the model itself that come down its levels over and over, for the loss of balance.

Each begins at the Gaussian at the largest noise (the first ones at data with noise of any level), moves by
MALA at its level, then takes noise off, once an update; at the least noise it stays for some updates. So the
loss sees where the energy as it is leads to, also where no data are.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from ...core.position import Position, expand, finite
from ...energies.context import single
from ...mcmc.mala import MALA
from ...mcmc.noise_moves import ancestral
from .config import BalanceConfig
from .model import NoiseEnergy

BINS = 24
"""Groups of levels, for each of which it is known how much of the base's doubt about clean data is left."""
AIM, RATE = 0.65, 0.05
"""Acceptance that the step is tuned to, and how fast; also of `share`."""


class Walkers(nn.Module):
    """`x` `(count, *event)` at `log_sigma` `(count,)`, with conditions `told` `(count, D)`.

    `stayed`: updates at the least noise. `scale`: MALA's step in units of sigma squared. `share`: of the
    base's doubt, `(BINS,)` from the least noise up. `begun`: whether there are any yet.
    """

    def __init__(self, config: BalanceConfig, event_shape: tuple[int, ...], told: int = 0) -> None:
        super().__init__()
        self.config, n = config, config.chains
        self.x: Tensor
        self.log_sigma: Tensor
        self.stayed: Tensor
        self.told: Tensor
        self.scale: Tensor
        self.share: Tensor
        self.begun: Tensor
        self.register_buffer("x", torch.zeros(n, *event_shape))
        self.register_buffer("log_sigma", torch.zeros(n))
        self.register_buffer("stayed", torch.zeros(n))
        self.register_buffer("told", torch.zeros(n, told))
        self.register_buffer("scale", torch.tensor(0.5))
        self.register_buffer("share", torch.full((BINS,), 0.5))
        self.register_buffer("begun", torch.tensor(False))

    @torch.no_grad()
    def descend(
        self, model: NoiseEnergy, x: Tensor, y: Tensor | None, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Moves at every walker's level: where they are, levels `(count,)`, conditions, and the acceptance.

        Then each is moved to its next level, for the next call. `x` and `y` are a batch of data: the first
        ones begin there, and conditions are taken from there.
        """
        if not self.begun:
            self._begin(model, x, y, rng)
        sigma, told = self.log_sigma.exp(), self.told if y is not None else None
        z, slope, acceptance = self._moved(model, sigma, told, rng)
        here = expand(sigma, z) * z
        self.scale.mul_(math.exp(RATE * (float(acceptance) - AIM))).clamp_(1e-3, 2.0)
        self._lower(model, here, slope, y, rng)
        return here, sigma, told, acceptance

    def _begin(self, model: NoiseEnergy, x: Tensor, y: Tensor | None, rng: torch.Generator) -> None:
        rows = torch.arange(len(self.x), device=x.device) % len(x)
        low, high = self._ends(model)
        even = torch.rand(len(rows), generator=rng, device=x.device)
        self.log_sigma.copy_(low + (high - low) * even)
        noise = torch.randn(self.x.shape, generator=rng, device=x.device, dtype=x.dtype)
        self.x.copy_(x[rows] + expand(self.log_sigma.exp(), noise) * noise)
        if y is not None:
            self.told.copy_(y[rows])
        self.begun.fill_(True)

    def _moved(
        self, model: NoiseEnergy, sigma: Tensor, told: Tensor | None, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Positions and slopes in units of sigma after MALA, and the mean acceptance."""
        kernel = MALA(float(self.scale))

        def energy(z: Position) -> Tensor:
            z = single(z)
            return model.energy_at(expand(sigma, z) * z, sigma, told)

        state, accepted = kernel.init(energy, self.x / expand(sigma, self.x)), list[Tensor]()
        for _ in range(self.config.moves):
            state, info = kernel.step(energy, state, rng)
            accepted.append(cast(Tensor, info.acceptance).mean())
        return cast(Tensor, state.position), cast(Tensor, state.grad), torch.stack(accepted).mean()

    @torch.no_grad()
    def know(self, model: NoiseEnergy, sigma: Tensor, slope: Tensor) -> None:
        """What Fisher's information leaves of the base's doubt, by slopes sigma grad U `(B, *event)` at data
        with noise `sigma` `(B,)`.
        """
        base = model.base
        doubts = torch.tensor([base.doubt(float(s)) for s in sigma]).to(sigma)
        found = (1 - slope.flatten(1).square().mean(1)) / doubts
        at, ones = self._bin(model, sigma.log()), torch.ones_like(found)
        count = torch.zeros_like(self.share).index_add_(0, at, ones)
        mean = torch.zeros_like(self.share).index_add_(0, at, found) / count.clamp(min=1)
        self.share += RATE * (count > 0) * (mean - self.share)

    def _lower(
        self, model: NoiseEnergy, x: Tensor, slope: Tensor, y: Tensor | None, rng: torch.Generator
    ) -> None:
        """Noise off where there is some, a new start for those that stayed long enough or were lost."""
        low, high = self._ends(model)
        bottom = self.log_sigma <= low + 1e-6
        to = (self.log_sigma - self.config.gap).clamp(min=low)
        above, below = expand(self.log_sigma.exp(), x), expand(to.exp(), x)
        mean, v = ancestral(x, slope / above, above, below)
        noise = torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        moved = mean + v**0.5 * noise
        self.x.copy_(torch.where(expand(bottom, x), x, moved))
        self.stayed.copy_((self.stayed + 1) * bottom)
        self.log_sigma.copy_(to)
        again = (self.stayed > self.config.stay) | ~finite(self.x)
        if count := int(again.sum()):
            self.x[again] = model.top(count, model.sigma_max, rng).to(self.x)
            self.log_sigma[again], self.stayed[again] = high, 0.0
            if y is not None:
                rows = torch.randint(len(y), (count,), generator=rng, device=y.device)
                self.told[again] = y[rows]

    def share_at(self, model: NoiseEnergy, log_sigma: Tensor) -> Tensor:
        """`share` at levels `(B,)`, in [0, 1]."""
        return self.share[self._bin(model, log_sigma)].clamp(0, 1)

    def _bin(self, model: NoiseEnergy, log_sigma: Tensor) -> Tensor:
        low, high = self._ends(model)
        return ((log_sigma - low) / (high - low) * BINS).long().clamp(0, BINS - 1)

    def _ends(self, model: NoiseEnergy) -> tuple[float, float]:
        return math.log(model.sigma_min), math.log(model.sigma_max)
