"""Restoration of normal distributions against their conditionals in closed form.

z-scores are below 4.5 in absolute value: over all of a test's at most 20 moments of independent chains a
false alarm has probability below 2e-4; seeds are fixed.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gibbsian.core.config import override
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies.algebra import Product
from gibbsian.energies.reference import Tether
from gibbsian.mcmc.base import run
from gibbsian.mcmc.langevin import Langevin
from gibbsian.mcmc.mala import MALA
from gibbsian.models.build import build
from gibbsian.models.sampler import next_stage
from gibbsian.models.samples import run_stages
from gibbsian.models.score_matching.config import ScoreMatchingConfig
from gibbsian.tasks.restore.complete import complete, completions_at
from gibbsian.tasks.restore.corruption import Corrupted, HiddenPixels
from gibbsian.tasks.restore.methods import pull, stages_of, tweedie, usual_method
from gibbsian.tasks.restore.task import RestoreConfig as Config

MANY = 2000


def test_hidden_pixels_follow_the_conditional_density(correlated, scores):
    known = torch.tensor([[True, False], [False, True]])[None, None]
    x = torch.tensor([[[[1.5, 0.0], [0.0, -1.0]]]], dtype=torch.float64)
    done = complete(
        correlated,
        Corrupted(x, known, informative=False),
        Config(completions=MANY, steps=60),
        rng=generator(0),
    )
    p, mean, u = correlated.inverse, correlated.mean.detach(), [1, 2]
    shift = x.flatten()[[0, 3]] - mean[[0, 3]]
    unknown = p[u][:, u]
    wanted = mean[u] - torch.linalg.solve(unknown, p[u][:, [0, 3]] @ shift)
    found = done.x[:, 0].flatten(1)
    assert (scores(found[:, u], wanted, correlated.biased(unknown)).abs() < 4.5).all()
    assert torch.equal(found[:, [0, 3]], x.flatten()[[0, 3]].expand(MANY, 2))


@pytest.mark.parametrize(("factor", "weight", "wanted"), [(1, 1, 0.2), (2, 1, 0.4), (0.5, 3, 0.3)])
def test_the_pull_of_a_step_to_the_image(correlated, factor, weight, wanted):
    """s T w / 2 sigma^2 of s = .2, T = .5, sigma = .5."""
    config = Config(step_factor=factor, data_weight=weight)
    assert pull(Langevin(0.2, temperature=0.5), correlated, 0.5, config) == pytest.approx(wanted)
    assert pull(MALA(0.2), correlated, 0.5, config) == 0


@pytest.mark.parametrize("temperature", [1.0, 0.01])
def test_noisy_images_follow_the_posterior_at_any_temperature(normal, correlated, scores, temperature):
    p, mean = correlated.inverse, correlated.mean.detach()
    model = normal(p, mean, (1, 2, 2), step=0.4, temperature=temperature)
    x, sigma = torch.tensor([[[[3.0, 0.0], [1.0, -2.0]]]], dtype=torch.float64), 0.8
    done = complete(model, Corrupted(x, sigma=sigma), Config(completions=MANY, steps=60), rng=generator(1))
    posterior = p + torch.eye(4, dtype=p.dtype) / sigma**2
    wanted = torch.linalg.solve(posterior, p @ mean + x.flatten() / sigma**2)
    assert (scores(done.x[:, 0].flatten(1), wanted, model.biased(posterior)).abs() < 4.5).all()
    assert torch.allclose(done.average, done.x.mean(0))


def test_a_tether_at_T_is_the_tempered_chain_at_1(normal, correlated):
    """(E + T tether, s, T) and (E / T + tether, s T, 1), step by step."""
    cold = normal(correlated.inverse, correlated.mean.detach(), (1, 2, 2), temperature=0.01)
    x = torch.zeros(3, 1, 2, 2, dtype=torch.float64)
    noisy = Corrupted(x, sigma=0.5)
    stages = stages_of(cold, noisy, "chain", Config(steps=20), x, None, generator(2))
    ours = run_stages(stages, generator(2))[-1].position
    energy = Product((cold.neg_log_prob, Tether(x, 0.5)))
    plain = run(Langevin(cold.step), energy, x, steps=20, rng=generator(2)).position
    assert torch.allclose(ours, plain, atol=1e-12)


def test_a_stronger_tether_stays_nearer_and_too_strong_a_one_is_refused(correlated):
    x = torch.full((1, 1, 2, 2), 5.0, dtype=torch.float64)
    noisy, found = Corrupted(x, sigma=1.0), []
    for weight in (0.0, 1.0, 5.0):
        config = Config(completions=200, data_weight=weight, steps=40)
        found.append(complete(correlated, noisy, config, rng=generator(3)).average)
    far = [float((mean - x).norm()) for mean in found]
    assert far[0] > far[1] > far[2]
    with pytest.raises(UsageError, match="too strong.*take less than 10"):
        complete(correlated, noisy, Config(data_weight=50.0), rng=generator(3))


def test_tweedie_is_the_posterior_mean_where_the_law_has_the_noise(normal, correlated):
    p, mean, sigma = correlated.inverse, correlated.mean.detach(), 0.7
    noised = torch.linalg.inv(torch.linalg.inv(p) + sigma**2 * torch.eye(4, dtype=p.dtype))
    x = torch.tensor([[[[3.0, 0.0], [1.0, -2.0]]]], dtype=torch.float64)
    posterior = p + torch.eye(4, dtype=p.dtype) / sigma**2
    wanted = torch.linalg.solve(posterior, p @ mean + x.flatten() / sigma**2)
    found = tweedie(normal(noised, mean, (1, 2, 2)), Corrupted(x, sigma=sigma), None)
    assert torch.allclose(found.flatten(), wanted, atol=1e-9)
    done = complete(correlated, Corrupted(x, sigma=sigma), Config(method="tweedie"), rng=generator(0))
    assert done.x.shape == (1, 1, 1, 2, 2) and done.method == "tweedie"


@pytest.mark.parametrize("sigma", [0.8, 0.4, 0.2, 0.1])
def test_tweedie_reads_a_ladder_at_the_temperature_of_the_noise(sigma):
    """The best energy for data at 0 takes all of the noise away, whatever there is of it."""
    x = sigma * torch.randn(6, 1, 2, 2, generator=generator(0))
    assert float(tweedie(ladder(), Corrupted(x, sigma=sigma), None).abs().max()) < 1e-5
    half = tweedie(ladder(), Corrupted(x, sigma=sigma), None, 0.5)
    torch.testing.assert_close(half, x / 2)


@pytest.mark.parametrize("levels", [2, 4])
def test_known_pixels_have_the_noise_of_each_level(levels):
    """Clean ones would be met by an energy that has learnt noisy images alone."""
    model, known = ladder(levels), torch.ones(1, 1, 2, 2, dtype=torch.bool)
    x = torch.full((3000, 1, 2, 2), 0.5)
    made = stages_of(model, Corrupted(x, known), "anneal", Config(steps=levels), x, None, generator(1))
    stage, found = next(made), []
    while stage is not None:
        found.append((stage.energy.known - x).std().item())
        stage = next_stage(made, stage.position)
    sigmas = model.sampler().config.matching.sigmas
    assert found == pytest.approx(sigmas, rel=0.05) and len(sigmas) == levels


def ladder(levels=4):
    """A model of noise levels .8 to .1 whose energy is the best for data at 0."""
    changes = {"net.name": "mlp", "net.hidden": [8], "matching.levels": levels}
    changes |= {"matching.sigma_max": 0.8, "matching.sigma_min": 0.1}
    model = build("score_matching", override(ScoreMatchingConfig(), changes), (1, 2, 2), generator(0)).model
    model.net.forward = lambda x: x.flatten(1).square().sum(1) / 2
    return model.eval()


def test_known_pixels_are_bit_equal_on_the_way_and_at_the_end(normal):
    model = normal(torch.eye(16), torch.zeros(16), (1, 4, 4), bounds=(-1.0, 1.0))
    clean = torch.rand(5, 1, 4, 4, generator=generator(0)) * 2 - 1
    hidden = HiddenPixels("random:0.5").apply(clean, -1.0, 1.0, generator(1))
    done = complete(model, hidden, Config(steps=12), rng=generator(2), shown=4)
    assert done.x.shape == (3, 5, 1, 4, 4) and done.energy.shape == (3, 5)
    for x in done.x:
        assert torch.equal(torch.where(hidden.known, x, 0), torch.where(hidden.known, clean, 0))
    assert len(done.frames) == len(done.frame_energies) == 13
    for x in done.frames:
        assert torch.equal(torch.where(hidden.known[:4], x, 0), torch.where(hidden.known[:4], clean[:4], 0))
    assert torch.equal(done.frames[-1], done.x[0, :4])
    a, b, c = done.x
    assert all((p != q).flatten(1).any(1).all() for p, q in ((a, b), (a, c), (b, c)))
    lowest = done.energy.argmin(0)
    assert torch.equal(done.likeliest[2], done.x[lowest[2], 2])


def test_chains_are_watched_at_times_as_if_they_had_ended_there(normal):
    model = normal(torch.eye(4), torch.zeros(4), (1, 2, 2))
    noisy = Corrupted(torch.ones(2, 1, 2, 2), sigma=1.0)
    seen = completions_at(model, noisy, "chain", Config(steps=9), (3, 9), rng=generator(4))
    for t in (3, 9):
        assert torch.equal(seen[t], complete(model, noisy, Config(steps=t), rng=generator(4)).x)


@pytest.mark.parametrize("pair", [False, True])
def test_chains_on_latents_are_tethered_to_what_is_known(tilted, pair):
    """x = 1 + z (+ eps / 2), U = |x|^2 / 2 + |z|^2 / 2 (+ |eps|^2 / 2), one of two pixels known to be 3."""
    model = tilted((1, 1, 2), pair=pair).eval()
    model.spec = replace(model.spec, low=-9.0, high=9.0)
    x = torch.tensor([[[[3.0, 0.0]]]])
    known = torch.tensor([[[[True, False]]]])
    config = Config(completions=MANY, steps=80, anchor=0.5 / 18)
    done = complete(model, Corrupted(x, known, informative=False), config, rng=generator(5))
    assert done.method == "latent" and bool((done.x[..., 0] == 3).all())
    variance = 1 / (1 + 1 / 1.25) if pair else 0.5
    free = done.x[:, 0, 0, 0, 1]
    wanted = variance * (1 / 1.25 if pair else 1.0)
    assert float(free.mean()) == pytest.approx(wanted, abs=5 * (variance / MANY) ** 0.5)
    assert usual_method(model, Corrupted(x, known)) == "latent"
