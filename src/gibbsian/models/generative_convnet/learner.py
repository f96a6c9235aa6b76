"""Generative ConvNet (J. Xie, Y. Lu, S.-C. Zhu, Y. N. Wu, ICML 2016, arXiv 1602.03264) and the study of
what its chains learn (E. Nijkamp et al., "On the anatomy of MCMC-based maximum likelihood learning of
energy-based models", AAAI 2020, arXiv 1903.12370).

    p(x) ~ exp(-E(x)/T) q(x),   q uniform on the data range or N(0, sigma^2 I)

With a Gaussian reference the chains, the loss's score of data and every use see E(x)/T + |x|^2/2 sigma^2:
the reference is added to E/T, never to a cold E. Chains begin at stored chains (persistent), at the data
(contrastive divergence), at fresh noise (short run) or at a fixed bank of noise.

Diagnostics of the study, logged at each step:  d = (E(x_pos) - E(x_neg)) / T, which should cross 0 both
ways, and v = mean |grad E| / T along the chains, which should settle. A cold chain (small noise) learns
short-run samplers; a warm one with persistent chains and a falling learning rate learns a density.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.records import Loss
from ...core.spec import DataSpec
from ...energies.reference import GaussianReference
from ...mcmc.settings import ChainConfig
from ..chains import init_noise
from ..contrastive_learner import ContrastiveLearner
from ..networks import net_model
from ..stored import stored_samplers
from ..training_start import training_start
from .config import GenerativeConvNetConfig


def build(
    config: GenerativeConvNetConfig,
    event_shape: tuple[int, ...],
    rng: torch.Generator,
    net: nn.Module | None = None,
) -> ContrastiveLearner:
    """The learner of an energy network times a reference measure, with the chain starts of the papers."""
    if config.net.classes:
        raise UsageError("the generative ConvNet is unconditional: set net.classes to 0, or use igebm")
    spec = DataSpec(event_shape, config.pixels.low, config.pixels.high)
    sigma = config.reference_sigma
    model = net_model(config, spec, rng, net, base=GaussianReference(sigma) if sigma else None)
    noise = init_noise(config.start, spec)
    buffer = training_start(config.start, spec, config.pixels.noise, rng)
    learner = ContrastiveLearner(config, model, buffer, noise, diagnose=partial(anatomy, config.chain))
    chain = learner.sampling_chain()
    model.samplers["default"], learner.stored = chain, stored_samplers(chain, buffer)
    return learner


def anatomy(chain: ChainConfig, loss: Loss) -> dict[str, Tensor]:
    """d and v; the drift of a step is (s/2)|grad E| = (s T/2)|grad E/T|, s its mean where it falls."""
    s, t = chain.mean_step_size, chain.temperature or 1.0
    found = {"d": loss.metrics["energy_gap"] / t}
    return {**found, "v": 2 * loss.metrics["drift"] / (s * t)} if "drift" in loss.metrics else found
