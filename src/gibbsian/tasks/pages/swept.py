"""The page of a sweep: what its settings do beyond seeds, every choice of them, and their training curves."""

from __future__ import annotations

from pathlib import Path

from ...report.charts import training_curves
from ...report.html import columns, element, lines, page, section, table, tiles
from ...train.folder import RunFolder
from ..sweep.summary import Sweep, in_words
from .about import data_title, said
from .several import ABSENT

CURVES = 6
"""Runs of the first seed whose curves are drawn, at most."""


def sweep_page(found: Sweep, folder: Path, command: str = "") -> str:
    """The page, in one file that asks nobody for anything; run folders are read below `folder`."""
    spread, done = found.seed_spread(), sum(run.value is not None for run in found.runs)
    facts = [
        ("runs measured", f"{done} of {len(found.runs)}"),
        ("seeds", ", ".join(map(str, found.seeds))),
        ("settings swept", str(len(found.settings))),
        ("spread over seeds", ABSENT if spread is None else f"{spread:.3g}"),
    ]
    swept = [[name, ", ".join(map(said, values))] for name, values in found.settings.items()]
    first = [run for run in found.runs if run.seed == found.seeds[0]][:CURVES]
    logs = {in_words(run.point, run.seed): RunFolder(folder / run.path).lines() for run in first}
    curves = training_curves(logs) if len(logs) > 1 else []
    said_of = f"{found.measure}, against rows that training did not see; lower is better"
    sections = [
        section("What the settings do", lines(found.statements())),
        section("Every choice", table(found.head(), found.rows(), f"{said_of}; ± 95 % over seeds", "plain")),
        *([section("Settings", table(["setting", "values"], swept, "swept", "plain"))] if swept else []),
        *([section("Training", columns(*curves))] if curves else []),
        *([section("Repeat it", element("pre", command))] if command else []),
    ]
    lead = element("p", f"{found.system} on {data_title(found.data)}, over seeds and settings", class_="lead")
    return page(f"Sweep of {found.system}", [lead, tiles(facts)], sections, str(folder))
