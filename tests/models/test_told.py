"""Score matching that tells its network the level: each level an energy of its own, and what weighs them."""

from __future__ import annotations

import pytest
import torch

import gibbsian as gb
from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.models.score_matching.told import Told, at_level
from gibbsian.objectives.score_matching import denoising

TOLD = {"matching.levels": 3, "matching.told": True, "net.name": "mlp", "net.hidden": [8]}


@pytest.fixture(scope="module")
def data():
    rng = gb.generator(0)
    return gb.from_arrays(torch.randn(64, 2, generator=rng), cond=torch.rand(64, 5, generator=rng))


def trained(data, **changes):
    given = {**TOLD, "net.condition": [2, 3], "chain.steps": 6, **changes}
    named = {key.replace(".", "__"): v for key, v in given.items() if v is not None}
    return gb.fit(
        "score_matching", data, steps=3, progress=False, train__batch_size=16, train__lr=0.1, **named
    )


def test_levels_differ_and_the_last_is_the_models(data):
    model = trained(data).inner
    assert isinstance(model.net, Told) and not model.claims_density
    x, y = torch.randn(4, 2), torch.rand(4, 5)
    each = [at_level(model, k, y)(x) for k in range(3)]
    assert torch.equal(each[2], model.energy(x, y)) and torch.equal(each[2], at_level(model, -1, y)(x))
    assert not torch.allclose(each[0], each[1]) and not torch.allclose(each[1], each[2])
    mixed = at_level(model, torch.tensor([0, 1, 2, 0]), y)(x)
    torch.testing.assert_close(mixed, torch.stack([each[0][0], each[1][1], each[2][2], each[0][3]]))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_conditions_left_out_are_zeros(data, dropout):
    model = trained(data, **{"net.condition_dropout": dropout}).inner
    x = torch.randn(4, 2)
    if dropout:
        assert torch.equal(model.neg_log_prob(x), model.neg_log_prob(x, torch.zeros(4, 5)))
        assert torch.equal(at_level(model, 0)(x), at_level(model, 0, torch.zeros(4, 5))(x))
    else:
        with pytest.raises(UsageError, match="condition_dropout"):
            at_level(model, 0)


def test_without_conditions_and_saved(data, tmp_path):
    plain = gb.from_arrays(data.x)
    model = gb.fit(
        "score_matching", plain, steps=2, progress=False,
        **{k.replace(".", "__"): v for k, v in TOLD.items()}, chain__steps=6,
    )  # fmt: skip
    again = gb.load(model.save(tmp_path / "m"))
    x = torch.randn(4, 2)
    assert torch.equal(model.energy(x), again.energy(x)) and again.sample(3).x.shape == (3, 2)


def test_sums_of_levels_are_sampled_beyond_the_range(data):
    """A sum with a negative weight has walls where images end, but not while noise is on them."""
    images = gb.from_arrays(
        (255 * torch.rand(32, 8, 8, generator=gb.generator(0))).byte(), cond=torch.rand(32, 5)
    )
    model = trained(
        images, **{"net.condition_dropout": 0.5, "start.noise": "gaussian", "start.scale": 8.0},
        **{"matching.sigma_max": 8.0, "chain.noise": 0.01, "chain.step_size": 1e-4},
    )  # fmt: skip
    c = torch.eye(5)
    joint = gb.conjunction(model, [c[0], c[3]])
    assert joint.sampler().beyond_range and float(joint.sample(4).x.abs().max()) > 2
    x = torch.rand(4, 1, 8, 8)
    e = [model.neg_log_prob(x, v.expand(4, 5)) for v in (c[0], c[3], 0 * c[0])]
    torch.testing.assert_close(joint.energy(x), e[0] + e[1] - e[2])


@pytest.mark.parametrize("weight", [2.0, torch.tensor([1.0, 2.0, 3.0, 4.0])])
def test_the_weight_of_a_row(weight):
    def energy(x):
        return x.square().sum(1) / 2

    x, eps = torch.randn(2, 4, 3, generator=gb.generator(0))
    loss = denoising(energy, x, eps, 0.5, weight=weight).value
    grad = value_and_grad(energy, x + 0.5 * eps)[1]
    row = (eps - 0.5 * grad).square().sum(1) / 2
    torch.testing.assert_close(loss, (weight * row).mean())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"matching.levels": 1}, "set matching.levels"),
        ({"matching.spread": 0.0}, "matching.spread"),
        ({"net.name": "wide", "net.hidden": None}, "takes no condition"),
    ],
)
def test_what_cannot_be_told(data, changes, said):
    with pytest.raises(UsageError, match=said):
        trained(data, **changes)
