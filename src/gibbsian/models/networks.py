"""The network of a model: the one that its settings describe, or one of a person's own."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..core.spec import DataSpec
from ..nets.build import build


def energy_net(config: Any, spec: DataSpec, own: nn.Module | None = None) -> nn.Module:
    """The energy network that `config` describes, or `own` once it has been tried on two rows.

    Raises `UsageError` for shapes that the network cannot take, and for `own` networks of another output.
    """
    if own is None:
        return build(config, spec.event_shape)
    from ..nets.given import prepared_net  # for networks of others alone

    return prepared_net(own, spec.event_shape, spec.low, spec.high, spec.num_classes)
