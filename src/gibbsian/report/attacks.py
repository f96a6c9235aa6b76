"""Accuracy against the radius of an attack (needs the extra `plot`), and images before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw
from torch import Tensor

from ..metrics.interval import Interval
from .pictures import INK, NEGATIVE, PAPER, grid, stacked, to_uint8
from .plots import COLOURS, named, panels, whiskers

LENGTHS = {"linf": "largest change of a pixel", "l2": "Euclidean length of the change"}
LOUDEST = 10
"""Largest factor on the perturbation in the picture; smaller where it would leave the range."""
GAP, LINE = 2, 14


@dataclass(frozen=True, eq=False)
class Curve:
    """Shares still right at the radii `eps`: under all attacks, and under each of them by name."""

    eps: Sequence[float]
    worst: Sequence[Interval]
    by_attack: Mapping[str, Sequence[Interval]]


Curves = Mapping[str, Curve]
"""By name of the classifier."""


def accuracy_curves(curves: Curves, norm: str, title: str, colours: Mapping[str, str]) -> Any:
    """A figure of every classifier's accuracy under all attacks, against the radius; some have `colours`."""
    figure, (panel,) = panels(1, 1, 6.4, 4.2)
    for name, curve, style in _styled(curves, colours):
        whiskers(panel, curve.eps, curve.worst, label=name, **style)
    _framed(panel, title, norm)
    return figure


def curves_by_attack(curves: Curves, norm: str) -> Any:
    """A figure with a panel a classifier: its accuracy under every attack, against the radius."""
    columns = min(3, len(curves))
    figure, all_panels = panels(-(-len(curves) // columns), columns, 4.2, 3.2)
    for panel in all_panels[len(curves) :]:
        panel.axis("off")
    for panel, (name, curve) in zip(all_panels, curves.items(), strict=False):
        for k, (attack, shares) in enumerate(curve.by_attack.items()):
            colour = COLOURS[k % len(COLOURS)]
            whiskers(panel, curve.eps, shares, label=attack, color=colour, alpha=0.8)
        panel.plot(curve.eps, [v.estimate for v in curve.worst], color="black", lw=1, ls=":", label="all")
        _framed(panel, name, norm)
    return figure


def _styled(curves: Curves, given: Mapping[str, str]) -> list[tuple[str, Curve, dict[str, Any]]]:
    """A colour a model, refined ones dashed like their model."""
    colours = dict(given)
    styled = []
    for name, curve in curves.items():
        model = name.split(" + ")[0]
        colours.setdefault(model, COLOURS[(len(colours) - len(given)) % len(COLOURS)])
        dashes = "--" if model != name else "-"
        styled.append((name, curve, {"color": colours[model], "ls": dashes}))
    return styled


def _framed(panel: Any, title: str, norm: str) -> None:
    named(panel, title, f"eps: {LENGTHS[norm]}, of range 1", "share still right")
    panel.set_ylim(-0.03, 1.03)
    panel.legend(fontsize=7, frameon=False)


def before_and_after(
    title: str,
    before: Tensor,
    after: Tensor,
    box: tuple[float, float],
    said: tuple[list[str], list[str]],
    wrong: Sequence[bool],
) -> Image.Image:
    """Images `(S, C, H, W)` in the `box` before, what was added (enlarged, grey is nothing), and after, with
    what was `said` of both below, where `wrong` in red; under a title.
    """
    low, high = box
    change = after - before
    louder = min(LOUDEST, max(1, int((high - low) / 2 / max(float(change.abs().max()), 1e-6) + 1e-3)))
    sheet = _words([title], 8 * 66)
    for x, words, red in (
        (before, said[0], []),
        ((low + high) / 2 + louder * change, [f"x {louder}"], []),
        (after, said[1], wrong),
    ):
        row = grid(to_uint8(x, low, high), len(x), gap=GAP)
        sheet = stacked(sheet, stacked(row, _words(words, row.width, len(x), red)))
    return stacked(sheet, _words([""], 1))


def _words(words: list[str], width: int, columns: int = 1, red: Sequence[bool] = ()) -> Image.Image:
    """A line of words, one a column, cut to fit; those marked are red."""
    line = Image.new("RGB", (width, LINE), PAPER)
    step = (width + GAP) / columns
    for k, word in enumerate(words):
        ink = NEGATIVE if k < len(red) and red[k] else INK
        ImageDraw.Draw(line).text((k * step + 1, 1), word[: max(1, int(step // 6))], fill=ink)
    return line
