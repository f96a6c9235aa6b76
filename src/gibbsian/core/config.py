"""Nested frozen dataclasses to plain dictionaries and back, for YAML and JSON files. No torch.

`from_dict` is strict: an unknown key or a value of the wrong type is one clear line.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from functools import cache
from typing import Any, TypeVar

from .errors import UsageError, did_you_mean, unknown

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as nested dictionaries of plain values; tuples become lists."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """The dataclass `cls` from a (partial) dictionary; absent keys take their defaults.

    Raises `UsageError` for an unknown key, naming the nearest one, for a missing one and for a value of the
    wrong type.
    """
    hints = _hints(cls)  # type: ignore[arg-type]
    for key in values:
        if key not in hints:
            raise UsageError(f"unknown key '{where}{key}': {did_you_mean(key, hints)}")
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise UsageError(f"'{where}{f.name}' is missing: give it")
    return cls(**{k: _typed(hints[k], v, f"{where}{k}") for k, v in values.items()})


def override(config: T, changes: Mapping[str, Any]) -> T:
    """A copy with dotted keys replaced: `override(config, {"chain.steps": 30})`."""
    values = to_dict(config)
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        inner = values
        for depth, part in enumerate(path):
            inner = _descend(inner, part, ".".join(path[: depth + 1]))
        inner[last] = value
    return from_dict(type(config), values)


def dotted(values: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        out |= dotted(value, f"{head}{key}.") if isinstance(value, Mapping) else {f"{head}{key}": value}
    return out


def require_choices(config: Any, section: str) -> None:
    """Raise `UsageError` unless every `Literal` field of a dataclass holds one of its options."""
    for name, hint in _hints(type(config)).items():  # type: ignore[arg-type]
        if typing.get_origin(hint) is typing.Literal and getattr(config, name) not in typing.get_args(hint):
            raise unknown(f"{section}.{name}", str(getattr(config, name)), map(str, typing.get_args(hint)))


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _descend(values: dict[str, Any], part: str, dotted: str) -> dict[str, Any]:
    if part not in values:
        raise UsageError(f"unknown key '{dotted}': {did_you_mean(part, values)}")
    if values[part] is None:
        values[part] = {}
    if not isinstance(values[part], dict):
        raise UsageError(f"'{dotted}' is a single value: it has no keys of its own")
    return values[part]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value


def _typed(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _typed(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_dict(hint, _mapping(value, where), f"{where}.")
    if origin is typing.Literal:
        return _choice(args, value, where)
    if origin is tuple:
        return _tuple(args, value, where)
    return _scalar(hint, value, where)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where} is {value!r}: it must be a section of keys and values")
    return value


def _choice(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in options:
        raise UsageError(f"{where} is {value!r}: {did_you_mean(str(value), map(str, options))}")
    return value


def _tuple(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{where} is {value!r}: it must be a list")
    kinds = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else list(args)
    if len(kinds) != len(value):
        raise UsageError(f"{where} has {len(value)} values: it takes {len(kinds)}")
    return tuple(_typed(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    elif isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise UsageError(f"{where} is {value!r}: it must be of type {hint.__name__}")
