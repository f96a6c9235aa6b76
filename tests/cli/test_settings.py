"""Settings read from configuration dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from gibbsian.cli.help import settings_help
from gibbsian.cli.settings import field_docs, listed, system_settings, words
from gibbsian.core.config import override, to_dict
from gibbsian.core.errors import UsageError
from gibbsian.models.papers import PAPERS
from gibbsian.train.recipes import presets, resolve


@dataclass(frozen=True)
class Inner:
    width: float = 0.5
    """How wide,
    in pixels."""


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    other: Inner | None = None
    """None for no other."""
    sizes: tuple[int, ...] = (1, 2)
    kind: Literal["a", "b"] = "a"
    """Which."""


def test_leaves_of_all_sections_are_listed():
    names = [s.name for s in listed(Outer(Inner(0.25)))]
    assert names == ["inner.width", "other", "other.width", "sizes", "kind"]
    first = listed(Outer(Inner(0.25)))[0]
    assert (first.kind, first.default, first.doc) == ("float", 0.25, "How wide, in pixels.")


def test_docs_belong_to_the_field_above_them():
    assert field_docs(Outer) == {"other": "None for no other.", "kind": "Which."}


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (float | None, "float or null"),
        (tuple[int, ...], "[int, ...]"),
        (Literal["a", "b"], "a|b"),
    ],
)
def test_types_in_words(hint, text):
    assert words(hint) == text


@pytest.mark.parametrize("system", PAPERS)
@pytest.mark.parametrize("part", ["model", "train", "monitor"])
def test_every_key_of_every_preset_is_listed_explained_and_can_be_set(system, part):
    for preset in presets(system):
        config = getattr(resolve(system, preset=preset), part)
        found = listed(config)
        for setting in found:
            assert setting.doc and setting.doc.endswith("."), f"{setting.name} of {system} has no text"
        plain = {
            s.name: s.default for s in found if s.kind != "null for none" and not _below_none(s.name, config)
        }
        assert override(config, plain) == config


def _below_none(name: str, config: object) -> bool:
    head, _, rest = name.partition(".")
    return bool(rest) and to_dict(config)[head] is None


def test_preset_gives_the_values_shown():
    found = {s.name: s.default for s in system_settings({"system": "igebm", "preset": "cifar10"})}
    assert found["chain.steps"] == 60 and found["train.steps"] == 75_000 and found["chain.step_size"] == 20.0
    assert "--chain.step_size float = 20" in settings_help(listed(presets("igebm")["cifar10"].model))


def test_without_a_system_there_are_none_and_unknown_names_are_refused():
    assert system_settings({}) == []
    with pytest.raises(UsageError, match="did you mean 'igebm'"):
        system_settings({"system": "igebn"})
