"""What contrastive divergence leaves out: that the distribution of its samples depends on the weights.

    KL(q_theta || p')  =  mean over q_theta of E'  -  H(q_theta)  +  const

q_theta is the density of a chain's end x_K, p' the model with its weights held. CD takes x_K for a sample of
the model; bringing this divergence down makes the chain's end one. `kl_term` is its first part,
`entropy_term` the second, by the nearest neighbour of x_K among samples of q_theta. Both take x_K with its
graph, from a differentiable step; no gradient may reach the weights of E' but through x_K.

Source: Y. Du, S. Li, J. Tenenbaum, I. Mordatch, ICML 2021, arXiv 2012.01316. G. Hinton's objective of 2002,
KL(data || p) - KL(q || p), has this term with the other sign; here it is added, as in the paper's code, so
that the sampler keeps up with the energy. Not assumed: that the chain has converged.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError, require_not_negative
from ..core.records import Loss

NEAREST = 1e-6


def kl_term(e_end: Tensor, weight: float = 1.0) -> Loss:
    """weight * mean E_theta'(x_K): samples should end where the energy is low.

    `e_end` `(N,)` are energies of chain ends that carry the graph of their last step, under parameters that
    are held fixed. `weight` 0 or more; the paper's is 1. Metric: `kl_energy`, the mean without its weight.
    """
    if e_end.dim() != 1 or not len(e_end):
        raise UsageError(f"e_end has shape {tuple(e_end.shape)}: give one a chain end, (N,) with N > 0")
    require_not_negative(kl_weight=weight)
    mean = e_end.mean()
    return Loss(weight * mean, {"kl_energy": mean.detach()})


def entropy_term(x: Tensor, others: Tensor, weight: float = 0.3) -> Loss:
    """-weight * mean log min_j |x_i - b_j|: samples should keep away from one another.

    `x` `(N, *event)` with its graph, `others` `(M, *event)` held fixed. `weight` 0 or more; the paper's is
    .3. This is -weight / D times the entropy by nearest neighbours (L. Kozachenko, N. Leonenko, Problems
    Inform. Transmission 23, 1987), up to a constant; points nearer than 1e-6
    count as 1e-6 apart. Metric: `log_nearest`, the mean log distance.
    """
    require_not_negative(entropy_weight=weight)
    mean = nearest(x, others).clamp_min(NEAREST).log().mean()
    return Loss(-weight * mean, {"log_nearest": mean.detach()})


def nearest(x: Tensor, others: Tensor) -> Tensor:
    """min_j |x_i - others_j|, the Euclidean distance over the flattened event, `(N,)`; differentiable in x.

    Raises `UsageError` unless both have one event shape and at least one row.
    """
    if x.shape[1:] != others.shape[1:] or not len(x) or not len(others):
        raise UsageError(
            f"nearest neighbours of {tuple(x.shape)} among {tuple(others.shape)}: give at least one row "
            "each, of one event shape"
        )
    flat, rows = x.flatten(1), others.detach().flatten(1)
    with torch.no_grad():
        distance = torch.cdist(flat, rows, compute_mode="donot_use_mm_for_euclid_dist")
        found = distance.argmin(1)
    return torch.linalg.vector_norm(flat - rows[found], dim=1)
