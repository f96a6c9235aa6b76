"""Tiny trained systems for the studies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gibbsian.data.dataset import Dataset, from_arrays
from gibbsian.data.factors import Factors
from gibbsian.systems.vaebm import VAEBM
from gibbsian.train.fit import finished

SMALL = {
    "vae.steps": 2,
    "vae.hidden": (16,),
    "vae.groups": (3,),
    "net.name": "mlp",
    "net.hidden": (8,),
    "chain.steps": 2,
    "buffer.capacity": 40,
    "train.steps": 8,
}


def squares(copies: int) -> Dataset:
    """White squares of two sizes at 36 places, each `copies` times."""
    images, values = [], []
    for size in (2, 3):
        for x in range(6):
            for y in range(6):
                image = np.zeros((8, 8), np.uint8)
                image[y : y + size, x : x + size] = 255
                images.append(image)
                values.append((size - 2, x, y))
    factors = Factors(torch.tensor(values * copies), ("size", "x", "y"), (2, 6, 6))
    return from_arrays(np.stack(images * copies), name="squares", split="test", factors=factors)


@pytest.fixture
def sprites() -> Dataset:
    """864 squares."""
    return squares(12)


@pytest.fixture
def vaebm(tiny_run: Callable) -> VAEBM:
    """A VAEBM of a few updates on digits, with chains in its buffer."""
    trainer = tiny_run("vaebm", "digits", SMALL).trainer
    trainer.fit(progress=False)
    system = finished(trainer)
    assert isinstance(system, VAEBM)
    return system
