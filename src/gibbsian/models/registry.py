"""Learners from their settings, by the name of their paper."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import nn

from ..core.config import from_dict
from ..core.random import Streams
from ..recipes.catalog import RunConfig, entry
from .learner import Learner
from .model import EnergyModel, Record


def build(
    name: str,
    config: Any,
    event_shape: tuple[int, ...],
    rng: torch.Generator | None = None,
    net: nn.Module | None = None,
) -> Learner:
    """A fresh learner with its model, from its dataclass or a dictionary of settings.

    `rng` (seed 0 by default) draws weights and chains; `net` takes the place of the network that `config.net`
    describes. Raises `UsageError` for unknown names and settings, and for shapes that the networks cannot
    take.
    """
    found = entry(name)
    if isinstance(config, dict):
        config = from_dict(found.config_class(), config)
    make = importlib.import_module(f"gibbsian.models.{found.recipes}.learner").build
    learner: Learner = make(config, tuple(event_shape), rng or Streams(0).init, net)
    learner.model.record = Record(name, config, found.papers()[0])
    return learner


def from_run(config: RunConfig, event_shape: tuple[int, ...], net: nn.Module | None = None) -> Learner:
    """The learner of a run, with weights drawn from the run's seed."""
    return build(config.system, config.model, event_shape, Streams(config.train.seed).init, net)


def name_of(model: EnergyModel) -> str:
    """The name of the paper that a model was built by, else that of its class."""
    return model.record.name if model.record else type(model).__name__
