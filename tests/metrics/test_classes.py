"""Class measures against SciPy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from gibbsian.core.errors import UsageError
from gibbsian.metrics.classes import accuracy, class_entropy, class_histogram, confidence, inception_score


def probabilities(n: int = 200, c: int = 5) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.softmax(2 * torch.randn(n, c, generator=rng, dtype=torch.float64), dim=1)


def test_entropy_is_scipys_of_the_counts():
    p = probabilities()
    counts = torch.bincount(p.argmax(1), minlength=5)
    assert class_entropy(p) == pytest.approx(float(entropy(counts.numpy())), rel=1e-12)


def test_even_and_single_classes():
    assert class_entropy(torch.eye(10).repeat(3, 1)) == pytest.approx(math.log(10))
    assert class_entropy(torch.eye(10)[[2, 2, 2]]) == 0
    assert torch.equal(
        class_histogram(torch.eye(4)[[1, 1, 3, 0]]), torch.tensor([0.25, 0.5, 0, 0.25]).double()
    )


def test_confidence_and_accuracy():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.5, 0.25, 0.25]])
    assert confidence(p) == pytest.approx(0.6)
    assert accuracy(p, torch.tensor([0, 2, 1])) == pytest.approx(2 / 3)


def test_inception_score_is_scipys_divergence_from_the_mean():
    p = probabilities()
    want = np.exp(entropy(p.numpy(), p.numpy().mean(0, keepdims=True), axis=1).mean())
    assert inception_score(p) == pytest.approx(float(want), rel=1e-10)
    assert inception_score(torch.eye(7).repeat(3, 1)) == pytest.approx(7)
    assert inception_score(p[:1].repeat(9, 1)) == pytest.approx(1)


def test_bad_probabilities_are_refused():
    for bad in (torch.full((3, 4), 0.3), torch.tensor([[1.5, -0.5]]), torch.ones(3)):
        with pytest.raises(UsageError, match="probabilities"):
            class_entropy(bad)
    with pytest.raises(UsageError, match="labels"):
        accuracy(torch.eye(3), torch.zeros(2))
