"""From a `NetConfig` to a module. Callers build inside `core.random.seeded_init`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ..core.errors import UsageError, unknown
from ..recipes.net import NetConfig
from .conv import ConvNet
from .found import own
from .igebm import IGEBMNet
from .levels import LevelNet
from .mlp import MLP
from .wide import WideNet


def build(config: NetConfig, event_shape: tuple[int, ...]) -> nn.Module:
    """The network that `config` describes, for positions `(B, *event_shape)`; it returns E `(B,)`.

    A name `module:Class` or `FILE.py:Class` is a class of your own (see `nets.found`).
    Raises `UsageError` for an unknown name or an event shape that the network cannot take.
    """
    shape = tuple(event_shape)
    if not shape or min(shape) < 1:
        raise UsageError(f"event shape {shape} is empty: give sizes of at least 1, such as (1, 28, 28)")
    if ":" in config.name:
        return own(config, shape)
    if config.name not in NETS:
        raise unknown("network", config.name, NETS)
    # Convolution weights lie in memory with channels last, which makes chains on a CPU 1.2 to 1.4 times as
    # fast (docs/benchmarks.md, eager beside the loop by hand). Networks of your own are left as they are.
    net: nn.Module = NETS[config.name](shape, config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def _mlp(event_shape: tuple[int, ...], config: NetConfig) -> nn.Module:
    return MLP(
        event_shape,
        config.hidden,
        activation_name=config.activation,
        negative_slope=config.negative_slope,
        classes=config.classes,
        head=config.head,
        sharpness=config.sharpness,
        spectral_norm=config.spectral_norm,
    )


def _conv(event_shape: tuple[int, ...], config: NetConfig) -> nn.Module:
    return ConvNet(
        event_shape,
        config.channels,
        kernels=config.kernels,
        strides=config.strides,
        paddings=config.paddings,
        hidden=config.head_hidden,
        pool=config.pool,
        activation_name=config.activation,
        negative_slope=config.negative_slope,
        spectral_norm=config.spectral_norm,
        dropout=config.dropout,
        classes=config.classes,
        head=config.head,
    )


def _igebm(event_shape: tuple[int, ...], config: NetConfig) -> nn.Module:
    return IGEBMNet(
        event_shape,
        config.channels,
        strides=config.strides,
        hidden=config.head_hidden,
        activation_name=config.activation,
        negative_slope=config.negative_slope,
        dropout=config.dropout,
        classes=config.classes,
        head=config.head,
    )


def _levels(event_shape: tuple[int, ...], config: NetConfig) -> nn.Module:
    if config.head != "scalar":
        raise UsageError("network 'levels' has no logits: set net.head to scalar")
    return LevelNet(
        event_shape,
        config.channels,
        levels=config.classes,
        strides=config.strides,
        activation_name=config.activation,
        negative_slope=config.negative_slope,
    )


def _wide(event_shape: tuple[int, ...], config: NetConfig) -> nn.Module:
    return WideNet(
        event_shape,
        config.channels,
        strides=config.strides,
        hidden=config.head_hidden,
        pool=config.pool,
        activation_name=config.activation,
        negative_slope=config.negative_slope,
        dropout=config.dropout,
        classes=config.classes,
        head=config.head,
    )


NETS: dict[str, Callable[[tuple[int, ...], NetConfig], nn.Module]] = {
    "conv": _conv,
    "igebm": _igebm,
    "levels": _levels,
    "mlp": _mlp,
    "wide": _wide,
}
