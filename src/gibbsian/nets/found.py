"""A network class of a person's own by name: `module:Class`, or `FILE.py:Class`."""

from __future__ import annotations

import inspect

from torch import nn

from ..core.errors import UsageError
from ..core.found import imported
from .families import AnyNet
from .given import prepared_net


def own(config: AnyNet, event_shape: tuple[int, ...]) -> nn.Module:
    """The network that `config.name` names, built as `Class(event_shape, config)`, or as `Class()` where it
    takes no arguments, and tried (see `prepared_net`).

    Raises `UsageError` if it cannot be found, built or called.
    """
    cls = custom(config.name)
    arguments = next((some for some in ((event_shape, config), ()) if _takes(cls, some)), None)
    if arguments is None:
        raise UsageError(
            f"network '{config.name}' takes {inspect.signature(cls)}: it must be built as "
            f"{cls.__name__}(event_shape, config) or {cls.__name__}()"
        )
    net = cls(*arguments)
    if config.head == "logits":  # whoever asks for logits says what they must be
        return net
    return prepared_net(net, event_shape, classes=config.classes)


def custom(path: str) -> type[nn.Module]:
    """The class named by `module:Class` or `FILE.py:Class`; modules beside you are found as well.

    Raises `UsageError` if it cannot be found or is not an nn.Module.
    """
    cls = imported(path, "network")
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise UsageError(f"network '{path}' is not an nn.Module class: it must take (event_shape, config)")
    return cls


def _takes(cls: type[nn.Module], arguments: tuple[object, ...]) -> bool:
    try:
        inspect.signature(cls).bind(*arguments)
    except TypeError:
        return False
    return True
