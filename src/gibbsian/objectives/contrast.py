"""The contrastive loss of maximum likelihood, from energies alone.

    grad of -log p(x_pos)  =  grad E(x_pos)/T - mean over the model of grad E/T
    loss                   =  mean E(x_pos) - mean E(x_neg),   x_neg drawn from the model and held fixed

`e_pos` `(N,)` are energies of data, `e_neg` `(M,)` of negatives without a graph to their positions;
both carry the graph to the parameters. Descending the loss lowers E at the data. Not assumed: that
the negatives are independent, or exact draws from the model (short chains make this contrastive
divergence: G. E. Hinton, Neural Computation 14, 2002). The loss's value is no likelihood, and good
training keeps it near 0 rather than driving it down.
"""

from __future__ import annotations

from typing import get_args

import torch.nn.functional as F
from torch import Tensor

from ..core.errors import UsageError, require_positive, unknown
from ..core.records import Loss
from .settings import Form


def contrast(e_pos: Tensor, e_neg: Tensor, form: Form = "cd", *, temperature: float = 1.0) -> Loss:
    """The contrast of data `(N,)` and negatives `(M,)` in one of three forms; any finite value.

    cd         mean E(x_pos) - mean E(x_neg)
    logsumexp  mean E(x_pos) - sum_i w_i E(x_neg_i),  w = softmax(-E(x_neg) / T), constant: the gradient
               of mean E(x_pos) + T log mean exp(-E(x_neg) / T). Not a sum over samples: micro-batches
               must not simply be averaged
    softplus   T mean softplus((E(x_pos_i) - E(x_neg_i)) / T), in pairs, so N = M

    `temperature` T > 0 is used by the last two only. Metrics: `energy_pos`, `energy_neg` (means),
    `energy_gap` = energy_pos - energy_neg, and `value_function` V = energy_neg - energy_pos, which the
    energy ascends and the chains descend. Raises `UsageError` for other shapes or an unknown form.
    Source: the three objectives of Y. Du and I. Mordatch, NeurIPS 2019, arXiv 1903.08689, and its code.
    """
    _check(e_pos, e_neg)
    require_positive(temperature=temperature)
    if form not in get_args(Form):
        raise unknown("objective", form, get_args(Form))
    return Loss(_value(e_pos, e_neg, form, temperature), _metrics(e_pos, e_neg))


def energy_l2(e_pos: Tensor, e_neg: Tensor, weight: float) -> Loss:
    """weight * (mean E(x_pos)^2 + mean E(x_neg)^2), which keeps the free constant of E near 0.

    `e_pos` `(N,)`, `e_neg` `(M,)`, `weight` 0 or more. Metric: `energy_l2`, the term with its weight.
    Source: Y. Du and I. Mordatch, NeurIPS 2019, arXiv 1903.08689, section 3.3 (weight 1 in their code).
    """
    _check(e_pos, e_neg)
    if not 0 <= weight < float("inf"):
        raise UsageError(f"weight of the energy penalty is {weight}: it must be 0 or more, say .1 to 1")
    value = weight * (e_pos.square().mean() + e_neg.square().mean())
    return Loss(value, {"energy_l2": value.detach()})


def _value(e_pos: Tensor, e_neg: Tensor, form: Form, temperature: float) -> Tensor:
    if form == "cd":
        return e_pos.mean() - e_neg.mean()
    if form == "logsumexp":
        weights = (-e_neg.detach() / temperature).softmax(0)
        return e_pos.mean() - (weights * e_neg).sum()
    if len(e_pos) != len(e_neg):
        raise UsageError(f"softplus pairs data with negatives, got {len(e_pos)} and {len(e_neg)}")
    return temperature * F.softplus((e_pos - e_neg) / temperature).mean()


def _metrics(e_pos: Tensor, e_neg: Tensor) -> dict[str, Tensor]:
    pos, neg = e_pos.detach().mean(), e_neg.detach().mean()
    return {"energy_pos": pos, "energy_neg": neg, "energy_gap": pos - neg, "value_function": neg - pos}


def _check(e_pos: Tensor, e_neg: Tensor) -> None:
    for name, e in (("e_pos", e_pos), ("e_neg", e_neg)):
        if e.dim() != 1 or len(e) == 0:
            raise UsageError(f"{name} has shape {tuple(e.shape)}: give one energy a sample, shape (B,)")
