"""Chain diagnostics: over all stages of a sampler, from what the kernels tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gibbsian.models.sampler import WrappedSampler
from gibbsian.tasks.chains import chain_report, every_label

MLP = {"net.name": "mlp", "net.hidden": [8], "chain.steps": 16, "start.capacity": 64}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def system(tiny_run):
    def make(name: str, data: str, changes: dict | None = None, steps: int = 0):
        trainer = tiny_run(name, data, {**MLP, **(changes or {})}).trainer
        trainer.fit(steps, progress=False)
        return trainer.model

    return make


def test_chains_of_an_ensemble_are_followed_over_all_stages(system):
    changes = {"ensemble.members": 2, "ensemble.every": 1, "net.classes": 8}
    model = system("igebm", "toy:ring", changes, steps=3)
    found = chain_report(model, rng())
    assert found["steps"] == 16 and {"energy_ess", "energy_rhat", "drift_noise"} <= set(found)
    assert found["energy_ess"] > 0 and found["divergent"] == 0
    assert chain_report(model, rng(), model.sampler().latest)["steps"] == 16


def test_saturation_is_told_of_clamped_chains(system):
    found = chain_report(system("igebm", "digits", {"chain.clamp": True}), rng())
    assert 0 <= found["saturated"] <= 1


def test_classes_come_in_turn(system):
    plain, labelled = system("igebm", "toy:ring"), system("igebm", "toy:ring", {"net.classes": 8})
    assert every_label(plain, 4, rng()) is None
    assert every_label(labelled, 10, rng()).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]


@pytest.mark.parametrize("pair", [False, True])
def test_latent_chains_and_samplers_without_steps(tilted, pair):
    model = tilted((2,), pair, steps=16)
    assert {"steps", "drift_noise", "energy_ess", "energy_end"} <= set(chain_report(model, rng()))
    still = chain_report(model, rng(), model.sampler("base"))
    assert set(still) == {"steps", "divergent", "energy_end"} and still["steps"] == still["divergent"] == 0


def test_stages_without_steps_do_not_dilute_the_others(tilted):
    model = tilted((2,), steps=16)

    def warmed(n, rng, *, y=None, steps=None):
        stage = next(model.sampler("base").stages(n, rng))
        yield replace(stage, position=(yield stage), steps=16)

    both = WrappedSampler(model.sampler(), warmed)
    found, plain = chain_report(model, rng(), both), chain_report(model, rng())
    assert found["drift_noise"] == plain["drift_noise"] and found["steps"] == 16
