"""Classifiers that refine their input: exact chains on a bowl, exact gradients, noise of one's own."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.mcmc.mala import MALA
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.models.build import build
from gibbsian.models.igebm.config import IGEBMConfig
from gibbsian.nets.frozen import frozen
from gibbsian.nets.settings import MLPConfig
from gibbsian.tasks.attack.refinement import Plain, Refined, quiet


def points(n=5, seed=0):
    return torch.rand(n, 4, generator=generator(seed), dtype=torch.float64) - 0.5


def gradient(answers, x, y=0):
    """Of the mean logit of class y over the draws."""
    return value_and_grad(lambda x: answers(x)[..., y].mean(0), x)[1]


def test_a_joint_model_answers_after_its_chain(bowl):
    system, x = bowl(), points()
    found = Refined(system, 3, 3)(x, generator(0))
    assert torch.allclose(found, system.shrink(3) * system.logits(x)) and system.shrink(3) == 0.75**3


def test_a_conditional_model_answers_by_the_energy_after_a_chain_for_every_label(bowl):
    system, x = bowl(joint=False), points()
    found = Refined(system, 3, 3, class_biases=torch.tensor([0.0, 1.0, 2.0]))(x, generator(0))
    away = (x[:, None] - system.centres).square().sum(2)
    expected = -(system.shrink(3) ** 2) * away / 2 + torch.tensor([0.0, 1.0, 2.0])
    assert torch.allclose(found, expected)


def test_a_labelled_chain_stays_within_reach_of_the_image(bowl):
    system, x = bowl(joint=False, step_size=2.0), points()  # one step would lead to the centre itself
    found = Refined(system, 4, 3, reach=0.1)(x, generator(0))
    end = x[:, None] + (system.centres - x[:, None]).clamp(-0.1, 0.1)
    assert torch.allclose(found, -(end - system.centres).square().sum(2) / 2)


@pytest.mark.parametrize("joint", [True, False])
def test_gradients_straight_and_full_differ_by_the_chains_jacobian(bowl, joint):
    system, x = bowl(joint=joint), points()
    refined = Refined(system, 3, 3)
    straight, full = (gradient(refined.seen(how, 1, generator(0)), x) for how in ("straight", "full"))
    assert torch.allclose(full, system.shrink(3) * straight)
    if joint:
        assert torch.allclose(straight, system.weight[0].detach().expand_as(x))


def test_the_plain_view_knows_no_refinement(bowl):
    system, x = bowl(), points()
    seen = Refined(system, 3, 3, class_biases=1.0).seen("plain", 1, generator(0))
    assert torch.equal(seen(x), system.logits(x) + 1.0)
    assert torch.equal(Plain(system.logits, 1.0)(x, generator(0)), system.logits(x) + 1.0)


@pytest.mark.parametrize("through", ["straight", "full"])
def test_every_draw_has_noise_of_its_own_and_duplicates_are_averaged(bowl, through):
    system, x = bowl(temperature=0.1), points()
    refined = Refined(system, 2, 3, duplicates=400)
    draws = refined.seen(through, 3, generator(0))(x).detach()
    assert draws.shape == (3, 5, 3) and not torch.equal(draws[0], draws[1])
    variance = 0.1 * 0.5 * (1 + 0.75**2)  # s T (1 + f^2) of two steps
    spread = (variance / 400) ** 0.5 * system.weight.detach().norm(dim=1)
    z = (draws - system.shrink(2) * system.logits(x).detach()) / spread
    assert float(z.abs().max()) < 4.5 and 0.7 < float(z.std()) < 1.3  # 45 normal numbers


def test_the_same_noise_gives_the_same_answers_and_other_noise_others(bowl):
    refined, x = Refined(bowl(temperature=0.1), 2, 3), points()
    one, again, other = (refined(x, generator(k)) for k in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other) and refined.random


def test_without_noise_one_chain_is_enough(bowl):
    system = bowl(temperature=0.1)
    refined, x = Refined(system, 2, 3, duplicates=5, noiseless=True), points()
    assert refined.rows == 1 and not refined.random
    assert torch.allclose(refined(x, generator(0)), system.shrink(2) * system.logits(x))
    with pytest.raises(UsageError, match="MALA cannot leave its noise out"):
        quiet(MALA(0.1))


def test_one_image_takes_so_many_chains(bowl):
    assert Refined(bowl(), 1, 3, 5).rows == 5 and Refined(bowl(joint=False), 1, 3, 5).rows == 15
    for wrong in ((0, 3, 1), (1, 3, 0)):
        with pytest.raises(UsageError, match="take 1 or more"):
            Refined(bowl(), *wrong)


@pytest.mark.parametrize("head", ["scalar", "logits"])
def test_the_full_gradient_of_a_network_is_that_of_small_differences(head):
    chain = ChainConfig(steps=3, step_size=2.0, noise=0.01, clamp=True)
    net = MLPConfig(hidden=(8,), activation="swish", classes=3, head=head)
    system = build("igebm", IGEBMConfig(net=net, chain=chain), (1, 2, 2), generator(0)).model.double()
    refined = Refined(system, 3, 3, reach=0.4, noiseless=True)
    x = 0.4 + 0.2 * torch.rand(4, 1, 2, 2, generator=generator(1), dtype=torch.float64)
    with frozen(system), torch.no_grad():
        for p in system.parameters():
            p.mul_(1.5)
        full = gradient(refined.seen("full", 1, generator(0)), x, 1)
        straight = gradient(refined.seen("straight", 1, generator(0)), x, 1)
        moved = torch.randn(x.shape, generator=generator(2), dtype=torch.float64)
        two = [refined(x + sign * 1e-5 * moved, generator(0))[:, 1] for sign in (1, -1)]
    slope = (two[0] - two[1]) / 2e-5
    assert torch.allclose((full * moved).flatten(1).sum(1), slope, rtol=1e-5, atol=1e-9)
    assert not torch.allclose((straight * moved).flatten(1).sum(1), slope, rtol=1e-3)
