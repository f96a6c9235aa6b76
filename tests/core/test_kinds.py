"""One of several dataclasses in a field, told apart by their name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from gibbsian.core.config import from_dict, override, to_dict
from gibbsian.core.errors import UsageError
from gibbsian.core.kinds import Tagged, kinds_of


@dataclass(frozen=True)
class Box:
    name: Literal["box"] = "box"
    width: float = 1.0
    height: float = 2.0


@dataclass(frozen=True)
class Disc:
    name: Literal["disc"] = "disc"
    width: float = 3.0
    rim: int = 0


@dataclass(frozen=True)
class AnyTone(Tagged):
    name: str
    volume: int = 1

    @classmethod
    def kinds(cls) -> Mapping[str, type[Any]]:
        return {"hum": Hum, "beep": Beep, "own": Own}


@dataclass(frozen=True)
class Hum(AnyTone):
    name: Literal["hum"] = "hum"
    pitch: float = 0.5


@dataclass(frozen=True)
class Beep(AnyTone):
    name: Literal["beep"] = "beep"
    times: int = 2


@dataclass(frozen=True)
class Own(AnyTone):
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Thing:
    shape: Box | Disc = field(default_factory=Disc)
    maybe: Box | Disc | None = None
    tone: AnyTone = Beep()
    only: Hum = Hum()
    extra: dict[str, Any] = field(default_factory=dict)


def test_kinds_of_a_type():
    assert kinds_of(Box | Disc) == {"box": Box, "disc": Disc} == kinds_of(Box | Disc | None)
    assert kinds_of(AnyTone) == {"hum": Hum, "beep": Beep, "own": Own}
    assert kinds_of(Hum) == {"hum": Hum}
    assert not kinds_of(Box) and not kinds_of(int) and not kinds_of(int | None)


@pytest.mark.parametrize(
    "thing",
    [Thing(), Thing(Box(), Disc(rim=3), Hum(pitch=2.0)), Thing(extra={"a": {"b": [1, 2]}})],
)
def test_round_trip(thing):
    assert from_dict(Thing, to_dict(thing)) == thing


def test_the_name_chooses_and_a_missing_one_is_that_of_the_default():
    assert from_dict(Thing, {"shape": {"name": "box", "width": 5}}).shape == Box(width=5.0)
    assert from_dict(Thing, {"shape": {"rim": 5}}).shape == Disc(rim=5)
    assert from_dict(Thing, {"tone": {"times": 5}}).tone == Beep(times=5)
    assert from_dict(Thing, {"maybe": {"height": 5}}).maybe == Box(height=5.0), "no default: the first"
    assert from_dict(Thing, {"shape": Box(), "tone": Hum()}) == Thing(Box(), tone=Hum())


def test_another_name_keeps_what_both_have():
    thing = Thing(Box(width=7.0, height=9.0), tone=Beep(volume=4, times=9))
    changed = override(thing, {"shape.rim": 2, "shape.name": "disc", "tone.name": "hum"})
    assert changed == Thing(Disc(width=7.0, rim=2), tone=Hum(volume=4))
    assert override(changed, {"shape.name": "disc"}) == changed
    assert override(Thing(), {"maybe.name": "disc", "maybe.rim": 1}).maybe == Disc(rim=1)
    assert override(Thing(), {"extra.name": "x", "extra.deep": {"a": 1}}).extra == {
        "name": "x",
        "deep": {"a": 1},
    }


def test_a_dictionary_takes_any_depth_and_another_kind_begins_at_its_defaults():
    assert override(Thing(), {"extra.a.b": 1, "extra.a.c.d": 2}).extra == {"a": {"b": 1, "c": {"d": 2}}}
    free = override(Thing(), {"tone.name": "own", "tone.more.a.b": 1}).tone
    assert free == Own(name="own", more={"a": {"b": 1}})
    with pytest.raises(UsageError, match="'extra.a' is a single value"):
        override(Thing(extra={"a": 1}), {"extra.a.b": 1})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"shape.height": 1.0},
            "'shape.height' is no setting of 'disc', but of box: leave it out, or set shape.name",
        ),
        ({"tone.name": "hum", "tone.times": 3}, "'tone.times' is no setting of 'hum', but of beep"),
        ({"shape.name": "bax"}, "unknown name 'bax': did you mean 'box'"),
        ({"shape.name": 3}, "shape.name is 3: it must be a name"),
        ({"shape.hieght": 3}, "unknown key 'shape.hieght'"),
        ({"shape": 3}, "shape is 3: it must be a section"),
        ({"only.times": 3}, "unknown key 'only.times'"),
        ({"extra": 3}, "extra is 3: it must be a section"),
    ],
)
def test_wrong_kinds_are_one_line(changes, words):
    with pytest.raises(UsageError, match=words) as caught:
        override(Thing(), changes)
    assert "\n" not in str(caught.value)
