"""The network of a model: as its settings describe it, or a person's own; and the model of one network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..core.random import seeded_init
from ..core.spec import DataSpec
from ..nets.build import build
from ..nets.families import AnyNet, CustomNetConfig
from ..nets.vector import build_vector
from .net_energy import NetEnergy


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
    vector, joint = sum(spec.condition), config.joint
    return prepared_net(
        net, shape, spec.low, spec.high, classes, condition=vector, joint=joint, curved=curved, second=second
    )


def data_spec(config: Any, event_shape: tuple[int, ...]) -> DataSpec:
    """The data of a model with settings `config`, of sections `pixels` and `net`."""
    pixels, net = config.pixels, config.net
    return DataSpec(
        event_shape,
        pixels.low,
        pixels.high,
        net.classes,
        condition=net.condition,
        condition_dropout=net.condition_dropout,
    )


def net_model(
    config: Any, spec: DataSpec, rng: torch.Generator, own: nn.Module | None = None, **more: Any
) -> NetEnergy:
    """The model of one network, with weights drawn from `rng`, at the temperature of the training chain.

    Args:
        config: a paper's settings with sections `net`, `chain` and `loss`.
        spec: shape, range and classes of the data.
        rng: draws the weights.
        own: takes the place of the network that `config.net` describes.
        more: other arguments of `NetEnergy`.

    Raises as `energy_net`.
    """
    from ..nets.given import Logits

    with seeded_init(rng):
        net = energy_net(config.net, spec, own)
    logits = config.net.head == "logits" or isinstance(net, Logits)
    return NetEnergy(
        net, spec, temperature=config.chain.temperature, link=config.loss.link, logits_head=logits, **more
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
