"""A network class of a person's own by name: `module:Class`, or `FILE.py:Class`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType

from torch import nn

from ..core.errors import UsageError
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
    place, _, name = path.rpartition(":")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else _from_here(place)
        cls = getattr(module, name)
    except (ImportError, AttributeError, ValueError, TypeError, OSError, SyntaxError) as error:
        raise UsageError(
            f"network '{path}' cannot be imported ({error}): write module:Class of a module beside you or on "
            "PYTHONPATH, or FILE.py:Class"
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise UsageError(f"network '{path}' is not an nn.Module class: it must take (event_shape, config)")
    return cls


def _from_here(name: str) -> ModuleType:
    """Import by name, from the current folder where it is nowhere else."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that nothing beside you hides an installed module
    return importlib.import_module(name)


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _takes(cls: type[nn.Module], arguments: tuple[object, ...]) -> bool:
    try:
        inspect.signature(cls).bind(*arguments)
    except TypeError:
        return False
    return True
