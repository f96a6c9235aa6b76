"""Variational divergences between data P and a base G, read through the log-ratio l = -(E + c).

    F = mean_P f'(r) - mean_G f*(f'(r)),   r = exp(l);   at the maximum over E, c:  r = dP/dG, F = D_f(P | G)

                      mean over data        mean over the base        D_f
    kale              1 + l                 exp(l)                    Kullback-Leibler, KL(P | G)
    jensen_shannon    log sigmoid(l)        -log sigmoid(-l)          2 JS(P | G) - 2 log 2 (the plain GAN)
    reverse_kl        -exp(-l)              l - 1                     KL(G | P)
    pearson           2 (r - 1)             r^2 - 1                   chi squared
    hellinger         1 - r^(-1/2)          r^(1/2) - 1               squared Hellinger, times 2

In all of them exp(-E - c) is an estimate of dP/dG, so that the base times exp(-E) is the model. "donsker" is
"kale" with c = log mean_G exp(-E) of the same samples, held constant, in place of a learnt one.

Sources: M. Arbel, L. Zhou, A. Gretton, ICLR 2021, arXiv 2003.05033 (KALE, eq. 5 to 8); S. Nowozin, B. Cseke,
R. Tomioka, NeurIPS 2016, arXiv 1606.00709 (the rest); I. Goodfellow et al., NeurIPS 2014.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.energy import Energy, value_and_grad
from ..core.errors import UsageError, unknown
from ..core.position import norm
from ..core.records import Loss

Divergence: TypeAlias = Literal["kale", "donsker", "jensen_shannon", "reverse_kl", "pearson", "hellinger"]
Part: TypeAlias = Callable[[Tensor], Tensor]

# The terms of F at l: over the data, over the base.
TERMS: dict[str, tuple[Part, Part]] = {
    "kale": (lambda l: 1 + l, torch.exp),  # noqa: E741
    "jensen_shannon": (F.logsigmoid, F.softplus),
    "reverse_kl": (lambda l: -torch.exp(-l), lambda l: l - 1),  # noqa: E741
    "pearson": (lambda l: 2 * torch.expm1(l), lambda l: torch.expm1(2 * l)),  # noqa: E741
    "hellinger": (lambda l: -torch.expm1(-l / 2), lambda l: torch.expm1(l / 2)),  # noqa: E741
}


def energy_loss(e_pos: Tensor, e_base: Tensor, c: Tensor, divergence: Divergence = "kale") -> Loss:
    """-F for the energy and `c`, from E of data `(N,)` and of base samples `(M,)`.

    Metrics: `divergence` (the estimate F), `log_partition` (c), `log_partition_error` = c - log mean
    exp(-E(base)), `energy_pos`, `energy_neg` (means; the base's), `energy_gap`. Raises `UsageError` for other
    shapes or an unknown name.
    """
    _check(e_pos, e_base)
    batch_c = log_mean_exp(-e_base).detach()
    if divergence == "donsker":
        c, divergence = batch_c, "kale"
    if divergence not in TERMS:
        raise unknown("divergence", divergence, [*TERMS, "donsker"])
    over_data, over_base = TERMS[divergence]
    bound = over_data(-(e_pos + c)).mean() - over_base(-(e_base + c)).mean()
    pos, base = e_pos.detach().mean(), e_base.detach().mean()
    learnt = {"log_partition": c.detach(), "log_partition_error": (c - batch_c).detach()}
    told = {"divergence": bound.detach(), **learnt}
    return Loss(-bound, {**told, "energy_pos": pos, "energy_neg": base, "energy_gap": pos - base})


def base_loss(e_base: Tensor, c: Tensor, divergence: Divergence = "kale") -> Loss:
    """What the generator minimises, from E of its samples `(M,)` with their graph.

    kale, donsker    -log mean exp(-E): the generalised likelihood -mean_P E - A with A from this batch, so
                     that the gradient is a softmax(-E)-weighted mean; not mean E, and not the term of F
    jensen_shannon   -mean log sigmoid(l), Goodfellow's non-saturating form
    others           F itself, of which only -mean f*(f'(r)) depends on the generator
    """
    _check(e_base, e_base)
    if divergence in ("kale", "donsker"):
        return Loss(-log_mean_exp(-e_base))
    if divergence not in TERMS:
        raise unknown("divergence", divergence, [*TERMS, "donsker"])
    ratio = -(e_base + c.detach())
    if divergence == "jensen_shannon":
        return Loss(-F.logsigmoid(ratio).mean())
    return Loss(-TERMS[divergence][1](ratio).mean())


def kale(e_pos: Tensor, e_base: Tensor) -> Tensor:
    """The measure -mean_P E - log mean_G exp(-E), a scalar in nats: KALE at this energy, with c at its best.

    At most KL(P | G) in expectation up to the bias of the logarithm, of order Var(exp(-E)) / M. On held-out
    data it says how much better than its own base the model is (Arbel et al. 2021, eq. 7).
    """
    _check(e_pos, e_base)
    return -e_pos.mean() - log_mean_exp(-e_base)


def log_mean_exp(values: Tensor) -> Tensor:
    """log mean exp over `(N,)`, a scalar."""
    return values.logsumexp(0) - math.log(len(values))


def gradient_penalty(energy: Energy, x_pos: Tensor, x_base: Tensor, rng: torch.Generator) -> Tensor:
    """mean |grad E(x)|^2 at x uniform on the segments from data to base samples, pair by pair; a scalar.

    Zero-centred, and differentiable by the parameters. Raises `UsageError` unless both have one shape.
    Source: Arbel et al. 2021, released code; the segments of I. Gulrajani et al., NeurIPS 2017.
    """
    if x_pos.shape != x_base.shape:
        raise UsageError(f"penalty of {tuple(x_pos.shape)} against {tuple(x_base.shape)}: give equal shapes")
    share = torch.rand(len(x_pos), generator=rng, device=x_pos.device, dtype=x_pos.dtype)
    x = torch.lerp(x_pos.detach(), x_base.detach(), share.reshape(-1, *[1] * (x_pos.dim() - 1)))
    _, grad = value_and_grad(energy, x, differentiable=True)
    return norm(grad).square().mean()


def _check(e_pos: Tensor, e_base: Tensor) -> None:
    for e in (e_pos, e_base):
        if e.dim() != 1 or not len(e):
            raise UsageError(
                f"energies have shape {tuple(e.shape)}: give one number a point, (N,) with N > 0"
            )
