"""What a classifier says about samples: which classes, how evenly, how surely.

`probabilities` is (N, C), rows summing to 1, or to less where the rest is that of no class at all.
Entropies are in nats: C classes in equal parts have entropy log C.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError
from .arrays import table


def class_histogram(probabilities: Tensor) -> Tensor:
    """Share (C,) of samples whose likeliest class is each; sums to 1."""
    p = _checked(probabilities)
    return torch.bincount(p.argmax(1), minlength=p.shape[1]).double() / len(p)


def class_entropy(probabilities: Tensor) -> float:
    """Entropy of `class_histogram` in nats: log C if all classes come up equally, 0 if only one does."""
    return float(torch.special.entr(class_histogram(probabilities)).sum())


def confidence(probabilities: Tensor) -> float:
    """Mean probability of the likeliest class, at most 1."""
    return float(_checked(probabilities).amax(1).mean())


def inception_score(probabilities: Tensor) -> float:
    """exp of the mean of KL(p(y | x) || p(y)), p(y) being the mean over samples (Salimans et al. 2016,
    arXiv 1606.03498), of all samples at once: from 1 to C. It is an IS with the answers of Inception alone.
    """
    p = _checked(probabilities)
    entropy = torch.special.entr(p).sum(1).mean()
    return float((torch.special.entr(p.mean(0)).sum() - entropy).exp())


def accuracy(probabilities: Tensor, y: Tensor) -> float:
    """Share of samples whose likeliest class is the label `y` (N,)."""
    p = _checked(probabilities)
    if y.shape != (len(p),):
        raise UsageError(f"labels have shape {tuple(y.shape)} for {len(p)} samples")
    return float((p.argmax(1) == y).double().mean())


def _checked(probabilities: Tensor) -> Tensor:
    p = table(probabilities, "probabilities", rows=1)
    if probabilities.dim() != 2 or bool((p < 0).any()) or bool((p.sum(1) > 1 + 1e-3).any()):
        raise UsageError(
            "probabilities must have shape (N, C), no number below 0, rows that sum to 1 or less"
        )
    return p
