"""Baselines: trained twice the same, kept with a record, trained anew where anything differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from experiments.attack.baselines import Training, baseline
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.data.load import load
from gibbsian.nets.frozen import frozen
from gibbsian.nets.settings import MLPConfig
from gibbsian.tasks.attack.pgd import Ball, Climb, pgd

NET = MLPConfig(hidden=(32,), activation="swish")
TINY = Training(NET, (-1.0, 1.0), updates=3, eps=0.15)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def right(net, x, y, radius):
    """The share of images that the margin attack leaves right."""
    ball = Ball("linf", radius, -1.0, 1.0)
    with frozen(net), torch.no_grad():
        end = pgd(net, x, y, ball, Climb(10, 1, "margin"), generator(0))[0]
        return float((net(end).argmax(1) == y).float().mean())


@pytest.mark.slow
def test_training_on_attacked_images_makes_robust(digits):
    test = load("digits", "test").batch(torch.arange(200), -1.0, 1.0)
    longer = replace(TINY, updates=400)
    plain, robust = (baseline(kind, digits, longer).net for kind in ("plain", "pgd"))
    clean = [right(net, test.x, test.y, 0.0) for net in (plain, robust)]
    attacked = [right(net, test.x, test.y, 0.2) for net in (plain, robust)]
    assert min(clean) > 0.85 and attacked[1] > attacked[0] + 0.05


def test_training_on_a_ball_of_no_size_is_plain_training(digits):
    none, some = (replace(TINY, eps=eps) for eps in (1e-12, 0.15))
    nets = [
        baseline(*asked).net
        for asked in (("plain", digits, TINY), ("pgd", digits, none), ("pgd", digits, some))
    ]
    plain, same, other = (torch.cat([p.detach().flatten() for p in net.parameters()]) for net in nets)
    assert torch.allclose(plain, same, atol=1e-5) and not torch.allclose(plain, other, atol=1e-3)


def test_the_same_settings_give_the_same_network_and_are_read_back(digits, tmp_path):
    first = baseline("pgd", digits, TINY, tmp_path)
    again = baseline("pgd", digits, TINY)
    kept = baseline("pgd", digits, TINY, tmp_path)
    states = [found.net.state_dict() for found in (first, again, kept)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]) and torch.equal(value, states[2][name])
    assert kept.record["seconds"] == first.record["seconds"] and kept.record["made"] == 3
    assert not kept.net.training and kept.record["eps"] == 0.15 and kept.record["fingerprint"]
    assert [p.name for p in tmp_path.iterdir()] == ["pgd.safetensors"]


def test_other_settings_and_damaged_files_are_trained_anew(digits, tmp_path):
    path = tmp_path / "pgd.safetensors"
    for change in ({"eps": 0.2}, {"norm": "l2"}, {"updates": 2}, {"seed": 1}):
        baseline("pgd", digits, TINY, tmp_path)
        before = path.read_bytes()
        baseline("pgd", digits, replace(TINY, **change), tmp_path)
        assert path.read_bytes() != before
    path.write_bytes(b"not weights")
    assert baseline("pgd", digits, TINY, tmp_path).record["made"] == 3
    assert path.stat().st_size > 1000


def test_the_radius_means_nothing_to_the_plain_one(digits, tmp_path):
    baseline("plain", digits, TINY, tmp_path)
    before = (tmp_path / "plain.safetensors").stat().st_mtime_ns
    assert baseline("plain", digits, replace(TINY, eps=0.3), tmp_path).record["eps"] is None
    assert (tmp_path / "plain.safetensors").stat().st_mtime_ns == before


def test_time_ends_the_training_and_the_rest_is_told(digits):
    seen = []
    found = baseline("plain", digits, replace(TINY, updates=None, minutes=0.005), watch=seen.append)
    assert found.record["made"] == len(seen) > 1 and seen == sorted(seen) and seen[-1] < 1


def test_wrong_arguments_are_one_line(digits, tmp_path):
    for change, told in (
        ({"minutes": 0.0}, "minutes is 0"),
        ({"eps": -1.0}, "eps is -1"),
        ({"updates": 0}, "updates is 0"),
    ):
        with pytest.raises(UsageError, match=told):
            replace(TINY, **change)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="choose another folder"):
        baseline("plain", digits, TINY, tmp_path / "file")
