"""Labels, heads and dropout."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.dropout import Dropout
from gibbsian.nets.layers import EnergyHead, LabelVector


def head(**options):
    with seeded_init(generator(0)):
        return EnergyHead(5, (4,), torch.nn.SiLU(), **options).double()


def features(n=3):
    return torch.randn(n, 5, dtype=torch.float64, generator=generator(1))


def test_joint_head_is_one_density_over_x_and_y():
    joint, h = head(classes=4, joint=True), features()
    per_label = torch.stack([joint(h, torch.full((3,), c)) for c in range(4)], 1)
    torch.testing.assert_close(joint(h), -torch.logsumexp(-per_label, 1))
    torch.testing.assert_close((-per_label).softmax(1), joint.logits(h).softmax(1))


def test_joint_head_takes_soft_labels():
    joint, h, y = head(classes=4, joint=True), features(), torch.tensor([3, 0, 1])
    torch.testing.assert_close(joint(h, y), joint(h, F.one_hot(y, 4).double()))


def test_scalar_head_has_no_logits():
    with pytest.raises(UsageError, match="no logits"):
        head().logits(features())


def test_missing_and_unwanted_labels_are_refused():
    x = torch.zeros(3, 5)
    with pytest.raises(UsageError, match="without labels"):
        head(classes=4).check(x, None, (5,))
    with pytest.raises(UsageError, match="unconditional"):
        head().check(x, torch.zeros(3, dtype=torch.int64), (5,))
    with pytest.raises(UsageError, match="floating"):
        head(classes=4).check(x, torch.zeros(3, 2), (5,))
    with pytest.raises(UsageError, match="built for"):
        head().check(x, None, (6,))


def test_label_vector_is_its_base_for_any_label_at_the_start():
    vector = LabelVector(5, classes=2, start=1.0)
    torch.testing.assert_close(vector(torch.tensor([[0.3, -9.0]])), torch.ones(1, 5))
    with torch.no_grad():
        vector.weight.copy_(torch.arange(10.0).reshape(2, 5))
    torch.testing.assert_close(vector(torch.tensor([1])), 1 + torch.arange(5.0, 10.0)[None])
    torch.testing.assert_close(vector(torch.tensor([[0.5, 0.5]])), 1 + torch.arange(2.5, 7.5)[None])


def test_dropout_rate_scale_and_silence_in_eval():
    with seeded_init(generator(0)):
        drop = Dropout(0.25)
    x = torch.ones(100, 100)
    out = drop(x)
    kept = (out != 0).double().mean().item()
    assert out.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert abs(kept - 0.75) < 5 * (0.25 * 0.75 / 1e4) ** 0.5  # false alarm 6e-7
    assert not torch.equal(drop(x), out)
    assert torch.equal(drop.eval()(x), x)


def test_dropout_masks_repeat_from_a_saved_state_and_leave_the_global_stream():
    with seeded_init(generator(0)):
        drop, other = Dropout(0.5), Dropout(0.5)
    x, before = torch.ones(64), torch.get_rng_state()
    drop(x)
    other.load_state_dict(drop.state_dict())
    assert torch.equal(drop(x), other(x))
    assert torch.equal(torch.get_rng_state(), before)
