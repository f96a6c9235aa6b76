"""Sampling: stages that hand positions on, chunks, traces, samplers of one's own, past weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import Streams
from gibbsian.mcmc.langevin import Langevin
from gibbsian.models.chain_sampler import chain_kernel
from gibbsian.models.sampler import ChainStage, Sampler
from gibbsian.models.samples import draw_samples, run_stages

MLP = {"net.name": "mlp", "net.hidden": [8], "chain.steps": 4, "start.kind": "noise"}


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


class Bowls(Sampler):
    """Three stages of 1, 2 and 3 steps on |x|^2, from 0; `ends` are the positions that were sent back."""

    def __init__(self) -> None:
        self.ends: list[torch.Tensor] = []

    def stages(self, n, rng, *, y=None, steps=None):
        position = torch.zeros(n, 2)
        for k in range(3):
            position = yield ChainStage(lambda x: x.square().sum(1), Langevin(0.1), k + 1, position)
            self.ends.append(position)


def test_stages_are_sent_back_where_they_ended(tiny_run) -> None:
    model, bowls = tiny_run("short_run", "toy:ring", MLP).trainer.model, Bowls()
    chains = run_stages(bowls.stages(5, rng()), rng())
    ends = bowls.ends[:]
    assert [c.info.steps for c in chains] == [1, 2, 3]
    assert all(torch.equal(c.position, end) for c, end in zip(chains, ends, strict=True))
    assert torch.equal(model.sample(5, rng=rng(), sampler=bowls).x, chains[-1].position)


def test_steps_thin_and_observe(tiny_run) -> None:
    model, seen = tiny_run("short_run", "toy:ring", MLP).trainer.model, []
    watch = lambda k, state, info: seen.append(k)  # noqa: E731
    drawn = draw_samples(model, model.sampler(), 3, rng=rng(), steps=6, thin=2, observe=watch)
    assert seen == list(range(6)) and drawn.chains[0].trace.shape == (3, 3, 2)
    assert torch.equal(drawn.chains[0].trace[-1], drawn.x)
    assert drawn.chains[0].info.steps == 6


def test_energy_is_that_of_the_samples(tiny_run) -> None:
    model = tiny_run("short_run", "toy:ring", MLP).trainer.model.eval()
    drawn = model.sample(7, chunk=3)
    with torch.no_grad():
        torch.testing.assert_close(drawn.energy, model.energy(drawn.x))


def test_chains_go_downhill_where_noise_alone_does_not(tiny_run) -> None:
    """CS698X's VAEBM never assigned its drift, so its chain was a pure random walk."""
    trainer = tiny_run("short_run", "toy:ring", {**MLP, "chain.steps": 40, "chain.step_size": 0.5}).trainer
    learner, noise = trainer.learner.eval(), trainer.learner.init_noise
    for p in learner.parameters():
        p.data *= 3
    start = noise.draw(200, rng()).position

    def mean_energy(energy) -> float:
        stage = ChainStage(energy, learner.kernel, 40, start)
        end = run_stages((each for each in [stage]), rng())[-1].position
        with torch.no_grad():
            return float(learner.model.energy(end).mean())

    flat = mean_energy(lambda x: 0 * x.sum(1))
    with torch.no_grad():
        begin = float(learner.model.energy(start).mean())
    moved = mean_energy(learner.model.energy)
    assert moved < begin - 0.05 and moved < flat - 0.05
    assert abs(flat - begin) < 0.2 * (begin - moved)


def test_ensemble_steps_through_past_weights_in_turn(tiny_run) -> None:
    changes = {
        **MLP,
        "start.kind": "persistent",
        "start.capacity": 32,
        "ensemble.members": 2,
        "ensemble.every": 1,
    }
    trainer = tiny_run("igebm", "toy:ring", changes).trainer
    trainer.fit(4, progress=False)
    past, stages = trainer.model.past, trainer.model.sampler().stages(4, rng())
    stage, nets = next(stages), []
    for _ in range(4):
        nets.append(stage.energy.args[0])
        assert stage.steps == 1
        stage = stages.send(stage.position) if len(nets) < 4 else stage
    assert nets == [past[0], past[1]] * 2
    first, second = (next(net.parameters()).flatten() for net in past)
    assert not torch.equal(first, second)
    assert all(not p.requires_grad for p in past.parameters())


def test_an_ensemble_keeps_no_untrained_weights_and_each_only_once(tiny_run) -> None:
    changes = {**MLP, "start.kind": "persistent", "start.capacity": 64, "train.accumulate": 4}
    changes |= {"ensemble.members": 2, "ensemble.every": 2, "train.batch_size": 16}
    trainer = tiny_run("igebm", "toy:ring", changes).trainer
    model, steps = trainer.model, trainer.learner.config.sampling.steps
    trainer.fit(2, progress=False)
    assert int(model.copies) == 0 and next(model.sampler().stages(4, rng())).steps == steps
    trainer.fit(4, progress=False)
    assert int(model.copies) == 1  # four micro-batches saw the same weights
    trainer.fit(5, progress=False)
    assert int(model.copies) == 2


def test_noise_fades_over_the_stages_of_an_ensemble(tiny_run) -> None:
    changes = {**MLP, "start.kind": "persistent", "start.capacity": 32, "chain.noise_end": 0.0}
    changes |= {"ensemble.members": 2, "ensemble.every": 1}
    trainer = tiny_run("igebm", "toy:ring", changes).trainer
    trainer.fit(3, progress=False)
    model, chain, temperatures = trainer.model, trainer.learner.config.chain, []
    stages = model.sampler().stages(4, rng(), steps=chain.steps)
    stage = next(stages, None)
    while stage is not None:
        temperatures.append(stage.kernel.at(0).temperature)
        try:
            stage = stages.send(stage.position)
        except StopIteration:
            stage = None
    own = [chain_kernel(model, chain).at(k).temperature for k in range(chain.steps)]
    assert temperatures == own and own[-1] == 0 < own[0]


def test_going_on_from_stored_chains_takes_none_away(tiny_run) -> None:
    changes = {**MLP, "start.kind": "persistent", "start.capacity": 32}
    learner = tiny_run("igebm", "toy:ring", changes).trainer.learner
    drawn = learner.model.sample(32, rng=rng(), sampler=learner.samplers()["buffer"])
    assert drawn.x.shape == (32, 2)
    assert not bool(learner.buffer.held.any())


def test_streams_of_one_seed_differ() -> None:
    streams = Streams(3)
    draws = {
        name: float(torch.rand((), generator=getattr(streams, name)))
        for name in ("data", "chain", "init", "eval")
    }
    assert len(set(draws.values())) == 4


@pytest.mark.parametrize(("n", "steps"), [(0, None), (-1, None), (2, 0)])
def test_no_sample_and_no_step_are_refused(tiny_run, n, steps) -> None:
    model = tiny_run("short_run", "toy:ring", MLP).trainer.model
    with pytest.raises(UsageError, match="at least 1"):
        draw_samples(model, model.sampler(), n, rng=rng(), steps=steps)
    with pytest.raises(UsageError, match="at least 1"):
        model.sample(n, steps=steps)


@pytest.fixture
def pictured(tiny_run):
    """Samples of images with kept positions, and of points."""
    images = tiny_run("short_run", "digits", MLP).trainer.model.sample(3, thin=2)
    return images, tiny_run("short_run", "toy:ring", MLP).trainer.model.sample(3, thin=2)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.npz", "a.npy", "a.csv", "new/a.png"])
def test_samples_save_themselves_as_the_ending_says(pictured, tmp_path, name):
    for samples in pictured:
        path = samples.save(tmp_path / name)
        assert path.stat().st_size > 50 and not list(tmp_path.glob(".*"))


def test_saved_arrays_hold_the_samples(pictured, tmp_path):
    images, points = pictured
    held = np.load(images.save(tmp_path / "a.npz"))
    assert held["x"].dtype == np.uint8 and held["x"].shape == (3, 8, 8) and held["energy"].shape == (3,)
    np.testing.assert_allclose(np.load(points.save(tmp_path / "a.npy")), points.x.numpy())
    head, *rows = points.save(tmp_path / "a.csv").read_text().splitlines()
    assert head == "x0,x1,energy" and len(rows) == 3
    np.testing.assert_allclose(float(rows[0].split(",")[1]), float(points.x[0, 1]), rtol=1e-6)


@pytest.mark.parametrize(("name", "part"), [("a.doc", ".png"), ("a", ".png"), (None, "path is None")])
def test_samples_that_cannot_be_saved(pictured, tmp_path, name, part):
    with pytest.raises(UsageError, match=part):
        pictured[0].save(name and tmp_path / name)


def test_a_film_needs_kept_positions(tiny_run, tmp_path):
    with pytest.raises(UsageError, match="thin=1"):
        tiny_run("short_run", "toy:ring", MLP).trainer.model.sample(3).save(tmp_path / "a.gif")
