"""Draws of latents without a chain."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.models.latent import LatentConfig, accepted


@pytest.mark.parametrize("most", [1.0, 4.0])
def test_rejection_keeps_the_largest_ratio_that_it_has_seen(most: float) -> None:
    """Zeros first, then as many ones, whose ratio to the zeros is `most`: kept draws have that odds."""
    calls = []

    def prior(n: int, rng: torch.Generator) -> torch.Tensor:
        calls.append(n)
        return (torch.arange(n) % 2 * (len(calls) > 1)).float()[:, None]

    kept = accepted(
        lambda z: -z[:, 0] * math.log(most),
        prior,
        LatentConfig("rejection"),
        4000,
        torch.Generator().manual_seed(0),
    )
    assert float(kept.mean()) == pytest.approx(most / (1 + most), abs=0.03)  # 4 standard errors
