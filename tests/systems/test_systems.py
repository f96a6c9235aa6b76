"""What is particular to each system."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.records import Batch
from gibbsian.recipes.chain import StartConfig
from gibbsian.recipes.short_run import ShortRunConfig
from gibbsian.systems.base import walk

CONV = {"net.name": "conv", "net.channels": [4, 8], "chain.steps": 2, "start.capacity": 40}
MLP = {"net.name": "mlp", "net.hidden": [16, 16], "chain.steps": 5, "start.capacity": 40}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(trainer, n: int = 16) -> Batch:
    return trainer.data.batch(torch.arange(n), *trainer.pixel_range())


# -- IGEBM -----------------------------------------------------------------------------------------------


def test_stored_chains_keep_their_label_and_meet_that_of_the_batch(tiny_run) -> None:
    """IGEBM's code stores no labels, so a chain of class 3 goes on as class 7."""
    trainer = tiny_run("igebm", "digits", {**CONV, "net.classes": 10}).trainer
    buffer = trainer.system.chains
    for _ in range(6):
        before = buffer.label.clone()
        trainer.update()
        changed = buffer.label != before
        assert (buffer.age[changed] == 1).all(), "a chain that changed its class did not restart"
    assert int(buffer.age.max()) > 1


def test_the_papers_policy_takes_the_labels_of_the_batch(tiny_run) -> None:
    trainer = tiny_run("igebm", "digits", {**CONV, "net.classes": 10, "start.labels": "batch"}).trainer
    trainer.update()
    assert not trainer.system.chains.keeps_labels


def test_surprisal_without_a_label_is_the_least(tiny_run) -> None:
    trainer = tiny_run("igebm", "digits", {**CONV, "net.classes": 10}).trainer
    system, x = trainer.system.eval(), batch_of(trainer).x
    rows = torch.stack([system.surprisal(x, torch.full((16,), c)) for c in range(10)])
    torch.testing.assert_close(system.surprisal(x), rows.amin(0))
    torch.testing.assert_close(rows[3] * system.temperature, system.energy(x, torch.full((16,), 3)))


def test_buffer_fills_with_ends_of_chains(tiny_run) -> None:
    trainer = tiny_run("igebm", "toy:ring", {**MLP, "start.reinit": 0.0}).trainer
    before = trainer.system.chains.stored.clone()
    trainer.update()
    moved = (trainer.system.chains.stored != before).any(1)
    assert int(moved.sum()) == 16 == int((trainer.system.chains.age == 1).sum())


def test_no_chains_to_go_on_from(tiny_run) -> None:
    system = tiny_run("igebm", "toy:ring", {**MLP, "start.kind": "noise"}).trainer.system
    with pytest.raises(UsageError, match="keeps no chains"):
        next(system.continued(2, rng()))
    system = tiny_run("igebm", "toy:ring", MLP).trainer.system
    with pytest.raises(UsageError, match="a buffer of 40"):
        next(system.continued(41, rng()))


# -- generative ConvNet ----------------------------------------------------------------------------------


def test_a_flat_reference_changes_nothing(tiny_run) -> None:
    """(E, s, T) and (E/T + |x|^2 / 2 sigma^2, s T, 1) are one chain as sigma grows; clip and fading too."""
    base = {**MLP, "chain.noise": 0.05, "chain.clip": 0.02, "chain.noise_end": 0.01}
    ends = []
    for sigma in (0.0, 1e8):
        system = tiny_run("generative_convnet", "toy:ring", {**base, "reference_sigma": sigma}).trainer.system
        ends.append(walk(system.eval(), system.plan(8, rng()), rng(1))[-1].position)
    torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)


def test_the_sampling_chain_keeps_its_own_numbers_under_a_reference(tiny_run) -> None:
    changes = {
        **MLP,
        "reference_sigma": 1.0,
        "sample.step_size": 0.5,
        "sample.noise": 0.03,
        "sample.steps": 7,
    }
    system = tiny_run("generative_convnet", "toy:ring", changes).trainer.system
    leg = next(system.plan(2, rng()))
    move, t = leg.kernel.at(0), system.config.chain.temperature
    assert leg.steps == 7
    assert move.step_size == pytest.approx(0.5 * t)
    assert (move.step_size * move.temperature) ** 0.5 == pytest.approx(0.03)


def test_reference_is_added_to_the_tempered_energy(tiny_run) -> None:
    trainer = tiny_run("generative_convnet", "toy:ring", {**MLP, "reference_sigma": 2.0}).trainer
    system, x = trainer.system.eval(), batch_of(trainer).x
    wanted = system.learnt(x) / system.config.chain.temperature + x.square().sum(1) / (2 * 4.0)
    torch.testing.assert_close(system.energy(x), wanted)
    torch.testing.assert_close(system.surprisal(x), wanted)


def test_anatomy_numbers(tiny_run) -> None:
    for sigma in (0.0, 1.0):
        trainer = tiny_run("generative_convnet", "toy:ring", {**MLP, "reference_sigma": sigma}).trainer
        metrics = trainer.update()
        t = trainer.system.config.chain.temperature
        assert metrics["d"] == pytest.approx(metrics["energy_gap"] / t, rel=1e-5)
        assert metrics["v"] == pytest.approx(
            metrics["drift"] / (trainer.system.config.chain.step_size * t / 2), rel=1e-5
        )


def test_v_is_the_slope_also_where_steps_fall(tiny_run) -> None:
    changes = {**MLP, "net.activation": "leaky_relu", "net.negative_slope": 1.0, "chain.decay": 0.5}
    system = (trainer := tiny_run("generative_convnet", "toy:ring", changes).trainer).system
    _, slope = value_and_grad(system.learnt, torch.zeros(1, 2))  # a linear energy has one slope
    wanted = float(slope.norm()) / system.config.chain.temperature
    assert trainer.update()["v"] == pytest.approx(wanted, rel=1e-4)


def test_gradient_of_the_reference_falls_out(tiny_run) -> None:
    trainer = tiny_run("generative_convnet", "toy:ring", {**MLP, "start.kind": "data"}).trainer
    ((group, loss),) = trainer.system.losses(batch_of(trainer), 0, rng())
    assert group == "energy"
    assert loss.value.item() == pytest.approx(float(loss.metrics["energy_gap"]))


def test_what_the_convnet_refuses(tiny_run) -> None:
    with pytest.raises(UsageError, match="unconditional"):
        tiny_run("generative_convnet", "digits", {**CONV, "net.classes": 10})
    with pytest.raises(UsageError, match="needs a temperature"):
        tiny_run("generative_convnet", "digits", {**CONV, "reference_sigma": 1.0, "chain.noise": 0.0})


# -- short run -------------------------------------------------------------------------------------------


def test_the_sampler_is_the_training_chain(tiny_run) -> None:
    system = tiny_run("short_run", "toy:ring", {**MLP, "start.kind": "noise"}).trainer.system
    leg = next(system.plan(4, rng()))
    assert (leg.kernel, leg.steps) == (system.kernel, system.config.chain.steps)
    assert torch.equal(leg.position, system.noise.draw(4, rng()).position)


def test_short_run_refuses_stored_chains() -> None:
    with pytest.raises(UsageError, match="fresh noise"):
        replace(ShortRunConfig(), start=StartConfig(kind="persistent"))


def test_links_give_the_energies_they_name(tiny_run) -> None:
    for name, start in (("short_run", {"start.kind": "noise"}), ("igebm", {})):
        trainer = tiny_run(name, "toy:ring", {**MLP, **start, "loss.link": "softplus"}).trainer
        system, x = trainer.system.eval(), batch_of(trainer).x
        torch.testing.assert_close(system.energy(x), -torch.nn.functional.softplus(-system.net(x)).log())
