"""Legends beside what is drawn, and numbers in the cells of a map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gibbsian.report.plots import beside_title, numbered, panels
from gibbsian.report.studies import end_energies


def legend_is_above(panel) -> bool:
    """Whether the legend stands above all but a twentieth of the panel."""
    panel.figure.canvas.draw()
    box, legend = panel.get_window_extent(), panel.get_legend().get_window_extent()
    return legend.y0 > box.y1 - box.height / 20


@pytest.mark.parametrize("bars", [1, 2, 4])
@pytest.mark.parametrize("heights", [(1, 1, 1), (9, 1, 1), (1, 1, 9)])
def test_a_legend_covers_no_bars(bars, heights):
    _, (panel,) = panels(1, 1, 6.0, 3.0)
    for k in range(bars):
        panel.bar(np.arange(3) + k / 5, heights, 0.2, label=f"chains of kind {k}")
    beside_title(panel)
    assert legend_is_above(panel)


@pytest.mark.parametrize("where", [-5.0, 0.0, 5.0])
def test_energies_at_the_ends_of_chains_stay_in_sight(where):
    drawn = torch.linspace(where - 1, where + 1, 50)
    figure = end_energies({"model": drawn, "buffer": torch.linspace(-6, 6, 50)})
    assert legend_is_above(figure.axes[0])


@pytest.mark.parametrize(("classes", "told"), [(2, 4), (3, 9), (10, 100), (31, 0)])
def test_a_map_of_pairs_has_its_numbers(classes, told):
    _, (panel,) = panels(1, 1, 4.0, 4.0)
    cells = np.arange(classes**2.0).reshape(classes, classes)
    numbered(panel, cells, classes**2 / 2)
    assert len(panel.texts) == told
    assert {text.get_text() for text in panel.texts} <= {f"{v:.0f}" for v in cells.flat}
