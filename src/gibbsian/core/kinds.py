"""Dataclasses told apart by their field `name`, so that a field may take one of several. No torch."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from .errors import UsageError, unknown

TAG = "name"
Kinds = Mapping[str, type[Any]]


class Tagged:
    """Base of dataclasses told apart by their field `name`; a field of this type takes any of its kinds."""

    @classmethod
    def kinds(cls) -> Kinds:
        """The known classes by name."""
        raise NotImplementedError

    @classmethod
    def kind(cls, name: str) -> type[Any]:
        """The class of a name; raises `UsageError` for an unknown one."""
        return one_of(cls.kinds(), name)


def kinds_of(hint: Any) -> Kinds:
    """The dataclasses by name among which a field of this type chooses; none for any other type."""
    if is_tagged(hint):
        return {name: kind for name, kind in hint.kinds().items() if issubclass(kind, hint)}
    found = [a for a in members(hint) if isinstance(a, type) and dataclasses.is_dataclass(a)]
    return {str(fields_of(a)[TAG].default): a for a in found} if len(found) > 1 else {}


def kind_of(hint: Any, name: Any, where: str) -> type[Any]:
    """The dataclass called `name` among those of a type; raises `UsageError` for an unknown one."""
    if not isinstance(name, str):
        raise UsageError(f"{where} is {name!r}: it must be a name")
    found: type[Any] = hint.kind(name) if is_tagged(hint) else one_of(kinds_of(hint), name)
    return found


def is_tagged(hint: Any) -> bool:
    """Whether a type is a `Tagged` class."""
    return isinstance(hint, type) and issubclass(hint, Tagged)


def members(hint: Any) -> list[Any]:
    """The types of a union but None; of any other type itself."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return [a for a in typing.get_args(hint) if a is not type(None)] if union else [hint]


def fields_of(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a dataclass by name."""
    return {f.name: f for f in dataclasses.fields(cls)}


def type_hints(cls: Any) -> dict[str, Any]:
    """The types of a dataclass's fields; they are read once."""
    return _hints(cls)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def one_of(kinds: Kinds, name: str) -> type[Any]:
    """The class of a name; raises `UsageError` for an unknown one."""
    if name not in kinds:
        raise unknown(TAG, name, kinds)
    return kinds[name]
