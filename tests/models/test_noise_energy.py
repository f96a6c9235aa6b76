"""Energies over noise levels: what they are before training, what they learn, what tasks ask of them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.mcmc.probability_flow import ProbabilityFlow
from gibbsian.models.build import build
from gibbsian.models.noise_energy.learner import drawn_levels
from gibbsian.models.noise_energy.model import NoiseEnergy, level_waves
from gibbsian.models.sampler import next_stage
from gibbsian.nets.dropout import without_dropout
from gibbsian.tasks.study.normalisation import study_normalisation

TOY = {"net.width": 16, "net.blocks": 1, "pixels.low": -2.5, "pixels.high": 2.5, "jump": False}


def made(event=(2,), own=None, fit=True, **changes):
    config = {"net": {"name": "residual_mlp", "width": 8, "blocks": 1}, "noise": {"sigma_min": 0.1}}
    learner = build("noise_energy", config | changes, event, 0, own)
    if fit:
        learner.model.base.fit(rows(event))
    return learner


def rows(event, n=200):
    x = torch.randn(n, math.prod(event), generator=generator(3))
    x[:, 0] = 2 * x[:, 0] + 1
    return x.view(n, *event)


def flat(net):
    """The network silenced."""
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()


def test_without_its_network_it_is_the_noised_gaussian_of_the_data():
    model = made().model
    flat(model.net)
    x = rows((2,), 6)
    want = model.base.neg_log_density(x, torch.tensor([0.1]))
    torch.testing.assert_close(model.neg_log_prob(x), want)
    drawn = model.sample(4000, seed=1, steps=40).x
    torch.testing.assert_close(drawn.mean(0), model.base.mean, atol=0.15, rtol=0)
    assert float(drawn[:, 0].std()) == pytest.approx(float(rows((2,))[:, 0].std()), rel=0.06)


def test_as_noise_grows_the_network_says_less():
    model = made().model
    x, far = rows((2,), 5), torch.tensor([1e4])
    off = model.energy_at(1e4 * x, far) - model.base.neg_log_density(1e4 * x, far)
    assert float(off.detach().abs().max()) < 1e-3


def test_the_tilt_is_that_of_the_formula():
    """U by hand, coordinate by coordinate, where the axes are those of the data and the network is linear."""

    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([0.5, -2.0]))

        def forward(self, v, y):
            return (v * self.w).sum(1) + 3 * y[:, 0] + 0 * v.square().sum(1)

    model = made(fit=False).model
    model.net, model.waves = Linear(), False
    model.base.mean.copy_(torch.tensor([1.0, 0.0]))
    model.base.variances.copy_(torch.tensor([4.0, 1.0]))
    sigma, s = 2.0, math.sqrt(2.5)
    x = torch.tensor([[3.0, -1.0]])
    v = torch.tensor([2.0 * math.sqrt(4 / 8), -1.0 * math.sqrt(1 / 5)]) / s
    tilt = 0.5 * v[0] - 2 * v[1] + 3 * math.log(sigma)
    gaussian = 0.5 * (4 / 8 + 1 / 5 + math.log(8 * 5) + 2 * math.log(2 * math.pi))
    got = model.energy_at(x, torch.tensor([sigma]))
    torch.testing.assert_close(got[0], gaussian + s / sigma * tilt)


@pytest.mark.parametrize("leading", [1, 3])
def test_the_network_bends_the_leading_coordinates_alone(leading):
    model = made((4,), leading=leading).model
    x = rows((4,), 5)
    tilt = model.energy(x) - model.base.neg_log_density(x, torch.tensor([0.1]))
    moved = x + model.base.axes[:, leading:].sum(1)
    after = model.energy(moved) - model.base.neg_log_density(moved, torch.tensor([0.1]))
    torch.testing.assert_close(tilt, after, atol=2e-4, rtol=1e-4)
    assert model.seen(x, torch.tensor([0.1])).shape == (5, leading)


def test_levels_lie_within_their_ends_around_the_centre():
    noise = made().config.noise
    sigma = drawn_levels(noise, 20_000, generator(0))
    assert float(sigma.min()) >= noise.sigma_min * 0.999
    assert float(sigma.max()) <= noise.sigma_max * 1.001
    assert float(sigma.log().median().exp()) == pytest.approx(noise.centre, rel=0.15)
    inner = replace(noise, uniform=0.0, width=0.3)
    narrow = drawn_levels(inner, 20_000, generator(0)).log()
    assert float(narrow.mean()) == pytest.approx(math.log(noise.centre), abs=0.02)
    assert float(narrow.std()) == pytest.approx(0.3, rel=0.03)
    even = drawn_levels(replace(noise, uniform=1.0), 20_000, generator(0)).log()
    assert float(even.std()) == pytest.approx(math.log(100) / 12**0.5, rel=0.02)


@pytest.mark.parametrize("event", [(2,), (1, 8, 8)])
def test_scores_and_levels_are_those_of_the_energy(event):
    model = made(event).model
    x = rows(event, 4).requires_grad_()
    (grad,) = torch.autograd.grad(model.energy_at(x, torch.full((4,), 0.7)).sum(), x)
    torch.testing.assert_close(model.noisy_score(x.detach(), 0.7), -grad, atol=1e-5, rtol=1e-4)
    sampler = model.sampler()
    terms = sampler.level_terms(x.detach(), generator(0))
    assert terms.shape == (4, sampler.levels)
    assert sampler.sigmas[0] == pytest.approx(model.sigma_min)


def test_ours_is_told_waves_and_a_network_of_ones_own_log_sigma():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = []
            self.f = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1))

        def forward(self, v, y):
            self.seen.append(y)
            return self.f(torch.cat([v, y], 1))[:, 0]

    net = Mine()
    model = made(own=net).model
    model.energy_at(rows((2,), 3), torch.tensor([0.1, 1.0, 3.0]))
    torch.testing.assert_close(net.seen[-1], torch.tensor([[0.1], [1.0], [3.0]]).log())


C = torch.rand(300, 3, generator=generator(7))
LABELS = torch.arange(300) % 3
GIVEN = {"conditions": (C, {"net.condition_dropout": 0.3}), "labels": (LABELS, {"net.classes": 3})}


@pytest.mark.parametrize("kind", GIVEN)
def test_conditions_and_labels_with_guidance_and_dropout(kind):
    given, changes = GIVEN[kind]
    x = torch.randn(300, 2, generator=generator(0))
    changes |= {"sampling.guidance": 1.0, "train.batch_size": 32, "train.warmup": 0, "train.average": 0.0}
    model = gb.fit("noise_energy", (x, given), steps=3, progress=False, **changes, **TOY)
    drawn = model.sample(5, y=given[0] if kind == "conditions" else 1, steps=3)
    assert drawn.x.shape == (5, 2)
    alone, told = model.neg_log_prob(x[:4]), model.neg_log_prob(x[:4], given[:4])
    assert not torch.equal(alone, told)
    if kind == "labels":
        torch.testing.assert_close(model.logits(x[:4])[torch.arange(4), LABELS[:4]], -told)


def test_labels_are_left_out_as_often_as_asked():
    learner = made(label_dropout=0.25, net={"name": "residual_mlp", "width": 4, "classes": 3})
    y = torch.arange(30_000) % 3
    told = learner._told(Batch(torch.zeros(30_000, 2), y), generator(0))
    kept = told.sum(1)
    assert float(kept.mean()) == pytest.approx(0.75, abs=0.01)
    assert torch.equal(told.argmax(1)[kept > 0], y[kept > 0])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"noise": {"sigma_min": 3.0, "sigma_max": 1.0}}, "must lie below"),
        ({"losses": {"denoising": 0, "time_score": 0, "classification": 0}}, "all losses have weight 0"),
        ({"losses": {"pairs": 0}}, "losses.pairs is 0"),
        ({"losses": {"apart": 0}}, "losses.apart is 0"),
        ({"sampling": {"steps": 0}}, "sampling.steps is 0"),
        ({"sampling": {"corrections": -1}}, "sampling.corrections is -1"),
        ({"noise": {"uniform": 1.5}}, "noise.uniform is 1.5"),
        ({"noise": {"width": 0}}, "noise.width is 0"),
        ({"net": {"name": "mlp", "activation": "relu"}}, "second derivative is 0"),
        ({"label_dropout": 1.0}, "label_dropout is 1.0"),
        ({"sampling": {"guidance": 1.0}}, "condition_dropout"),
        ({"leading": 3, "net": {"name": "unet"}}, "net.name unet sees images, and leading 3"),
        ({"leading": 3, "axes": 2}, "leading is 3, but the base has 2"),
        ({"axes": 0}, "axes is 0"),
    ],
)
def test_settings_that_cannot_be(changes, match):
    with pytest.raises(UsageError, match=match):
        made(**changes)


def test_log_z_of_an_offset_energy_is_its_offset():
    model = made().model
    flat(model.net)
    settings = {"levels": 60, "moves": 1, "n": 500, "draws": 2}
    bounds = ("lower", "log_z", "upper", "smc")
    found = study_normalisation(model, "toy:ring", **settings)
    exact = [found.rows[bound].estimate for bound in bounds]
    assert exact == pytest.approx([0.0] * 4, abs=0.1)
    assert abs(found.gap) < 0.1
    plain, offset = model.energy_at, 0.8
    model.energy_at = lambda x, sigma, y=None: plain(x, sigma, y) + offset * (sigma.min() < 0.2)
    found = study_normalisation(model, "toy:ring", **settings)
    for was, bound in zip(exact, bounds, strict=True):
        assert found.rows[bound].estimate == pytest.approx(was - offset, abs=1e-3)
    assert found.per_dimension == pytest.approx(abs(exact[1] - offset) / 2, abs=1e-3)
    assert found.measured
    with pytest.raises(UsageError, match="holds out"):
        study_normalisation(model, "toy:ring", n=10**6, draws=2)
    with pytest.raises(UsageError, match="levels is 0"):
        study_normalisation(model, "toy:ring", levels=1, n=50, draws=2)
    assert "smc" in found.text()


def slope(energy, *at):
    at = [a.detach().clone().requires_grad_() for a in at]
    return torch.autograd.grad(energy(*at).sum(), at)


@pytest.mark.parametrize("kind", ["points", "labels"])
def test_the_loss_of_a_batch_by_hand(kind):
    """Denoising, time score and classification of the same draws, each from its definition."""
    net = {"name": "residual_mlp", "width": 6, "blocks": 1, "classes": 3 if kind == "labels" else 0}
    weights = {"denoising": 0.7, "time_score": 0.4, "classification": 0.3, "pairs": 0.5, "apart": 2.0}
    learner = made((3,), net=net, losses=weights, label_dropout=0.0)
    with torch.no_grad():
        for p in learner.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator(4)))
    model, x, labels = learner.model, rows((3,), 8), torch.arange(8) % 3
    batch = Batch(x, labels if kind == "labels" else None)
    ((group, loss),) = learner.losses(batch, 0, generator(5))

    rng = generator(5)
    y = learner._told(batch, rng) if kind == "labels" else None
    sigma, eps = drawn_levels(learner.config.noise, 8, rng), torch.randn(8, 3, generator=rng)
    noised = x + sigma[:, None] * eps
    by_x, by_sigma = slope(lambda at, level: model.energy_at(at, level, y), noised, sigma)
    s2 = float(model.base.variances.mean())
    denoising = ((eps - sigma[:, None] * by_x) ** 2).mean(1) * (1 + sigma**2 / s2)
    time = (sigma * by_sigma + (eps**2).sum(1) - 3) ** 2 / 12
    step = torch.randn(4, generator=rng)
    there = (sigma[:4] * (2.0 / 3**0.5 * step).exp()).clamp(0.1, 10.0)
    moved = x[:4] + there[:, None] * torch.randn(4, 3, generator=rng)
    y = None if y is None else y[:4]
    e = {
        (a, b): model.energy_at(at, level, y).detach()
        for a, at in (("here", noised[:4]), ("there", moved))
        for b, level in (("here", sigma[:4]), ("there", there))
    }
    told = -torch.sigmoid(e["here", "there"] - e["here", "here"]).log()
    told = (told - torch.sigmoid(e["there", "here"] - e["there", "there"]).log()).mean() / 2
    assert group == "energy"
    torch.testing.assert_close(loss.metrics["denoising"], denoising.mean(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss.metrics["time_score"], time.mean(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss.metrics["classification"], told, rtol=1e-4, atol=1e-5)
    want = 0.7 * denoising.mean() + 0.4 * time.mean() + 0.3 * told
    torch.testing.assert_close(loss.value.detach(), want, rtol=1e-4, atol=1e-5)
    loss.value.backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.net.parameters())


def test_without_its_weight_no_level_is_told():
    ((_, loss),) = made(losses={"classification": 0.0}).losses(Batch(rows((2,), 4)), 0, generator(0))
    assert "classification" not in loss.metrics


def test_the_base_is_fitted_to_the_data_of_the_run():
    model = gb.fit("noise_energy", 0.5 + rows((2,)) / 3, steps=1, progress=False, **TOY)
    torch.testing.assert_close(model.inner.base.mean, 0.5 + rows((2,)).mean(0) / 3, atol=1e-3, rtol=1e-3)


def test_levels_come_down_with_corrections_where_asked():
    for corrections, want in ((0, 4), (2, 7)):
        model = made(sampling={"steps": 3, "corrections": corrections}).model
        drawn = model.sample(5, seed=0)
        assert len(drawn.chains) == want
        stages = model.sampler().stages(5, generator(0))
        stage = next(stages)
        assert (stage.kernel.sigma, stage.steps) == (10.0, 1)
        if corrections:
            stage = stages.send(stage.position)
            assert stage.steps == 2
            assert stage.kernel.step_size == pytest.approx(0.5 * stage.energy.sigma**2)


@pytest.mark.parametrize("jump", [True, False])
def test_the_last_noise_is_taken_off_where_asked(jump):
    model = made(jump=jump).model
    flat(model.net)
    x = rows((2,), 4)
    kept = model.base.variances / (model.base.variances + 0.01)
    wiener = model.base.mean + (model.base.coordinates(x) * kept) @ model.base.axes.T
    torch.testing.assert_close(model.sampler().decode(x), wiener if jump else x, atol=1e-4, rtol=1e-4)


def test_guidance_is_a_sum_of_both_energies():
    net = {"name": "residual_mlp", "width": 6, "classes": 3}
    model = made(net=net, sampling={"guidance": 0.7}).model
    with torch.no_grad():
        for p in model.net.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator(4)))
    x, y = rows((2,), 4), torch.tensor([0, 1, 2, 0])
    guided = model.sampler().energy(0.5, y)
    torch.testing.assert_close(
        guided(x), 1.7 * model.at_level(0.5, y)(x) - 0.7 * model.at_level(0.5)(x), atol=1e-4, rtol=1e-4
    )


def test_what_tasks_see_of_the_levels():
    sampler = made(sampling={"steps": 4}).model.sampler()
    assert sampler.levels == 5
    x = torch.zeros(4000, 2)
    for level in (0, 4):
        assert float(sampler.noised(x, level, generator(0)).std()) == pytest.approx(
            sampler.sigmas[level], rel=0.03
        )
    chain = sampler.from_data(x, generator(0))
    assert float(chain.position.std()) == pytest.approx(0.1, rel=0.03)
    assert chain.energy.sigma == pytest.approx(0.1)
    assert chain.kernel.step_size == pytest.approx(0.005)
    assert [stage.steps for stage in chain.remaining(x)] == [0]
    down = sampler.descent(x[:3], 2.0)
    assert down.top == 2.0
    stage = next(down.stages(3, generator(0)))
    assert torch.equal(stage.position, x[:3])
    assert stage.kernel.sigma == pytest.approx(2.0)
    with pytest.raises(UsageError, match="5 chains from 3 rows"):
        next(down.stages(5, generator(0)))


def test_noise_below_the_least_counts_as_the_least():
    model, x = made().model, rows((2,), 3)
    torch.testing.assert_close(model.noisy_score(x, 0.01), model.noisy_score(x, 0.1))


def test_the_level_as_waves():
    told = level_waves(torch.tensor([1.0, math.e]))
    assert told.shape == (2, 32)
    assert told[0].tolist() == [0.0] * 16 + [1.0] * 16
    assert float(told[1, 15]) == pytest.approx(math.sin(3.0), abs=1e-5)
    assert float(told[1, 16]) == pytest.approx(math.cos(0.2), abs=1e-5)


def test_only_energies_over_noise_levels_can_be_annealed():
    other = build("igebm", {"net": {"name": "mlp"}}, (2,), 0).model
    with pytest.raises(UsageError, match="no normalised noise levels"):
        study_normalisation(other, "toy:ring")


def test_bits_count_the_range_of_the_data():
    model = made((1, 8, 8)).model
    assert isinstance(model, NoiseEnergy)
    metrics = model.extra_metrics(rows((1, 8, 8), 20), generator(0))
    want = -metrics["log_likelihood"] / (64 * math.log(2)) + math.log2(255 / 2)  # in [-1, 1]
    assert metrics["bits_per_dimension"] == pytest.approx(want, rel=1e-6)


@pytest.mark.slow
def test_it_learns_weights_that_denoising_alone_does_not():
    mode = (torch.rand(4000, generator=generator(0)) < 0.2).float()
    x = 0.25 * torch.randn(4000, 2, generator=generator(1))
    x[:, 0] += 4 * mode - 2
    far = {}
    for name, losses in {
        "all": {"losses.time_score": 1.0, "losses.classification": 1.0, "losses.pairs": 1.0},
        "denoising": {"losses.time_score": 0.0, "losses.classification": 0.0},
    }.items():
        settings = {**TOY, "net.width": 64, "noise.sigma_min": 0.1, "noise.sigma_max": 20.0, **losses}
        settings |= {"train.decay": 0.5, "train.average": 0.99, "train.lr": 2e-3}
        model = gb.fit("noise_energy", x, steps=1200, progress=False, seed=0, **settings)
        with torch.no_grad():
            at = model.neg_log_prob(torch.tensor([[-2.0, 0.0], [2.0, 0.0]]))
        far[name] = abs(float(at[1] - at[0]) - math.log(4))
    assert far["all"] < 0.1
    assert far["denoising"] > 5 * far["all"]


@pytest.mark.parametrize("corrections", [0, 2])
def test_stages_say_what_noise_their_chains_have(corrections):
    model = made(sampling={"steps": 3, "corrections": corrections}).model
    made_stages, x = model.sampler().stages(4, generator(0), steps=5), torch.zeros(4000, 2)
    stage, found = next(made_stages), []
    while stage is not None:
        sigma = stage.kernel.sigma if isinstance(stage.kernel, ProbabilityFlow) else stage.energy.sigma
        found.append(sigma)
        assert float(stage.noised(x, generator(1)).std()) == pytest.approx(sigma, rel=0.03)
        stage = next_stage(made_stages, stage.position)
    assert len(found) == (11 if corrections else 6)
    assert found[0] == 10.0 and found[-1] == 0.1


def gaussian_of(x, **sampling):
    """N of the rows with the least noise, exactly: a model without a tilt."""
    model = made(sampling={"steps": 12, "corrections": 15, "step_size": 0.3} | sampling).model
    flat(model.net)
    model.base.fit(x)
    return model


WEIGHTED = {"steps": 60, "corrections": 1, "resample": True}


@pytest.mark.parametrize("sampling", [{}, WEIGHTED, WEIGHTED | {"corrections": 0}])
def test_products_are_sampled_level_by_level(sampling):
    a = gaussian_of(rows((2,)), **sampling)
    b = gaussian_of(0.5 * rows((2,)).flip(1) - 1, **sampling)
    drawn = gb.product(a, b).sample(3000, seed=1)
    means, precisions = [], []
    for model in (a, b):
        base = model.base
        precisions.append(torch.linalg.inv(base.axes @ torch.diag(base.variances + 0.01) @ base.axes.T))
        means.append(base.mean)
    covariance = torch.linalg.inv(sum(precisions))
    mean = covariance @ sum(p @ m for p, m in zip(precisions, means, strict=True))
    torch.testing.assert_close(drawn.x.mean(0), mean, atol=0.06, rtol=0)
    torch.testing.assert_close(drawn.x.T.cov(), covariance, atol=0.06, rtol=0.1)


def test_other_levels_do_not_run_side_by_side():
    a, b = gaussian_of(rows((2,))), gaussian_of(rows((2,)))
    b.sigma_max = 5.0
    b.samplers["default"].top = 5.0
    with pytest.raises(UsageError, match="come down other levels of noise"):
        gb.product(a, b).sample(5)


def test_dropout_ends_where_it_is_settled():
    """The same loss twice once dropout is off, also by torch's own; two losses before."""
    net = {"name": "residual_mlp", "width": 16, "dropout": 0.5}
    learner = made(net=net, settle_at=10)
    assert learner.milestones() == (10,) and made().milestones() == ()
    batch, found = Batch(rows((2,), 16)), {}
    with torch.no_grad():
        for p in learner.model.net.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator(4)))
    for step in (9, 10):
        for _ in range(2):
            learner.train()
            ((_, loss),) = learner.losses(batch, step, generator(0))
            found.setdefault(step, []).append(float(loss.value.detach()))
    assert found[9][0] != found[9][1] and found[10][0] == found[10][1]
    torch_own = nn.Sequential(nn.Dropout(0.5)).train()
    without_dropout(torch_own)
    assert not torch_own[0].training
    with pytest.raises(UsageError, match="settle_at is -1"):
        made(settle_at=-1)


def test_the_flow_of_a_product_has_the_slope_of_all_at_both_ends():
    a, b = gaussian_of(rows((2,)), corrections=0), gaussian_of(0.5 * rows((2,)).flip(1) - 1, corrections=0)
    stage, x = next(gb.product(a, b).sampler().stages(5, generator(0))), rows((2,), 5)
    flow = stage.kernel
    for energy, sigma in ((stage.energy, flow.sigma), (flow.ahead, flow.to)):
        torch.testing.assert_close(energy(x), a.at_level(sigma)(x) + b.at_level(sigma)(x))


def test_weights_take_chains_of_one_condition():
    model = made(net={"name": "residual_mlp", "width": 16, "classes": 3}, sampling=WEIGHTED).model
    assert model.sample(5, seed=0, y=torch.ones(5).long()).x.shape == (5, 2)
    with pytest.raises(UsageError, match="must have the same label"):
        model.sample(5, seed=0, y=torch.tensor([0, 1, 2, 0, 1]))


def test_products_take_noise_off_in_one_way():
    a, b = gaussian_of(rows((2,))), gaussian_of(rows((2,)), resample=True)
    with pytest.raises(UsageError, match="or in other ways"):
        gb.product(a, b).sample(5)
