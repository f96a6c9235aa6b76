"""Models of p(x | c), c a row of numbers: read, trained, resumed, sampled, put together, refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import gibbsian as gb
from gibbsian.core.errors import DataError, UsageError
from gibbsian.core.spec import DataSpec
from gibbsian.data.batches import Batches
from gibbsian.data.dataset import from_arrays
from gibbsian.models.labels import class_or_condition
from gibbsian.models.papers import PAPERS as PAPERS_KNOWN

C = torch.randn(600, 3, generator=torch.Generator().manual_seed(0)) / 2
X = C[:, :2] + 0.1 * torch.randn(600, 2, generator=torch.Generator().manual_seed(1))
QUICK = {"chain.steps": 3, "start.capacity": 64, "train.batch_size": 16}
PAPERS = {
    "igebm": QUICK,
    "short_run": {"chain.steps": 3, "train.batch_size": 16},
    "score_matching": {"chain.steps": 3, "train.batch_size": 16},
}


class OfBoth(nn.Module):
    """E(x, c) = |x - A c|^2 / 2."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 2, bias=False)

    def forward(self, x, c):
        return (x - self.inner(c)).square().sum(1) / 2


class OfX(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def forward(self, x):
        return self.inner(x)[:, 0]


def trained(name="igebm", steps=2, **changes):
    return gb.fit(name, (X, C), steps=steps, progress=False, **{**PAPERS[name], **changes})


@pytest.mark.parametrize(
    ("y", "width"),
    [
        (C.numpy(), 3),
        (C[:, :1].numpy(), 1),
        (C[:, 0].numpy(), 1),
        (np.arange(1200).reshape(600, 2), 2),
        (C.double().numpy(), 3),
    ],
)
def test_numbers_that_are_no_classes_are_conditions_and_told(y, width):
    data = from_arrays(X, y)
    assert data.y is None and data.cond.shape == (600, width)
    assert torch.equal(data.cond, torch.from_numpy(y).float().reshape(600, width))
    assert f"y holds {width} numbers a row" in data.notes[-1]


@pytest.mark.parametrize(
    "y", [np.eye(3)[np.arange(600) % 3], np.arange(600) % 3, (np.arange(600) % 3)[:, None] * 1.0]
)
def test_classes_stay_classes(y):
    data = from_arrays(X, y)
    assert data.cond is None and data.classes == ("0", "1", "2")


def test_conditions_need_a_row_each_and_are_finite():
    with pytest.raises(DataError, match="600 rows but 5 conditions"):
        from_arrays(X, C[:5])
    with pytest.raises(DataError, match=r"labels of shape \(600, 3\)"):
        from_arrays(X, C * float("nan"))


def test_batches_carry_conditions_with_whole_blocks_left_out():
    data = from_arrays(X, np.repeat([[2.0], [4.0]], 300, 0).repeat(3, 1).astype(np.float32))
    spec = DataSpec((2,), condition=(1, 2), condition_dropout=0.25)
    batches = Batches(data, 400, torch.Generator().manual_seed(0), spec=spec)
    y = batches.next().y
    assert torch.equal(y[:, 1], y[:, 2]) and set(y.unique().tolist()) == {0.0, 2.0, 4.0}
    left_out = (y[:, :2] == 0).float().mean(0)
    assert ((left_out - 0.25).abs() < 4 * (0.25 * 0.75 / 400) ** 0.5).all()
    both = ((y[:, 0] == 0) & (y[:, 1] == 0)).float().mean()
    assert abs(both - 1 / 16) < 4 * (1 / 16 / 400) ** 0.5
    whole = Batches(data, 40, torch.Generator().manual_seed(0), spec=DataSpec((2,), condition=(3,)))
    assert (whole.next().y > 0).all()
    assert Batches(data, 4, torch.Generator(), spec=DataSpec((2,))).next().y is None


@pytest.mark.parametrize("name", PAPERS)
def test_papers_learn_conditions_by_themselves(name):
    model = trained(name)
    assert model.spec.condition == (3,) and model.spec.num_classes == 0
    e, other = model.energy(X[:5], C[:5]), model.energy(X[:5], C[5:10])
    assert e.shape == (5,) and not torch.equal(e, other)
    drawn = model.sample(4, y=C[0], steps=2)
    assert drawn.x.shape == (4, 2) and torch.equal(drawn.y, C[:1].expand(4, 3))
    own = model.sample(50, steps=1).y
    assert (own[:, None] == C).all(2).any(1).all()  # conditions of training rows
    assert len(own.unique(dim=0)) > 20


def test_a_run_with_conditions_resumes_bit_for_bit(tmp_path):
    changes = {"net.condition_dropout": 0.3, "train.save_every": 1, "train.sample_every": 100}
    whole = trained("short_run", 4, out=tmp_path / "whole", **changes)
    trained("short_run", 2, out=tmp_path / "cut", **changes)
    cut = trained("short_run", 4, out=tmp_path / "cut", resume="auto", **changes)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, cut.state_dict()[key]), key
    again = gb.load(tmp_path / "cut")
    assert torch.equal(again.energy(X, C), cut.energy(X, C)) and torch.equal(again.conditions, cut.conditions)


def test_score_matching_learns_where_x_lies_given_c():
    model = trained("score_matching", 300, **{"chain.steps": 100, "train.batch_size": 128})
    for c in ([1.0, 0.0, 0.0], [0.0, -1.0, 0.5]):
        drawn = model.sample(200, y=torch.tensor(c)).x
        assert torch.allclose(drawn.mean(0), torch.tensor(c[:2]), atol=0.2)


def test_a_conditional_model_is_the_model_at_that_condition():
    model = trained("score_matching")
    given = gb.conditional(model, C[7])
    assert torch.equal(given.energy(X[:9]), model.energy(X[:9], C[7].expand(9, 3)))
    drawn = given.sample(6, steps=3, seed=2).x
    assert torch.equal(drawn, model.sample(6, y=C[7], steps=3, seed=2).x)


def test_a_conjunction_takes_the_background_away():
    changes = {"net.condition": [1, 2], "net.condition_dropout": 0.5, "train.batch_size": 16}
    model = gb.fit("score_matching", (X, C), net=OfBoth(), steps=2, progress=False, **changes)
    first, second = torch.tensor([0.4, 0.0, 0.0]), torch.tensor([0.0, 0.2, 0.1])
    both = gb.conjunction(model, [first, second])
    parts = [model.neg_log_prob(X, c.expand(600, 3)) for c in (first, second, torch.zeros(3))]
    assert torch.allclose(both.neg_log_prob(X), parts[0] + parts[1] - parts[2], atol=1e-5)
    assert torch.equal(model.neg_log_prob(X), parts[2])  # p(x) itself, as zeros mean "not given"


def test_a_network_of_ones_own_takes_x_and_c():
    model = gb.fit("score_matching", (X, C), net=OfBoth(), steps=2, progress=False)
    assert model.energy(X[:2], C[:2]).shape == (2,)
    with pytest.raises(UsageError, match=r"OfX takes x alone.*net\(x, c\)"):
        gb.fit("score_matching", (X, C), net=OfX(), steps=2, progress=False)


def test_a_loss_of_ones_own_finds_conditions_in_the_batch(monkeypatch):
    monkeypatch.setattr("gibbsian.models.papers.PAPERS", dict(PAPERS_KNOWN))
    seen = []

    def matched(model, batch, rng):
        seen.append(batch.y)
        return gb.denoising_score_matching(model.conditioned(batch.y), batch.x, sigma=0.3, rng=rng)

    gb.fit(matched, (X, C), net=OfBoth(), steps=1, progress=False)
    assert seen[0].shape[1] == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda m: m.neg_log_prob(X), "one of p\\(x \\| c\\), c being 3 numbers"),
        (lambda m: m.sample(3, y=1), "conditions have shape \\(\\)"),
        (lambda m: m.sample(3, y=C[:2]), "conditions have shape \\(2, 3\\) for 3 samples"),
        (lambda m: m.sample(3, y=C[0] * float("inf")), "finite"),
        (lambda m: gb.conditional(m, torch.ones(2)), "give \\(3,\\)"),
        (lambda m: gb.conjunction(m, [C[0], C[1]]), "net.condition_dropout"),
    ],
)
def test_wrong_questions_are_one_line(asked, said):
    with pytest.raises(UsageError, match=said) as error:
        asked(trained(steps=1))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "data", "changes", "said"),
    [
        ("igebm", X, {"net.condition": [3]}, "give a pair \\(x, c\\)"),
        ("igebm", (X, C), {"net.condition": [2]}, "c being 2 numbers, but arrays has ones of shape \\(3,\\)"),
        ("igebm", (X, C), {"net.condition": [0]}, "each at least 1"),
        ("igebm", (X, C), {"net.condition_dropout": 1.0}, "a share in \\[0, 1\\)"),
        ("igebm", (X, C), {"net.condition": [3], "net.classes": 2}, "set net.classes to 0"),
        ("coopnets", (X, C), {"net.condition": [3]}, "coopnets learns p\\(x\\) alone"),
        ("igebm", (X, C), {"net.name": "wide", "net.condition": [3]}, "takes no condition|not an image"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(name, data, changes, said):
    with pytest.raises(UsageError, match=said) as error:
        gb.fit(name, data, steps=1, progress=False, **changes)
    assert "\n" not in str(error.value)


def test_papers_of_x_alone_say_that_conditions_are_not_used(capsys):
    gb.fit("coopnets", (X, C), steps=1, progress=True)
    assert "its conditions are not used: coopnets learns p(x) alone" in capsys.readouterr().err


def test_chains_of_a_buffer_take_the_conditions_of_the_batch():
    model = trained()
    drawn = class_or_condition(model, 5, None, torch.Generator().manual_seed(0))
    assert drawn.shape == (5, 3)
    assert class_or_condition(model, 2, C[:2], torch.Generator()) is not None
