import math

import pytest
import torch
from targets import GaussianField

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies import Gaussian, Restricted

RNG = generator(0)
X = torch.randn((3, 2, 4, 4), generator=RNG)
KNOWN = torch.randn((3, 2, 4, 4), generator=RNG)
MASK = torch.rand((3, 2, 4, 4), generator=RNG) < 0.5
FIELD = GaussianField((2, 4, 4))


def test_known_pixels_are_bit_equal_and_have_no_gradient():
    energy = Restricted(FIELD, KNOWN, MASK)
    image = energy.impose(X)
    assert torch.equal(image[MASK], KNOWN[MASK]) and torch.equal(image[~MASK], X[~MASK])
    _, grad = value_and_grad(energy, X)
    assert torch.equal(grad[MASK], torch.zeros_like(grad[MASK]))
    assert (grad[~MASK] != 0).all()


def test_unknown_pixels_have_the_gradient_of_the_whole_image():
    energy = Restricted(FIELD, KNOWN, MASK)
    e, grad = value_and_grad(energy, X)
    full, full_grad = value_and_grad(FIELD, energy.impose(X))
    assert torch.equal(e, full) and torch.equal(grad[~MASK], full_grad[~MASK])


@pytest.mark.parametrize("junk", [math.nan, math.inf, 1e30])
def test_what_chains_hold_at_known_pixels_is_ignored(junk):
    energy = Restricted(FIELD, KNOWN, MASK)
    e, grad = value_and_grad(energy, torch.where(MASK, torch.tensor(junk), X))
    clean, clean_grad = value_and_grad(energy, X)
    assert torch.equal(e, clean) and torch.equal(grad, clean_grad)


def test_unknown_entries_of_known_may_be_nan():
    holes = torch.where(MASK, KNOWN, torch.tensor(math.nan))
    assert torch.equal(Restricted(FIELD, holes, MASK)(X), Restricted(FIELD, KNOWN, MASK)(X))


def test_restricted_gaussian_is_the_conditional_density():
    cov = torch.tensor([[2.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    known = torch.tensor([[0.0, 1.5]], dtype=torch.float64)
    energy = Restricted(Gaussian([0.3, -0.2], cov), known, torch.tensor([[False, True]]))
    mean, variance = 0.3 + 0.8 * (1.5 + 0.2), 2.0 - 0.8**2
    x = torch.tensor([[mean, 9.0], [mean + 1, 9.0]], dtype=torch.float64)
    _, grad = value_and_grad(energy, x)
    assert float(grad[0, 0]) == pytest.approx(0, abs=1e-12)
    assert float(grad[1, 0]) == pytest.approx(1 / variance)


def test_one_mask_for_all_chains_and_channels():
    mask = MASK[:1, :1]
    wide = Restricted(FIELD, KNOWN, mask.expand_as(KNOWN))
    assert torch.equal(Restricted(FIELD, KNOWN, mask)(X), wide(X))


def test_dtype_of_the_chain_is_kept():
    assert Restricted(FIELD, KNOWN.double(), MASK).impose(X).dtype == torch.float32


@pytest.mark.parametrize(
    ("known", "mask", "says"),
    [
        (KNOWN[0], MASK, "known has shape"),
        (KNOWN, MASK[0], "mask has shape"),
        (KNOWN[:2], MASK, "known has shape"),
        (KNOWN, MASK.float(), "mask has dtype"),
    ],
)
def test_context_of_another_shape_or_type_is_refused(known, mask, says):
    with pytest.raises(UsageError, match=says):
        Restricted(FIELD, known, mask)(X)


def test_a_pair_of_latents_is_refused():
    with pytest.raises(UsageError, match="tuple of 2"):
        Restricted(FIELD, KNOWN, MASK)((X, X))
