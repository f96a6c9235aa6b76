"""The self-normalised likelihood: an energy and its log Z, learnt from data and draws of a proposal q.

    loss = mean_data [E + b] + mean_q [exp(-E - b) / q] - 1

log a <= b + a exp(-b) - 1 for every b, equal at b = log a, so that with a = Z = E_q[exp(-E)/q] the loss is
never below the mean of -log p, and its minimum over b is that mean: maximum likelihood without a chain and
without the logarithm of an estimate. With b a function of conditions c, E(x, c) + b(c) is -log p(x | c).

Source: H. Senetaire, P. Jeha, P.-A. Mattei, J. Frellsen, 2025, arXiv 2503.07021. The gradient has the
variance of importance sampling: q must reach wherever exp(-E) has mass, and be close to it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.records import Loss


def self_normalised(e_pos: Tensor, e_neg: Tensor, log_q_neg: Tensor, b_pos: Tensor, b_neg: Tensor) -> Loss:
    """The loss, in nats.

    Args:
        e_pos: E of data, `(N,)`.
        e_neg, log_q_neg: E and log q of draws of q, `(nu N,)`.
        b_pos, b_neg: b at the conditions of these, of the same shapes or `()`.

    Metrics: `energy_pos`, `energy_neg` (means), `energy_gap`, `log_partition` (mean b), `mass` (the mean of
    exp(-E - b) / q, 1 where b is log Z), `effective` (the share of draws that their weights are worth).
    Raises `UsageError` for other shapes.
    """
    for name, e, b in (("e_pos", e_pos, b_pos), ("e_neg", e_neg, b_neg), ("log_q_neg", log_q_neg, e_neg)):
        if e.dim() != 1 or not len(e) or b.shape not in ((), e.shape):
            shapes = f"{tuple(e.shape)}, beside {tuple(b.shape)}"
            raise UsageError(
                f"{name} has shape {shapes}: give one number a sample, (B,), and b as many or one"
            )
    weight = (-e_neg - log_q_neg - b_neg).exp()
    value = (e_pos + b_pos).mean() + weight.mean() - 1
    with torch.no_grad():
        pos, neg, mass = e_pos.mean(), e_neg.mean(), weight.mean()
        effective = mass.square() / weight.square().mean()
        told = {"energy_pos": pos, "energy_neg": neg, "energy_gap": pos - neg, "mass": mass}
        told |= {"log_partition": b_pos.mean(), "effective": effective}
    return Loss(value, told)
