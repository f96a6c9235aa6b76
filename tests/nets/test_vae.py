"""The VAE: noise in, data out, and the same numbers whichever way one goes."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.settings import VAEConfig
from gibbsian.nets.vae import VAE, Code, halved
from gibbsian.objectives.elbo import kl_gaussians, kl_to_standard

SMALL = {"hidden": (12, 10), "conditional": 6, "channels": (3, 4)}
CASES = {
    "points": (VAEConfig(groups=(3,), **SMALL), (2,)),
    "images": (VAEConfig(groups=(3,), noise="pixel", **SMALL), (1, 8, 8)),
    "groups": (VAEConfig(groups=(2, 3, 4), **SMALL), (1, 8, 8)),
    "conv": (VAEConfig(name="conv", groups=(3, 2), noise="pixel", **SMALL), (2, 7, 10)),
    "fixed": (VAEConfig(groups=(2, 3), noise="fixed", sigma=0.4, **SMALL), (2,)),
}


def made(name: str) -> VAE:
    config, shape = CASES[name]
    with seeded_init(generator(0)):
        return VAE(shape, config, -1.0, 1.0).double()


def noise(net: VAE, n: int = 5, seed: int = 1) -> tuple[torch.Tensor, ...]:
    rng = generator(seed)
    return tuple(torch.randn(n, *s, generator=rng, dtype=torch.float64) for s in net.shapes())


def data(net: VAE, n: int = 5) -> torch.Tensor:
    return torch.rand(n, *net.event_shape, generator=generator(2), dtype=torch.float64) * 2 - 1


each = pytest.mark.parametrize("name", CASES)


@each
def test_shapes(name: str) -> None:
    net = made(name)
    eps, x = noise(net), data(net)
    groups = CASES[name][0].groups
    assert net.shapes() == (*((d,) for d in groups), net.event_shape)
    decoded = net.decode(eps[:-1])
    assert decoded.z.shape == (5, sum(groups)) and decoded.prior_log_sigma.shape == (5,)
    assert decoded.mean.shape == decoded.log_sigma.shape == net.push(eps).shape == x.shape
    code = net.encode(x, generator(3))
    for parts in code:
        assert [p.shape[1] for p in parts] == list(groups)
    assert torch.equal(torch.cat(net.split(torch.cat(code.eps, 1)), 1), torch.cat(code.eps, 1))
    assert net(x).shape == x.shape


@each
def test_rows_do_not_depend_on_one_another(name: str) -> None:
    net = made(name)
    eps, x = noise(net), data(net)
    torch.testing.assert_close(net.push(eps)[2:3], net.push(tuple(e[2:3] for e in eps)))
    torch.testing.assert_close(net(x)[2:3], net(x[2:3]))


@each
def test_every_parameter_gets_a_gradient(name: str) -> None:
    net = made(name)
    code = net.encode(data(net), generator(3))
    decoded = net.decode(code.eps)
    (decoded.mean.square().sum() + decoded.log_sigma.sum() + _kl(code).sum()).backward()
    assert all(p.grad is not None for p in net.parameters())


def _kl(code: Code) -> torch.Tensor:
    return torch.stack([kl_to_standard(m, s) for m, s in zip(code.mean, code.log_sigma, strict=True)]).sum(0)


@each
def test_encoding_draws_from_its_posterior(name: str) -> None:
    """The first group of 4,000 draws for one x: |z| < 5 for each mean, and for each variance."""
    net = made(name)
    code = net.encode(data(net, 1).expand(4000, *net.event_shape), generator(3))
    eps, mean, sigma = code.eps[0], code.mean[0][0], code.log_sigma[0][0].exp()
    z = (eps - mean) / sigma
    assert (z.mean(0) * 4000**0.5).abs().max() < 5
    assert ((z.var(0) - 1) / (2 / 4000) ** 0.5).abs().max() < 5
    assert torch.equal(net.encode(data(net)).eps[0], net.encode(data(net)).mean[0])


def test_first_group_has_the_standard_prior_and_others_depend_on_it() -> None:
    net = made("groups")
    eps, other = noise(net), noise(net, seed=7)
    z, moved = net.decode(eps[:-1]).z, net.decode((other[0], *eps[1:-1])).z
    assert torch.equal(z[:, :2], eps[0]) and not torch.allclose(z[:, 2:], moved[:, 2:])
    below = net.decode((eps[0], other[1], eps[2])).z
    assert torch.equal(below[:, :2], z[:, :2])


def test_hierarchy_is_an_affine_map_of_its_noise_with_the_jacobian_it_reports() -> None:
    """z is triangular in eps: log |dz/deps| is the sum of log sigma_l."""
    net = made("groups")
    eps = torch.randn(9, dtype=torch.float64, generator=generator(4))
    jacobian = torch.func.jacrev(lambda e: net.decode(net.split(e[None])).z[0])(eps)
    wanted = net.decode(net.split(eps[None])).prior_log_sigma[0]
    torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], wanted)
    assert abs(wanted.item()) > 1e-3


def test_divergence_in_noise_is_that_of_the_latents() -> None:
    """KL(q(eps_2) || N(0, I)) = KL(q(z_2 | z_1, x) || p(z_2 | z_1)), the residual posterior of NVAE."""
    net = made("groups")
    code = net.encode(data(net), generator(3))
    mean, log_sigma = code.mean[1], code.log_sigma[1]
    at_zero, log_prior = net._place(1, code.eps[0], torch.zeros_like(mean))
    found = kl_gaussians(at_zero + log_prior.exp() * mean, log_prior + log_sigma, at_zero, log_prior)
    torch.testing.assert_close(found, kl_to_standard(mean, log_sigma))


@each
def test_deviation_of_the_decoder_starts_where_the_settings_say(name: str) -> None:
    net, config = made(name), CASES[name][0]
    log_sigma = net.decode(noise(net)[:-1]).log_sigma
    if config.noise == "pixel":
        assert log_sigma.std() > 0 and (log_sigma > math.log(config.floor)).all()
        assert log_sigma.mean().item() == pytest.approx(math.log(config.sigma), abs=0.3)
    else:
        torch.testing.assert_close(log_sigma, torch.full_like(log_sigma, math.log(config.sigma)))


def test_images_stay_in_their_range_and_points_do_not() -> None:
    for name, inside in (("images", True), ("points", False)):
        net = made(name)
        eps = tuple(50 * e for e in noise(net))
        x = net.push(eps)
        assert bool((x.abs() <= 1).all()) is inside
        decoded = net.decode(eps[:-1])
        drawn = decoded.mean + decoded.log_sigma.exp() * eps[-1]
        torch.testing.assert_close(x, drawn.clamp(-1, 1) if inside else drawn)


def test_sides_are_halved_and_found_again() -> None:
    assert halved((1, 28, 28), 2) == [(28, 28), (14, 14), (7, 7)]
    assert halved((3, 7, 10), 2) == [(7, 10), (4, 5), (2, 3)]
    with pytest.raises(UsageError, match="cannot be halved 4 times"):
        halved((1, 8, 8), 4)
    with pytest.raises(UsageError, match="not an image"):
        VAE((2,), VAEConfig(name="conv"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"groups": ()}, "vae.groups"),
        ({"groups": (3, 0)}, "vae.groups"),
        ({"sigma": 0.0}, "vae.sigma"),
        ({"sigma": 0.005}, "above vae.floor"),
        ({"kind": "factor", "groups": (2, 2)}, "one group"),
        ({"noise": "none"}, "vae.noise"),
        ({"beta": -1.0}, "vae.beta"),
        ({"steps": 0}, "vae.steps"),
    ],
)
def test_settings_out_of_range(changes: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        VAEConfig(**changes)
