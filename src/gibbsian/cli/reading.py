"""Options on how data are read, as `gibbsian train` takes them and a run keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from ..data.recipe import DataRecipe, named
from ..train.recipes import RunConfig
from .options import Arg

Size = Annotated[str | None, Arg("images are brought to this height and width", "N|HxW")]
Resize = Annotated[
    Literal["crop", "pad", "stretch"] | None,
    Arg("how, by --size: cut to the centre, by default, pad with --background, or distort"),
]
Grey = Annotated[
    Literal["yes", "no"] | None, Arg("images with one channel, or with three; by default as most files are")
]
Background = Annotated[
    Literal["white", "black", "grey"] | None, Arg("what alpha channels and padding show; white by default")
]
Levels = Annotated[
    str | None, Arg("values of black and white of images that are no bytes, as 0:4095", "LOW:HIGH")
]
Images = Annotated[
    Literal["yes", "no"] | None, Arg("arrays in a file are images, or numbers; found by itself by default")
]
Channels = Annotated[Literal["first", "last"] | None, Arg("where the channels of arrays in a file are")]
OnError = Annotated[
    Literal["stop", "skip"] | None,
    Arg("a broken image file or incomplete row: stop, as by default, or leave it out"),
]
Header = Annotated[Literal["yes", "no"] | None, Arg("whether the first line of a table names its columns")]
Columns = Annotated[str | None, Arg("columns of a table to learn; those of numbers by default", "NAME,NAME")]
LabelColumn = Annotated[str | None, Arg("column of a table that holds classes; none: it has none", "NAME")]
Standardise = Annotated[
    Literal["yes", "no", "auto"] | None,
    Arg("columns to mean 0, deviation 1, undone in samples; auto: where they are not about so"),
]


def with_options(
    config: RunConfig, stored: Mapping[str, Any] | None, given: Mapping[str, str | None]
) -> RunConfig:
    """The configuration with the data's options `given`, by name; without them those of a stored run."""
    recipe = DataRecipe.parse(named(config.data)).placed()
    if stored and isinstance(before := stored.get("data"), str):
        recipe = recipe.like(DataRecipe.parse(before))
    if on_error := given.get("on_error"):
        recipe = replace(recipe, on_error=on_error if on_error != "stop" else None)
    read = {k: v for k, v in given.items() if k != "on_error" and v != "auto"}
    return replace(config, data=str(recipe.reading(read)))
