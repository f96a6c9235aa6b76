"""What a pixel may see, and that its probabilities are probabilities."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.energy import value_and_grad
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.pixelcnn import Mixture, PixelCNN, discretised_logistic, mixture_log_prob

LEVELS = torch.arange(256, dtype=torch.float64) / 127.5 - 1


def net(shape: tuple[int, ...] = (1, 6, 7), **sizes: int) -> PixelCNN:
    with seeded_init(generator(0)):
        return PixelCNN(shape, **{"width": 6, "layers": 4, "mixtures": 3, **sizes})


def images(n: int, shape: tuple[int, ...] = (1, 6, 7), seed: int = 0) -> torch.Tensor:
    return torch.randint(256, (n, *shape), generator=generator(seed)) / 127.5 - 1


@pytest.mark.parametrize("channels", [1, 3])
def test_no_pixel_sees_itself_or_a_later_one_and_all_earlier_in_reach(channels) -> None:
    """The gradient of the distribution of pixel (i, j) is 0 at every pixel from it on, and not before it."""
    model, shape = net((channels, 6, 7)).double(), (channels, 6, 7)
    x = images(1, shape).double()
    for i, j in ((0, 0), (0, 3), (2, 0), (3, 4), (5, 6)):

        def law_of_pixel(x: torch.Tensor, i: int = i, j: int = j) -> torch.Tensor:
            mixture = model(x)
            # Means of later colours see earlier colours of their own pixel: only the first is looked at.
            parts = (
                mixture.log_weight[:, :, i, j],
                mixture.mean[:, :, 0, i, j],
                mixture.log_scale[:, :, 0, i, j],
            )
            return sum(part.tanh().sum(1) for part in parts)

        seen = value_and_grad(law_of_pixel, x)[1].abs().sum((0, 1)).flatten() > 0
        here = i * 7 + j
        assert not seen[here:].any() and seen[:here].all(), f"pixel {i}, {j}"


def test_changing_a_pixel_changes_no_law_before_it() -> None:
    model, x = net(), images(1)
    other = x.clone()
    other[0, 0, 3, 2] = -other[0, 0, 3, 2] + 2 / 255
    mixture, changed = model(x), model(other)
    moved = sum(
        (a - b).abs().flatten(1, -3).sum(1)[0] for a, b in zip(mixture, changed, strict=True)
    ).flatten()
    assert not moved[: 3 * 7 + 3].any() and moved[3 * 7 + 3 :].any()


@pytest.mark.parametrize("log_scale", [-7.0, -3.0, 0.0, 2.0])
@pytest.mark.parametrize("mean", [-3.0, -1.0, 0.013, 0.7, 40.0])
def test_masses_of_256_values_sum_to_one(mean, log_scale) -> None:
    m, s = (torch.tensor(v, dtype=torch.float64) for v in (mean, log_scale))
    found = discretised_logistic(LEVELS, m, s)
    assert torch.isfinite(found).all()
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_mass_is_that_between_the_ends_of_the_bin() -> None:
    m, s = torch.tensor(0.1, dtype=torch.float64), torch.tensor(-1.5, dtype=torch.float64)
    for k in (1, 100, 254):
        ends = [torch.sigmoid((LEVELS[k] + d - m) / s.exp()) for d in (1 / 255, -1 / 255)]
        assert discretised_logistic(LEVELS[k], m, s).exp() == pytest.approx(
            (ends[0] - ends[1]).item(), rel=1e-9
        )


def test_single_precision_keeps_the_tails() -> None:
    """A value 2,000 scales away has log p of about -2,000, with a finite gradient."""
    m = torch.tensor([1.0])
    found, grad = value_and_grad(
        lambda mean: discretised_logistic(torch.tensor([-0.5]), mean, torch.tensor([-7.0])), m
    )
    assert found.item() == pytest.approx(-1.5 * math.exp(7), rel=0.01) and torch.isfinite(grad).all()


def test_a_grey_pixel_s_mixture_sums_to_one() -> None:
    mixture = net().double()(images(1).double())
    total = mixture_log_prob(mixture, LEVELS.reshape(256, 1, 1, 1).expand(-1, 1, 6, 7)).exp().sum(0)
    torch.testing.assert_close(total, torch.ones(6, 7, dtype=torch.float64))


def test_colours_share_their_component() -> None:
    """p(r, g) as a sum over blue is sum_k w_k p_k(r) p_k(g | r), the means of the given pixel being fixed."""
    weight = torch.tensor([0.3, 0.7], dtype=torch.float64).log().reshape(1, 2, 1, 1)
    mean = torch.tensor([[-0.5, 0.0, 0.4], [0.6, -0.2, 0.1]], dtype=torch.float64).reshape(1, 2, 3, 1, 1)
    mixture = Mixture(weight, mean, torch.full_like(mean, -1.0))
    x = torch.stack([LEVELS[[40]].expand(256), LEVELS[[200]].expand(256), LEVELS], 1)[:, :, None, None]
    found = mixture_log_prob(mixture, x).exp().sum()
    parts = discretised_logistic(x[:1, None, :2], mean[:, :, :2], mixture.log_scale[:, :, :2]).sum(2)
    assert found.item() == pytest.approx((weight + parts).exp().sum().item(), rel=1e-9)


def test_means_depend_on_the_colours_before() -> None:
    """Green of a pixel moves its own blue's mean by tanh(slope), and neither its own nor red's."""
    model, x = net((3, 4, 4)), images(1, (3, 4, 4))
    other = x.clone()
    other[0, 1, 3, 3] = -other[0, 1, 3, 3] + 2 / 255
    moved = (model(x).mean - model(other).mean).abs()[0, :, :, 3, 3].sum(0) > 0
    assert moved.tolist() == [False, False, True]


def test_images_of_two_kinds_come_to_cost_little_but_never_less_than_a_bit() -> None:
    """16 pixels cost 32 bits to begin with; two equally likely images have an entropy of 1 bit."""
    model, bits = net((1, 4, 4), mixtures=2), []
    patterns = torch.tensor([[-1.0, 1.0], [1.0, -1.0]]).repeat(1, 8).reshape(2, 1, 4, 4)
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(120):
        optimiser.zero_grad()
        loss = -model.log_prob(patterns).mean()
        loss.backward()
        optimiser.step()
        bits.append(loss.item() / math.log(2))
    assert bits[0] > 30 and 1 <= bits[-1] < 4


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError):
        PixelCNN((13,))
