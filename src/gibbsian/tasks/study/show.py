"""Plots of the studies: labelled axes, intervals of 95 % as whiskers. They need the extra `plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...metrics.interval import Interval
from ...train.pictures import grid, to_uint8
from .refinement import BEFORE, ENERGY

if TYPE_CHECKING:
    from ..fewshot import FewShot
    from .density import DensityStudy
    from .dimension import DimensionStudy
    from .disentangle import DisentangleStudy
    from .longrun import LongRunStudy
    from .modes import ModeStudy

Figures = dict[str, Any]
COLOURS = ("#2a6f97", "#e09f3e", "#9e2a2b", "#6a994e", "#7b5ea7", "#495057")
GREY = "#adb5bd"
SINGLE = 60
"""Classes up to which each has a bar of its own."""


def panels(rows: int, columns: int, width: float = 4.6, height: float = 3.0) -> tuple[Any, list[Any]]:
    """A figure of `rows` x `columns` panels, each of `width` x `height` inches, and the panels row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    found = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in found:
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, found


def named(panel: Any, title: str, x: str, y: str) -> None:
    """Title and axes of a panel."""
    panel.set_title(title, fontsize=10, loc="left")
    panel.set_xlabel(x, fontsize=9)
    panel.set_ylabel(y, fontsize=9)


def whiskers(panel: Any, x: Sequence[float], found: Sequence[Interval], **style: Any) -> None:
    """Points joined by a line, with their intervals."""
    middle = [v.estimate for v in found]
    reach = [[v.estimate - v.low for v in found], [v.high - v.estimate for v in found]]
    panel.errorbar(x, middle, yerr=reach, marker="o", ms=4, lw=1.2, capsize=3, **style)


def bars(panel: Any, found: Mapping[str, Interval], title: str, what: str) -> None:
    """A horizontal bar for each name, the first on top, with its interval."""
    names, values = list(found)[::-1], list(found.values())[::-1]
    middle = [v.estimate for v in values]
    reach = [[v.estimate - v.low for v in values], [v.high - v.estimate for v in values]]
    panel.barh(
        names, middle, xerr=reach, height=0.6, color=COLOURS[0], error_kw={"lw": 1, "ecolor": "#555555"}
    )
    named(panel, title, what, "")


def dots(panel: Any, found: Mapping[str, Interval], title: str, what: str) -> None:
    """A point with its interval for each name, the first on top: for numbers without a natural zero."""
    names, values = list(found)[::-1], list(found.values())[::-1]
    reach = [v.half_width for v in values]
    panel.errorbar(
        [v.estimate for v in values], names, xerr=reach, fmt="o", ms=5, capsize=3, color=COLOURS[0]
    )
    panel.margins(y=0.2)
    named(panel, title, what, "")


def modes_figures(study: ModeStudy) -> Figures:
    """Histogram of classes, measures against steps, energies at the ends of chains, samples of every plan."""
    figures = {"histogram": _histogram(study)}
    if study.steps:
        figures["steps"] = _steps(study)
    if study.energies:
        figures["energies"] = _energies(study.energies)
    return {**figures, "samples": _samples(study.pictures)}


def _histogram(study: ModeStudy) -> Any:
    """Shares of the classes, a panel a plan, the data's behind; sorted where there are too many for bars."""
    plans = {k: v for k, v in study.histograms.items() if k != "data"}
    figure, found = panels(len(plans), 1, 6.4, 1.9)
    data = study.histograms["data"].numpy()
    for k, (panel, name) in enumerate(zip(found, plans, strict=True)):
        shares, colour = plans[name].numpy(), COLOURS[k % len(COLOURS)]
        if study.classes <= SINGLE:
            panel.bar(range(study.classes), data, width=0.9, color=GREY, label="training labels")
            panel.bar(range(study.classes), shares, width=0.5, color=colour, label="samples")
        else:
            panel.plot(np.sort(data)[::-1], color=GREY, label="training labels")
            panel.plot(np.sort(shares)[::-1], color=colour, label="samples")
        named(panel, f"{name}: {(shares > 0).sum()} of {study.classes} classes in all draws", "", "share")
        panel.legend(fontsize=7, frameon=False)
    found[-1].set_xlabel("class" if study.classes <= SINGLE else "classes by share", fontsize=9)
    return figure


def _steps(study: ModeStudy) -> Any:
    """Feature distance, modes, KL, recall, precision and duplicates against the number of steps."""
    figure, found = panels(2, 3, 3.6, 2.7)
    lengths, rows = list(study.steps), list(study.steps.values())
    for panel, key in zip(found, rows[0], strict=True):
        whiskers(panel, lengths, [row[key] for row in rows], color=COLOURS[0], label="chains of K steps")
        perfect = study.rows["training data"][key].estimate
        panel.axhline(perfect, color="#222222", ls="--", lw=1, label="training data")
        named(panel, key.replace("_", " "), "K, steps of a chain", "")
    found[0].legend(fontsize=7, frameon=False)
    return figure


def _energies(energies: Mapping[str, Tensor]) -> Any:
    """Energies at the ends of chains from the prior and from the buffer, on one axis."""
    figure, (panel,) = panels(1, 1, 5.6, 3.2)
    every = np.concatenate([v.numpy() for v in energies.values()])
    low, high = np.quantile(every, [0.001, 0.999]) if len(every) else (0.0, 1.0)
    edges = np.linspace(float(low), float(high), 41)
    for name, colour in zip(energies, COLOURS, strict=False):
        label = {"model": "chains from the prior", "buffer": "chains from the buffer"}.get(name, name)
        panel.hist(energies[name].numpy(), edges, density=True, alpha=0.55, color=colour, label=label)
    named(panel, "Energy where chains end", "E", "density")
    panel.legend(fontsize=8, frameon=False)
    return figure


def _samples(pictures: Mapping[str, Tensor]) -> Any:
    """Some samples of every plan."""
    figure, found = panels(len(pictures), 1, 8.0, 1.4)
    for panel, (name, x) in zip(found, pictures.items(), strict=True):
        panel.imshow(np.asarray(grid(to_uint8(x, -1.0, 1.0), 16)))
        panel.set_title(name, fontsize=10, loc="left")
        panel.axis("off")
    return figure


def longrun_figures(study: LongRunStudy) -> Figures:
    """Measures against steps, and some chains at every time, a row a time."""
    figure, found = panels(1, 3, 3.6, 2.7)
    times, rows = list(study.rows), list(study.rows.values())
    for panel, key in zip(found, ("feature_distance", "confidence", "moved"), strict=True):
        whiskers(panel, times, [row[key] for row in rows], color=COLOURS[0])
        panel.set_xscale("symlog", linthresh=1)
        named(panel, key.replace("_", " "), "steps from data", "")
    chains, (sheet,) = panels(1, 1, 8.0, 0.75 * len(times))
    picture = grid(
        to_uint8(torch.cat(list(study.pictures.values())), -1.0, 1.0), len(study.pictures[times[0]])
    )
    sheet.imshow(np.asarray(picture))
    sheet.set_title("chains after " + ", ".join(f"{t:,}" for t in times) + " steps", fontsize=10, loc="left")
    sheet.axis("off")
    return {"measures": figure, "chains": chains}


def dimension_figures(study: DimensionStudy) -> Figures:
    """Mean eigenvalues in falling order over the largest, a line a class."""
    figure, (panel,) = panels(1, 1, 6.0, 3.6)
    for k, (name, values) in enumerate(study.spectra.items()):
        line = (values / values.amax(1, keepdim=True)).mean(0).flip(0).numpy()
        panel.plot(range(1, len(line) + 1), line, lw=1.2, color=f"C{k}", label=name)
    panel.set_xscale("log")
    panel.set_yscale("symlog", linthresh=1e-3)
    named(panel, "Curvature of the energy at held-out images", "direction", "eigenvalue over the largest")
    panel.legend(fontsize=7, frameon=False, ncols=2, title="class", title_fontsize=7)
    return {"spectra": figure}


def disentangle_figures(study: DisentangleStudy) -> Figures:
    """Scores before and after, how far and how often latents and factors move, traversals."""
    return {"scores": _scores(study), "moves": _moves(study), "traversal": _traversal(study)}


def _scores(study: DisentangleStudy) -> Any:
    states = {name: row for name, row in study.scores.items() if name != ENERGY}
    keys = list(states[BEFORE])
    figure, found = panels(1, len(keys), 3.0, 2.3)
    for panel, key in zip(found, keys, strict=True):
        bars(panel, {name: row[key] for name, row in states.items()}, key, "")
        panel.set_xlim(0, 1)
    for panel in found[1:]:
        panel.set_yticklabels([])
    return figure


def _moves(study: DisentangleStudy) -> Any:
    figure, (left, right) = panels(1, 2, 5.0, 3.0)
    latents = {k: {str(i): v for i, v in enumerate(row)} for k, row in study.coordinates.items()}
    for panel, groups in ((left, latents), (right, study.changed)):
        _side_by_side(panel, groups)
    named(left, "How far a latent moves", "latent", "root mean square")
    named(right, "How often a predicted factor changes", "", "share of chains")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2)
    return figure


def _side_by_side(panel: Any, groups: Mapping[str, Mapping[str, Interval]]) -> None:
    """Bars of several groups under each name, with intervals."""
    width = 0.8 / len(groups)
    for k, (label, row) in enumerate(groups.items()):
        place = np.arange(len(row)) + (k - (len(groups) - 1) / 2) * width
        found = list(row.values())
        style = {"color": COLOURS[k], "label": label, "error_kw": {"lw": 1, "ecolor": "#555555"}}
        panel.bar(place, [v.estimate for v in found], width, yerr=[v.half_width for v in found], **style)
        panel.set_xticks(range(len(row)), list(row))


def _traversal(study: DisentangleStudy) -> Any:
    figure, found = panels(1, 2, 5.2, 5.2)
    for panel, (name, x) in zip(found, study.traversal.items(), strict=True):
        rows, columns = x.shape[:2]
        panel.imshow(np.asarray(grid(to_uint8(x.flatten(0, 1), study.low, study.high), columns)))
        named(panel, name, f"value of the latent, {study.values[0]:g} to {study.values[-1]:g}", "latent")
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set_visible(False)
    return figure


def fewshot_figures(study: FewShot) -> Figures:
    """Accuracy against labels a class, by kind of features."""
    figure, (panel,) = panels(1, 1, 5.2, 3.4)
    for (name, row), colour in zip(study.accuracy.items(), COLOURS, strict=False):
        known = {count: v for count, v in row.items() if count}
        whiskers(panel, list(known), list(known.values()), color=colour, label=name)
    panel.set_xscale("log")
    panel.set_xticks(list(known), [str(count) for count in known])
    panel.minorticks_off()
    named(panel, "Softmax regression on few labels", "labels a class", "test accuracy")
    panel.legend(fontsize=8, frameon=False)
    return {"accuracy": figure}


def density_figures(study: DensityStudy) -> Figures:
    """Test nats of every model, and paired differences."""
    figure, (left, right) = panels(1, 2, 4.6, 2.6)
    dots(left, study.nats, f"{study.data}: test log-likelihood", "nats a point")
    dots(right, study.differences, "Generalized EBM minus others, paired", "nats a point")
    right.axvline(0, color=GREY, lw=1)
    return {"nats": figure}
