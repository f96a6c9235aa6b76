"""What the tests share: one thread, small data, tiny runs. Nothing here hides a warning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gibbsian.core.config import override
from gibbsian.data.dataset import Dataset
from gibbsian.data.load import load
from gibbsian.recipes.catalog import RunConfig, entry
from gibbsian.recipes.train import MonitorConfig, TrainConfig
from gibbsian.train.fit import Prepared, prepare

torch.set_num_threads(1)

TINY = TrainConfig(steps=8, batch_size=16, lr=1e-3, log_every=1, save_every=4, sample_every=0)


@pytest.fixture(scope="session")
def small_data() -> Callable[[str], Dataset]:
    """The first 128 rows of a data set, loaded once."""
    held: dict[str, Dataset] = {}

    def get(name: str) -> Dataset:
        if name not in held:
            held[name] = load(name).take(128)
        return held[name]

    return get


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., RunConfig]:
    """A run configuration from a system's defaults, tiny training and dotted changes."""

    def make(system: str, data: str, changes: dict[str, Any] | None = None) -> RunConfig:
        parts: dict[str, dict[str, Any]] = {"model": {}, "train": {}, "monitor": {}}
        for dotted, value in (changes or {}).items():
            head, _, rest = dotted.partition(".")
            section, key = (head, rest) if head in ("train", "monitor") else ("model", dotted)
            parts[section][key] = value
        model = override(entry(system).config_class()(), parts["model"])
        train, monitor = override(TINY, parts["train"]), override(MonitorConfig(), parts["monitor"])
        return RunConfig(system, "", data, model, train, monitor)

    return make


@pytest.fixture
def tiny_run(
    small_data: Callable[[str], Dataset], tiny_config: Callable[..., RunConfig]
) -> Callable[..., Prepared]:
    """A prepared run of a tiny configuration: `tiny_run("igebm", "toy:ring", {...}, out=..., resume=...)`."""

    def make(
        system: str, data: str, changes: dict[str, Any] | None = None, *, out: Path | None = None, **more: Any
    ) -> Prepared:
        return prepare(tiny_config(system, data, changes), small_data(data), out=out, **more)

    return make
