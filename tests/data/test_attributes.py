"""Attributes by name: what is read, what is refused in one line, and the candidates of a concept."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.data.attributes import alone, blocks_of, candidates, sprite_of
from gibbsian.data.names import SPRITE_BLOCKS
from gibbsian.data.shapes import encode

BLOCKS = tuple(SPRITE_BLOCKS)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("shape=heart,scale=0.8,x=0.3,y=0.6,rotation=40", BLOCKS),
        ("scale=0.5", ("scale",)),
        ("y=1, x=0", ("position",)),
        ("rotation=-90,shape=square", ("shape", "rotation")),
    ],
)
def test_words_are_attributes(text, given):
    sprite, found = sprite_of(text)
    assert found == given
    for word in text.replace(" ", "").split(","):
        name, _, value = word.partition("=")
        if name != "shape":
            assert float(getattr(sprite, name)) == pytest.approx(float(value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write them as shape=heart"),
        ("shape", "write them as shape=heart"),
        ("colour=red", "unknown attribute 'colour'"),
        ("shape=hart", "did you mean '?heart"),
        ("scale=2", "scale is 2: it goes from 0.5 to 1"),
        ("x=-0.1,y=0", "x is -0.1: it goes from 0 to 1"),
        ("scale=big", "scale is 'big': write a number"),
        ("scale=nan", "scale is nan: it goes"),
        ("x=0.5", "give both"),
        ("rotation=20", "rotation needs the shape"),
    ],
)
def test_what_is_no_sprite_is_one_line(text, said):
    with pytest.raises(UsageError, match=said) as error:
        sprite_of(text)
    assert "\n" not in str(error.value)


def test_one_block_stands_alone_in_its_place():
    sprite, _ = sprite_of("shape=ellipse,scale=0.7,x=0.1,y=0.9,rotation=10")
    parts = [alone(sprite, block, BLOCKS) for block in BLOCKS]
    assert torch.equal(sum(parts), encode(sprite))
    assert [int((part != 0).sum()) for part in parts] == [1, 1, 4, 2] or all(part.any() for part in parts)
    assert torch.equal(alone(sprite, "scale", ("scale",)), encode(sprite, ("scale",)))


@pytest.mark.parametrize(
    ("concept", "n", "count"), [("shape", 9, 3), ("scale", 6, 6), ("position", 4, 16), ("rotation", 12, 12)]
)
def test_candidates_cover_the_range_and_differ(concept, n, count):
    names, c = candidates(concept, BLOCKS, n)
    assert len(names) == len(c) == len(c.unique(dim=0)) == count
    place = list(SPRITE_BLOCKS).index(concept)
    blocks = c.split(list(SPRITE_BLOCKS.values()), 1)
    assert all(bool(block.any()) == (k == place) for k, block in enumerate(blocks))


@pytest.mark.parametrize(("concept", "n"), [("colour", None), ("class", None), ("scale", 1)])
def test_concepts_that_are_not_there(concept, n):
    with pytest.raises(UsageError, match="unknown concept|2 or more"):
        candidates(concept, BLOCKS, n)


@pytest.mark.parametrize("data", ["digits", "my.npz", ""])
def test_conditions_of_other_data_have_no_names(data):
    with pytest.raises(UsageError, match="have no names"):
        blocks_of(data)
    assert blocks_of("sprites@validation=100") == BLOCKS and blocks_of("sprites:scale") == ("scale",)
