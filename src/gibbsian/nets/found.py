"""A network class of a person's own by name: `module:Class`, or `FILE.py:Class`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

from torch import nn

from ..core.errors import UsageError
from ..core.found import imported
from .families import AGAIN, AnyNet, says_too_little
from .given import prepared_net, takes


def own(config: AnyNet, event_shape: tuple[int, ...]) -> nn.Module:
    """The network that `config.name` names, built by `made` and tried (see `prepared_net`).

    Raises `UsageError` if it cannot be found, built or called.
    """
    net = made(config, event_shape)
    if config.joint and callable(getattr(net, "logits", None)):
        return net  # whoever asks for logits says what they must be
    return prepared_net(
        net, event_shape, classes=config.classes, condition=sum(config.condition), joint=config.joint
    )


def made(config: AnyNet, event_shape: tuple[int, ...]) -> nn.Module:
    """The network that `config.name` names: a copy of an instance, or what a class or function makes, called
    without arguments where none is needed and none is named `event_shape` or `config`, else with these two.

    Raises `UsageError` if it cannot be found or built.
    """
    cls = custom(config.name)
    if isinstance(cls, nn.Module):
        return copy.deepcopy(cls)
    thing = config.name.rpartition(":")[2]
    arguments = next((some for some in _orders(cls, (event_shape, config)) if takes(cls, some)), None)
    if arguments is None:
        raise UsageError(
            f"network '{config.name}' takes {inspect.signature(cls)}: it must be built as "
            f"{thing}(event_shape, config) or {thing}(), or {AGAIN}"
        )
    called = f"{thing}({'event_shape, config' if arguments else ''})"
    try:
        net = cls(*arguments)
    except Exception as error:  # it is a person's own code
        said = f"{type(error).__name__}: {error}"
        raise UsageError(f"network '{config.name}' failed as {called}: {said}; {AGAIN}") from error
    if not isinstance(net, nn.Module):
        raise UsageError(f"network '{config.name}': {called} is a {type(net).__name__}, not an nn.Module")
    return net


def _orders(cls: Callable[..., Any], both: tuple[object, ...]) -> tuple[tuple[object, ...], ...]:
    """The arguments to build with, the likelier ones first."""
    asked = inspect.signature(cls).parameters.values()
    filled = any(
        (p.default is p.empty and p.kind is not p.VAR_KEYWORD) or p.name in ("event_shape", "config")
        for p in asked
    )
    return (both, ()) if filled else ((), both)


def custom(path: str) -> Callable[..., Any]:
    """The class, function or instance named by `module:NAME` or `FILE.py:NAME`, found beside you as well.

    Raises `UsageError` if it cannot be found, or is none of these.
    """
    try:
        cls = imported(path, "network")
    except UsageError as error:
        raise UsageError(f"{error}; {AGAIN}" if says_too_little(path) else str(error)) from error
    kinds = (nn.Module, FunctionType, partial)
    usual = issubclass(cls, nn.Module) if isinstance(cls, type) else isinstance(cls, kinds)
    if not usual:
        raise UsageError(
            f"network '{path}' is not an nn.Module class, a function that makes one, or an instance: it must "
            "take (event_shape, config), or nothing"
        )
    return cls
