"""The study of density: exact where it can be, both protocols, refusals."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import MultivariateNormal

from experiments.density import flows, study
from experiments.density.flows import fitted_flow, flow_nats, flow_updates, model_nats, partition
from experiments.density.study import FLOW, MODEL, gaussian_nats, study_density, widened
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.data.dataset import from_arrays
from gibbsian.metrics.interval import Interval
from gibbsian.models.gebm.learner import GEBM

SMALL = {
    "generator.name": "flow",
    "generator.hidden": (8,),
    "generator.blocks": 2,
    "generator.activation": "tanh",
    "net.name": "mlp",
    "net.hidden": (8,),
    "energy_first": 2,
    "energy_steps": 2,
    "train.lr": 0.01,
    "train.steps": 12,
}


@pytest.fixture
def run(tiny_config):
    return tiny_config("gebm", "toy:ring", SMALL)


@pytest.fixture
def system(tiny_run):
    prepared = tiny_run("gebm", "toy:ring", SMALL)
    prepared.trainer.fit(progress=False)
    return prepared.trainer.model.eval()


@pytest.fixture
def small(monkeypatch, small_data):
    """128 rows to train on, 40 to test on; rough looks on the way."""
    monkeypatch.setattr(flows, "GUESS", 400)
    parts = {"train": small_data("toy:ring"), "test": small_data("toy:ring").take(40)}
    monkeypatch.setattr(study, "load", lambda name, split, data_dir: parts[split])


def test_the_gaussian_is_exact():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(50, 3, generator=rng, dtype=torch.float64) @ torch.tensor(
        [[1.0, 0.5, 0.0], [0.0, 2.0, 0.0], [0.3, 0.0, 0.1]], dtype=torch.float64
    )
    centred = x - x.mean(0)
    density = MultivariateNormal(x.mean(0), centred.T @ centred / 50)
    assert torch.allclose(gaussian_nats(x, x[:7]), density.log_prob(x[:7]), atol=1e-2)


def test_the_partition_of_a_known_energy(system):
    with torch.no_grad():
        for p in system.net.parameters():
            p.zero_()
    flat = partition(system, 400, generator(0))
    assert flat.value == pytest.approx(0, abs=1e-6) and flat.error < 1e-6
    assert flat.effective == pytest.approx(400)
    x = torch.randn(5, 2, generator=generator(1))
    assert torch.allclose(model_nats(system, x, 0.0), flow_nats(system, x), atol=1e-5)


def test_the_model_is_normalised(system):
    """Its density sums to 1 on a grid, A being that of many base samples."""
    known = partition(system, 20_000, generator(0))
    axis = torch.linspace(-6, 6, 241)
    nats = model_nats(system, torch.cartesian_prod(axis, axis), known.value)
    mass = float(nats.exp().sum()) * 0.05**2
    assert abs(math.log(mass)) < 5 * known.error + 2e-3  # z < 5, false alarm 6e-7; the rest is the grid's


def test_updates_of_the_flow(system, run):
    learner = GEBM(run.model, system)
    due = [k for k in range(12) if learner.base_due(k)]
    assert flow_updates(run.model, 12, system) == len(due) > 0
    assert flow_updates(replace(run.model, base="likelihood"), 12, system) == 12
    assert flow_updates(replace(run.model, base="frozen"), 12, system) == 0
    frozen_later = replace(run.model, freeze_base_at=6)
    assert flow_updates(frozen_later, 12, system) == sum(k < 6 for k in due) < len(due)


def test_likelihood_training_raises_the_likelihood(run, small_data):
    data = small_data("toy:ring")
    x = data.batch(torch.arange(128)).x
    start, end = (float(flow_nats(fitted_flow(run, data, None, 0, k), x).mean()) for k in (0, 60))
    assert end > start + 0.1


def test_early_stopping_keeps_the_best(run, small_data):
    """Trained on points far from those set aside: the first look is the best."""
    data = small_data("toy:ring")
    far = from_arrays(data.x + 8, name="far")
    stopped = fitted_flow(run, far, data, 0, 60)
    to_the_end = fitted_flow(run, far, None, 0, 60)
    x = data.batch(torch.arange(128)).x
    assert flow_nats(stopped, x).mean() > flow_nats(to_the_end, x).mean() + 0.1


def test_the_run_as_it_stands(system, run, small):
    found = study_density(system, run, base_samples=400, seeds=0)
    assert found.seeds == 0 and not found.by_seed and "as they stand" in found.protocol
    assert found.updates == flow_updates(run.model, 12, system) and found.test == 40
    x = study.load("", "test", None).batch(torch.arange(40)).x
    assert found.nats[MODEL].estimate == pytest.approx(
        float(model_nats(system, x, found.partitions[0].value).mean())
    )
    gap = found.nats[MODEL].estimate - found.nats[FLOW].estimate
    assert found.differences[FLOW].estimate == pytest.approx(gap)


def test_trained_anew(system, run, small):
    found = study_density(system, run, base_samples=400, seeds=2)
    assert found.seeds == 2 and "12 training rows set aside" in found.protocol and len(found.partitions) == 2
    assert found.nats[MODEL].estimate == pytest.approx(found.by_seed[MODEL].estimate)
    told = found.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert "standard error" in found.text() and list(found.figures()) == ["nats"]


def test_errors_add_up():
    wide = widened(Interval(1.0, 0.7, 1.3), 0.4 / 1.96, 100_000)
    assert wide.half_width == pytest.approx(0.5, rel=1e-3) and wide.estimate == 1.0
    assert widened(Interval(1.0, 0.7, 1.3), 0.0, 30).half_width == pytest.approx(0.3)


def test_refusals(system, run, tiny_run, small):
    with pytest.raises(UsageError, match="base-samples"):
        study_density(system, run, base_samples=10, seeds=0)
    with pytest.raises(UsageError, match="--seeds is -1"):
        study_density(system, run, seeds=-1)
    plain = tiny_run("gebm", "toy:ring", {"net.name": "mlp", "net.hidden": (8,)}).trainer.model
    with pytest.raises(UsageError, match="no exact density"):
        study_density(plain, run)
