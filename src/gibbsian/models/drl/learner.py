"""Diffusion recovery likelihood (R. Gao, Y. Song, B. Poole, Y. N. Wu, D. P. Kingma, ICLR 2021, arXiv
2012.08125).

    x_{t+1} = a x_t + sigma eps                                              a ladder from data to noise
    p(x_t | x_{t+1}) ~ exp(-E(a x_t, t) / b^2 - |x_{t+1} - a x_t|^2 / 2 sigma^2)    a, sigma of t + 1, b of t

    positive: y = a x_t        negative: the end of K Langevin steps of size b^2 from x_{t+1}
    loss:     mean over rows of (sigma_1 / sigma_{t+1}) (E(y_pos, t) - E(y_neg, t))

Each conditional has nearly one mode, so that short chains from x_{t+1} suffice; maximising all of them
learns the marginals exp(-E(., t) / b_t^2) up to constants. The last level has no tether and no factor a:
it is a marginal model whose chain starts at N(0, I). Sampling walks down the ladder; after training its
noise may be multiplied by .99, as the paper does for its figures.

The chains aim at temperature 1, but K = 30 steps are fewer than the relaxation time at most levels (45 to
9,000 with the paper's numbers), so that what is learnt is a sampler before it is a density: the model claims
none. On a Gaussian the conditionals' variances come out 42 to 99 % too small (docs/ladders.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...core.position import expand
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...energies.recovery import Recovery
from ...mcmc.base import Chain
from ...mcmc.langevin import Langevin
from ...objectives.settings import LossConfig
from ...starts.base import BufferSample, all_restarted
from ...starts.noise import GaussianNoise
from ..contrastive import ChainEnds, chain_ends, contrastive_loss, energies_of_both
from ..data_noise import noised_data
from ..learner import Learner
from ..networks import energy_net
from .config import DRLConfig
from .model import LadderEnergy, LevelNumbers, normal


def build(
    config: DRLConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> DRL:
    """The learner of a network of all levels, which takes the level as its class: `net(y, level)`."""
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    with seeded_init(rng):
        levels = config.ladder.levels
        told = DataSpec(event_shape, spec.low, spec.high, levels)
        net = energy_net(replace(config.net, classes=levels), told, net, second="level")
    return DRL(config, LadderEnergy(net, spec, config.ladder))


class DRL(Learner):
    """Recovery likelihood of one random level a row."""

    config: DRLConfig
    model: LadderEnergy

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the network of all levels."""
        return {"energy": self.model.net}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The contrast at the levels of the rows, weighted."""
        model = self.model
        x = noised_data(batch, self.config.pixels, rng)
        level = torch.randint(model.levels, (len(x),), generator=rng, device=x.device)
        columns = torch.tensor(model.numbers, device=x.device)[level].T
        of = LevelNumbers(*(expand(column, x) for column in columns))
        x_t = model.noised(x, level, rng)
        x_next = of.a * x_t + of.sigma * normal(x, rng)
        b, weight = of.b2.sqrt(), of.weight.flatten()
        ends = self._ends(level, x_next, of, rng)
        y_neg = torch.where(expand(ends.bad, x), x_next, b * ends.x)
        e_pos, e_neg = energies_of_both(
            model.energy_at, of.factor * x_t, y_neg, level, level, precision=self.options.precision
        )
        known = ChainEnds(y_neg, in_data_units(ends.chain, b.flatten()), ends.bad)
        yield "energy", contrastive_loss(weight * e_pos, weight * e_neg, LossConfig(), known)

    def _ends(self, level: Tensor, x_next: Tensor, of: LevelNumbers, rng: torch.Generator) -> ChainEnds:
        """Chains of all rows, in units of b, where the step is 1 at every level: they are one chain."""
        b = of.b2.sqrt()
        energy = Recovery(
            self.model.energy_at,
            level,
            x_next,
            of.b2.flatten(),
            precision=of.tether.flatten(),
            scale=b.flatten(),
        )
        start = BufferSample(x_next / b, None, None, all_restarted(len(x_next), rng))
        noise = GaussianNoise(self.model.spec.event_shape)
        steps = self.config.ladder.steps
        return chain_ends(
            self.model, start, Langevin(1.0), steps, rng, self.options, energy=energy, init_noise=noise
        )


def in_data_units(chain: Chain, b: Tensor) -> Chain:
    """`chain`, which moved in units of `b` `(B,)`, with the drift of its steps as the monitor knows it."""
    assert chain.info.drift is not None
    return replace(chain, info=replace(chain.info, drift=b * chain.info.drift))
