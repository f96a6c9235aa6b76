"""How many of K known classes a model's samples reach, and how evenly.

Take a classifier's answers for the samples, as on Stacked MNIST (1,000 modes; Metz et al. 2017, arXiv
1611.02163; Srivastava et al. 2017, arXiv 1705.07761), q their shares and p those of the data:

    found     classes with at least one sample
    kl        sum_k q_k log(q_k / p_k), nats: the customary KL(samples || data)
    reverse   sum_k p_k log(p_k / q_k), nats: infinite as soon as one class is missed

A perfect model does not reach a KL of 0: n samples of K classes have (K - 1) / 2n on average, 0.019
for 26,000 samples of 1,000 (the leading term, good for n well above K). Report that floor beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError, require_positive


@dataclass(frozen=True)
class Modes:
    """See the module; `floor` is the KL that a perfect model would have on average, `n` the samples."""

    found: int
    kl: float
    reverse: float
    floor: float
    n: int


def modes(y: Tensor, k: int, *, reference: Tensor | None = None) -> Modes:
    """Coverage of `k` classes by samples with class numbers `y` (n,), against shares `reference` (k,).

    Without `reference` every class has share 1 / k. Raises `UsageError` for numbers outside 0 to k - 1
    and for a reference that is no distribution.
    """
    q = class_shares(y, k)
    p = torch.full((k,), 1 / k, dtype=torch.float64) if reference is None else _distribution(reference, k)
    kl, reverse = _divergence(q, p), _divergence(p, q)
    return Modes(int((q > 0).sum()), kl, reverse, kl_floor(int((p > 0).sum()), len(y)), len(y))


def class_shares(y: Tensor, k: int) -> Tensor:
    """Share (k,), float64, of each class number among `y` (n,)."""
    require_positive(k=k)
    if y.dim() != 1 or not len(y) or y.is_floating_point():
        raise UsageError(f"class numbers are {y.dtype} of shape {tuple(y.shape)}: expected integers (n,)")
    if int(y.min()) < 0 or int(y.max()) >= k:
        raise UsageError(f"class numbers go from {int(y.min())} to {int(y.max())}: expected 0 to {k - 1}")
    return torch.bincount(y.cpu(), minlength=k).double() / len(y)


def kl_floor(k: int, n: int) -> float:
    """(k - 1) / 2n: mean KL in nats of `n` draws' histogram to the distribution on k classes they are from.

    >>> kl_floor(1001, 10_000)
    0.05
    """
    require_positive(k=k, n=n)
    return (k - 1) / (2 * n)


def _divergence(q: Tensor, p: Tensor) -> float:
    """KL(q || p) in nats; infinite where q has a class that p has not."""
    return float((torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum().clamp(min=0))


def _distribution(p: Tensor, k: int) -> Tensor:
    if p.shape != (k,) or bool((p < 0).any()) or abs(float(p.sum()) - 1) > 1e-3:
        raise UsageError(f"the reference must be {k} shares that sum to 1, no number below 0")
    return p.double().cpu() / p.double().cpu().sum()
