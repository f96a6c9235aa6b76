"""Conjugate EBM (H. Wu, B. Esmaeili, M. Wick, J.-B. Tristan, J.-W. van de Meent, ICML 2021, arXiv
2106.13798).

    p(x, z) ~ exp <t(x), eta(z)> p(z),    loss = mean E(x_pos) - mean E(x_neg) + alpha (mean E^2 of both)

An energy with a latent variable, but without a generator: the network gives sufficient statistics t(x), the
prior of z is conjugate to them, and so z is integrated out exactly. E(x) trains by persistent Langevin chains
as any energy does, and the posterior p(z | x) comes for free, in closed form (`energies/conjugate.py`).
Chains of the paper are cold (2.8e-5): see `ConjugateEnergy` for what that means for the posterior. The
released code draws them from its buffer with replacement, here they are distinct.
"""

from __future__ import annotations

import torch
from torch import nn

from ...core.random import seeded_init
from ...core.spec import DataSpec
from ...energies.conjugate import Conjugate, GaussianPrior, MixturePrior, Prior
from ..chains import init_noise
from ..conjugate_energy import ConjugateEnergy, GivenLatents
from ..contrastive_learner import ContrastiveLearner
from ..networks import vector_net
from ..stored import stored_samplers
from ..training_start import training_start
from .config import CEBMConfig


def build(
    config: CEBMConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> ContrastiveLearner:
    """The learner of a statistics network `(B, *event)` to `(B, 2 latent)` with a conjugate prior."""
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    with seeded_init(rng):
        why = f", two numbers for each of latent={config.latent}"
        statistics = vector_net(config.net, spec, 2 * config.latent, net, why)
    energy = Conjugate(statistics, _prior(config, rng))
    model = ConjugateEnergy(energy, spec, config.latent, temperature=config.chain.temperature)
    noise = init_noise(config.start, spec)
    buffer = training_start(config.start, spec, config.pixels.noise, rng)
    learner = ContrastiveLearner(config, model, buffer, noise)
    chain = learner.sampling_chain()
    model.samplers["default"], learner.stored = chain, stored_samplers(chain, buffer)
    return learner


def given_latents(learner: ContrastiveLearner, z: torch.Tensor | None = None) -> GivenLatents:
    """Chains on E(x | z), by the chain that draws samples."""
    chain = learner.sampling_chain()
    assert isinstance(learner.model, ConjugateEnergy)
    return GivenLatents(learner.model, chain.kernel, chain.steps, chain.start, z)


def _prior(config: CEBMConfig, rng: torch.Generator) -> Prior:
    if config.prior == "gaussian":
        return GaussianPrior(config.latent, learn=config.learn_prior)
    return MixturePrior(config.latent, config.components, rng=rng, learn=config.learn_prior)
