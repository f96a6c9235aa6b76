"""Tiny trained systems for the experiments, and a way to call their commands in process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from gibbsian.cli.main import main, program
from gibbsian.data.dataset import Dataset, from_arrays
from gibbsian.data.factors import Factors

RUNS = {
    "igebm": "--data digits --preset uva-mnist --net.name mlp --net.hidden [8] --net.classes 10 "
    "--chain.steps 2 --sample.steps 2 --start.capacity 64",
    "vaebm": "--data digits --vae.steps 2 --vae.hidden [8] --vae.groups [3] --net.hidden [8] --chain.steps 1 "
    "--sample.steps 1 --buffer.capacity 40",
    "gebm": "--data toy:ring --preset toy --generator.name flow --generator.hidden [8] --net.hidden [8] "
    "--energy_first 1 --energy_steps 1",
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> dict[str, Path]:
    """A run of four updates for some systems. Not to be written to."""
    root = tmp_path_factory.mktemp("runs")
    for system, words in RUNS.items():
        quick = f"train {system} {words} --steps 4 --train.batch_size 16 --train.sample_every 0"
        assert main([*quick.split(), "--out", str(root / system), "--json"]) == 0
    return {system: root / system for system in RUNS}


@pytest.fixture
def experiment(called):
    """`experiment(density, RUN, "--seeds", "0")`, as `python -m experiments.density RUN --seeds 0`."""

    def call(function: Callable, *words: str):
        return called(partial(program, f"python -m experiments.{function.__name__}", function), *words)

    return call


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
