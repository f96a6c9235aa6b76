"""PSNR, SSIM and the filters against hand values, direct sums and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from gibbsian.core.errors import UsageError
from gibbsian.metrics.images import (
    median_filter,
    psnr,
    ssim,
    total_variation,
    variation_objective,
    window,
)


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_psnr_of_a_known_error():
    x = torch.full((2, 1, 4, 4), 0.5)
    y = x.clone()
    y[0] += 0.1
    y[1, 0, 0, 0] += 0.4
    assert psnr(x, y).tolist() == pytest.approx([20.0, 20.0], abs=1e-5)
    assert psnr(x, x).isinf().all()


def test_masked_psnr_sees_the_mask_alone():
    x, y = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    y[:, :, 0] = 0.1
    y[:, :, 1] = 1.0
    mask = torch.tensor([[True, True], [False, False]])[None, None]
    assert float(psnr(x, y, mask)) == pytest.approx(20, abs=1e-5)
    assert float(psnr(x, y, ~mask)) == pytest.approx(0, abs=1e-5)
    with pytest.raises(UsageError, match="no pixel"):
        psnr(x, y, torch.zeros_like(mask))


def slow_ssim(a: np.ndarray, b: np.ndarray, size: int) -> float:
    """Wang et al. 2004, window by window, of one channel."""
    w, found = window(size).numpy(), []
    for i in range(a.shape[0] - size + 1):
        for j in range(a.shape[1] - size + 1):
            p, q = a[i : i + size, j : j + size], b[i : i + size, j : j + size]
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
            c = (w * (p - mp) * (q - mq)).sum()
            light = (2 * mp * mq + 1e-4) / (mp**2 + mq**2 + 1e-4)
            found.append(light * (2 * c + 9e-4) / (vp + vq + 9e-4))
    return float(np.mean(found))


@pytest.mark.parametrize(("side", "size"), [(16, 11), (8, 7)])
def test_ssim_is_the_direct_sum(side, size):
    x, y = images(2, 2, side, side), images(2, 2, side, side, seed=1)
    y = 0.7 * x + 0.3 * y
    found = ssim(x, y)
    for k in range(2):
        each = [slow_ssim(x[k, c].double().numpy(), y[k, c].double().numpy(), size) for c in range(2)]
        assert float(found[k]) == pytest.approx(np.mean(each), abs=1e-10)
    assert ssim(x, x).tolist() == pytest.approx([1.0, 1.0])
    assert float(window(11).sum()) == pytest.approx(1)


def test_constants_pass_total_variation_and_weight_0_is_the_identity():
    flat = torch.full((1, 3, 5, 7), 0.3)
    assert torch.allclose(total_variation(flat, 0.5), flat, atol=1e-6)
    x = images(2, 1, 6, 6)
    assert total_variation(x, 0.0) is x


def test_total_variation_of_a_step_has_its_closed_form():
    """Two halves of n columns each move by weight / n towards one another."""
    x = torch.zeros(1, 1, 3, 4, dtype=torch.float64)
    x[..., 2:] = 1.0
    u = total_variation(x, 0.4, steps=600)
    assert torch.allclose(u[..., :2], torch.full_like(u[..., :2], 0.2), atol=1e-3)
    assert torch.allclose(u[..., 2:], torch.full_like(u[..., 2:], 0.8), atol=1e-3)


def test_total_variation_lowers_its_objective_image_by_image():
    x = images(3, 1, 9, 9)
    found = [variation_objective(total_variation(x, 0.2, steps), x, 0.2) for steps in (5, 20, 80, 160)]
    assert (found[0] < variation_objective(x, x, 0.2)).all()
    assert all((b <= a + 1e-5).all() for a, b in zip(found, found[1:], strict=False))
    alone = total_variation(x[1:2], 0.2)
    assert torch.allclose(total_variation(x, 0.2)[1:2], alone)


def test_median_is_scipys():
    x = images(2, 3, 7, 6)
    for size in (3, 5):
        for k in range(2):
            for c in range(3):
                wanted = ndimage.median_filter(x[k, c].numpy(), size=size, mode="nearest")
                assert np.array_equal(median_filter(x, size)[k, c].numpy(), wanted)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: psnr(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3)), "of shapes"),
        (lambda: ssim(torch.zeros(2, 2), torch.zeros(2, 2)), "of shapes"),
        (lambda: median_filter(torch.zeros(1, 1, 4, 4), 4), "odd"),
        (lambda: total_variation(torch.zeros(1, 1, 4, 4), -1.0), "weight"),
        (lambda: total_variation(torch.zeros(1, 1, 4, 4), math.inf), "weight"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(UsageError, match=words):
        call()
