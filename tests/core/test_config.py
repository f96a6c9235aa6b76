"""Nested dataclasses, dictionaries, YAML and back."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gibbsian.core.config import from_dict, override, require_choices, to_dict
from gibbsian.core.errors import UsageError


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    kind: Literal["a", "bee"] = "a"
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Outer:
    steps: int = 3
    name: str = "x"
    on: bool = False
    inner: Inner = field(default_factory=Inner)
    extra: Inner | None = None
    limit: float | None = None


finite = st.floats(allow_nan=False, allow_infinity=False)
inners = st.builds(
    Inner,
    finite,
    st.sampled_from(["a", "bee"]),
    st.lists(st.integers(), max_size=4).map(tuple),
    st.tuples(finite, finite),
)
outers = st.builds(
    Outer, st.integers(), st.text(), st.booleans(), inners, st.none() | inners, st.none() | finite
)


@settings(max_examples=25, deadline=None)
@given(outers)
def test_round_trip_through_yaml_is_exact(config: Outer) -> None:
    text = yaml.safe_dump(to_dict(config))
    assert from_dict(Outer, yaml.safe_load(text)) == config


@settings(max_examples=25, deadline=None)
@given(outers, outers)
def test_overriding_every_key_gives_the_other(config: Outer, other: Outer) -> None:
    def dotted(values, head=""):
        for key, value in values.items():
            if isinstance(value, dict):
                yield from dotted(value, f"{head}{key}.")
            else:
                yield f"{head}{key}", value

    assert override(config, dict(dotted(to_dict(other)))) == other


def test_override_replaces_one_value() -> None:
    changed = override(Outer(), {"inner.rate": 2, "extra.kind": "bee"})
    assert changed == Outer(inner=Inner(rate=2.0), extra=Inner(kind="bee"))
    assert isinstance(changed.inner.rate, float)
    assert override(changed, {"extra": None}).extra is None
    assert Outer() == Outer(), "the default must not be touched"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stpes": 3}, "unknown key 'stpes': did you mean 'steps'"),
        ({"inner": {"raet": 3}}, "unknown key 'inner.raet': did you mean 'rate'"),
        ({"extra": {"raet": 3}}, "unknown key 'extra.raet'"),
        ({"zzz": 3}, "choose from extra, inner, limit, name, on, steps"),
        ({"steps": 1.5}, "steps is 1.5: it must be of type int"),
        ({"steps": True}, "steps is True: it must be of type int"),
        ({"steps": "3"}, "steps is '3': it must be of type int"),
        ({"steps": None}, "steps is None"),
        ({"name": 3}, "it must be of type str"),
        ({"on": 1}, "it must be of type bool"),
        ({"inner": {"rate": "fast"}}, "inner.rate is 'fast': it must be of type float"),
        ({"inner": {"rate": True}}, "inner.rate is True"),
        ({"inner": {"rate": 10**400}}, "it must be of type float"),
        ({"inner": {"kind": "be"}}, "inner.kind is 'be': did you mean 'bee'"),
        ({"inner": {"sizes": 3}}, r"inner.sizes is 3: it must be a list, such as \[3"),
        ({"inner": {"sizes": [1, "b"]}}, r"inner.sizes\[1\] is 'b'"),
        ({"inner": {"pair": [1.0]}}, "inner.pair has 1 values: it takes 2"),
        ({"inner": 3}, "inner is 3: it must be a section"),
        ({"limit": []}, "limit is"),
    ],
)
def test_wrong_keys_and_types_are_one_line(values, words) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        from_dict(Outer, values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"innre.rate": 1.0}, "unknown key 'innre': did you mean 'inner'"),
        ({"steps.rate": 1.0}, "'steps' is a single value"),
        ({"inner.rate.more": 1.0}, "'inner.rate' is a single value"),
        ({"": 1}, "unknown key ''"),
    ],
)
def test_wrong_dotted_keys(changes, words) -> None:
    with pytest.raises(UsageError, match=words):
        override(Outer(), changes)


def test_numbers_as_yaml_writes_them() -> None:
    """YAML 1.1 reads 1e-4 as text, since it has no dot."""
    assert from_dict(Inner, yaml.safe_load("rate: 1e-4")).rate == 1e-4
    assert from_dict(Inner, yaml.safe_load("rate: 2")).rate == 2.0
    assert math.isinf(from_dict(Inner, {"rate": "inf"}).rate)


def test_choices_hold_for_dataclasses_built_by_hand() -> None:
    require_choices(Inner(), "inner")
    with pytest.raises(UsageError, match="inner.kind 'c'"):
        require_choices(dataclasses.replace(Inner(), kind="c"), "inner")
