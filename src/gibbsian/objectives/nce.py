"""Noise-contrastive estimation: learn E, and Z, by telling data from draws of a known density q.

    binary        h = -E - c - log q - log nu,   loss = -mean_p log sigmoid(h) - nu mean_q log sigmoid(-h)
    ranking       -mean_p log softmax of w = -E - log q over one datum and its nu noise draws, at the datum
    conditional   mean log(1 + exp(E(x) - E(x'))),   x' = x + eps with a symmetric density of eps

The binary form's optimum over E and c is E + c = -log p: c is log Z, learnt like a weight. Ranking needs no c
and conditional no q either. In all of them q (or eps) must reach wherever p has mass, and the nearer it is to
p the fewer samples are wanted.

Sources: M. Gutmann, A. Hyvärinen, JMLR 13, 2012 (binary); Z. Ma, M. Collins, EMNLP 2018, arXiv
1809.01812 (ranking, and its consistency); C. Ceylan, M. Gutmann, ICML 2018, arXiv 1806.03664 (conditional).

Energies and log-densities of data are `(N,)`, those of noise `(nu N,)`, the draws of one datum N rows apart.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import UsageError
from ..core.records import Loss


def nce(e_pos: Tensor, e_neg: Tensor, log_q_pos: Tensor, log_q_neg: Tensor, c: Tensor | float) -> Loss:
    """The binary form with `c` a scalar, the estimate of log Z.

    nu is what the sizes say. Metrics: `energy_pos`, `energy_neg` (means; of data and of noise), `energy_gap`,
    `accuracy` (share of data and noise, weighed alike, told apart rightly), `log_partition` (c). Raises
    `UsageError` for other shapes.
    """
    nu = _ratio(e_pos, e_neg, log_q_pos, log_q_neg)
    h_pos = -e_pos - c - log_q_pos - math.log(nu)
    h_neg = -e_neg - c - log_q_neg - math.log(nu)
    value = F.softplus(-h_pos).mean() + nu * F.softplus(h_neg).mean()
    right = 0.5 * ((h_pos > 0).float().mean() + (h_neg < 0).float().mean())
    told = {"accuracy": right, "log_partition": torch.as_tensor(c).detach()}
    return Loss(value, {**_about(e_pos, e_neg), **told})


def ranking(e_pos: Tensor, e_neg: Tensor, log_q_pos: Tensor, log_q_neg: Tensor) -> Loss:
    """-log softmax(-E - log q) at the datum among its nu noise draws: InfoNCE with its correction by log q.

    log(1 + nu) - loss is at most KL(p | q) on average. Metrics as `nce`, without `log_partition`; `accuracy`
    is the share of data that rank first.
    """
    nu = _ratio(e_pos, e_neg, log_q_pos, log_q_neg)
    noise = (-e_neg - log_q_neg).reshape(nu, len(e_pos))
    weights = torch.cat([(-e_pos - log_q_pos)[None], noise])
    first = (weights[:1] > weights[1:]).all(0).float().mean()
    return Loss(-weights.log_softmax(0)[0].mean(), {**_about(e_pos, e_neg), "accuracy": first})


def conditional_nce(e_pos: Tensor, e_neg: Tensor) -> Loss:
    """softplus(E(x) - E(x')) for noise x' = x + eps whose density is symmetric, so that it cancels.

    Metrics as `nce`, without `log_partition`; `accuracy` is the share of pairs with E(x) < E(x').
    """
    nu = _ratio(e_pos, e_neg, e_pos, e_neg)
    difference = e_pos[None] - e_neg.reshape(nu, len(e_pos))
    told = {**_about(e_pos, e_neg), "accuracy": (difference < 0).float().mean()}
    return Loss(F.softplus(difference).mean(), told)


def log_partition(e_neg: Tensor, log_q_neg: Tensor) -> Tensor:
    """log of the mean of exp(-E) / q over draws of q `(M,)`, a scalar in nats: log Z by importance sampling.

    Consistent, but for few draws, or a q narrower than p, most likely too small.
    """
    _ratio(e_neg, e_neg, log_q_neg, log_q_neg)
    return (-e_neg - log_q_neg).logsumexp(0) - math.log(len(e_neg))


def _about(e_pos: Tensor, e_neg: Tensor) -> dict[str, Tensor]:
    pos, neg = e_pos.detach().mean(), e_neg.detach().mean()
    return {"energy_pos": pos, "energy_neg": neg, "energy_gap": pos - neg}


def _ratio(e_pos: Tensor, e_neg: Tensor, log_q_pos: Tensor, log_q_neg: Tensor) -> int:
    """nu; raises `UsageError` unless shapes are `(N,)` and `(nu N,)`."""
    pairs = (("e_pos", e_pos, "log_q_pos", log_q_pos), ("e_neg", e_neg, "log_q_neg", log_q_neg))
    for name, e, other, log_q in pairs:
        if e.dim() != 1 or len(e) == 0:
            raise UsageError(f"{name} has shape {tuple(e.shape)}: give one energy a sample, shape (B,)")
        if log_q.shape != e.shape:
            raise UsageError(
                f"{other} has shape {tuple(log_q.shape)}, {name} {tuple(e.shape)}: give the same"
            )
    if len(e_neg) % len(e_pos):
        raise UsageError(
            f"{len(e_neg)} noise draws for {len(e_pos)} data: give a whole number for each datum"
        )
    return len(e_neg) // len(e_pos)
