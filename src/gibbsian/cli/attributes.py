"""`compose --given shape=heart,scale=0.8,...`: conditionals of attributes by name, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from ..data.shapes import Sprites
    from ..models.model import EnergyModel
    from ..models.samples import Samples


def of_attributes(
    runs: Sequence[str],
    models: Sequence[EnergyModel],
    text: str,
    weights: tuple[float, ...] | None,
    plain: bool,
) -> tuple[EnergyModel, Sprites | None]:
    """p(x | attributes) of one model that knows several, or of one model an attribute, and the sprite that
    was asked for, if all its attributes were.

    The sum of conditionals loses E(x) once for each but one, E(x) being that of the model or the mean of
    those of several; with `plain` it loses none. Raises `UsageError` for attributes that no model knows.
    """
    import torch

    from ..data.attributes import alone, blocks_of, sprite_of
    from ..data.names import SPRITE_BLOCKS
    from ..models.composed import conditional, product

    sprite, given = sprite_of(text)
    own = [blocks_of(_data(model), run) for run, model in zip(runs, models, strict=True)]
    chosen = [
        (model, blocks, b) for b in given for model, blocks in zip(models, own, strict=True) if b in blocks
    ]
    known = {b for blocks in own for b in blocks}
    for block in given:
        if block not in known:
            raise UsageError(
                f"--given names the {block}, but these models know {', '.join(sorted(known))} alone"
            )
    if len(chosen) > len(given):
        raise UsageError("two of these models know the same attribute: give one RUN for each, or one for all")
    for run, model, blocks in zip(runs, models, own, strict=True):
        require_apart(run, model, blocks)
    ws = list(weights or [1.0] * len(chosen))
    parts = [conditional(m, alone(sprite, b, blocks)[0]) for m, blocks, b in chosen]
    if len(ws) != len(parts):
        raise UsageError(f"--weights has {len(ws)} for {len(parts)} attributes: give one each")
    if not plain and len(parts) > 1:
        of_x = list({id(m): m for m, _, _ in chosen}.values())
        for model in of_x:
            if not model.spec.condition_dropout:
                raise UsageError(
                    "these models have no E(x) to take away: train them with --net.condition_dropout 0.5, or "
                    "take the plain sum (--plain)"
                )
        parts += [conditional(m, torch.zeros(sum(m.spec.condition))) for m in of_x]
        ws += [(1 - sum(ws)) / len(of_x)] * len(of_x)
    model = parts[0] if len(parts) == 1 else product(*parts, weights=ws)
    return model, sprite if len(given) == len(SPRITE_BLOCKS) else None


def require_apart(run: str, model: EnergyModel, blocks: tuple[str, ...]) -> None:
    """Raise `UsageError` for a model that knows several attributes, but none without the others."""
    if len(blocks) > 1 and not model.spec.condition_dropout:
        known = ", ".join(blocks)
        raise UsageError(f"{run} knows {known} together alone: train it with --net.condition_dropout 0.7")


def with_rendering(drawn: Samples, sprite: Sprites, columns: int | None) -> Image.Image:
    """The grid of samples, and beside it the sprite that was asked for."""
    from ..data.shapes import render
    from ..report.pictures import beside, sheet

    low, high = drawn.range or (-1.0, 1.0)
    image = low + (high - low) * render(sprite, drawn.x.shape[-1])[:, None]
    pictures = [sheet(drawn.x, low, high, columns), sheet(image.expand_as(drawn.x), low, high, columns)]
    return beside(pictures, ["samples", "asked for"])


def _data(model: EnergyModel) -> str:
    return "" if model.record is None else model.record.data
