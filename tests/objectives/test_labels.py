"""Negative labels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.settings import GatedConfig
from gibbsian.objectives.contrast import contrast
from gibbsian.objectives.labels import other_labels


def test_of_two_classes_the_other():
    y = torch.tensor([4, 7, 7, 4])
    assert other_labels(y, torch.tensor([4, 7]), 0).tolist() == [7, 4, 4, 7]


def test_of_more_each_other_one_is_as_likely():
    among, n = torch.tensor([1, 3, 4, 9]), 6000
    drawn = other_labels(torch.full((n,), 3), among, 0)
    counts = torch.bincount(drawn, minlength=10)[among].tolist()
    assert counts[1] == 0
    sd = (n * (1 / 3) * (2 / 3)) ** 0.5
    assert all(abs(k - n / 3) < 4 * sd for k in (counts[0], *counts[2:]))


@pytest.mark.parametrize(("y", "among"), [([1], [1]), ([2, 5], [2, 3]), ([0], [])])
def test_without_another_label_it_is_refused(y, among):
    with pytest.raises(UsageError, match="negative labels among"):
        other_labels(torch.tensor(y), torch.tensor(among), 0)


def test_two_labels_are_logistic_regression_and_others_are_left_alone():
    with seeded_init(0):
        net = build(GatedConfig(classes=5, width=6), (3,))
    x, y = torch.randn(8, 3, generator=generator(0)), torch.randint(2, (8,), generator=generator(1)) + 2
    y_neg = other_labels(y, torch.tensor([2, 3]), 0)
    loss = contrast(net(x, y), net(x, y_neg), "softplus").value
    exact = F.binary_cross_entropy_with_logits(
        net(x, torch.full((8,), 2)) - net(x, torch.full((8,), 3)), (y == 3).float()
    )
    torch.testing.assert_close(loss, exact)
    loss.backward()
    assert net.gates.weight.grad[[0, 1, 4]].abs().max() == 0 < net.gates.weight.grad[2:4].abs().min()
    net.zero_grad()
    F.cross_entropy(net.logits(x), y).backward()  # negatives from all labels: every class is moved
    assert net.gates.weight.grad.abs().amax(1).min() > 0
