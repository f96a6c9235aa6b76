"""Curves of accuracy against the radius, and adversarial examples. The curves need the extra `plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...report.pictures import INK, NEGATIVE, PAPER, grid, stacked, to_uint8
from ...report.plots import COLOURS, named, panels, whiskers
from .sweep import Examples, Outcome, Threat

LENGTHS = {"linf": "largest change of a pixel", "l2": "Euclidean length of the change"}
LOUDEST = 10
"""Largest factor on the perturbation in the picture; smaller where it would leave the range."""
GAP, LINE = 2, 14


Outcomes = Mapping[str, Outcome]


def curves(outcomes: Outcomes, threat: Threat, title: str, colours: Mapping[str, str]) -> Any:
    """A figure of every classifier's accuracy under all attacks, against the radius; some have `colours`."""
    figure, (panel,) = panels(1, 1, 6.4, 4.2)
    for name, outcome, style in _styled(outcomes, colours):
        whiskers(panel, outcome.eps, outcome.worst, label=name, **style)
    _framed(panel, title, threat)
    return figure


def examples(
    outcomes: Outcomes, boxes: Mapping[str, tuple[float, float]], classes: Sequence[str], threat: Threat
) -> dict[str, Image.Image]:
    """For every classifier: clean images, what was added (enlarged, grey is nothing), what they became, with
    the answers below, wrong ones red. The radius is the smallest at which half of the images shown fell, or
    the largest; without one above 0, or an image that is right, there is no picture.
    """
    sheet: Image.Image | None = None
    for name, outcome in outcomes.items():
        if len(outcome.examples.y) and len(outcome.eps) > 1:
            picture = _sheet(name, outcome.examples, boxes[name], classes, threat)
            sheet = picture if sheet is None else stacked(sheet, picture)
    return {} if sheet is None else {"attack-examples": sheet}


def curves_by_attack(outcomes: Outcomes, threat: Threat) -> Any:
    """A figure with a panel a classifier: its accuracy under every attack, against the radius."""
    columns = min(3, len(outcomes))
    figure, all_panels = panels(-(-len(outcomes) // columns), columns, 4.2, 3.2)
    for panel in all_panels[len(outcomes) :]:
        panel.axis("off")
    for panel, (name, outcome) in zip(all_panels, outcomes.items(), strict=False):
        for k, (attack, shares) in enumerate(outcome.by_attack.items()):
            colour = COLOURS[k % len(COLOURS)]
            whiskers(panel, outcome.eps, shares, label=attack, color=colour, alpha=0.8)
        panel.plot(outcome.eps, [v.estimate for v in outcome.worst], color="black", lw=1, ls=":", label="all")
        _framed(panel, name, threat)
    return figure


def _styled(outcomes: Outcomes, given: Mapping[str, str]) -> list[tuple[str, Outcome, dict[str, Any]]]:
    """A colour a model, refined ones dashed like their model."""
    colours = dict(given)
    styled = []
    for name, outcome in outcomes.items():
        model = name.split(" + ")[0]
        colours.setdefault(model, COLOURS[(len(colours) - len(given)) % len(COLOURS)])
        dashes = "--" if model != name else "-"
        styled.append((name, outcome, {"color": colours[model], "ls": dashes}))
    return styled


def _framed(panel: Any, title: str, threat: Threat) -> None:
    named(panel, title, f"eps: {LENGTHS[threat.norm]}, of range 1", "share still right")
    panel.set_ylim(-0.03, 1.03)
    panel.legend(fontsize=7, frameon=False)


def _sheet(
    name: str, shown: Examples, box: tuple[float, float], classes: Sequence[str], threat: Threat
) -> Image.Image:
    """One classifier: three rows of images with words below, under a title."""
    low, high = box
    e = _telling(shown)
    ends, said = _broken(shown, e)
    change = ends - shown.x
    louder = min(LOUDEST, max(1, int((high - low) / 2 / max(float(change.abs().max()), 1e-6) + 1e-3)))
    clean = [classes[int(k)] for k in shown.y]
    became = ["?" if k < 0 else classes[int(k)] for k in said]
    wrong = [bool(k != own) for k, own in zip(said, shown.y, strict=True)]
    sheet = _words([f"{name}, {threat.norm} {threat.eps[e]:.3g}"], 8 * 66)
    for x, words, red in (
        (shown.x, clean, []),
        ((low + high) / 2 + louder * change, [f"x {louder}"], []),
        (ends, became, wrong),
    ):
        row = grid(to_uint8(x, low, high), len(x), gap=GAP)
        sheet = stacked(sheet, stacked(row, _words(words, row.width, len(x), red)))
    return stacked(sheet, _words([""], 1))


def _telling(shown: Examples) -> int:
    """The first radius above 0 at which half of the images fell, or the last."""
    said = torch.stack(list(shown.said.values()))
    fell = (said != shown.y).any(0).float().mean(1)
    found = [e for e in range(1, len(fell)) if fell[e] >= 0.5]
    return found[0] if found else len(fell) - 1


def _broken(shown: Examples, e: int) -> tuple[Tensor, Tensor]:
    """Points `(S, *event)` and answers `(S,)` of the first attack that broke each image, or of the first."""
    said = torch.stack([answers[e] for answers in shown.said.values()])
    points = torch.stack([ends[e] for ends in shown.points.values()])
    first, rows = (said != shown.y).int().argmax(0), torch.arange(len(shown.y))
    return points[first, rows], said[first, rows]


def _words(words: list[str], width: int, columns: int = 1, red: Sequence[bool] = ()) -> Image.Image:
    """A line of words, one a column, cut to fit; those marked are red."""
    line = Image.new("RGB", (width, LINE), PAPER)
    step = (width + GAP) / columns
    for k, word in enumerate(words):
        ink = NEGATIVE if k < len(red) and red[k] else INK
        ImageDraw.Draw(line).text((k * step + 1, 1), word[: max(1, int(step // 6))], fill=ink)
    return line
