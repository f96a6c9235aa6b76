"""The long-run test on systems whose energy is known to keep data, and to lose them."""

from __future__ import annotations

import json

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.mcmc import Langevin
from gibbsian.models.sampler import ChainStage, next_stage
from gibbsian.tasks.study.longrun import snapshots, study_longrun

NET = {"net.name": "mlp", "net.hidden": [8]}


def count_of(stages) -> int:
    """How many stages there are, none of them run."""
    count, stage = 0, next(stages, None)
    while stage is not None:
        count, stage = count + 1, next_stage(stages, stage.position)
    return count


def make(tiny_run, name: str, **changes):
    return tiny_run(name, "digits", {**NET, **changes}).trainer.model.eval()


@pytest.fixture
def still(tiny_run):
    """Chains that hardly move: a flat energy and little noise."""
    model = make(tiny_run, "short_run", **{"chain.noise": 1e-4, "chain.steps": 2})
    model.net.forward = lambda x, y=None: 0 * x.flatten(1).sum(1)
    return model


def test_chains_that_stay_have_no_drift(still) -> None:
    found = study_longrun(still, "digits", steps=(0, 4), n=100, draws=2)
    assert list(found.rows) == [0, 4]
    assert abs(found.drift.estimate) < 0.1 and found.rows[4]["moved"].estimate < 0.01
    assert found.rows[0]["moved"].estimate == 0.0 and found.rows[0]["neg_log_prob"].estimate == 0.0
    assert not found.claims and "no such claim" in found.text()
    told = found.to_dict()
    assert json.loads(json.dumps(told)) == told and set(found.figures()) == {"measures", "chains"}


def test_chains_that_diffuse_drift_away(tiny_run) -> None:
    model = make(tiny_run, "short_run", **{"chain.noise": 0.5, "chain.steps": 2})
    model.net.forward = lambda x, y=None: 0 * x.flatten(1).sum(1)
    found = study_longrun(model, "digits", steps=(0, 1, 20), n=100, draws=3)
    assert found.drift.estimate > 20 and found.drift.low > 0
    assert found.rows[20]["moved"].estimate > found.rows[1]["moved"].estimate > 0.3


def test_the_chain_goes_on_from_time_to_time(still) -> None:
    still.net.forward = lambda x, y=None: x.square().flatten(1).sum(1)
    x = torch.rand(6, 1, 8, 8, generator=generator(0))
    at_once = snapshots(still, Batch(x), (0, 6), 0, lambda text: None)[6].x
    in_parts = snapshots(still, Batch(x), (0, 2, 3, 6), 0, lambda text: None)[6].x
    torch.testing.assert_close(at_once, in_parts)


def test_a_schedule_has_ended_where_the_chain_begins(tiny_run) -> None:
    model = make(tiny_run, "igebm", **{"chain.steps": 5, "chain.noise": 0.1, "chain.noise_end": 0.01})
    begun = model.sampler().from_data(torch.zeros(2, 1, 8, 8), generator(0))
    assert isinstance(begun.kernel, Langevin)
    first, plain = begun.kernel.at(0), next(model.sampler().stages(2, generator(0)))
    assert isinstance(plain, ChainStage) and plain.kernel.at(0).temperature > first.temperature
    assert first.temperature == pytest.approx(0.01**2 / first.step_size)


def test_a_ladder_keeps_its_middle_level_and_walks_down_to_measure(tiny_run) -> None:
    model = make(tiny_run, "drl", **{"ladder.levels": 4, "ladder.steps": 1})
    found = study_longrun(model, "digits", steps=(0, 2), n=50, draws=2)
    begun = model.sampler().from_data(torch.zeros(2, 1, 8, 8), generator(0))
    assert begun.remaining is not None and count_of(begun.remaining(torch.zeros(2, 1, 8, 8))) == 2
    assert not found.claims and found.rows[2]["lost"].estimate == 0.0


def test_conditional_chains_keep_the_class_of_their_image_and_the_latest_weights(tiny_run) -> None:
    changes = {"net.classes": 10, "net.head": "logits", "ensemble.members": 2, "ensemble.every": 1}
    made = tiny_run("igebm", "digits", {**NET, **changes, "chain.steps": 2}).trainer
    made.fit(3, progress=False)
    model, y = made.model.eval(), torch.tensor([3, 7])
    begun = model.sampler().from_data(torch.zeros(2, 1, 8, 8), generator(0), y)
    x = torch.rand(2, 1, 8, 8, generator=generator(1))
    torch.testing.assert_close(begun.energy(x), model.energy(x, y))
    study_longrun(model, "digits", steps=(0, 1), n=50, draws=2)


def test_what_cannot_be_asked_is_one_line(tiny_run, still) -> None:
    for steps in ((0,), (5, 1), (-1, 2)):
        with pytest.raises(UsageError, match="times"):
            study_longrun(still, "digits", steps=steps, n=50, draws=2)
    with pytest.raises(UsageError, match="2 draws of n = 900 need 1800 training images, and digits has 1397"):
        study_longrun(still, "digits", steps=(0, 1), n=900, draws=2)
    latent = make(tiny_run, "gebm", **{"generator.hidden": [8], "generator.latent": 2})
    with pytest.raises(UsageError, match="none can begin at data"):
        study_longrun(latent, "digits", steps=(0, 1), n=50, draws=2)


def test_chains_that_climb_begin_where_the_way_down_ends(tiny_run, still) -> None:
    net = {"net.name": "residual_mlp", "net.width": 16, "sampling.steps": 4}
    model = tiny_run("noise_energy", "digits", net).trainer.model.eval()
    far = [
        study_longrun(model, "digits", steps=(0, 1), climb=climb, n=100, draws=2).rows[0]["moved"].estimate
        for climb in (None, 0.05, 0.5)
    ]
    assert far[0] < 0.2 < far[1] + 0.1 and 2 * far[1] < far[2]
    with pytest.raises(UsageError, match="knows no levels of noise"):
        study_longrun(still, "digits", steps=(0, 4), climb=0.1, n=100, draws=2)


def test_chains_with_a_test_tell_their_acceptance(tiny_run, still) -> None:
    net = {"net": {"name": "residual_mlp", "width": 8}, "noise.sigma_min": 0.1}
    model = tiny_run("noise_energy", "digits", net).trainer.model.eval()
    found = study_longrun(model, "digits", steps=(0, 3, 5), n=50, draws=2)
    assert 0.2 < found.acceptance.estimate <= 1 and "acceptance of the last steps: " in found.text()
    assert "acceptance" in found.to_dict()
    without = study_longrun(still, "digits", steps=(0, 2), n=100, draws=2)
    assert without.acceptance is None and "acceptance" not in without.to_dict()
