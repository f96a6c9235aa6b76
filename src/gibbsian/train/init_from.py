"""Weights of another run to begin with (`--init-from`)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ..core.errors import CheckpointError, UsageError
from ..models import folder as model_folder
from ..models.capabilities import Scalable
from ..models.learner import Learner
from ..nets.layers import EnergyHead
from .load import load


def load_into(learner: Learner, path: Path) -> None:
    """Copy the weights at `path` into the model of `learner` (`--init-from`).

    From another paper its energy network is taken, so that one may be trained by score matching, say, and go
    on with chains. Its last linear layer is scaled so that -log p stays what it was at this model's
    temperature. Raises `CheckpointError` for networks or ranges of the data that differ, and where an energy
    is more than a network of x.
    """
    other, model = load(path).inner, learner.model
    if (other.spec.table or model.spec.table) and other.spec.table != model.spec.table:
        raise CheckpointError(f"{path} learnt columns in other units: train both on the same table")
    if other.record and model.record and other.record.name == model.record.name:
        model_folder.load_weights(model, other.state_dict(), str(path))
        return learner.reset_training_state()
    if not isinstance(other, Scalable) or not isinstance(model, Scalable):
        raise CheckpointError(
            f"{path} is of another kind of model: its energy is not one network of x, which could be given"
        )
    try:
        factor = other.scale() / model.scale()
    except UsageError as error:
        raise CheckpointError(f"{path} is of another kind of model: {error}") from error
    ranges = [(m.spec.low, m.spec.high) for m in (model, other)]
    if ranges[0] != ranges[1]:
        raise CheckpointError(f"{path} learnt data in {list(ranges[1])}, this model has {list(ranges[0])}")
    model_folder.require_match(model.net.state_dict(), other.net.state_dict(), str(path))
    last = _last_layer(model.net)
    model.net.load_state_dict(other.net.state_dict())
    with torch.no_grad():
        for p in last.parameters():
            p.mul_(factor)


def _last_layer(net: nn.Module) -> nn.Module:
    """The linear layer that ends in E; raises `CheckpointError` for networks where it is not known."""
    head = getattr(net, "head", None)
    if not isinstance(head, EnergyHead):
        raise CheckpointError(
            "the last layer of this network is not known, so that its energy cannot be scaled"
        )
    return head.layers[-1]
