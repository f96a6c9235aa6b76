import math

import numpy as np
import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.energies import LINKS, Link, link_energy

DENSITIES = {
    "exp": np.exp,
    "softplus": lambda g: np.logaddexp(0, g),
    "square": np.square,
    "abs": np.abs,
    "neg_log": lambda g: g,
}
G = torch.tensor([-12.0, -3.0, -0.4, 0.01, 0.5, 2.0, 30.0], dtype=torch.float64)


def test_every_link_has_a_stated_density():
    assert set(LINKS) == set(DENSITIES)


@pytest.mark.parametrize("name", LINKS)
def test_exp_of_minus_energy_is_the_density(name):
    g = G[G > 0] if name == "neg_log" else G
    np.testing.assert_allclose((-link_energy(g, name)).exp().numpy(), DENSITIES[name](g.numpy()), rtol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("g", [-1e4, -100.0, -15.0, 0.0, 15.0, 100.0, 1e4])
def test_energy_and_gradient_are_finite_far_out(name, g, dtype):
    at = torch.tensor([g], dtype=dtype, requires_grad=True)
    e = link_energy(at, name)
    e.sum().backward()
    assert torch.isfinite(e).all() and torch.isfinite(at.grad).all() and e.dtype == dtype


def test_softplus_is_exact_on_both_sides_of_its_series():
    g = torch.tensor([-40.0, -15.001, -14.999, -14.0], dtype=torch.float64)
    exact = [-math.log(math.log1p(math.exp(v))) for v in g.tolist()]
    np.testing.assert_allclose(link_energy(g, "softplus").numpy(), exact, rtol=1e-13)


def test_vanishing_densities_are_floored_at_eps():
    for name in ("square", "abs", "neg_log"):
        assert float(link_energy(torch.zeros(()), name, eps=1e-3)) == pytest.approx(-math.log(1e-3), rel=1e-6)
        for e in (link_energy(torch.zeros(1), name), Link(lambda g: g, name)(torch.zeros(1))):
            assert float(e) == pytest.approx(12 * math.log(10), rel=1e-6)


def test_link_of_a_network():
    x = torch.tensor([[1.0, 2.0], [0.5, -3.0]])
    torch.testing.assert_close(Link(lambda x: x.sum(1), "square")(x), torch.tensor([9.0, 6.25]).log().neg())


@pytest.mark.parametrize("make", [lambda n: link_energy(G, n), lambda n: Link(abs, n)])
def test_unknown_links_are_refused_with_the_nearest(make):
    with pytest.raises(UsageError, match="unknown link 'squared': did you mean 'square'"):
        make("squared")


def test_eps_is_positive():
    with pytest.raises(UsageError, match="eps is 0"):
        Link(abs, "abs", eps=0.0)
