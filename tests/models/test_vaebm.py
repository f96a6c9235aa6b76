"""VAEBM: chains that keep N(0, I), potentials as their formulas say, two stages apart."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.position import leaves
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.mcmc.base import run
from gibbsian.mcmc.kernels import kernel_of
from gibbsian.mcmc.settings import LatentConfig
from gibbsian.models.build import build
from gibbsian.models.samples import run_stages
from gibbsian.models.vaebm import vae_stage
from gibbsian.models.vaebm.config import BufferConfig, VAEBMConfig
from gibbsian.models.vaebm.learner import VAEBM
from gibbsian.nets.frozen import frozen
from gibbsian.nets.penalty import matrices
from gibbsian.nets.settings import ConvConfig, MLPConfig, VAEConfig
from gibbsian.objectives.settings import LossConfig
from gibbsian.starts.noise import NormalLeaves
from gibbsian.train.recipes import presets

GROUPS = VAEConfig(groups=(3, 2), hidden=(16, 12), conditional=8, steps=2, noise="pixel")
TINY = VAEBMConfig(
    net=MLPConfig(hidden=(16, 16), activation="swish"),
    vae=GROUPS,
    chain=LatentConfig(steps=3, step_size=0.05),
    buffer=BufferConfig(capacity=64, anneal=4),
)


def made(shape: tuple[int, ...] = (2,), **changes) -> VAEBM:
    return build("vaebm", replace(TINY, **changes), shape, generator(0)).eval()


def batch(n: int = 16, shape: tuple[int, ...] = (2,), seed: int = 5) -> Batch:
    return Batch(torch.rand(n, *shape, generator=generator(seed)) * 2 - 1)


def flat(learner: VAEBM) -> VAEBM:
    """The learner with E = 0 everywhere."""
    with torch.no_grad():
        for p in learner.model.net.parameters():
            p.zero_()
    return learner


def steep(learner: VAEBM, by: float = 3.0) -> VAEBM:
    """The learner with a steeper energy than that of fresh weights."""
    with torch.no_grad():
        for p in learner.model.net.parameters():
            p.mul_(by)
    return learner


# -- the distribution of the noise ---------------------------------------------------------------------

CHAINS = 4000
EXACT = {
    "hmc": LatentConfig(kernel="hmc", steps=8, step_size=0.9, leapfrogs=3),
    "mala": LatentConfig(kernel="mala", steps=20, step_size=0.9),
}


def ended(learner: VAEBM, latent: LatentConfig, chains: int = CHAINS) -> tuple[torch.Tensor, ...]:
    start = learner.model.noise.draw(chains, generator(1)).position
    with frozen(learner):
        chain = run(kernel_of(latent), learner.model.potential(), start, steps=latent.steps, rng=generator(2))
    if latent.kernel in EXACT:
        assert 0.3 < float(chain.info.acceptance.mean()) < 0.999, "the Metropolis test should have work to do"
    return leaves(chain.position)


@pytest.mark.parametrize("groups", [(3,), (3, 2)])
@pytest.mark.parametrize("kernel", EXACT)
def test_without_energy_exact_chains_keep_the_standard_normal(kernel, groups) -> None:
    """Mean, variance and correlation of all coordinates: at most 60 |z| < 5, false alarm 4e-5 a case."""
    ends = ended(flat(made(vae=replace(GROUPS, groups=groups))), EXACT[kernel])
    x = torch.cat(ends, 1).double()
    root = CHAINS**0.5
    assert (x.mean(0) * root).abs().max() < 5
    assert ((x.square().mean(0) - 1) * root / 2**0.5).abs().max() < 5
    products = (x.T @ x / CHAINS).triu(1) * root
    assert products.abs().max() < 5


@pytest.mark.parametrize("groups", [(3,), (3, 2)])
def test_without_energy_langevin_has_its_own_variance(groups) -> None:
    """1 / (1 - s/4); what is left of N(0, I) falls by (1 - s/2)^2 a step. |z| < 5 each, and pooled."""
    s = 1.0
    ends = ended(flat(made(vae=replace(GROUPS, groups=groups))), LatentConfig(steps=20, step_size=s))
    wanted = 1 / (1 - s / 4)
    x = torch.cat(ends, 1).double()
    spread = wanted * (2 / CHAINS) ** 0.5
    found = x.square().mean(0)
    assert ((found - wanted) / spread).abs().max() < 5
    assert abs(float(found.mean() - wanted)) / (spread / x.shape[1] ** 0.5) < 5
    assert (x.mean(0) / (wanted / CHAINS) ** 0.5).abs().max() < 5
    assert abs(float(found.mean() - 1)) / (spread / x.shape[1] ** 0.5) > 20, "nor is it N(0, I)"


def test_tilted_chains_agree_with_importance_weights() -> None:
    """E_h of x by HMC and by weights exp(-E) of 40,000 draws of the VAE. |z| < 5 in two coordinates."""
    learner = steep(made())
    draws = learner.model.noise.draw(40_000, generator(3)).position
    with torch.no_grad():
        x = learner.model.vae.push(draws)
        weights = (-learner.model.energy(x)).softmax(0)
    mean = weights @ x
    error = (weights.square() @ (x - mean).square()).sqrt()
    latent = LatentConfig(kernel="hmc", steps=30, step_size=0.5, leapfrogs=3)
    ends = learner.model.vae.push(ended(learner, latent)).detach()
    z = (ends.mean(0) - mean) / (error.square() + ends.var(0) / CHAINS).sqrt()
    assert z.abs().max() < 5
    plain = (x.mean(0) - mean) / error
    assert plain.abs().max() > 8, "the tilt should be visible"


@pytest.mark.parametrize("groups", [(3,), (3, 2)])
def test_an_energy_on_pairs_is_read_at_the_mean_code(groups) -> None:
    """E(x) of data alone: z is the decoder's at the means of q(z | x), so that it is one number whatever
    the batch and the stream."""
    model, x = steep(made(energy_on="xz", vae=replace(GROUPS, groups=groups))).model, batch().x
    with torch.no_grad():
        for p in model.net.parameters():  # fresh ones do not look at z
            p.add_(0.3 * torch.randn(p.shape, generator=generator(6)))
        z = model.vae.decode(model.vae.encode(x).mean).z
        wanted = model.net(x, z)
        assert float((model.net(x, 0 * z) - wanted).abs().mean()) > 0.05
        torch.testing.assert_close(model.energy(x), wanted)
        torch.testing.assert_close(model.energy(x[:3]), wanted[:3])
        found = vae_stage.bound(model.vae, x)
        torch.testing.assert_close(model.neg_log_prob(x), found.nll + found.kl + wanted)


# -- potentials ------------------------------------------------------------------------------------------


def test_potential_is_the_papers() -> None:
    model = made((1, 8, 8)).model
    eps = model.noise.draw(5, generator(1)).position
    x = model.vae.push(eps)
    wanted = model.net(x) + 0.5 * sum(e.square().flatten(1).sum(1) for e in eps)
    torch.testing.assert_close(model.potential()(eps), wanted)
    sharp = model.potential(4.0)(eps) - model.potential()(eps)
    torch.testing.assert_close(sharp, 3 * model.net(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.5, 0.02])
def test_released_potential_is_the_densities_at_the_pushed_point(sigma: float) -> None:
    """-log p(z) - log p(x | z) by torch's distributions, log sigma of x at least -2 in the density only."""
    model = made(vae=replace(GROUPS, sigma=sigma), potential="released").model
    eps = model.noise.draw(6, generator(1)).position
    z1, decoded = eps[0], model.vae.decode(eps[:-1])
    z2 = decoded.z[:, 3:]
    mean, log_sigma = model.vae._place(1, z1, torch.zeros_like(z2))
    x = model.vae.push(eps)
    normal = torch.distributions.Normal
    log_p = normal(0.0, 1.0).log_prob(z1).sum(1) + normal(mean, log_sigma.exp()).log_prob(z2).sum(1)
    log_p = log_p + normal(decoded.mean, decoded.log_sigma.clamp(min=-2).exp()).log_prob(x).sum(1)
    constant = 7 * 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(model.potential()(eps), model.net(x) - log_p - constant)
    right = made(vae=replace(GROUPS, sigma=sigma)).model.potential()(eps)
    if sigma > math.exp(-2):  # what the code adds is the sum of all log deviations
        added = decoded.prior_log_sigma + decoded.log_sigma.sum(1)
        torch.testing.assert_close(model.potential()(eps) - right, added)
    assert not model.claims_density and made().model.claims_density


def test_energy_on_pairs_sees_both_and_starts_as_that_of_x() -> None:
    model = made(energy_on="xz").model
    x, z = batch().x, torch.randn(16, 5, generator=generator(1))
    torch.testing.assert_close(model.energy_of_seen((x, z)), model.net.net(x))
    with torch.no_grad():
        model.net.of_both[-1].weight.add_(0.3)
    assert not torch.allclose(model.energy_of_seen((x, z)), model.energy_of_seen((x, z + 1)))
    eps = model.noise.draw(4, generator(1)).position
    pair = model.pushed(eps)
    assert torch.equal(pair[1], model.vae.decode(eps[:-1]).z)
    wanted = model.energy_of_seen(pair) + 0.5 * sum(e.square().sum(1) for e in eps)
    torch.testing.assert_close(model.potential()(eps), wanted)


@pytest.mark.parametrize("energy_on", ["x", "xz"])
def test_neg_log_prob_is_the_bound_and_the_energy(energy_on: str) -> None:
    model, x = made(energy_on=energy_on).model, batch().x
    code = model.vae.encode(x)
    decoded = model.vae.decode(code.eps)
    normal = torch.distributions.Normal
    nll = -normal(decoded.mean, decoded.log_sigma.exp()).log_prob(x).sum(1)
    kl = sum(
        torch.distributions.kl_divergence(normal(m, s.exp()), normal(torch.zeros_like(m), 1.0)).sum(1)
        for m, s in zip(code.mean, code.log_sigma, strict=True)
    )
    energy = model.energy_of_seen(x if energy_on == "x" else (x, decoded.z))
    torch.testing.assert_close(model.energy(x), energy)
    torch.testing.assert_close(model.neg_log_prob(x), nll + kl + energy)
    torch.testing.assert_close(model.neg_log_prob(x)[3:5], model.neg_log_prob(x[3:5]))


# -- the two stages --------------------------------------------------------------------------------------


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("kind", ["plain", "factor"])
def test_one_stage_after_the_other(kind: str) -> None:
    vae = replace(GROUPS, groups=(4,), kind=kind)
    learner = made(vae=vae).train()
    critic = ["critic"] if kind == "factor" else []
    assert list(learner.parameter_groups()) == ["vae", *critic, "energy"]
    seen = [[g for g, _ in learner.losses(batch(), step, generator(1))] for step in range(4)]
    assert seen == [["vae", *critic]] * 2 + [["energy"]] * 2


def test_neither_stage_touches_the_other(tiny_run) -> None:
    changes = {
        "net.name": "mlp",
        "net.hidden": [8, 8],
        "vae.steps": 3,
        "vae.hidden": [8, 8],
        "chain.steps": 2,
    }
    trainer = tiny_run("vaebm", "toy:ring", changes).trainer
    model = trainer.model
    energy = weights(model.net)
    for _ in range(3):
        trainer.update()
    vae = weights(model.vae)
    assert same(energy, weights(model.net))
    for _ in range(3):
        metrics = trainer.update()
    assert same(vae, weights(model.vae)) and not same(energy, weights(model.net))
    assert {"energy_gap", "drift_z", "spectral"} <= set(metrics) and "drift" not in metrics


def test_rate_of_the_vae_falls_to_nothing() -> None:
    learner = made(vae=replace(GROUPS, steps=100, rate=0.5))
    rates = [learner.lr_multiplier("vae", k) for k in (0, 50, 100, 500)]
    assert rates == pytest.approx([0.5, 0.25, 0.0, 0.0]) and learner.lr_multiplier("energy", 3) == 1


@pytest.mark.parametrize("energy_on", ["x", "xz"])
@pytest.mark.parametrize("negatives", ["sample", "mean"])
def test_gradients_of_stage_two_reach_the_energy_alone(energy_on: str, negatives: str) -> None:
    learner = made(energy_on=energy_on, negatives=negatives).train()
    ((group, loss),) = learner.losses(batch(), 2, generator(1))
    loss.value.backward()
    assert group == "energy" and all(p.grad is None for p in learner.model.vae.parameters())
    assert all(p.grad is not None for p in learner.model.net.parameters())


@pytest.mark.parametrize("weight", [0.05, 0.2, 3.0])
def test_the_penalty_on_singular_values_is_weighed(weight: float) -> None:
    found = []
    for spectral in (0.0, weight):
        ((_, loss),) = made(spectral=spectral).train().losses(batch(), 2, generator(1))
        found.append(loss)
    size = found[1].metrics["spectral"]
    exact = sum(torch.linalg.svdvals(w)[0] for w in matrices(made().model.net))
    torch.testing.assert_close(size, exact.detach(), rtol=0.02, atol=0.0)
    torch.testing.assert_close(found[1].value - found[0].value, weight * size)


@pytest.mark.parametrize("step", [0, 2])
@pytest.mark.parametrize("l2", [0.0, 1e-3, 0.5])
def test_decay_joins_the_gradient_of_the_energy_and_leaves_the_vae(step: int, l2: float) -> None:
    """As weight_decay of torch.optim.Adam does, which is what the released code calls."""
    found = []
    for weight in (0.0, l2):
        learner = made(l2=weight).train()
        ((_, loss),) = learner.losses(batch(), step, generator(1))
        loss.value.backward()
        found.append([p.grad for p in learner.parameters()])
    energies = {id(p) for p in learner.model.net.parameters()} if step else set()
    for p, without, under in zip(learner.parameters(), *found, strict=True):
        wanted = without + l2 * p.detach() if id(p) in energies else without
        assert under is without is None or torch.allclose(under, wanted, atol=1e-6)


def test_warm_up_weighs_the_divergence() -> None:
    vae = replace(GROUPS, kl_warmup=4, steps=10)
    found = []
    for step in (0, 3, 7):
        ((_, loss),) = made(vae=vae).train().losses(batch(), step, generator(1))
        m = loss.metrics
        found.append(((2 * loss.value - m["nll"]) / m["kl"]).item())  # two coordinates
        assert float(m["elbo"]) == pytest.approx(-float(m["nll"] + m["kl"]))
    assert found == pytest.approx([0.25, 1.0, 1.0], rel=1e-3)


def test_total_correlation_counts_beta_times() -> None:
    def loss(**changes) -> tuple[float, float]:
        ((_, found), *_) = made(vae=replace(GROUPS, groups=(4,), **changes)).losses(
            batch(64), 0, generator(1)
        )
        return 2 * found.value.item(), found.metrics["tc"].item()

    one, tc = loss(kind="beta_tc", beta=1.0)
    six, _ = loss(kind="beta_tc", beta=6.0)
    assert six - one == pytest.approx(5 * tc, rel=1e-3, abs=1e-6)
    none, ratio = loss(kind="factor", gamma=0.0)
    ten, _ = loss(kind="factor", gamma=10.0)
    assert ten - none == pytest.approx(10 * ratio, rel=1e-3, abs=1e-6)


# -- chains and buffer -----------------------------------------------------------------------------------


def test_share_of_stored_chains_grows_to_its_end() -> None:
    buffer = BufferConfig(share=0.6, anneal=5000)
    assert [buffer.probability(k) for k in (0, 2500, 5000, 9000)] == pytest.approx([0.0, 0.3, 0.6, 0.6])
    learner = made().train()
    for step, wanted in ((2, 1.0), (4, 1 - 0.3), (20, 0.4)):
        list(learner.losses(batch(), step, generator(1)))
        assert learner.buffer.reinit == pytest.approx(wanted)


def test_only_the_noise_of_latents_is_stored() -> None:
    learner = made((1, 8, 8)).train()
    assert learner.buffer.stored.shape == (64, 5)
    before = learner.buffer.stored.clone()
    list(learner.losses(batch(shape=(1, 8, 8)), 2, generator(1)))
    changed = (learner.buffer.stored != before).any(1)
    assert int(changed.sum()) == 16 and (learner.buffer.age[changed] == 1).all()


def test_chains_that_blow_up_are_drawn_anew_counted_and_never_stored() -> None:
    learner = steep(made(chain=LatentConfig(steps=40, step_size=1e6)), 50.0).train()
    ((_, loss),) = learner.losses(batch(), 2, generator(1))
    assert torch.isfinite(loss.value) and float(loss.metrics["redrawn"]) > 0.5
    assert torch.isfinite(learner.buffer.stored).all() and int(learner.buffer.rejected) > 8


def test_fresh_positions_are_standard_normal_tuples() -> None:
    drawn = NormalLeaves(((3,), (1, 4, 4))).draw(2000, generator(0))
    assert [p.shape for p in drawn.position] == [(2000, 3), (2000, 1, 4, 4)] and drawn.restarted.all()
    assert all(abs(float(p.std()) - 1) < 5 * (0.5 / p.numel()) ** 0.5 for p in drawn.position)


# -- drawing ---------------------------------------------------------------------------------------------


def test_the_vae_alone_is_a_chain_of_no_steps() -> None:
    model = made((1, 8, 8)).model
    drawn = model.sample(6, rng=generator(3), sampler="vae")
    start = model.noise.draw(6, generator(3)).position
    assert torch.equal(drawn.x, model.vae.mean(start[:-1]).detach())
    assert drawn.chains[0].info.steps == 0


def test_output_is_the_mean_or_a_draw() -> None:
    for output, fn in (("mean", lambda m, e: m.vae.mean(e[:-1])), ("sample", lambda m, e: m.vae.push(e))):
        learner = made(output=output)
        eps = learner.model.noise.draw(5, generator(1)).position
        torch.testing.assert_close(learner.model.sampler().decode(eps), fn(learner.model, eps).detach())


def test_other_kernels_run_the_same_potential() -> None:
    model = made(sample=LatentConfig(kernel="hmc", steps=2, step_size=0.1, leapfrogs=3)).model
    (stage,) = [next(model.sampler().stages(3, generator(1)))]
    assert (stage.steps, type(stage.kernel).__name__) == (2, "HMC")
    chain = run_stages(model.sampler().stages(3, generator(1)), generator(2))[-1]
    assert chain.info.gradients == 1 + 2 * 3 and chain.info.acceptance is not None
    longer = next(model.sampler_with(LatentConfig(kernel="mala", steps=7)).stages(3, generator(1), steps=4))
    assert (longer.steps, type(longer.kernel).__name__) == (4, "MALA")


def test_training_by_hmc_reports_its_acceptance() -> None:
    learner = made(chain=LatentConfig(kernel="hmc", steps=2, step_size=0.1, leapfrogs=5)).train()
    ((_, loss),) = learner.losses(batch(), 2, generator(1))
    assert 0 < float(loss.metrics["acceptance"]) <= 1 and "drift_z" not in loss.metrics


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chain": LatentConfig(kernel="importance")}, "chain.kernel is 'importance'"),
        ({"sample": LatentConfig(kernel="none")}, "sample.kernel is 'none'"),
        ({"chain": LatentConfig(beta=2.0)}, "chain.beta"),
        ({"net": ConvConfig(classes=10)}, "unconditional"),
        ({"energy_on": "z"}, "energy_on"),
        ({"spectral": -1.0}, "spectral"),
    ],
)
def test_what_the_settings_refuse(changes: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(TINY, **changes)
    with pytest.raises(UsageError, match="buffer.share"):
        BufferConfig(share=1.5)


def test_minibatch_estimates_are_no_sums_over_samples() -> None:
    assert made().mean_reduced and not made(loss=LossConfig(objective="logsumexp")).mean_reduced
    assert not made(vae=replace(GROUPS, groups=(4,), kind="beta_tc")).mean_reduced


def test_the_papers_numbers() -> None:
    recipe = presets("vaebm")["cifar10-paper"]
    model, train = recipe.model, recipe.train
    assert (model.chain.step_size, model.chain.steps, model.sampling.steps) == (8e-5, 10, 16)
    assert (model.spectral, train.batch_size, train.lr, train.beta1) == (0.2, 32, 4e-5, 0.99)
    assert (model.buffer.capacity, model.buffer.share, model.buffer.anneal) == (10_000, 0.6, 5000)
    assert train.clip_moments and (model.l2, train.weight_decay) == (3e-5, 0) and model.negatives == "sample"
    assert train.steps == model.vae.steps + 25_000
    assert model.net.name == "wide"  # one that spectral norm held at 1 would leave the penalty no effect


def test_its_extra_metric_is_the_elbo_whatever_the_energy() -> None:
    learner, x = made(), batch().x
    found = learner.model.extra_metrics(x, generator(3))
    assert found == steep(learner).model.extra_metrics(x, generator(3))
    terms = vae_stage.bound(learner.model.vae, x, generator(3))
    assert found["elbo"] == pytest.approx(-float((terms.nll + terms.kl).mean().detach()), rel=1e-5)


def test_an_energy_on_pairs_claims_no_density_of_x() -> None:
    assert made().model.claims_density and not made(energy_on="xz").model.claims_density
