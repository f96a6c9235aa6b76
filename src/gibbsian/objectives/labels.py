"""Losses on labels alone: an energy E(x, y) as a classifier that is pushed up at few labels.

    one     mean softplus(E(x, y) - E(x, y')),   y' uniform over the other labels of a set     (contrast)
    all     mean E(x, y) + log sum_y' exp(-E(x, y')),   y' over every label: a softmax classifier

The first raises the energy of no label outside the set, so that what was learnt of others stands: S. Li,
Y. Du, G. van de Ven and I. Mordatch 2020 (arXiv 2011.12216), whose set are the classes of the task.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.random import RngLike, as_generator


def other_labels(y: Tensor, among: Tensor, rng: RngLike = None) -> Tensor:
    """For each label `(B,)` another one, uniform over the distinct labels `among` `(K,)` but for itself.

    Raises `UsageError` where there is no other, and for a label that is not among them.
    """
    rng = as_generator(rng, y.device)
    place = (y[:, None] == among).float()
    if len(among) < 2 or not bool((place.sum(1) == 1).all()):
        raise UsageError(
            f"negative labels among {among.tolist()}: give two classes or more, all of the batch among them"
        )
    skipped = torch.randint(1, len(among), y.shape, generator=rng, device=y.device)
    return among[(place.argmax(1) + skipped) % len(among)]
