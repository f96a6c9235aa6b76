"""`gibbsian.compare`: runs side by side, as tables, a picture and a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ...core.errors import GibbsianError, UsageError
from ...core.files import own_path, write_whole
from ...core.plain import json_text
from ...core.random import generator
from ...models.model import EnergyModel, device_of
from ...report.charts import training_curves
from ...report.curves import overlaid
from ...report.html import Html, columns, element, figure, lines, page, save_page, section, table
from ...report.pictures import PAPER, beside, save_image, stacked
from ...train.load import load, trained_on
from ..chains import every_label
from ..evaluate import evaluate
from ..film import drawable, painter
from .evaluation import save_report
from .measured import Measured, stored_measures
from .several import Comparison, compared, named_runs

SHOWN, SIDE = 36, 300
"""Images of each run, and pixels of their grids side by side."""


def compare(
    runs: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    measure: bool = False,
    data: str | None = None,
    n: int = 2000,
    draws: int = 5,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Settings, ends of training and measures of two or more runs or model folders, side by side.

    Args:
        runs: their folders.
        out: folder for compare.txt, .json, .png (curves above samples) and .html; nothing is written without.
        measure: evaluate each anew, alike, into folders of `out`; else the newest report.json in the folder
            of a run, or one folder below, is read.
        data, n, draws: of the evaluations, as `gibbsian.evaluate` takes them; seed: of all draws.

    Raises:
        UsageError: fewer than two runs, or one twice. CheckpointError: a folder that is no run or model.
    """
    named, notes, found = named_runs(runs), list[str](), dict[str, Measured]()
    models: dict[str, EnergyModel] = {}
    for name, about in named.items():
        try:
            models[name] = load(about.path).inner
            if measure:
                asked = data or trained_on(own_path(about.path))
                if not asked:
                    raise UsageError("it does not say what it was trained on: name the data")
                progress(f"{name}: measuring")
                report = evaluate(
                    models[name], asked, n=n, draws=draws, seed=seed, data_dir=data_dir, progress=progress
                )
                values = {"run": about.path, **report.to_dict()}
                if out:
                    save_report(own_path(out) / name.replace("/", "_"), values, report.text())
                one = Measured.of(values)
            else:
                one = stored_measures(about)
            found |= {name: one} if one else {}
        except GibbsianError as error:
            notes.append(f"{name}: {error}")
    if not measure and not found:
        notes.append("no report.json lies in these folders: --evaluate (measure=True) measures them")
    result = compared(named, found, notes)
    if out:
        progress("drawing samples of each")
        save(result, {name: _drawn(model, seed) for name, model in models.items()}, own_path(out))
    return result


def save(result: Comparison, grids: Mapping[str, Image.Image | None], folder: Path) -> list[Path]:
    """Write compare.txt, .json, .html and, if there is something to see, .png; returns their paths.

    Raises `UsageError` where that fails.
    """
    pictures = {name: grid for name, grid in grids.items() if grid is not None}
    paths = [folder / f"compare.{kind}" for kind in ("txt", "json", "html", "png")]
    save_page(comparison_page(result, pictures), paths[2])
    write_whole(paths[0], result.text() + "\n")
    write_whole(paths[1], json_text(result.to_dict()))
    picture = comparison_picture(result, pictures)
    if picture is None:
        return paths[:3]
    save_image(picture, paths[3])
    return paths


def comparison_picture(result: Comparison, grids: Mapping[str, Image.Image]) -> Image.Image | None:
    """Training curves of all runs in one picture, above samples of each; None where there is neither."""
    curves = overlaid({name: about.lines for name, about in result.runs.items()})
    small = [grid.resize((SIDE, SIDE * grid.height // grid.width)) for grid in grids.values()]
    if not small:
        return curves
    tall = max(grid.height for grid in small)
    padded = [Image.new("RGB", (SIDE + 12, tall), PAPER) for _ in small]
    for sheet, grid in zip(padded, small, strict=True):
        sheet.paste(grid, (6, 0))
    row = beside(padded, list(grids))
    return row if curves is None else stacked(curves, row)


def comparison_page(result: Comparison, grids: Mapping[str, Image.Image]) -> str:
    """The page, in one file that asks nobody for anything."""
    names = list(result.runs)
    curves = training_curves({name: about.lines for name, about in result.runs.items()})
    drawn = [
        figure(grid, f"samples of {name}, drawn with the same seed", name) for name, grid in grids.items()
    ]
    paths = ", ".join(about.path for about in result.runs.values())
    sections = [
        *([section("Samples", columns(*drawn, kind="many"))] if drawn else []),
        _measures(result),
        section("How training ended", _rows(["", *names], result.ends, "late: median of the last quarter")),
        *([section("Training", columns(*curves))] if curves else []),
        section("Settings that differ", _settings(result)),
    ]
    title = " and ".join(names) if len(names) < 4 else f"{len(names)} runs"
    lead = element("p", f"{len(names)} runs side by side: {paths}", class_="lead")
    words = "gibbsian compare " + " ".join(about.path for about in result.runs.values())
    return page(f"{title}, compared", [lead], sections, words)


def _measures(result: Comparison) -> Html:
    parts = []
    if result.measures:
        head = ["measure", *result.runs]
        parts.append(table(head, result.measure_rows(), "mean ± 95 %", "plain"))
    if result.differences:
        parts.append(element("h3", "Differences from the first"))
        parts.append(lines(result.in_words()))
    notes = element("div", lines(result.notes), class_="soft")
    return section("Measures", *parts, *([notes] if result.notes else []))


def _settings(result: Comparison) -> Html:
    if not result.settings:
        return element("p", "None: all settings are the same.", class_="soft")
    return _rows(["setting", *result.runs], result.settings, "only those that are not the same in all")


def _rows(head: list[str], rows: Mapping[str, Sequence[str]], caption: str) -> Html:
    return table(head, [[name, *values] for name, values in rows.items()], caption, "plain")


@torch.no_grad()
def _drawn(model: EnergyModel, seed: int) -> Image.Image | None:
    """Samples of a model in a grid, or on its energy in the plane; None of what has no picture."""
    shape = model.spec.event_shape
    if not drawable(shape) or "default" not in model.samplers:
        return None
    n = SHOWN if len(shape) > 1 else 10 * SHOWN
    y = every_label(model, n, generator(seed, device_of(model)))
    labels: dict[str, Any] = {} if y is None else {"y": y}
    x = model.sample(n, seed=seed, **labels).x
    return (
        painter(model, x, int(SHOWN**0.5) if len(shape) > 1 else None)(x)
        if bool(x.isfinite().all())
        else None
    )
