"""Biases of the classes: l(x)_y = -E(x, y) + b_y, one number a class, fitted to training images.

A conditional energy has an unknown log Z(y) for each class, and its classes cannot be compared without: b_y
stands for -log Z(y) + log p(y). Fitted by cross-entropy as for IGEBM's classifier (Y. Du, I. Mordatch 2019,
arXiv 1903.08689, section 4.4), whose authors ran Adam at 1e-2. The loss is convex in b; its minimum, where
the mean probability of every class is the share of its labels, is found by iterative scaling,

    b_y <- b_y + log( share of y / mean p(y | x) ),

which never raises it (J. Darroch, D. Ratcliff 1972, Annals of Mathematical Statistics 43(5)). The energy
itself is not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gibbsian.tasks.attack.pgd import Answers

ITERATIONS, TOLERANCE = 2000, 1e-6
ROWS = 2000
"""Training images that biases are fitted to, by default."""


@dataclass(frozen=True, eq=False)
class ClassBiases:
    """`b` `(C,)` with mean 0, and the accuracy on the training images before and after."""

    b: Tensor
    before: float
    after: float
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        b = [round(float(v), 4) for v in self.b]
        return {"class_biases": b, "train_accuracy": [self.before, self.after], "rows": self.rows}

    def told(self) -> str:
        """One line for people."""
        return (
            f"a bias a class was fitted to {self.rows} training images and raised the accuracy on them "
            f"from {self.before:.3f} to {self.after:.3f}"
        )


def fit_class_biases(logits: Answers, x: Tensor, y: Tensor, *, batch: int = 512) -> ClassBiases:
    """The biases that minimise the mean cross-entropy of logits(x) + b.

    `x` `(N, *event)` are training images with labels `y` `(N,)`; the logits are computed once. A class
    without a label counts as half a row.
    """
    with torch.no_grad():
        given = torch.cat([logits(part) for part in x.split(batch)])
    found = given.double()
    share = y.bincount(minlength=found.shape[1]).clamp(min=0.5) / len(y)
    b = torch.zeros_like(found[0])
    for _ in range(ITERATIONS):
        move = (share / (found + b).softmax(1).mean(0).clamp(min=torch.finfo(b.dtype).tiny)).log()
        b = b + move - move.mean()
        if float((move - move.mean()).abs().max()) < TOLERANCE:
            break
    right = [float((scores.argmax(1) == y).double().mean()) for scores in (found, found + b)]
    return ClassBiases(b.to(given), right[0], right[1], len(y))
