"""What is particular to the papers that share the contrastive learner."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.records import Batch
from gibbsian.models.samples import run_stages
from gibbsian.models.short_run.config import ShortRunConfig
from gibbsian.models.stored import StoredChains
from gibbsian.starts.settings import StartConfig

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
    buffer = trainer.learner.buffer
    for _ in range(6):
        before = buffer.label.clone()
        trainer.update()
        changed = buffer.label != before
        assert (buffer.age[changed] == 1).all(), "a chain that changed its class did not restart"
    assert int(buffer.age.max()) > 1


def test_the_papers_policy_takes_the_labels_of_the_batch(tiny_run) -> None:
    trainer = tiny_run("igebm", "digits", {**CONV, "net.classes": 10, "start.labels": "batch"}).trainer
    trainer.update()
    assert not trainer.learner.buffer.keeps_labels


def test_neg_log_prob_without_a_label_is_the_least(tiny_run) -> None:
    trainer = tiny_run("igebm", "digits", {**CONV, "net.classes": 10}).trainer
    model, x = trainer.model.eval(), batch_of(trainer).x
    with torch.no_grad():
        for p in model.parameters():  # fresh ones tell no class from another
            p.add_(0.3 * torch.randn(p.shape, generator=rng(4)))
    rows = torch.stack([model.neg_log_prob(x, torch.full((16,), c)) for c in range(10)])
    assert float((rows.amax(0) - rows.amin(0)).min().detach()) > 1e-3 * float(rows.detach().abs().max())
    torch.testing.assert_close(model.neg_log_prob(x), rows.amin(0))
    torch.testing.assert_close(rows[3] * model.temperature, model.energy(x, torch.full((16,), 3)))


def test_buffer_fills_with_ends_of_chains(tiny_run) -> None:
    trainer = tiny_run("igebm", "toy:ring", {**MLP, "start.reinit": 0.0}).trainer
    before = trainer.learner.buffer.stored.clone()
    trainer.update()
    moved = (trainer.learner.buffer.stored != before).any(1)
    assert int(moved.sum()) == 16 == int((trainer.learner.buffer.age == 1).sum())


def test_no_chains_to_go_on_from(tiny_run) -> None:
    learner = tiny_run("igebm", "toy:ring", {**MLP, "start.kind": "noise"}).trainer.learner
    assert learner.samplers() == {}
    with pytest.raises(UsageError, match="keeps no chains"):
        next(StoredChains(learner.sampling_chain(), learner.buffer).stages(2, rng()))
    learner = tiny_run("igebm", "toy:ring", MLP).trainer.learner
    with pytest.raises(UsageError, match="a buffer of 40"):
        next(learner.samplers()["buffer"].stages(41, rng()))


# -- generative ConvNet ----------------------------------------------------------------------------------


def test_a_flat_reference_changes_nothing(tiny_run) -> None:
    """(E, s, T) and (E/T + |x|^2 / 2 sigma^2, s T, 1) are one chain as sigma grows; clip and fading too."""
    base = {**MLP, "chain.noise": 0.05, "chain.clip": 0.02, "chain.noise_end": 0.01}
    ends = []
    for sigma in (0.0, 1e8):
        changes = {**base, "reference_sigma": sigma}
        model = tiny_run("generative_convnet", "toy:ring", changes).trainer.model.eval()
        ends.append(run_stages(model.sampler().stages(8, rng()), rng(1))[-1].position)
    torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)


def test_the_sampling_chain_keeps_its_own_numbers_under_a_reference(tiny_run) -> None:
    changes = {
        **MLP,
        "reference_sigma": 1.0,
        "sample.step_size": 0.5,
        "sample.noise": 0.03,
        "sample.steps": 7,
    }
    learner = tiny_run("generative_convnet", "toy:ring", changes).trainer.learner
    stage = next(learner.model.sampler().stages(2, rng()))
    move, t = stage.kernel.at(0), learner.config.chain.temperature
    assert stage.steps == 7
    assert move.step_size == pytest.approx(0.5 * t)
    assert (move.step_size * move.temperature) ** 0.5 == pytest.approx(0.03)


def test_reference_is_added_to_the_tempered_energy(tiny_run) -> None:
    trainer = tiny_run("generative_convnet", "toy:ring", {**MLP, "reference_sigma": 2.0}).trainer
    learner, x = trainer.learner.eval(), batch_of(trainer).x
    model, t = learner.model, learner.config.chain.temperature
    wanted = model.net(x) / t + x.square().sum(1) / (2 * 4.0)
    torch.testing.assert_close(model.conditioned()(x), wanted)
    torch.testing.assert_close(model.neg_log_prob(x), wanted)
    torch.testing.assert_close(model.energy(x), model.net(x))
    assert model.temperature == pytest.approx(t) and model.sampler().temperature == 1


def test_anatomy_numbers(tiny_run) -> None:
    for sigma in (0.0, 1.0):
        trainer = tiny_run("generative_convnet", "toy:ring", {**MLP, "reference_sigma": sigma}).trainer
        metrics = trainer.update()
        t = trainer.learner.config.chain.temperature
        assert metrics["d"] == pytest.approx(metrics["energy_gap"] / t, rel=1e-5)
        assert metrics["v"] == pytest.approx(
            metrics["drift"] / (trainer.learner.config.chain.step_size * t / 2), rel=1e-5
        )


def test_v_is_the_slope_also_where_steps_fall(tiny_run) -> None:
    changes = {**MLP, "net.activation": "leaky_relu", "net.negative_slope": 1.0, "chain.decay": 0.5}
    learner = (trainer := tiny_run("generative_convnet", "toy:ring", changes).trainer).learner
    _, slope = value_and_grad(learner.model.energy, torch.zeros(1, 2))  # a linear energy has one slope
    wanted = float(slope.norm()) / learner.config.chain.temperature
    assert trainer.update()["v"] == pytest.approx(wanted, rel=1e-4)


def test_gradient_of_the_reference_falls_out(tiny_run) -> None:
    trainer = tiny_run("generative_convnet", "toy:ring", {**MLP, "start.kind": "data"}).trainer
    ((group, loss),) = trainer.learner.losses(batch_of(trainer), 0, rng())
    assert group == "energy"
    assert loss.value.item() == pytest.approx(float(loss.metrics["energy_gap"]))


def test_what_the_convnet_refuses(tiny_run) -> None:
    with pytest.raises(UsageError, match="unconditional"):
        tiny_run("generative_convnet", "digits", {**CONV, "net.classes": 10})
    with pytest.raises(UsageError, match="needs a temperature"):
        tiny_run("generative_convnet", "digits", {**CONV, "reference_sigma": 1.0, "chain.noise": 0.0})


# -- short run -------------------------------------------------------------------------------------------


def test_the_sampler_is_the_training_chain(tiny_run) -> None:
    learner = tiny_run("short_run", "toy:ring", {**MLP, "start.kind": "noise"}).trainer.learner
    stage = next(learner.model.sampler().stages(4, rng()))
    assert (stage.kernel, stage.steps) == (learner.kernel, learner.config.chain.steps)
    assert torch.equal(stage.position, learner.init_noise.draw(4, rng()).position)


def test_short_run_refuses_stored_chains() -> None:
    with pytest.raises(UsageError, match="fresh noise"):
        replace(ShortRunConfig(), start=StartConfig(kind="persistent"))


def test_links_give_the_energies_they_name(tiny_run) -> None:
    for name, start in (("short_run", {"start.kind": "noise"}), ("igebm", {})):
        trainer = tiny_run(name, "toy:ring", {**MLP, **start, "loss.link": "softplus"}).trainer
        learner, x = trainer.learner.eval(), batch_of(trainer).x
        torch.testing.assert_close(
            learner.model.energy(x), -torch.nn.functional.softplus(-learner.model.net(x)).log()
        )
