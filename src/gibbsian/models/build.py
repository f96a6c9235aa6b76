"""Learners from their settings, by the name of their paper."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..core.config import from_dict
from ..core.errors import UsageError
from ..core.random import RngLike, Streams
from .learner import Learner
from .model import EnergyModel, Record
from .papers import entry


def build(
    name: str,
    config: Any,
    event_shape: tuple[int, ...],
    rng: RngLike = None,
    net: nn.Module | None = None,
) -> Learner:
    """A fresh learner with its model, from its dataclass or a dictionary of settings.

    `rng`, a generator or a seed (0 by default), draws weights and chains; `net` takes the place of the
    network that `config.net` describes. Raises `UsageError` for unknown names and settings, and for shapes
    that the networks cannot take.
    """
    found = entry(name)
    if isinstance(config, dict):
        config = from_dict(found.config_class(), config)
    if not isinstance(config, found.config_class()):
        kind = found.config_class().__name__
        raise UsageError(f"config is {config!r:.60}: {name} takes a {kind} or a dictionary, such as {{}}")
    if config_condition(config) and not getattr(config, "takes_condition", False):
        raise UsageError(f"net.condition is set, but {name} learns p(x) alone: set it to [], or use igebm")
    learner: Learner = found.builder()(config, tuple(event_shape), _init(rng), net)
    if not isinstance(learner, Learner):
        kind = type(learner).__name__
        raise UsageError(f"the build of paper '{name}' returned a {kind}: it must return a Learner")
    claims = getattr(config, "claims_density", learner.model.claims_density)
    learner.model.claims_density = bool(claims)
    learner.model.record = Record(name, config, next(iter(found.papers()), None))
    return learner


def config_condition(config: Any) -> tuple[int, ...]:
    """The condition of the network of a paper's settings; empty without one."""
    return tuple(getattr(getattr(config, "net", None), "condition", ()))


def _init(rng: RngLike) -> torch.Generator:
    """The generator of weights: of a seed, the stream that training with it would take."""
    return rng if isinstance(rng, torch.Generator) else Streams(rng or 0).init


def name_of(model: EnergyModel) -> str:
    """The name of the paper that a model was built by, else that of its class."""
    return model.record.name if model.record else type(model).__name__
