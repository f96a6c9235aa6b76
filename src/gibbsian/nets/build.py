"""From a network's settings to a module. Callers build inside `core.random.seeded_init`."""

from __future__ import annotations

import importlib

import torch
from torch import nn

from ..core.errors import UsageError
from .families import AnyNet, CustomNetConfig, family


def build(config: AnyNet, event_shape: tuple[int, ...]) -> nn.Module:
    """The network that `config` describes, for positions `(B, *event_shape)`; it returns E `(B,)`.

    Raises `UsageError` for an unknown name or an event shape that the network cannot take.
    """
    shape = tuple(event_shape)
    if not shape or min(shape) < 1:
        raise UsageError(f"event shape {shape} is empty: give sizes of at least 1, such as (1, 28, 28)")
    if isinstance(config, CustomNetConfig):
        from .found import own  # for networks of others alone

        return own(config, shape)
    found = family(config.name)
    cls = _class(found.network) if isinstance(found.network, str) else found.network
    net: nn.Module = cls(shape, config)
    # Channels last in memory makes chains on a CPU 1.2 to 1.4 times as fast (docs/benchmarks.md, eager beside
    # the loop by hand). Networks of your own are left as they are, unless their family asks for it.
    return net.to(memory_format=torch.channels_last) if found.channels_last else net  # type: ignore[call-overload]


def _class(path: str) -> type[nn.Module]:
    module, _, name = path.partition(":")
    cls: type[nn.Module] = getattr(importlib.import_module(module), name)
    return cls
