import pytest
import torch

from experiments.grid import Grid
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies import Gaussian, Given, Guided, Marginal, Negation, OfClass, Scaled, Tempered

PARTS = [Gaussian([-1.5, 0.0], torch.eye(2)), Gaussian([1.0, 1.0], 0.5 * torch.eye(2))]
X = torch.randn((6, 2), generator=generator(0), dtype=torch.float64)
GRID = Grid(-7, 7, 120, dtype=torch.float64)


def joint(x):
    """E(x, y) of two classes with unequal mass, (B, 2)."""
    return torch.stack([part(x) for part in PARTS], dim=1)


def conditional(x, y):
    return joint(x).gather(1, y[:, None]).squeeze(1)


def test_marginal_sums_the_densities_of_the_classes():
    density = sum((-OfClass(joint, y)(X)).exp() for y in range(2))
    torch.testing.assert_close((-Marginal(joint)(X)).exp(), density)
    total = sum(torch.tensor(part.log_z).exp() for part in PARTS)
    assert GRID.log_z(Marginal(joint)) == pytest.approx(float(total.log()), abs=1e-6)


def test_given_and_of_class_agree_for_an_int_a_shared_and_a_chainwise_label():
    y = torch.tensor([0, 1, 1, 0, 1, 0])
    torch.testing.assert_close(Given(conditional, y)(X), OfClass(joint, y)(X))
    torch.testing.assert_close(OfClass(joint, y)(X)[y == 1], PARTS[1](X)[y == 1])
    for one in (1, torch.tensor([1])):
        torch.testing.assert_close(Given(conditional, one)(X), PARTS[1](X))
        torch.testing.assert_close(OfClass(joint, one)(X), PARTS[1](X))


def test_given_hands_on_conditions_of_any_shape():
    cond = torch.randn((6, 3), generator=generator(1))
    seen = []
    Given(lambda x, y: seen.append(y) or x.sum(1), cond)(X)
    assert torch.equal(seen[0], cond)


def test_guidance_is_the_posterior_raised_to_one_plus_w():
    w = 1.5
    log_posterior = torch.log_softmax(-joint(X), dim=1)[:, 1]
    torch.testing.assert_close(Guided(joint, 1, w)(X), Marginal(joint)(X) - (1 + w) * log_posterior)


def test_guidance_by_zero_conditions_and_by_minus_one_forgets_the_label():
    torch.testing.assert_close(Guided(joint, 0, 0.0)(X), PARTS[0](X))
    torch.testing.assert_close(Guided(joint, 0, -1.0)(X), Marginal(joint)(X))


def test_guidance_with_a_separate_marginal_is_a_negation():
    apart = Negation(Scaled(Given(conditional, 1), 3.0), Marginal(joint), alpha=2.0)
    torch.testing.assert_close(Guided(joint, 1, 2.0)(X), apart(X))


def test_tempering_acts_on_guidance_as_a_whole():
    t = 0.1
    whole = Tempered(Guided(joint, 1, 2.0), t)
    log_posterior = torch.log_softmax(-joint(X), dim=1)[:, 1]
    torch.testing.assert_close(whole(X), (Marginal(joint)(X) - 3 * log_posterior) / t)


@pytest.mark.parametrize("make", [Marginal, lambda e: Guided(e, 0, 1.0), lambda e: OfClass(e, 0)])
def test_a_conditional_energy_has_no_marginal_and_is_refused_with_the_reason(make):
    with pytest.raises(UsageError, match=r"unknown Z\(y\)"):
        make(PARTS[0])(X)


@pytest.mark.parametrize("make", [lambda y: OfClass(joint, y), lambda y: Guided(joint, y, 1.0)])
@pytest.mark.parametrize("y", [-1, 2])
def test_labels_out_of_range_are_refused(make, y):
    with pytest.raises(UsageError, match=f"y is {y}: the energy has 2 classes"):
        make(y)(X)


@pytest.mark.parametrize("y", [torch.tensor([0, 1]), torch.tensor(1)])
def test_labels_of_another_number_of_chains_are_refused(y):
    with pytest.raises(UsageError, match="y has shape"):
        Given(conditional, y)(X)


def test_infinite_guidance_is_refused():
    with pytest.raises(UsageError, match="w is inf"):
        Guided(joint, 0, float("inf"))
