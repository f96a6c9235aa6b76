"""Toy densities: normalised, and their draws follow them."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.data.names import TOYS
from gibbsian.data.toy import toy


def grid(box: float, side: int = 300) -> tuple[torch.Tensor, float]:
    width = 2 * box / side
    axis = -box + width * (torch.arange(side, dtype=torch.float64) + 0.5)
    return torch.cartesian_prod(axis, axis), width**2


@pytest.mark.parametrize("name", TOYS)
def test_density_is_normalised_and_lies_in_its_box(name):
    density = toy(name)
    points, area = grid(density.box)
    total = float(torch.cat([density.log_density(p).exp() for p in points.split(100_000)]).sum()) * area
    assert total == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", TOYS)
def test_draws_follow_the_density(name):
    # chi-square over 24 x 24 cells, those expecting fewer than 5 of 20,000 draws pooled; false alarm 1e-4
    density, n, bins = toy(name), 20_000, 24
    points, area = grid(density.box, bins * 12)
    cells = (density.log_density(points).exp() * area).reshape(bins, 12, bins, 12).sum((1, 3)).flatten() * n
    place = ((density.draw(n, generator(1)) + density.box) * (bins / (2 * density.box))).floor().long()
    inside = ((place >= 0) & (place < bins)).all(1)
    counts = torch.bincount(place[inside][:, 0] * bins + place[inside][:, 1], minlength=bins**2).double()
    large = cells >= 5
    rest = torch.tensor([n - float(cells[large].sum())])
    expected, seen = (
        torch.cat([cells[large], rest]),
        torch.cat([counts[large], n - counts[large].sum()[None]]),
    )
    keep = expected > 5
    chi2 = float(((seen - expected)[keep] ** 2 / expected[keep]).sum())
    assert stats.chi2.sf(chi2, int(keep.sum()) - 1) > 1e-4


@pytest.mark.parametrize("name", TOYS)
def test_labels_name_components(name):
    density = toy(name)
    x, y = density.draw_labelled(4000, generator(0))
    assert x.shape == (4000, 2) and x.dtype == torch.float64
    assert sorted(set(y.tolist())) == list(range(len(density.classes)))
    assert torch.equal(x, density.draw(4000, generator(0)))
    assert density.draw(5, generator(0), torch.float32).dtype == torch.float32


def test_labels_belong_to_their_points():
    density = toy("ring")
    x, y = density.draw_labelled(5000, generator(0))
    # neighbours stand 5 deviations apart, so 1 in 100 draws lies nearer to another mode
    assert float((torch.cdist(x, density.modes).argmin(1) == y).double().mean()) > 0.97
    x, y = toy("rings").draw_labelled(5000, generator(0))
    assert float((((x.norm(dim=1) - 0.5) / 0.5).round() == y).double().mean()) > 0.97
    x, y = toy("moons").draw_labelled(5000, generator(0))
    assert float(x[y == 0][:, 1].mean()) > 0 > float(x[y == 1][:, 1].mean())


def test_log_density_of_a_mixture_in_closed_form():
    modes = toy("line").modes
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    x = torch.tensor([[0.3, -0.2]], dtype=torch.float64)
    want = (weights * (-(x - modes).square().sum(1) / (2 * 0.15**2)).exp()).sum() / (2 * math.pi * 0.15**2)
    assert float(toy("line").log_density(x)) == pytest.approx(math.log(float(want)), rel=1e-12)


def test_a_circle_is_the_blurred_circle():
    # against the average of Gaussians at 20,000 points of each circle
    angle = 2 * math.pi * torch.arange(20_000, dtype=torch.float64) / 20_000
    unit = torch.stack([angle.cos(), angle.sin()], 1)
    x = torch.tensor([[0.4, 0.2]]).double()
    want = sum(
        r / 3 * float((-(x - r * unit).square().sum(1) / (2 * 0.08**2)).exp().mean()) for r in (0.5, 1.0, 1.5)
    ) / (2 * math.pi * 0.08**2)
    assert float(toy("rings").log_density(x)) == pytest.approx(math.log(want), rel=1e-9)


def test_checkerboard_is_minus_infinity_outside():
    x = torch.tensor([[-1.5, -1.5], [-0.5, -1.5], [2.5, 0.5], [1.5, 1.5]])
    assert toy("checkerboard").log_density(x).tolist() == pytest.approx(
        [-math.log(8), -math.inf, -math.inf, -math.log(8)]
    )


@pytest.mark.parametrize("name", [n for n in TOYS if n != "checkerboard"])
def test_log_density_can_be_differentiated_everywhere(name):
    x = (
        torch.cat([torch.zeros(1, 2), 8 * torch.randn(50, 2, generator=generator(0))])
        .double()
        .requires_grad_()
    )
    toy(name).log_density(x).sum().backward()
    assert bool(torch.isfinite(x.grad).all())


def test_float32_agrees_with_float64():
    for name in TOYS:
        x = toy(name).draw(500, generator(0))
        both = toy(name).log_density(x), toy(name).log_density(x.float())
        assert both[1].dtype == torch.float32
        if name != "checkerboard":
            torch.testing.assert_close(both[0], both[1].double(), atol=2e-3, rtol=1e-4)


def test_an_unknown_toy_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'rings'"):
        toy("ringss")
