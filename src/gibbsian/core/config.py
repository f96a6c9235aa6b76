"""Nested frozen dataclasses to plain dictionaries and back, for YAML and JSON files. No torch.

`from_dict` is strict: an unknown key or a value of the wrong type is one clear line. A field may take one of
several dataclasses, told apart by their field `name`: a union of them, or a `Tagged` base that others join.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, TypeVar

from .errors import UsageError, did_you_mean, unknown
from .kinds import TAG, Kinds, fields_of, is_tagged, kind_of, kinds_of, members, type_hints

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as nested dictionaries of plain values; tuples become lists."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """The dataclass `cls` from a (partial) dictionary; absent keys take their defaults.

    Raises `UsageError` for an unknown key, naming the nearest one, for a missing one and for a value of the
    wrong type.
    """
    known = fields_of(cls)
    for key in values:
        if key not in known:
            raise UsageError(f"unknown key '{where}{key}': {did_you_mean(key, known)}")
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise UsageError(f"'{where}{name}' is missing: give it")
    hints = type_hints(cls)
    named = {k: _named(hints[k], known[k], v) for k, v in values.items()}
    return cls(**{k: _typed(hints[k], v, f"{where}{k}") for k, v in named.items()})


def override(config: T, changes: Mapping[str, Any]) -> T:
    """A copy with dotted keys replaced: `override(config, {"chain.steps": 30})`.

    Another `name` of a section of several kinds is taken first, and keeps the settings that both kinds have.
    """
    values = to_dict(config)
    for dotted, value in sorted(changes.items(), key=lambda change: not change[0].endswith(f".{TAG}")):
        *path, last = dotted.split(".")
        inner, hint = _section(values, type(config), path)
        inner[last] = value
        if last == TAG and kinds_of(hint):
            _become(inner, kind_of(hint, value, dotted))
    return from_dict(type(config), values)


def dotted(values: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        out |= dotted(value, f"{head}{key}.") if isinstance(value, Mapping) else {f"{head}{key}": value}
    return out


def step_counted(config: Any, head: str = "") -> dict[str, Any]:
    """The settings of a dataclass that count updates and are not 0, by their dotted names: those that each
    section names in its class attribute `step_counted`."""
    found = {f"{head}{k}": v for k in getattr(config, "step_counted", ()) if (v := getattr(config, k))}
    inner = vars(config) if dataclasses.is_dataclass(config) else {}
    for name, section in inner.items():
        found |= step_counted(section, f"{head}{name}.")
    return found


def require_choices(config: Any, section: str = "") -> None:
    """Raise `UsageError` unless every `Literal` field of a dataclass holds one of its options."""
    for name, hint in type_hints(type(config)).items():
        if typing.get_origin(hint) is typing.Literal and getattr(config, name) not in typing.get_args(hint):
            what = f"{section}.{name}" if section else name
            raise unknown(what, str(getattr(config, name)), map(str, typing.get_args(hint)))


def _section(values: dict[str, Any], hint: Any, path: list[str]) -> tuple[dict[str, Any], Any]:
    """The section at a path, and its type; in a dictionary that holds what it likes, new ones are made."""
    for depth, part in enumerate(path):
        below = _below(hint, values, part)
        if hint is dict and part not in values:
            values[part] = {}
        values, hint = _descend(values, part, ".".join(path[: depth + 1])), below
    return values, hint


def _below(hint: Any, values: dict[str, Any], part: str) -> Any:
    """The type of a key, less None, in a section of type `hint` with these values."""
    if hint is dict:
        return dict
    kinds = kinds_of(hint)
    cls = kind_of(hint, values.get(TAG, next(iter(kinds))), TAG) if kinds else hint
    found = type_hints(cls).get(part) if dataclasses.is_dataclass(cls) else None
    one = members(found)[0] if len(members(found)) == 1 else found
    return dict if typing.get_origin(one) is dict else one


def _become(values: dict[str, Any], cls: type[Any]) -> None:
    """Drop what another kind has not, and add its defaults."""
    known = fields_of(cls)
    for key in values.keys() - known.keys():
        del values[key]
    for key in known.keys() - values.keys():
        default = _default(known[key])
        if default is not MISSING:
            values[key] = _plain(default)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _named(hint: Any, field: dataclasses.Field[Any], value: Any) -> Any:
    """A section of several kinds that names none takes the kind of the field's default."""
    if not kinds_of(hint) or not isinstance(value, Mapping) or TAG in value:
        return value
    default = _default(field)
    return {TAG: getattr(default, TAG), **value} if dataclasses.is_dataclass(default) else value


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
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _typed(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if value is None and type(None) in args:
        return None
    if kinds := kinds_of(hint):
        return _chosen(hint, kinds, value, where)
    if members(hint) != [hint]:
        return _typed(members(hint)[0], value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_dict(hint, _mapping(value, where), f"{where}.")
    if origin is typing.Literal:
        return _choice(args, value, where)
    if origin is tuple:
        return _tuple(args, value, where)
    return dict(_mapping(value, where)) if origin is dict else _scalar(hint, value, where)


def _chosen(hint: Any, kinds: Kinds, value: Any, where: str) -> Any:
    """A section of one of several kinds; a setting that only other kinds have is one clear line."""
    if type(value) in kinds.values() or (is_tagged(hint) and isinstance(value, hint)):
        return value
    name = _mapping(value, where).get(TAG, next(iter(kinds)))
    cls = kind_of(hint, name, f"{where}.{TAG}")
    for key in value:
        others = [name for name, kind in kinds.items() if key in fields_of(kind)]
        if others and key not in fields_of(cls):
            raise UsageError(
                f"'{where}.{key}' is no setting of '{name}', but of {', '.join(others)}: leave it out, or "
                f"set {where}.{TAG} to one that has it"
            )
    return from_dict(cls, value, f"{where}.")


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
        raise UsageError(f"{where} is {value!r}: it must be a list, such as [{value}]")
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
