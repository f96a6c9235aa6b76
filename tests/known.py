"""Small things that several tests share: networks with known answers, an untrained classifier, a stand-in for
a study, a made-up record of the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gibbsian.core.random import generator
from gibbsian.data.dataset import Dataset
from gibbsian.data.settings import PixelConfig
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.models.build import build
from gibbsian.models.igebm.config import IGEBMConfig
from gibbsian.models.model import EnergyModel
from gibbsian.nets.settings import MLPConfig


def decided(data: Dataset) -> tuple[str, ...]:
    """The notes of a set, less the lines on its test part and on folders as classes."""
    usual = ("are kept apart as the test part", "labels are the names of", "is the test part")
    return tuple(note for note in data.notes if not any(words in note for words in usual))


class LinearGenerator(nn.Module):
    """g(z) = slope z."""

    latent = 2

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, z: Tensor) -> Tensor:
        return self.slope * z


class Bowl(nn.Module):
    """E(x) = curve |x|^2 / 2: exp(-E/T) is N(0, T / curve); a Langevin step shrinks x by 1 - s curve / 2."""

    def __init__(self, curve: float) -> None:
        super().__init__()
        self.curve = nn.Parameter(torch.tensor(curve))

    def forward(self, x: Tensor) -> Tensor:
        return self.curve * x.square().sum(1) / 2


def untrained(
    classes: int = 10, head: str = "logits", shape: tuple[int, ...] = (1, 8, 8), high: float = 1.0
) -> EnergyModel:
    """An IGEBM as it is built, in eval mode."""
    net = MLPConfig(hidden=(8,), activation="swish", classes=classes, head=head)
    chain = ChainConfig(steps=2, step_size=2.0, noise=0.01, clamp=True)
    config = IGEBMConfig(net=net, chain=chain, pixels=PixelConfig(-1.0, high))
    return build("igebm", config, shape, generator(0)).model.eval()


class FoundOne:
    """What a study found: one number, and nothing drawn."""

    def to_dict(self) -> dict[str, float]:
        return {"found": 1.5, "gap": float("inf")}

    def text(self) -> str:
        return "found  1.5"

    def figures(self) -> dict[str, Any]:
        return {}


def stand_in(calls: dict[str, Any], name: str) -> Callable[..., FoundOne]:
    """A study that keeps what it was asked for in `calls[name]`."""

    def study(*arguments: Any, **options: Any) -> FoundOne:
        calls[name] = (arguments, options)
        return FoundOne()

    return study


TIMES: dict[str, Any] = {
    "about": "made up",
    "seconds": {
        "gibbsian": [1.0, 1.0, 1.0],
        "compiled": [0.5, 0.5, 0.8],
        "bf16": [0.25, 0.2, 0.3],
        "plain": [2.0, 2.0, 2.0],
        "torchebm": [3.0, 2.0, 4.0],
        "ebmkit": [2.0, 1.5, 2.5],
    },
    "first": {},
    "ceilings": {
        "fp32": {"format": "contiguous", "seconds": [0.3, 0.3, 0.3]},
        "bf16": {"format": "contiguous", "seconds": [0.1, 0.1, 0.1]},
    },
    "notes": [],
}
"""One case of the chains' benchmark: three rounds of every implementation."""
