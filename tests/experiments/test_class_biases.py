"""Biases of the classes against their closed form."""

from __future__ import annotations

import math

import pytest
import torch

from experiments.attack.class_biases import fit_class_biases
from gibbsian.core.random import generator


def test_without_any_evidence_biases_are_the_log_odds():
    y = torch.tensor([0] * 30 + [1] * 10)
    found = fit_class_biases(lambda x: torch.zeros(len(x), 2), torch.zeros(40, 3), y, batch=16)
    assert float(found.b[0] - found.b[1]) == pytest.approx(math.log(3), abs=1e-5)
    assert float(found.b.sum()) == pytest.approx(0, abs=1e-6)
    assert (found.before, found.after, found.rows) == (0.75, 0.75, 40)


def test_a_class_whose_energy_is_shifted_is_put_right():
    centres = torch.tensor([-2.0, 0.0, 2.0])
    y = torch.arange(60) % 3
    x = centres[y][:, None] + torch.linspace(-0.5, 0.5, 60)[:, None]

    def shifted(x):
        return -(x - centres).square() / 2 + torch.tensor([9.0, 0.0, -9.0])

    found = fit_class_biases(shifted, x, y)
    assert found.before < 0.4 and found.after == 1.0
    assert found.to_dict()["train_accuracy"] == [found.before, 1.0]
    assert len(found.to_dict()["class_biases"]) == 3


def test_biases_are_at_the_minimum_of_the_cross_entropy():
    """There the derivative, mean probability less share of labels, is 0 for every class."""
    table = 2 * torch.randn(200, 4, generator=generator(0), dtype=torch.float64)
    y = torch.randint(0, 4, (200,), generator=generator(1))
    y[:80] = 2
    found = fit_class_biases(lambda rows: table[rows[:, 0]], torch.arange(200)[:, None].double().long(), y)
    share = y.bincount(minlength=4) / 200
    mean = (table + found.b.double()).softmax(1).mean(0)
    assert torch.allclose(mean, share.double(), atol=1e-5)


def test_a_class_without_labels_keeps_finite_biases():
    found = fit_class_biases(lambda x: torch.zeros(len(x), 3), torch.zeros(10, 1), torch.tensor([0, 1] * 5))
    assert torch.isfinite(found.b).all() and found.b[2] < found.b[0]
