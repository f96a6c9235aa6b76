"""U(x, sigma): a normalised energy of the data at every level of noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.energy import Energy, score_function
from ...core.position import Position
from ...core.spec import DataSpec
from ...energies.context import Index, single, take
from ...energies.noised_gaussian import NoisedGaussian
from ...metrics.likelihood import bits_per_dimension
from ...nets.frozen import frozen
from ...nets.precision import full_precision, widened
from ..data_noise import with_noise
from ..labels import asked
from ..model import EnergyModel

WAVES = 16


def level_waves(sigma: Tensor) -> Tensor:
    """sin and cos of log sigma times `WAVES` frequencies from .2 to 3, `(B, 2 WAVES)`, of levels `(B,)`."""
    angles = sigma.log()[:, None] * torch.linspace(0.2, 3.0, WAVES, device=sigma.device)
    return torch.cat([angles.sin(), angles.cos()], 1)


class NoiseEnergy(EnergyModel):
    """A Gaussian with noise, tilted by a network at each level (J. Thornton et al., 2025, for one variance).

        U(x, sigma) = -log N(x; mean, C + sigma^2 I) + (s / sigma) E(v / s, sigma),
        v = (C / (C + sigma^2))^(1/2) (x - mean)

    v has the covariance of clean data at every level, and x - sigma^2 grad U is the Wiener filter's answer
    plus a correction of the right size where the network's gradient has that of 1. As sigma grows U tends to
    the Gaussian, which is normalised.

    Args:
        net: called as `net(v, y)`, y rows of `level_waves`, or of log sigma alone, and the condition behind.
        spec: shape, range and condition of the data.
        base: the Gaussian.
        levels: least and largest noise.
        leading: how many principal coordinates the network sees, as events `(leading,)`; None for all of x.
        waves: whether the network is told the level by waves.
    """

    def __init__(
        self,
        net: nn.Module,
        spec: DataSpec,
        base: NoisedGaussian,
        levels: tuple[float, float],
        leading: int | None = None,
        waves: bool = True,
    ) -> None:
        super().__init__(spec)
        self.net, self.base, self.leading, self.waves = net, base, leading, waves
        self.sigma_min, self.sigma_max = levels

    @property
    def spread(self) -> Tensor:
        """s, the deviation of the coordinates that the network sees, a number."""
        base = self.base
        if self.leading:
            return base.variances[: self.leading].mean().sqrt()
        rest = (base.size - len(base.variances)) * base.rest
        return ((base.variances.sum() + rest) / base.size).sqrt()

    def energy_at(self, x: Tensor, sigma: Tensor, y: Tensor | None = None) -> Tensor:
        """U(x, sigma), or U(x, sigma | c), `(B,)`, in nats, of data with noise of levels `(B,)` or `(1,)`."""
        sigma, s = sigma.expand(len(x)), self.spread
        with full_precision(x):
            base, v, row = self.base.neg_log_density(x, sigma), self.seen(x, sigma) / s, self.rows(sigma, y)
        tilt = widened(self.net(v, row))
        return base + s / sigma * tilt

    def seen(self, x: Tensor, sigma: Tensor) -> Tensor:
        """v, `(B, *event)` or `(B, leading)`."""
        if not self.leading:
            return self.base.signal(x, sigma).view(-1, *self.spec.event_shape)
        variances = self.base.variances[: self.leading]
        kept = (variances / (variances + sigma.square()[:, None])).sqrt()
        return kept * ((x.flatten(1) - self.base.mean) @ self.base.axes[:, : self.leading])

    def rows(self, sigma: Tensor, y: Tensor | None) -> Tensor:
        """What the network is told beside v: the level `(B,)`, and conditions."""
        level = level_waves(sigma) if self.waves else sigma.log()[:, None]
        c = asked(self.spec, y)
        if classes := self.spec.num_classes:
            c = level.new_zeros(1, classes) if c is None else c
            c = c if c.is_floating_point() else F.one_hot(c, classes)
        return level if c is None else torch.cat([level, c.to(level).expand(len(sigma), -1)], 1)

    def top(self, n: int, sigma: float, rng: torch.Generator) -> Tensor:
        """`n` draws of the base with noise `sigma`, `(n, *event)`: of the model, where that is large."""
        return self.base.draw(n, sigma, rng).view(-1, *self.spec.event_shape)

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """U at the least noise, `(B,)`."""
        x = single(x)
        return self.energy_at(x, torch.full((1,), self.sigma_min, device=x.device), y)

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """The energy itself, in nats: -log p of data with the least noise, as far as training has come."""
        return self.energy(x, y)

    def logits(self, x: Tensor) -> Tensor:
        """-U(x | y) of every class at the least noise, `(B, classes)`: their softmax is p(y | x) for classes
        that are as likely, as U is normalised for each."""
        labels = torch.arange(self.spec.num_classes, device=x.device)
        return torch.stack([-self.energy(x, y.expand(len(x))) for y in labels], 1)

    def at_level(self, sigma: float, y: Tensor | None = None) -> AtLevel:
        """U at one level of noise, as an energy of x alone."""
        return AtLevel(self, sigma, y)

    def conditioned(self, y: Tensor | None = None) -> Energy:
        """U at the least noise, at conditions; raises as `labels.asked`."""
        return self.at_level(self.sigma_min, asked(self.spec, y))

    # -- what tasks ask for ---------------------------------------------------------------------------

    def noisy_score(self, x: Tensor, sigma: float) -> Tensor:
        """grad log p of data `(B, *event)` with noise `sigma`."""
        return cast(Tensor, score_function(self.at_level(max(sigma, self.sigma_min)), x))

    @torch.no_grad()
    def extra_metrics(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """Of data `x` with the least noise: `log_likelihood` in nats as the model claims it, that of the
        Gaussian base, and the claim in bits a dimension for 256 grey levels in the model's range.
        """
        if not self.knows_marginal:
            return {}
        noised = with_noise(self.sigma_min, x, rng)
        level = torch.full((1,), self.sigma_min, device=x.device)
        with frozen(self):
            mean = float(torch.cat([self.energy(part) for part in noised.split(1000)]).mean())
        base = float(self.base.neg_log_density(noised, level).mean())
        found = {"log_likelihood": -mean, "base_log_likelihood": -base}
        if self.spec.is_image:
            span = self.spec.high - self.spec.low
            found["bits_per_dimension"] = bits_per_dimension(mean, self.base.size, span)
        return found


@dataclass(frozen=True, eq=False)
class AtLevel:
    """x -> U(x, sigma | c)."""

    model: NoiseEnergy
    sigma: float
    y: Tensor | None = None

    def __call__(self, x: Position) -> Tensor:
        x = single(x)
        return self.model.energy_at(x, torch.full((1,), self.sigma, device=x.device), self.y)

    def rows(self, index: Index) -> AtLevel:
        """The same of the chains at `index`."""
        return AtLevel(self.model, self.sigma, take(self.y, index))
