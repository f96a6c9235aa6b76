"""The network of a model: the one that its settings describe, or one of a person's own."""

from __future__ import annotations

from torch import nn

from ..core.spec import DataSpec
from ..nets.build import build
from ..nets.families import AnyNet, CustomNetConfig
from ..nets.vector import build_vector


def energy_net(
    config: AnyNet,
    spec: DataSpec,
    own: nn.Module | None = None,
    *,
    curved: bool = False,
    second: str = "y",
) -> nn.Module:
    """The energy network that `config` describes, or one of a person's own once it has been tried on two
    rows: `own`, or of the class that `config` names.

    Args:
        curved: refuse networks of a person's own whose second derivative is 0.
        second: what the second argument of the network is called in an error.

    Raises:
        UsageError: shapes that the network cannot take, and networks of others with another output, of
            another precision or without a trainable weight.
    """
    if own is None and not isinstance(config, CustomNetConfig):
        return build(config, spec.event_shape)
    from ..nets.found import made
    from ..nets.given import prepared_net, require_trainable  # for networks of others alone

    net = made(config, spec.event_shape) if own is None else own
    require_trainable(net)
    shape, classes = spec.event_shape, spec.num_classes
    return prepared_net(
        net, shape, spec.low, spec.high, classes, joint=config.joint, curved=curved, second=second
    )


def vector_net(
    config: AnyNet, spec: DataSpec, outputs: int, own: nn.Module | None = None, why: str = ""
) -> nn.Module:
    """The network of `config` with so many `outputs`, or `own` once it has been tried; `why` so many, for an
    error. Raises as `energy_net`.
    """
    if own is None:
        return build_vector(config, spec.event_shape, outputs)
    from ..nets.given import prepared_vector, require_trainable

    require_trainable(own)
    return prepared_vector(own, spec.event_shape, spec.low, spec.high, outputs, why)
