"""The evidence lower bound of Gaussian VAEs, and two ways to weigh the total correlation of their latents.

    log p(x) >= E_q log p(x | z) - KL(q(z | x) || p(z))
    mean KL   = I(x; z) + KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j))      (Chen et al. 2018)

The middle term is the total correlation. Chen et al. estimate it from a minibatch; Kim and Mnih from a critic
that tells latents from latents whose coordinates were shuffled. Numbers are in nats; tensors `(B, ...)` sum
over everything but the first dimension.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import UsageError
from ..core.records import Loss

LOG_2PI = math.log(2 * math.pi)


def gaussian_nll(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """-log N(x; mean, sigma^2), one number a row, `(B,)`; all of one shape `(B, ...)`."""
    z = (x - mean) * (-log_sigma).exp()
    return (0.5 * (z.square() + LOG_2PI) + log_sigma).flatten(1).sum(1)


def kl_to_standard(mean: Tensor, log_sigma: Tensor) -> Tensor:
    """KL(N(mean, sigma^2) || N(0, I)), `(B,)`."""
    return (0.5 * (mean.square() + (2 * log_sigma).exp() - 1) - log_sigma).flatten(1).sum(1)


def kl_gaussians(mean: Tensor, log_sigma: Tensor, prior_mean: Tensor, prior_log_sigma: Tensor) -> Tensor:
    """KL(N(mean, sigma^2) || N(prior_mean, prior_sigma^2)), `(B,)`, by the first in units of the second."""
    return kl_to_standard((mean - prior_mean) * (-prior_log_sigma).exp(), log_sigma - prior_log_sigma)


def negative_elbo(nll: Tensor, kl: Tensor, beta: float = 1.0) -> Loss:
    """mean(nll + beta kl) over `(B,)` numbers in nats (beta-VAE, I. Higgins et al., ICLR 2017).

    Metrics: `nll`, `kl` and `elbo` = -(nll + kl), the bound itself whatever beta.
    """
    value = (nll + beta * kl).mean()
    return Loss(value, _bound(nll, kl))


class Parts(NamedTuple):
    """The three parts of the mean KL, scalars in nats."""

    information: Tensor
    correlation: Tensor
    dimensions: Tensor


def kl_parts(z: Tensor, mean: Tensor, log_sigma: Tensor, *, points: int | None = None) -> Parts:
    """Index-code information, total correlation and dimension-wise KL of latents z ~ q(z | x), all `(B, d)`.

    q(z) is the mixture of this minibatch's posteriors, with weights 1 / (N B) for a data set of N `points`
    (minibatch-weighted sampling), or 1 / B where the batch is all the data. N shifts the parts by constants
    only. Not a sum over samples: micro-batches must not simply be averaged. Source: R. Chen et al.,
    NeurIPS 2018, arXiv 1802.04942, eq. 2 and 4, appendix C.1.
    """
    if z.dim() != 2 or z.shape != mean.shape or z.shape != log_sigma.shape:
        raise UsageError(f"latents of shape {tuple(z.shape)}, means {tuple(mean.shape)}: give three (B, d)")
    of_pair = _log_normal(z[:, None], mean[None], log_sigma[None])
    weight = math.log(len(z) * (points or 1))
    joint = of_pair.sum(2).logsumexp(1) - weight
    marginals = (of_pair.logsumexp(1) - weight).sum(1)
    own = _log_normal(z, mean, log_sigma).sum(1)
    prior = _log_normal(z, torch.zeros_like(z), torch.zeros_like(z)).sum(1)
    return Parts((own - joint).mean(), (joint - marginals).mean(), (marginals - prior).mean())


def beta_tc(nll: Tensor, kl: Tensor, parts: Parts, beta: float, warm: float = 1.0) -> Loss:
    """mean nll + warm (information + beta correlation + dimensions); metrics of `negative_elbo`, and `tc`."""
    weighed = parts.information + beta * parts.correlation + parts.dimensions
    return Loss(nll.mean() + warm * weighed, {**_bound(nll, kl), "tc": parts.correlation.detach()})


def ratio_tc(logit: Tensor) -> Tensor:
    """The total correlation as a density ratio, mean logit `(B,)` of a critic at latents; a scalar in nats.

    The critic's optimum is logit(z) = log q(z) - sum_j log q(z_j). Source: H. Kim, A. Mnih, ICML 2018,
    arXiv 1802.05983, eq. 3.
    """
    return logit.mean()


def ratio_loss(logit: Tensor, logit_shuffled: Tensor) -> Loss:
    """What trains that critic: cross-entropy of latents (1) against shuffled ones (0), weighted alike."""
    value = 0.5 * (F.softplus(-logit).mean() + F.softplus(logit_shuffled).mean())
    right = 0.5 * ((logit > 0).float().mean() + (logit_shuffled < 0).float().mean())
    return Loss(value, {"critic_accuracy": right.detach()})


def shuffled(z: Tensor, rng: torch.Generator) -> Tensor:
    """`z` `(B, d)` with each coordinate permuted over the batch on its own: draws from prod_j q(z_j)."""
    order = torch.rand(z.shape, generator=rng, device=z.device).argsort(0)
    return z.gather(0, order)


def _log_normal(z: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    return -0.5 * (((z - mean) * (-log_sigma).exp()).square() + LOG_2PI) - log_sigma


def _bound(nll: Tensor, kl: Tensor) -> dict[str, Tensor]:
    nll, kl = nll.detach().mean(), kl.detach().mean()
    return {"nll": nll, "kl": kl, "elbo": -(nll + kl)}
