"""What every energy of the package owes: shape, gradient, dtype, and chains that can be selected.

A new energy joins by one entry in `CASES`: name -> function of a dtype giving (energy, position).
"""

import pytest
import targets
import torch
from torch import Tensor

import gibbsian.energies as en
from gibbsian.core import position
from gibbsian.core.energy import value, value_and_grad
from gibbsian.core.random import generator

B = 5


def randn(seed, *shape, dtype=torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=dtype)


class Net:
    """A smooth energy of every coordinate; `all` gives three classes, `of` one label a chain."""

    def __init__(self, dtype, dim):
        self.weight = randn(9, dim, 3, dtype=dtype) / dim**0.5

    def all(self, x):
        return torch.tanh(x.flatten(1) @ self.weight) + 0.1 * x.flatten(1).square().sum(1, keepdim=True)

    def of(self, x, y):
        return self.all(x)[torch.arange(len(x)), y]

    def one(self, x):
        return self.all(x).sum(1)


def generate(z):
    return torch.tanh(z[0] @ z[0].new_ones(3, 4)) + 0.3 * z[1]


def vectors(dtype):
    return randn(1, B, 4, dtype=dtype)


def images(dtype):
    return randn(2, B, 2, 3, 3, dtype=dtype)


def pairs(dtype):
    return randn(3, B, 3, dtype=dtype), randn(4, B, 4, dtype=dtype)


def net(dtype):
    return Net(dtype, 4).one


def labels():
    return torch.tensor([0, 2, 1, 1, 0])


def per_chain(dtype):
    return torch.linspace(0.5, 2, B, dtype=dtype)


def restricted(dtype):
    mask = torch.rand((B, 1, 3, 3), generator=generator(5)) < 0.4
    return en.Restricted(Net(dtype, 18).one, randn(6, B, 2, 3, 3, dtype=dtype), mask), images(dtype)


class Statistics(torch.nn.Module):
    """Smooth statistics of four coordinates for two latents."""

    def __init__(self, dtype):
        super().__init__()
        self.weight = torch.nn.Parameter(randn(11, 4, 4, dtype=dtype))

    def forward(self, x):
        return torch.tanh(x @ self.weight)


def conjugate(dtype, prior):
    return en.Conjugate(Statistics(dtype), prior.to(dtype)).requires_grad_(False), vectors(dtype)


CASES = {
    "conjugate": lambda d: conjugate(d, en.GaussianPrior(2)),
    "conjugate-mixture": lambda d: conjugate(d, en.MixturePrior(2, 3, rng=generator(0))),
    "product": lambda d: (en.Product([net(d), en.Tether(randn(7, B, 4, dtype=d), 0.7)]), vectors(d)),
    "ensemble": lambda d: (en.Ensemble([net(d), en.Scaled(net(d), -0.2)]), vectors(d)),
    "scaled": lambda d: (en.Scaled(net(d), per_chain(d)), vectors(d)),
    "tempered": lambda d: (en.Tempered(net(d), per_chain(d)), vectors(d)),
    "mixture": lambda d: (
        en.Mixture([net(d), en.Given(Net(d, 4).of, labels())], [0.3, 0.7], [0.2, -1.0]),
        vectors(d),
    ),
    "negation": lambda d: (en.Negation(net(d), en.Given(Net(d, 4).of, labels()), 0.3), vectors(d)),
    "negation-ceiling": lambda d: (en.Negation(net(d), net(d), 0.3, ceiling=0.5), vectors(d)),
    "given": lambda d: (en.Given(Net(d, 4).of, labels()), vectors(d)),
    "given-int": lambda d: (en.Given(Net(d, 4).of, 2), vectors(d)),
    "of-class": lambda d: (en.OfClass(Net(d, 4).all, labels()), vectors(d)),
    "marginal": lambda d: (en.Marginal(Net(d, 4).all), vectors(d)),
    "guided": lambda d: (en.Guided(Net(d, 4).all, labels(), 1.5), vectors(d)),
    "tether": lambda d: (en.Tether(randn(7, B, 2, 3, 3, dtype=d), per_chain(d)), images(d)),
    "tether-pair": lambda d: (en.Tether((randn(7, 1, 3, dtype=d), randn(8, B, 4, dtype=d)), 0.5), pairs(d)),
    "recovery": lambda d: (
        en.Recovery(
            Net(d, 18).of, labels(), randn(7, B, 2, 3, 3, dtype=d), per_chain(d), 1 / per_chain(d), 0.7
        ),
        images(d),
    ),
    "interacting": lambda d: (en.Interacting(Net(d, 9).one, 2.0, 0.8), images(d).flatten(2)),
    "reference": lambda d: (en.GaussianReference(0.8, mean=0.25), images(d)),
    "box": lambda d: (en.Box(-5, 5), pairs(d)),
    "restricted": restricted,
    "pull-back": lambda d: (en.PullBack(en.Given(Net(d, 4).of, labels()), generate), pairs(d)),
    "pull-back-bare": lambda d: (en.PullBack(net(d), generate, prior=False), pairs(d)),
    **{
        f"link-{name}": lambda d, name=name: (en.Link(en.Marginal(Net(d, 4).all), name), vectors(d))
        for name in en.LINKS
    },
    "gaussian": lambda d: (
        en.Gaussian([0.5, -1, 0, 2], torch.eye(4) + 0.3, dtype=d),
        vectors(d),
    ),
    "gaussian-mixture": lambda d: (
        en.GaussianMixture([1, 3], [[0, 0, 0, 0], [1, 2, 0, -1]], std=[1.0, 0.5], dtype=d),
        vectors(d),
    ),
    "banana": lambda d: (targets.Banana(dtype=d), vectors(d)[:, :2]),
    "funnel": lambda d: (en.Funnel(4, dtype=d), vectors(d)),
    "skewed": lambda d: (en.Skewed([2.0, 0.7, 1.0, 5.0], dtype=d), vectors(d)),
    "bounded": lambda d: (targets.Bounded(4, dtype=d), vectors(d).tanh()),
    "gaussian-field": lambda d: (targets.GaussianField((2, 3, 3), dtype=d), images(d)),
    "ising": lambda d: (targets.Ising(3, 0.4, 0.2, dtype=d), images(d)[:, 0]),
}

every = pytest.mark.parametrize("name", CASES)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_number_a_chain_in_the_dtype_of_the_position(name, dtype):
    energy, x = CASES[name](dtype)
    e, grad = value_and_grad(energy, x)
    assert e.shape == (B,) and e.dtype == dtype and torch.isfinite(e).all()
    assert [g.shape for g in position.leaves(grad)] == [a.shape for a in position.leaves(x)]
    assert all(g.dtype == dtype for g in position.leaves(grad))


@every
def test_gradient_agrees_with_finite_differences(name):
    energy, x = CASES[name](torch.float64)
    _, grad = value_and_grad(energy, x)
    h = 1e-5
    for seed in range(3):
        v = position.randn_like(x, generator(seed))
        ahead = value(energy, position.tree_map(lambda a, b: a + h * b, x, v))
        behind = value(energy, position.tree_map(lambda a, b: a - h * b, x, v))
        torch.testing.assert_close((ahead - behind) / (2 * h), position.dot(grad, v), rtol=1e-6, atol=1e-7)


@every
@pytest.mark.parametrize(
    "index",
    [slice(1, 4), slice(2, 3), torch.tensor([4, 0, 0, 2]), torch.tensor([True, False, True, False, True])],
    ids=["slice", "one", "gather", "mask"],
)
def test_rows_select_chains_with_their_context(name, index):
    energy, x = CASES[name](torch.float64)
    part = value(en.rows(energy, index), position.rows(x, index))
    torch.testing.assert_close(part, value(energy, x)[index], rtol=1e-12, atol=1e-12)


@every
def test_rows_of_rows_and_chunks_that_join_again(name):
    energy, x = CASES[name](torch.float64)
    chunks = [slice(0, 2), slice(2, 5)]
    joined = torch.cat([value(en.rows(energy, c), position.rows(x, c)) for c in chunks])
    torch.testing.assert_close(joined, value(energy, x), rtol=1e-12, atol=1e-12)
    twice = en.rows(en.rows(energy, slice(1, 5)), slice(1, 3))
    torch.testing.assert_close(value(twice, position.rows(x, slice(2, 4))), value(energy, x)[2:4])


@every
def test_chains_do_not_touch_one_another(name):
    energy, x = CASES[name](torch.float64)
    moved = position.tree_map(lambda a: torch.cat([a[:1], 0.9 * a[1:]]), x)
    assert torch.allclose(value(energy, moved)[0], value(energy, x)[0], rtol=1e-12)


def test_every_public_energy_has_a_case():
    classes = {name for name in en.__all__ if isinstance(getattr(en, name), type)}
    classes -= {"Target", "GaussianPrior", "MixturePrior", "Posterior"}
    covered = {type(make(torch.float64)[0]).__name__ for make in CASES.values()}
    assert covered >= classes
