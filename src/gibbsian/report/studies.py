"""Figures of studies of a model: classes and chains, long chains, curvature, calibration. They need the extra
`plot`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..metrics.interval import Interval
from .plots import COLOURS, GREY, beside_title, images, named, panels, whiskers

SINGLE = 60
"""Classes up to which each has a bar of its own."""


def class_histograms(found: Mapping[str, Tensor], given: Tensor) -> Any:
    """Shares of the classes, a panel a sampler, the data's behind; sorted where there are many."""
    figure, places = panels(len(found), 1, 6.4, 1.9)
    data, classes = given.numpy(), len(given)
    for k, (panel, name) in enumerate(zip(places, found, strict=True)):
        shares, colour = found[name].numpy(), COLOURS[k % len(COLOURS)]
        if classes <= SINGLE:
            panel.bar(range(classes), data, width=0.9, color=GREY, label="training labels")
            panel.bar(range(classes), shares, width=0.5, color=colour, label="samples")
            panel.set_xticks(range(0, classes, 1 + classes // 30))
        else:
            panel.plot(np.sort(data)[::-1], color=GREY, label="training labels")
            panel.plot(np.sort(shares)[::-1], color=colour, label="samples")
        named(panel, f"{name}: {(shares > 0).sum()} of {classes} classes in all draws", "", "share")
        beside_title(panel)
    places[-1].set_xlabel("class" if classes <= SINGLE else "classes by share", fontsize=9)
    return figure


def by_steps(steps: Mapping[int, Mapping[str, Interval]], perfect: Mapping[str, Interval]) -> Any:
    """Six measures against the length of the chain, that of training data as a line."""
    figure, found = panels(2, 3, 3.6, 2.7)
    lengths, rows = list(steps), list(steps.values())
    for panel, key in zip(found, rows[0], strict=True):
        whiskers(panel, lengths, [row[key] for row in rows], color=COLOURS[0], label="chains of K steps")
        panel.axhline(perfect[key].estimate, color="#222222", ls="--", lw=1, label="training data")
        panel.set_xticks(lengths)
        named(panel, key.replace("_", " "), "K, steps of a chain", "")
    found[0].legend(fontsize=7, frameon=False)
    return figure


def end_energies(energies: Mapping[str, Tensor]) -> Any:
    """Energies at the ends of chains from the prior and from the buffer, on one axis."""
    figure, (panel,) = panels(1, 1, 5.6, 3.2)
    every = np.concatenate([v.numpy() for v in energies.values()])
    low, high = np.quantile(every, [0.001, 0.999]) if len(every) else (0.0, 1.0)
    edges = np.linspace(float(low), float(high), 41)
    for name, colour in zip(energies, COLOURS, strict=False):
        label = {"model": "chains from the prior", "buffer": "chains from the buffer"}.get(name, name)
        panel.hist(energies[name].numpy(), edges, density=True, alpha=0.55, color=colour, label=label)
    named(panel, "Energy where chains end", "E", "density")
    beside_title(panel)
    return figure


def sample_rows(pictures: Mapping[str, Tensor]) -> Any:
    """Some samples of every sampler."""
    figure, found = panels(len(pictures), 1, 8.0, 1.4)
    for panel, (name, x) in zip(found, pictures.items(), strict=True):
        images(panel, x, 16)
        panel.set_title(name, fontsize=10, loc="left")
    return figure


def over_time(rows: Mapping[int, Mapping[str, Interval]]) -> Any:
    """Measures of long chains against the number of steps."""
    figure, found = panels(1, 3, 3.6, 2.7)
    for panel, key in zip(found, ("feature_distance", "confidence", "moved"), strict=True):
        whiskers(panel, list(rows), [row[key] for row in rows.values()], color=COLOURS[0])
        panel.set_xscale("symlog", linthresh=1)
        named(panel, key.replace("_", " "), "steps from data", "")
    return figure


def chains_at_times(pictures: Mapping[int, Tensor]) -> Any:
    """Some chains at every time, a row a time."""
    figure, (sheet,) = panels(1, 1, 8.0, 0.75 * len(pictures))
    images(sheet, torch.cat(list(pictures.values())), len(next(iter(pictures.values()))))
    told = ", ".join(f"{t:,}" for t in pictures)
    sheet.set_title(f"chains after {told} steps", fontsize=10, loc="left")
    return figure


def spectra_by_class(spectra: Mapping[str, Tensor]) -> Any:
    """Mean eigenvalues `(images, D)` in falling order over the largest, a line a class."""
    figure, (panel,) = panels(1, 1, 6.0, 3.6)
    for k, (name, values) in enumerate(spectra.items()):
        line = (values / values.amax(1, keepdim=True)).mean(0).flip(0).numpy()
        panel.plot(range(1, len(line) + 1), line, lw=1.2, color=f"C{k}", label=name)
    panel.set_xscale("log")
    panel.set_yscale("symlog", linthresh=1e-3)
    named(panel, "Curvature of the energy at held-out images", "direction", "eigenvalue over the largest")
    panel.legend(fontsize=7, frameon=False, ncols=2, title="class", title_fontsize=7)
    return figure


@dataclass(frozen=True, eq=False)
class Bins:
    """Of every bin of the confidence its ends, rows, mean confidence and accuracy, `(bins,)`."""

    low: Tensor
    high: Tensor
    count: Tensor
    confidence: Tensor
    accuracy: Tensor


def reliability_diagrams(runs: Mapping[str, Bins], errors: Mapping[str, float]) -> Any:
    """Reliability of several runs side by side, with the share of rows in every bin."""
    figure, drawn = panels(1, len(runs), width=3.8, height=3.8)
    for panel, (name, found) in zip(drawn, runs.items(), strict=True):
        _diagram(panel, found)
        run = name.rstrip("/").rpartition("/")[2]
        named(panel, f"{run}, ECE {errors[name]:.3g}", "confidence", "accuracy")
    return figure


def _diagram(panel: Any, found: Bins) -> None:
    """Accuracy as bars over the diagonal of a calibrated classifier, and the shares of rows."""
    some, shares = found.count > 0, (found.count / found.count.sum()).tolist()
    left, width = found.low[some].numpy(), (found.high - found.low)[some].numpy()
    accuracy, confidence = found.accuracy[some].numpy(), found.confidence[some].numpy()
    panel.bar(
        left, accuracy, width, align="edge", color=COLOURS[0], edgecolor="white", lw=0.6, label="accuracy"
    )
    panel.plot(confidence, accuracy, "o", ms=3, color=COLOURS[1], label="at the mean confidence")
    panel.stairs(shares, [*found.low.tolist(), 1.0], color=COLOURS[2], lw=1, label="share of rows")
    panel.plot([0, 1], [0, 1], "--", color=GREY, lw=1)
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1)
    panel.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
