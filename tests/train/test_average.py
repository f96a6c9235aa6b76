"""Averaged weights against the recursion written out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gibbsian.train.average import Average


def test_the_recursion_with_its_warm_up() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    average, mean = Average({"g": net}, 0.5), 0.0
    for t in range(1, 20):
        net.weight.data.fill_(float(t))
        average.update()
        decay = min(0.5, (1 + t) / (10 + t))
        mean = decay * mean + (1 - decay) * t
        assert float(average.weights["g.weight"]) == pytest.approx(mean, rel=1e-6)
    assert (1 + 1) / (10 + 1) < 0.5 < (1 + 19) / (10 + 19)  # both branches were met


def test_applied_puts_the_own_weights_back_also_after_an_error() -> None:
    net = nn.Linear(2, 2)
    average = Average({"g": net}, 0.9)
    own = net.weight.detach().clone() + 1
    net.weight.data.copy_(own)
    with pytest.raises(RuntimeError), average.applied():
        assert torch.equal(net.weight, average.weights["g.weight"])
        raise RuntimeError
    assert torch.equal(net.weight, own)


def test_state_round_trip_and_the_states_of_others() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    a, b = Average({"g": first}, 0.9), Average({"g": second}, 0.9)
    a.update()
    b.load_state_dict(a.state_dict())
    assert b.updates == 1 and torch.equal(a.weights["g.bias"], b.weights["g.bias"])
    assert a.weights["g.bias"].data_ptr() != b.weights["g.bias"].data_ptr()
    with pytest.raises(KeyError):
        Average({"other": second}, 0.9).load_state_dict(a.state_dict())


def test_decay_zero_keeps_nothing() -> None:
    average = Average({"g": nn.Linear(2, 2)}, 0.0)
    average.update()
    assert average.state_dict() == {"updates": 0}


def test_training_hands_out_the_averaged_weights(tiny_run) -> None:
    from gibbsian.train.fit import finished

    changes = {
        "net.name": "mlp",
        "net.hidden": [8],
        "chain.steps": 1,
        "start.capacity": 32,
        "train.average": 0.9,
    }
    trainer = tiny_run("igebm", "toy:ring", changes).trainer
    trainer.fit(5, progress=False)
    live = trainer.model.net.state_dict()
    key = next(k for k in live if k.endswith("weight"))
    assert not torch.equal(live[key], trainer.average.weights[f"energy.{key}"])
    assert torch.equal(finished(trainer).net.state_dict()[key], trainer.average.weights[f"energy.{key}"])
