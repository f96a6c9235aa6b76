"""What is particular to the conjugate EBM."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies.conjugate import conditional_energy
from gibbsian.models.build import build
from gibbsian.models.cebm.config import CEBMConfig
from gibbsian.models.cebm.learner import given_latents
from gibbsian.models.samples import run_stages
from gibbsian.nets.settings import ConvConfig
from gibbsian.objectives.settings import LossConfig
from gibbsian.train.recipes import presets

MLP = {"net.name": "mlp", "net.hidden": [16, 16], "chain.steps": 5, "start.capacity": 40, "latent": 3}
MIXTURE = {**MLP, "prior": "mixture", "components": 4}
each_prior = pytest.mark.parametrize("changes", [MLP, MIXTURE], ids=["gaussian", "mixture"])


def points(trainer, n: int = 16) -> torch.Tensor:
    return trainer.data.batch(torch.arange(n), *trainer.pixel_range()).x


@each_prior
def test_energy_and_posterior_agree_by_bayes(changes, tiny_run) -> None:
    """<t(x), eta(z)> + log p(z) - log p(z | x) is -E(x), the same at every z."""
    trainer = tiny_run("cebm", "toy:ring", changes).trainer
    model, x = trainer.model.eval().double(), points(trainer, 6).double()
    found, prior = model.posterior(x), model.net.prior
    for seed in range(3):
        z = torch.randn(6, 3, generator=generator(seed), dtype=torch.float64)
        gaussian = torch.distributions.Normal(found.components.mean, found.components.variance.sqrt())
        log_posterior = (gaussian.log_prob(z[:, None]).sum(2) + found.responsibilities.log()).logsumexp(1)
        log_prior = torch.distributions.Normal(prior.means, 1.0).log_prob(z[:, None]).sum(2).logsumexp(1)
        log_prior = log_prior - torch.tensor(float(prior.components)).double().log()
        with torch.no_grad():
            left = log_prior - model.given(z)(x) - log_posterior
            torch.testing.assert_close(left, -model.energy(x))


def test_only_a_learnt_prior_has_parameters_and_they_move(tiny_run) -> None:
    fixed = tiny_run("cebm", "toy:ring", MIXTURE).trainer
    before = fixed.model.net.prior.means.clone()
    fixed.update()
    assert torch.equal(before, fixed.model.net.prior.means)
    assert not list(fixed.model.net.prior.parameters())
    learnt = tiny_run("cebm", "toy:ring", {**MIXTURE, "learn_prior": True}).trainer
    before = [p.detach().clone() for p in learnt.model.net.prior.parameters()]
    for _ in range(2):
        learnt.update()
    after = list(learnt.model.net.prior.parameters())
    assert len(after) == 2 and all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_means_of_the_mixture_come_from_the_seed(tiny_run) -> None:
    first, second = (tiny_run("cebm", "toy:ring", MIXTURE).trainer.model.net.prior.means for _ in range(2))
    other = tiny_run("cebm", "toy:ring", {**MIXTURE, "train.seed": 1}).trainer.model.net.prior.means
    assert torch.equal(first, second) and not torch.equal(first, other)


@each_prior
def test_latents_are_points_of_the_posterior(changes, tiny_run) -> None:
    trainer = tiny_run("cebm", "toy:ring", changes).trainer
    learner, x = trainer.learner.train(), points(trainer)
    found = learner.model.posterior(x)
    assert learner.model.latents(x).shape == (16, 3) and not learner.model.latents(x).requires_grad
    torch.testing.assert_close(learner.model.latents(x, chunk=5), found.natural.mean)
    torch.testing.assert_close(learner.model.latents(x, "mean"), found.mean)
    assert learner.training, "latents left the mode changed"
    same = torch.allclose(learner.model.latents(x), learner.model.latents(x, "mean"))
    assert same == (changes is MLP), "a mixture's mean is not that of its likeliest component"


def test_chains_given_a_latent_descend_minus_the_log_factor(tiny_run) -> None:
    """Slip of the released code: its conditional chain descends <t(x), eta(z)> instead of climbing it."""
    trainer = tiny_run("cebm", "toy:ring", {**MLP, "chain.noise": 0.0, "chain.step_size": 0.01}).trainer
    learner, z = trainer.learner.eval(), torch.tensor([[1.0, -2.0, 0.5]])
    chains = run_stages(given_latents(learner, z).stages(8, generator(0), steps=20), generator(1))
    start = learner.init_noise.draw(8, generator(0)).position

    def log_factor(x: torch.Tensor) -> torch.Tensor:
        t = learner.model.net.statistics(x)
        return (t.first * z + t.second * z.square()).sum(1)

    with torch.no_grad():
        assert (log_factor(chains[0].position) > log_factor(start)).all()
    e, _ = value_and_grad(learner.model.given(z), start)
    torch.testing.assert_close(e, -log_factor(start).detach())


def test_conditional_chains_keep_their_own_latent(tiny_run) -> None:
    learner = tiny_run("cebm", "toy:ring", MLP).trainer.learner.eval()
    z = torch.randn(6, 3, generator=generator(0))
    with pytest.raises(UsageError, match="4 chains from 6 latents"):
        learner.model.sample(6, sampler=given_latents(learner, z), chunk=4)
    drawn = learner.model.sample(6, rng=generator(1), sampler=given_latents(learner, z))
    with torch.no_grad():
        wanted = conditional_energy(learner.model.net.statistics(drawn.x), z)
    torch.testing.assert_close(drawn.energy, wanted)
    rows = learner.model.given(z).rows(torch.tensor([4, 1]))
    torch.testing.assert_close(rows(drawn.x[[4, 1]]).detach(), wanted[[4, 1]])
    assert learner.model.sample(4, rng=generator(1), sampler=given_latents(learner)).x.shape == (4, 2)


def test_latents_of_another_size_are_refused(tiny_run) -> None:
    model = tiny_run("cebm", "toy:ring", MLP).trainer.model
    for z in (torch.zeros(2, 4), torch.zeros(3)):
        with pytest.raises(UsageError, match=r"give \(B, 3\)"):
            model.given(z)


def test_neg_log_prob_is_the_energy_over_the_temperature(tiny_run) -> None:
    trainer = tiny_run("cebm", "toy:ring", {**MLP, "chain.noise": 0.1, "chain.step_size": 0.02}).trainer
    model, x = trainer.model.eval(), points(trainer)
    assert model.temperature == pytest.approx(0.5) and model.claims_density
    torch.testing.assert_close(model.neg_log_prob(x), model.energy(x) / 0.5)
    with pytest.raises(UsageError, match="no labels"):
        model.neg_log_prob(x, torch.zeros(16, dtype=torch.long))


def test_what_the_configuration_refuses() -> None:
    for bad, words in [
        (lambda: CEBMConfig(latent=0), "latent is 0"),
        (lambda: CEBMConfig(components=0), "components 0"),
        (lambda: CEBMConfig(prior="cauchy"), "unknown cebm.prior 'cauchy'"),
        (lambda: CEBMConfig(net=ConvConfig(classes=10)), "unconditional"),
        (lambda: CEBMConfig(loss=LossConfig(link="softplus")), "leave it at exp"),
    ]:
        with pytest.raises(UsageError, match=words):
            bad()


def test_the_paper_s_constants() -> None:
    """Wu et al. 2021: 28x28 -> 28 -> 14 -> 7 -> 3, a linear layer from there to 2 x 128 statistics."""
    recipe = presets("cebm")["mnist-paper"]
    model = recipe.model
    learner = build("cebm", replace(model, start=replace(model.start, capacity=2)), (1, 28, 28))
    outputs = [p for n, p in learner.model.net.named_parameters() if n.endswith("head.layers.0.weight")]
    assert [tuple(p.shape) for p in outputs] == [(256, 64 * 3 * 3)]
    assert learner.model.temperature == pytest.approx(2.8e-5, rel=0.01) and learner.model.claims_density
    assert (model.start.capacity, model.start.reinit, recipe.train.batch_size) == (5000, 0.05, 100)
    assert (model.loss.energy_l2, model.pixels.noise, recipe.train.lr) == (5e-3, 0.03, 5e-5)
