"""Sampling: legs that hand positions on, chunks, traces, custom plans."""

from __future__ import annotations

import pytest
import torch
from gibbsian.train.draw import sample as draw

from gibbsian.core.errors import UsageError
from gibbsian.core.random import Streams
from gibbsian.mcmc.langevin import Langevin
from gibbsian.systems.base import Leg, sample, walk

MLP = {"net.name": "mlp", "net.hidden": [8], "chain.steps": 4, "start.kind": "noise"}


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_legs_are_sent_back_where_they_ended(tiny_run) -> None:
    system = tiny_run("short_run", "toy:ring", MLP).trainer.system
    ends = []

    def plan(n, rng, *, y=None, steps=None):
        position = torch.zeros(n, 2)
        for k in range(3):
            position = yield Leg(lambda x: x.square().sum(1), Langevin(0.1), k + 1, position)
            ends.append(position)

    chains = walk(system, plan(5, rng()), rng())
    assert [c.info.steps for c in chains] == [1, 2, 3]
    assert all(torch.equal(c.position, end) for c, end in zip(chains, ends, strict=True))
    assert torch.equal(sample(system, 5, rng=rng(), plan=plan).x, chains[-1].position)


def test_steps_thin_and_observe(tiny_run) -> None:
    system = tiny_run("short_run", "toy:ring", MLP).trainer.system
    seen = []
    drawn = sample(system, 3, rng=rng(), steps=6, thin=2, observe=lambda k, state, info: seen.append(k))
    assert seen == list(range(6)) and drawn.chains[0].trace.shape == (3, 3, 2)
    assert torch.equal(drawn.chains[0].trace[-1], drawn.x)
    assert drawn.chains[0].info.steps == 6


def test_energy_is_that_of_the_samples(tiny_run) -> None:
    system = tiny_run("short_run", "toy:ring", MLP).trainer.system.eval()
    drawn = draw(system, 7, chunk=3)
    with torch.no_grad():
        torch.testing.assert_close(drawn.energy, system.energy(drawn.x))


def test_chains_go_downhill_where_noise_alone_does_not(tiny_run) -> None:
    """CS698X's VAEBM never assigned its drift, so its chain was a pure random walk."""
    trainer = tiny_run("short_run", "toy:ring", {**MLP, "chain.steps": 40, "chain.step_size": 0.5}).trainer
    system, noise = trainer.system.eval(), trainer.system.noise
    for p in system.parameters():
        p.data *= 3
    start = noise.draw(200, rng()).position

    def mean_energy(energy) -> float:
        plan = lambda n, rng, *, y=None, steps=None: (leg for leg in [Leg(energy, system.kernel, 40, start)])  # noqa: E731
        end = walk_generator(system, plan)
        with torch.no_grad():
            return float(system.energy(end).mean())

    def walk_generator(system, plan):
        def legs():
            yield from plan(200, rng())

        return walk(system, legs(), rng())[-1].position

    flat = mean_energy(lambda x: 0 * x.sum(1))
    with torch.no_grad():
        begin = float(system.energy(start).mean())
    moved = mean_energy(system.energy)
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
    system = trainer.system
    legs = system.plan(4, rng())
    leg, nets = next(legs), []
    for _ in range(4):
        nets.append(leg.energy.args[0])
        assert leg.steps == 1
        leg = legs.send(leg.position) if len(nets) < 4 else leg
    assert nets == [system.past[0], system.past[1]] * 2
    first, second = (
        p[0].flatten() for p in (list(system.past[0].parameters()), list(system.past[1].parameters()))
    )
    assert not torch.equal(first, second)
    assert all(not p.requires_grad for p in system.past.parameters())


def test_an_ensemble_keeps_no_untrained_weights_and_each_only_once(tiny_run) -> None:
    changes = {**MLP, "start.kind": "persistent", "start.capacity": 64, "train.accumulate": 4}
    changes |= {"ensemble.members": 2, "ensemble.every": 2, "train.batch_size": 16}
    trainer = tiny_run("igebm", "toy:ring", changes).trainer
    system = trainer.system
    trainer.fit(2, progress=False)
    assert int(system.remembered) == 0 and next(system.plan(4, rng())).steps == system.config.sampling.steps
    trainer.fit(4, progress=False)
    assert int(system.remembered) == 1  # four micro-batches saw the same weights
    trainer.fit(5, progress=False)
    assert int(system.remembered) == 2


def test_noise_fades_over_an_ensembles_legs(tiny_run) -> None:
    changes = {**MLP, "start.kind": "persistent", "start.capacity": 32, "chain.noise_end": 0.0}
    changes |= {"ensemble.members": 2, "ensemble.every": 1}
    trainer = tiny_run("igebm", "toy:ring", changes).trainer
    trainer.fit(3, progress=False)
    system, temperatures = trainer.system, []
    legs = system.plan(4, rng(), steps=system.config.chain.steps)
    leg = next(legs, None)
    while leg is not None:
        temperatures.append(leg.kernel.at(0).temperature)
        try:
            leg = legs.send(leg.position)
        except StopIteration:
            leg = None
    own = [system._kernel(system.config.chain).at(k).temperature for k in range(system.config.chain.steps)]
    assert temperatures == own and own[-1] == 0 < own[0]


def test_going_on_from_stored_chains_takes_none_away(tiny_run) -> None:
    changes = {**MLP, "start.kind": "persistent", "start.capacity": 32}
    system = tiny_run("igebm", "toy:ring", changes).trainer.system
    drawn = sample(system, 32, rng=rng(), plan=system.continued)
    assert drawn.x.shape == (32, 2)
    assert not bool(system.chains.held.any())


def test_streams_of_one_seed_differ() -> None:
    streams = Streams(3)
    draws = {
        name: float(torch.rand((), generator=getattr(streams, name)))
        for name in ("data", "chain", "init", "eval")
    }
    assert len(set(draws.values())) == 4


@pytest.mark.parametrize(("n", "steps"), [(0, None), (-1, None), (2, 0)])
def test_no_sample_and_no_step_are_refused(tiny_run, n, steps) -> None:
    with pytest.raises(UsageError, match="at least 1 sample"):
        sample(tiny_run("short_run", "toy:ring", MLP).trainer.system, n, rng=rng(), steps=steps)
