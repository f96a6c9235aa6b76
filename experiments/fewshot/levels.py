"""Features of an energy over noise levels: what the last layer for its number is given.

Rows are clean ones, told a level of noise that they do not have: with the noise on them, features of MNIST
were worse at every level (D. Baranchuk et al. 2022, arXiv 2112.03126, take those of noised images).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gibbsian.models.noise_energy.model import NoiseEnergy

SIGMAS = (0.1, 0.3, 0.6, 1.0, 2.0)


@torch.no_grad()
def features_at(model: NoiseEnergy, x: Tensor, sigma: float) -> Tensor:
    """The features `(B, F)` of rows `(B, *event)` in range of the model, at the level `sigma`."""
    seen: list[Tensor] = []
    layer: Any = model.net.number
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].float().cpu()))
    level = torch.tensor([sigma], device=model.base.mean.device)
    try:
        for part in x.split(500):
            model.energy_at(part.to(level.device), level)
    finally:
        hook.remove()
    return torch.cat(seen)


def by_level(
    model: NoiseEnergy, train: Tensor, test: Tensor, sigmas: Sequence[float] = SIGMAS
) -> dict[str, tuple[Tensor, Tensor]]:
    """Features of both sets by their level, for levels that the model has."""
    known = [s for s in sigmas if model.sigma_min <= s <= model.sigma_max]
    return {f"noise {s:g}": (features_at(model, train, s), features_at(model, test, s)) for s in known}
