"""A network class of a person's own by name: `module:Class`, or `FILE.py:Class`."""

from __future__ import annotations

import inspect

from torch import nn

from ..core.errors import UsageError
from ..core.found import imported
from .families import AGAIN, AnyNet, says_too_little
from .given import prepared_net


def own(config: AnyNet, event_shape: tuple[int, ...]) -> nn.Module:
    """The network that `config.name` names, built by `made` and tried (see `prepared_net`).

    Raises `UsageError` if it cannot be found, built or called.
    """
    net = made(config, event_shape)
    if config.joint and callable(getattr(net, "logits", None)):
        return net  # whoever asks for logits says what they must be
    return prepared_net(net, event_shape, classes=config.classes, joint=config.joint)


def made(config: AnyNet, event_shape: tuple[int, ...]) -> nn.Module:
    """The network that `config.name` names, as it is: `Class()` where no argument is needed and none is
    named `event_shape` or `config`, else `Class(event_shape, config)`.

    Raises `UsageError` if it cannot be found or built.
    """
    cls = custom(config.name)
    arguments = next((some for some in _orders(cls, (event_shape, config)) if _takes(cls, some)), None)
    if arguments is None:
        raise UsageError(
            f"network '{config.name}' takes {inspect.signature(cls)}: it must be built as "
            f"{cls.__name__}(event_shape, config) or {cls.__name__}(), or {AGAIN}"
        )
    try:
        return cls(*arguments)
    except TypeError as error:
        called = f"{cls.__name__}({'event_shape, config' if arguments else ''})"
        raise UsageError(f"network '{config.name}' failed as {called}: {error}; {AGAIN}") from error


def _orders(cls: type[nn.Module], both: tuple[object, ...]) -> tuple[tuple[object, ...], ...]:
    """The arguments to build with, the likelier ones first."""
    asked = inspect.signature(cls).parameters.values()
    filled = any(
        (p.default is p.empty and p.kind is not p.VAR_KEYWORD) or p.name in ("event_shape", "config")
        for p in asked
    )
    return (both, ()) if filled else ((), both)


def custom(path: str) -> type[nn.Module]:
    """The class named by `module:Class` or `FILE.py:Class`; modules beside you are found as well.

    Raises `UsageError` if it cannot be found or is not an nn.Module.
    """
    try:
        cls = imported(path, "network")
    except UsageError as error:
        raise UsageError(f"{error}; {AGAIN}" if says_too_little(path) else str(error)) from error
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise UsageError(f"network '{path}' is not an nn.Module class: it must take (event_shape, config)")
    return cls


def _takes(cls: type[nn.Module], arguments: tuple[object, ...]) -> bool:
    try:
        inspect.signature(cls).bind(*arguments)
    except TypeError:
        return False
    return True
