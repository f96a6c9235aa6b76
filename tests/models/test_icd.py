"""Improved contrastive divergence: the gradient of its terms by hand, its buffer, its settings."""

from __future__ import annotations

import copy

import pytest
import torch

import gibbsian as gb
from gibbsian.core.energy import value
from gibbsian.core.errors import UsageError
from gibbsian.core.records import Batch
from gibbsian.data.toy import toy
from gibbsian.metrics.toy import mode_recall
from gibbsian.models.graphed import GraphedEnds, graphed_chain_ends
from gibbsian.models.sampler import RunOptions
from gibbsian.starts.base import BufferSample

MLP = {"net.name": "mlp", "net.hidden": [12, 12], "start.capacity": 32}
SMALL = {"chain.steps": 1, "chain.step_size": 0.3, "chain.noise": 0.05, "pixels.low": -1.0}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def learner(tiny_run):
    """In double precision, with the paper's order of a step: noise, gradient, move, clamp."""
    return tiny_run("icd", "toy:ring", {**MLP, **SMALL}).trainer.learner.double()


def start(n: int = 12) -> BufferSample:
    x = 2.4 * torch.rand(n, 2, generator=rng(1), dtype=torch.float64) - 1.2
    return BufferSample(x, None, None, torch.ones(n, dtype=torch.bool))


def ends(learner, drawn: BufferSample, **options) -> torch.Tensor:
    return graphed(learner, drawn, rng(2), **options).x


def graphed(learner, drawn: BufferSample, stream: torch.Generator, **options) -> GraphedEnds:
    steps, noise = learner.config.chain.steps, learner.buffer.init_noise
    return graphed_chain_ends(
        learner.model, drawn, learner.kernel, steps, stream, RunOptions(), init_noise=noise, **options
    )


def step_by_hand(learner, x: torch.Tensor) -> torch.Tensor:
    """clamp(y - (s/2) grad E(y)) with y = x + noise, written out."""
    y = (x + 0.05 * torch.randn(x.shape, generator=rng(2), dtype=x.dtype)).requires_grad_()
    (slope,) = torch.autograd.grad(learner.model.net(y).sum(), y, create_graph=True)
    return (y - 0.15 * slope).clamp(-1.0, 1.0)


def gradients(value: torch.Tensor, learner) -> list[torch.Tensor]:
    weights = list(learner.model.net.parameters())
    found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, weights, strict=True)]


# -- exact gradients -------------------------------------------------------------------------------------


def test_the_kl_gradient_is_autograd_through_a_step_by_hand(learner):
    """The outer energy is a copy in the version by hand: no gradient can reach the weights through it."""
    drawn = start()
    x = ends(learner, drawn)
    found = gradients(learner._held_energy(x).mean(), learner)
    held = copy.deepcopy(learner.model.net).requires_grad_(False)
    x_hand = step_by_hand(learner, drawn.position)
    wanted = gradients(held(x_hand).mean(), learner)
    assert torch.allclose(x, x_hand, rtol=0, atol=1e-14)
    assert 0 < int((x.abs() == 1).sum()) < x.numel()  # some coordinates are clamped, and have no gradient
    for a, b in zip(found, wanted, strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-10)
    assert max(float(g.abs().max()) for g in found) > 1e-4


def test_the_kl_gradient_is_a_finite_difference_of_the_sampler(learner):
    """d/dh of mean E'(x_K(theta + h d)) with E' unmoved, without any second derivative by autograd."""
    drawn, held = start(), copy.deepcopy(learner.model.net).requires_grad_(False)
    found = gradients(learner._held_energy(ends(learner, drawn)).mean(), learner)
    way = [torch.randn(p.shape, generator=rng(3), dtype=p.dtype) for p in learner.model.net.parameters()]

    def moved(h: float) -> float:
        with torch.no_grad():
            for p, d in zip(learner.model.net.parameters(), way, strict=True):
                p += h * d
        out = float(held(step_by_hand(learner, drawn.position)).mean().detach())
        with torch.no_grad():
            for p, d in zip(learner.model.net.parameters(), way, strict=True):
                p -= h * d
        return out

    slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
    assert slope == pytest.approx(
        float(sum((g * d).sum() for g, d in zip(found, way, strict=True))), rel=1e-6
    )


def test_the_outer_energy_gives_the_weights_nothing(learner):
    x = ends(learner, start())
    through = torch.autograd.grad(learner._held_energy(x).mean(), x, retain_graph=True)[0]
    by_x_alone = gradients((through.detach() * x).sum(), learner)
    for a, b in zip(gradients(learner._held_energy(x).mean(), learner), by_x_alone, strict=True):
        assert torch.equal(a, b)
    assert not learner._held_energy(x.detach()).requires_grad
    assert all(p.requires_grad for p in learner.model.net.parameters())


def test_a_clamped_chain_has_no_gradient(learner):
    drawn = BufferSample(
        torch.full((3, 2), 5.0, dtype=torch.float64), None, None, torch.ones(3, dtype=torch.bool)
    )
    assert all((g == 0).all() for g in gradients(learner._held_energy(ends(learner, drawn)).mean(), learner))


def test_the_loss_is_the_sum_of_its_parts(tiny_run):
    """The gradient of `losses` is CD's plus the two terms', each computed on its own."""
    changes = {
        **MLP,
        **SMALL,
        "loss.energy_l2": 0.2,
        "kl_weight": 0.6,
        "entropy_weight": 0.4,
        "neighbours": 9,
    }
    learner = tiny_run(
        "icd", "toy:ring", {**changes, "start.reinit": 0.0, "pixels.dequantize": False}
    ).trainer.learner
    drawn = learner.buffer.draw(32, rng(5))
    learner.buffer.write(drawn, 0.5 * torch.randn(32, 2, generator=rng(6)))
    batch = Batch(torch.randn(12, 2, generator=rng(7)))
    group, loss = next(learner.losses(batch, 0, rng(8)))
    assert group == "energy" and int(learner.buffer.held.sum()) == 12
    learner.buffer.held.zero_()  # the same draw again
    again = rng(8)
    drawn = learner.buffer.draw(12, again)
    neg, x = graphed(learner, drawn, again)
    others = learner.buffer.rows(9, again)
    e_pos, e_neg = learner.model.energy(batch.x), learner.model.energy(neg.x)
    held = copy.deepcopy(learner.model.net).requires_grad_(False)
    parts = e_pos.mean() - e_neg.mean() + 0.2 * (e_pos.square().mean() + e_neg.square().mean())
    near = (x[:, None] - others).square().sum(2).min(1).values.sqrt()
    parts = parts + 0.6 * held(x).mean() - 0.4 * near.log().mean()
    torch.testing.assert_close(loss.value, parts)
    for a, b in zip(gradients(loss.value, learner), gradients(parts, learner), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert {"kl_energy", "log_nearest", "energy_gap", "energy_l2", "drift", "saturated"} <= set(loss.metrics)


def test_the_first_rows_alone_take_part(tiny_run):
    trainer = tiny_run("icd", "toy:ring", {**MLP, **SMALL, "kl_rows": 5, "through": "all"}).trainer
    learner, seen = trainer.learner, []
    terms = learner._sampler_terms
    learner._sampler_terms = lambda x, r: (seen.append(len(x)), terms(x, r))[1]
    trainer.update()
    assert seen == [5]


# -- buffer and augmentation -----------------------------------------------------------------------------


def test_the_entropy_waits_for_enough_ends(tiny_run):
    trainer = tiny_run("icd", "toy:ring", {**MLP, **SMALL, "start.capacity": 40}).trainer
    told = ["log_nearest" in trainer.update() for _ in range(5)]
    assert told == [False, False, False, True, True]  # batches of 16: 48 ends before the fourth


def test_both_weights_at_zero_are_plain_cd(tiny_run):
    changes = {
        **MLP,
        "chain.steps": 2,
        "kl_weight": 0.0,
        "entropy_weight": 0.0,
        "net.activation": "leaky_relu",
    }
    trainer = tiny_run("icd", "toy:ring", {**changes, "start.capacity": 16}).trainer
    for _ in range(3):
        metrics = trainer.update()
    assert "kl_energy" not in metrics and "log_nearest" not in metrics


def test_only_stored_images_are_augmented(tiny_run):
    changes = {"net.channels": [4, 6], "start.capacity": 32, "start.reinit": 0.5, "augment.flip": 1.0}
    learner = tiny_run("icd", "digits", changes).trainer.learner
    drawn = learner.buffer.draw(32, rng(1))
    learner.buffer.write(drawn, torch.rand(32, 1, 8, 8, generator=rng(2)))
    drawn = learner.buffer.draw(32, rng(3))
    out = learner._augmented(drawn, rng(4))
    assert 5 < int(drawn.restarted.sum()) < 27
    assert torch.equal(out.position[drawn.restarted], drawn.position[drawn.restarted])
    assert torch.equal(out.position[~drawn.restarted], drawn.position[~drawn.restarted].flip(-1))
    assert torch.equal(out.slots, drawn.slots)


def test_augmented_chains_and_sampler_terms_claim_no_density(tiny_run):
    off = {"kl_weight": 0.0, "entropy_weight": 0.0}
    plain = {**MLP, "chain.noise_first": False, "chain.clamp": False, **off}
    assert tiny_run("icd", "toy:ring", plain).trainer.model.claims_density
    assert not tiny_run("icd", "toy:ring", {**plain, "kl_weight": 1.0}).trainer.model.claims_density
    assert not tiny_run("icd", "toy:ring", {**plain, "augment.flip": 0.5}).trainer.model.claims_density


def test_mixing_legs_come_before_the_sampling_chain(tiny_run):
    changes = {"net.channels": [4, 6], "start.capacity": 32, "chain.steps": 2, "mix": 3, "augment.flip": 1.0}
    model = tiny_run("icd", "digits", changes).trainer.model
    made = model.sampler().stages(4, rng(), steps=7)
    stage, steps = next(made), []
    for _ in range(3):
        steps.append(stage.steps)
        end = torch.rand(4, 1, 8, 8, generator=rng(len(steps)))
        stage = made.send(end)
        assert torch.equal(stage.position, end.flip(-1))
    assert steps == [2, 2, 2] and stage.steps == 7


def test_going_on_from_stored_ends(tiny_run):
    trainer = tiny_run("icd", "toy:ring", {**MLP, "chain.steps": 2}).trainer
    with pytest.raises(UsageError, match="a buffer that holds 0"):
        next(trainer.learner.samplers()["buffer"].stages(4, rng()))
    trainer.update()
    drawn = trainer.model.sample(16, rng=rng(), sampler=trainer.learner.samplers()["buffer"])
    assert drawn.x.shape == (16, 2) and not bool(trainer.learner.buffer.held.any())


def test_scales_add_up(tiny_run):
    learner = tiny_run(
        "icd", "digits", {"net.channels": [4, 6], "scales": 2, "start.capacity": 32}
    ).trainer.learner
    x = torch.rand(3, 1, 8, 8, generator=rng(1))
    small = torch.nn.functional.avg_pool2d(x, 2)
    model, nets = learner.model, learner.model.net.nets
    torch.testing.assert_close(value(model.energy, x), nets[0](x) + nets[1](small))


# -- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"net.activation": "relu"}, "net.activation is relu.*use swish"),
        ({"net.activation": "leaky_relu", "kl_weight": 0.0}, "net.activation is leaky_relu"),
        ({"net.classes": 10}, "unconditional"),
        ({"start.kind": "noise"}, "begin at a reservoir"),
        ({"start.uint8": True}, "begin at a reservoir"),
        ({"kl_weight": -1.0}, "kl_weight is -1"),
        ({"entropy_weight": -0.1}, "entropy_weight"),
        ({"kl_rows": -1}, "kl_rows"),
        ({"mix": -1}, "mix"),
        ({"neighbours": 0}, "neighbours is 0"),
        ({"scales": 0}, "scales is 0"),
        ({"through": "first"}, "through is 'first'"),
        ({"scales": 2}, "no images"),
    ],
)
def test_bad_settings_are_one_line(changes, line, tiny_run):
    with pytest.raises(UsageError, match=line) as caught:
        tiny_run("icd", "toy:ring", {**MLP, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_steps_cover_the_ring_with_both_terms() -> None:
    """CD, CD with the KL term, and with both, at K = 5: the entropy brings back what KL alone loses."""
    found, density = {}, toy("ring")
    for name, weights in {"cd": (0.0, 0.0), "kl": (1.0, 0.0), "icd": (1.0, 0.3)}.items():
        changes = {"kl_weight": weights[0], "entropy_weight": weights[1]}
        model = gb.fit(
            "icd", "toy:ring", steps=600, progress=False, chain__steps=5, sample__steps=500, **changes
        )
        x = model.sample(2000, seed=1).x
        found[name] = mode_recall(x, density.modes, 3 * density.spread, minimum=20)
    assert found["icd"].recall == 1.0 and found["icd"].quality > 0.9
    weakest = {name: min(each.counts) for name, each in found.items()}
    assert weakest["icd"] > 2 * max(weakest["cd"], weakest["kl"]), weakest  # measured 123, 26, 17 of 2,000
