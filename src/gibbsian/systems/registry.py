"""Systems from their configuration."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from ..core.config import from_dict
from ..core.random import Streams
from ..recipes.catalog import SYSTEMS, RunConfig, entry
from .base import System


def make(name: str, config: Any, event_shape: tuple[int, ...], rng: torch.Generator | None = None) -> System:
    """A fresh system from its dataclass or a dictionary; `rng` (seed 0 by default) draws its weights."""
    found = entry(name)
    if isinstance(config, dict):
        config = from_dict(found.config_class(), config)
    cls: Any = class_of(name)
    system: System = cls(config, tuple(event_shape), rng or Streams(0).init)
    return system


def class_of(name: str) -> type[System]:
    """The class of a system by its name."""
    file, _, cls = entry(name).system.partition(":")
    found: type[System] = getattr(importlib.import_module(f"gibbsian.systems.{file}"), cls)
    return found


def from_run(config: RunConfig, event_shape: tuple[int, ...]) -> System:
    """The system that a run trains, with weights drawn from the run's seed."""
    return make(config.system, config.model, event_shape, Streams(config.train.seed).init)


def name_of(system: System) -> str:
    """The name under which a system's class is registered, else the name of the class."""
    cls = type(system)
    for name, found in SYSTEMS.items():
        if f"gibbsian.systems.{found.system}" == f"{cls.__module__}:{cls.__name__}":
            return name
    return cls.__name__
