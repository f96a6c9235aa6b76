"""The settings of a system as `--section.key`: names, types, a preset's values, the texts under the fields.

The texts are read from the source of the configuration dataclasses, so that each is written once.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ..core.config import to_dict
from ..core.errors import UsageError
from ..core.kinds import TAG, Tagged, fields_of, kinds_of, type_hints
from ..train.recipes import RunConfig, resolve
from .options import FREE, Given, Setting


def system_settings(given: Given) -> list[Setting]:
    """Every setting of the system on the command line, with the values of its preset and the chosen network.

    Those of other networks are among them: `resolve` says whose they are.
    """
    if not given.get("system"):
        return []
    chosen = {f"net.{TAG}": given["net"]} if given.get("net") else {}
    chosen |= {k: v for k, v in (given.get("settings") or {}).items() if k == f"net.{TAG}"}
    config = resolve(given["system"], preset=given.get("preset"), data=given.get("data"), changes=chosen)
    own = [*listed(config.model), *listed(config.train, "train."), *listed(config.monitor, "monitor.")]
    return [*own, *foreign(config.model)]


def foreign(config: Any) -> list[Setting]:
    """The settings that only other kinds of its sections have."""
    names = {
        f"{section}.{key}"
        for section, hint in type_hints(type(config)).items()
        for kind in kinds_of(hint).values()
        for key in fields_of(kind).keys() - fields_of(type(getattr(config, section)))
    }
    return [Setting(name, "", None, "", foreign=True) for name in sorted(names)]


def listed(config: Any, prefix: str = "") -> list[Setting]:
    """The settings of a configuration and of its sections, in the order of the fields."""
    hints, docs = type_hints(type(config)), field_docs(type(config))
    out: list[Setting] = []
    for f in dataclasses.fields(config):
        name, value, inner = prefix + f.name, getattr(config, f.name), inner_type(hints[f.name])
        if dataclasses.is_dataclass(inner) and inner is not hints[f.name]:
            out.append(Setting(name, "null for none", None if value is None else "set", docs.get(f.name, "")))
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            out += listed(inner() if value is None else value, f"{name}.")
        else:
            kind = "|".join(config.kinds()) if is_tag(config, f.name) else words(hints[f.name])
            out.append(Setting(name, kind, to_dict(config)[f.name], docs.get(f.name, "")))
    return out


def is_tag(config: Any, name: str) -> bool:
    """Whether a field is the name that tells one kind from another."""
    return isinstance(config, Tagged) and name == TAG


def field_docs(cls: type) -> dict[str, str]:
    """The string under each field of a dataclass or of those that it derives from, on one line."""
    docs: dict[str, str] = {}
    for base in reversed([c for c in cls.__mro__ if dataclasses.is_dataclass(c)]):
        docs |= _own_docs(base)
    return docs


@cache
def _own_docs(cls: type) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
        ):
            docs[field.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return docs


def words(hint: Any) -> str:
    """A type as help shows it: `int`, `float or null`, `[int, ...]`, `value|norm`."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if a is type(None) else words(a) for a in args)
    if origin is Literal:
        return "|".join(map(str, args))
    if origin is dict:
        return FREE
    if origin is tuple:
        return f"[{', '.join('...' if a is Ellipsis else words(a) for a in args)}]"
    return str(hint.__name__)


def inner_type(hint: Any) -> Any:
    """The type itself, without "or none"."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(a for a in typing.get_args(hint) if a is not type(None))
    return hint


def read_yaml(path: str) -> dict[str, Any]:
    """The sections of a YAML file; raises `UsageError` where it is missing or is none."""
    import yaml

    try:
        loaded = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read configuration {path}: {getattr(error, 'strerror', 'no text')}"
        ) from error
    except yaml.YAMLError as error:
        raise UsageError(f"configuration {path} does not parse: {error}") from error
    if not isinstance(loaded or {}, dict):
        raise UsageError(f"configuration {path} is no mapping: write it as --print_config does")
    return loaded or {}


def yaml_text(config: RunConfig) -> str:
    """The configuration as a file that `--config` reads."""
    import yaml

    return yaml.safe_dump(config.to_dict(), sort_keys=False).rstrip()
