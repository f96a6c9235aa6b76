"""Short-run MCMC as a generator (E. Nijkamp et al., NeurIPS 2019, arXiv 1904.09770).

    x_0 ~ noise,   x_{k+1} = x_k - (s/2) grad E(x_k) + noise * xi,   k = 0 .. K-1
    loss = mean E(x_pos) - mean E(x_K)

Every chain starts from fresh noise and takes K steps, in training and after. What is learnt is the
K-step sampler, read as a generator x_K = M(x_0); E itself need not be a density at equilibrium, and
longer chains drift away from the data. No buffer; the paper neither clips nor clamps, our presets clamp.
"""

from __future__ import annotations

import torch
from torch import nn

from ..chains import init_noise
from ..contrastive_learner import ContrastiveLearner
from ..networks import data_spec, net_model
from .config import ShortRunConfig


def build(
    config: ShortRunConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> ContrastiveLearner:
    """The learner of an energy network whose chains all begin at fresh noise."""
    spec = data_spec(config, event_shape)
    model = net_model(config, spec, rng, net)
    noise = init_noise(config.start, spec)
    learner = ContrastiveLearner(config, model, noise, noise)
    model.samplers["default"] = learner.sampling_chain()
    return learner
