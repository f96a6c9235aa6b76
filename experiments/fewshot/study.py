"""What is a latent good for? A linear classifier on few labels, and the energy as an alarm for other data.

Few labels: in each run the same 1, 10, 100, ... rows a class are labelled for every kind of features, a
softmax regression is fitted to them, and the whole test set is classified. Features are shifted and scaled by
means and deviations of the training set, labelled or not. PCA of the same width and the pixels themselves
stand beside, each divided by one deviation for all columns: whitened components and rare border pixels blown
up to the size of the others score lower. Features worth having beat both.

Alarm: AUROC of the neg_log_prob of other data sets, and of noise, against that of held-out data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from experiments.fewshot.levels import by_level
from experiments.fewshot.probe import principal, softmax_regression, standardised
from gibbsian.core.errors import UsageError
from gibbsian.core.random import Streams
from gibbsian.data.dataset import Dataset
from gibbsian.data.load import load
from gibbsian.metrics.arrays import pair
from gibbsian.metrics.auroc import auroc
from gibbsian.metrics.interval import Interval, mean_interval, share_interval
from gibbsian.models.model import EnergyModel, device_of
from gibbsian.models.noise_energy.model import NoiseEnergy
from gibbsian.nets.frozen import frozen
from gibbsian.report.plots import COLOURS, named, panels, whiskers
from gibbsian.report.tables import cell, plain, table

Pair = tuple[Tensor, Tensor]
DIGITS = ".3f"
ALL = 0  # the entry of `per_class` that stands for every label there is


@runtime_checkable
class Encoder(Protocol):
    """A model with latents of its own."""

    def latents(self, x: Tensor) -> Tensor:
        """Features `(B, L)` of data `(B, *event)`."""


@dataclass(frozen=True)
class FewShot:
    """Test accuracy by features and labels a class (0: all), and AUROC of the neg_log_prob by other set.

    Intervals are of 95 %: over runs, that is over which rows were labelled, by Student's t; for all labels,
    where runs do not differ, over the test rows (Wilson); of AUROC over both sets (DeLong).
    """

    runs: int
    train: int
    test: int
    accuracy: dict[str, dict[int, Interval]]
    outliers: dict[str, Interval] = field(default_factory=dict)
    record: dict[str, str | int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: every number with its interval, n, and runs; "all" for all labels."""
        head = {**self.record, "runs": self.runs, "train": self.train, "test": self.test}
        accuracy = {k: {_label(c): plain(v) for c, v in row.items()} for k, row in self.accuracy.items()}
        return {**head, "accuracy": accuracy, "auroc": {k: plain(v) for k, v in self.outliers.items()}}

    def figures(self) -> dict[str, Any]:
        """Accuracy against labels a class, by kind of features."""
        figure, (panel,) = panels(1, 1, 5.2, 3.4)
        for (name, row), colour in zip(self.accuracy.items(), COLOURS, strict=False):
            known = {count: v for count, v in row.items() if count}
            whiskers(panel, list(known), list(known.values()), color=colour, label=name)
        panel.set_xscale("log")
        panel.set_xticks(list(known), [str(count) for count in known])
        panel.minorticks_off()
        named(panel, "Softmax regression on few labels", "labels a class", "test accuracy")
        panel.legend(fontsize=8, frameon=False)
        return {"accuracy": figure}

    def table(self, markdown: bool = False) -> str:
        """Accuracies as a text (or Markdown) table, mean and half-width of the interval."""
        columns = list(next(iter(self.accuracy.values())))
        head = ["labels a class", *map(_label, columns)]
        body = [[name, *(cell(row[c], DIGITS) for c in columns)] for name, row in self.accuracy.items()]
        return table(head, body, markdown)

    def text(self) -> str:
        """The table, and below it AUROC of the neg_log_prob."""
        told = "".join(f"\n  {name}  {cell(v, DIGITS)}" for name, v in self.outliers.items())
        return self.table() + (f"\n\nAUROC of the neg_log_prob against{told}" if told else "")


def few_shot(
    latents_by_name: Mapping[str, Pair],
    y_train: Tensor,
    y_test: Tensor,
    per_class: Sequence[int] = (1, 10, 100),
    runs: int = 10,
    *,
    rng: torch.Generator,
    pixels: Pair | None = None,
    strength: float = 1.0,
) -> FewShot:
    """Accuracy of softmax regression on `runs` choices of `per_class` labelled rows (0: all of them).

    Args:
        latents_by_name: `(train, test)` features by name, each `(N, *)` and `(M, *)`.
        y_train, y_test: labels from 0, `(N,)` and `(M,)`.
        pixels: the data themselves; given, PCA of the first latent's width and raw pixels stand beside.
        strength: see `softmax_regression`.

    Raises:
        UsageError: fewer than 2 runs, a class with too few rows, or sizes that differ.
    """
    _check(y_train, y_test, per_class, runs)
    features = {k: standardised(*_sized(k, v, y_train, y_test)) for k, v in latents_by_name.items()}
    if pixels is not None:
        width = next(iter(features.values()))[0].shape[1] if features else min(16, pixels[0][0].numel())
        flat = _sized("pixels", pixels, y_train, y_test)
        pca = standardised(*principal(*flat, width), together=True)
        features |= {"PCA": pca, "pixels": standardised(*flat, together=True)}
    found: dict[str, dict[int, Interval]] = {name: {} for name in features}
    for count in per_class:
        chosen = [_labelled(y_train, count, rng) for _ in range(1 if count == ALL else runs)]
        for name, (train, test) in features.items():
            right = [_right(train[rows], y_train[rows], test, y_test, strength) for rows in chosen]
            found[name][count] = _interval(right, len(y_test))
    return FewShot(runs, len(y_train), len(y_test), found)


def outliers(
    neg_log_prob: Callable[[Tensor], Tensor], inside: Tensor, others: Mapping[str, Tensor]
) -> dict[str, Interval]:
    """AUROC of `neg_log_prob` for each of `others` `(M, *event)` against data `inside` `(N, *event)`.

    Raises `UsageError` for a set of another shape.
    """
    for name, x in others.items():
        if x.shape[1:] != inside.shape[1:]:
            raise UsageError(
                f"{name} has events of shape {tuple(x.shape[1:])}, the data {tuple(inside.shape[1:])}"
            )
    known = _scores(neg_log_prob, inside)
    return {name: auroc(known, _scores(neg_log_prob, x)) for name, x in others.items()}


def evaluate_latents(
    model: EnergyModel,
    data: str,
    *,
    per_class: Sequence[int] = (1, 10, 100),
    runs: int = 10,
    others: Sequence[str] = (),
    n: int = 2000,
    seed: int = 0,
    data_dir: str | Path | None = None,
) -> FewShot:
    """`few_shot` of a trained model's latents, or of its features at levels of noise, on a labelled data set,
    and `outliers` of its neg_log_prob.

    Of each set in `others`, and of uniform noise, at most `n` test rows are scored against as many of the
    data's own. Raises `UsageError` for a model without either, data without labels, or other shapes.
    """
    model = model.inner
    if not isinstance(model, (Encoder, NoiseEnergy)):
        name = type(model).__name__
        raise UsageError(f"{name} has no features of data: take a model such as cebm or noise_energy")
    train, test = load(data, "train", data_dir=data_dir), load(data, "test", data_dir=data_dir)
    if train.y is None or test.y is None:
        raise UsageError(f"{data} has no labels: few-shot accuracy needs them")
    rng, device = Streams(seed).eval, device_of(model)
    pixels = (_all(model, train), _all(model, test))
    if isinstance(model, Encoder):
        first, second = (model.latents(x.to(device)).cpu() for x in pixels)
        features = {"latents": (first, second)}
    else:
        features = by_level(model, *pixels)
    found = few_shot(features, train.y, test.y, per_class, runs, rng=rng, pixels=pixels)
    sets = {name: _all(model, load(name, "test", data_dir=data_dir), n) for name in others}
    sets["noise"] = _noise(model, min(n, len(test)), rng)
    with frozen(model):
        alarms = outliers(lambda x: model.neg_log_prob(x.to(device)).cpu(), pixels[1][:n], sets)
    latent = next(iter(features.values()))[0].shape[1]
    about: dict[str, str | int] = {"data": data, "seed": seed, "latent": latent}
    return FewShot(found.runs, found.train, found.test, found.accuracy, alarms, about)


def _check(y_train: Tensor, y_test: Tensor, per_class: Sequence[int], runs: int) -> None:
    if runs < 2:
        raise UsageError(f"runs is {runs}: at least 2 are needed for an interval; the paper takes 10")
    counts = torch.bincount(y_train)
    short = int(counts.min())
    if not per_class or min(per_class) < 0 or max(per_class) > short:
        raise UsageError(
            f"per_class is {tuple(per_class)}: the smallest class has {short} rows; give 1 to {short}, "
            "or 0 for all labels"
        )
    if int(y_test.max()) >= len(counts):
        raise UsageError(f"label {int(y_test.max())} of the test rows never occurs in the training rows")


def _sized(name: str, both: Pair, y_train: Tensor, y_test: Tensor) -> Pair:
    train, test = pair(*both, what=f"the features '{name}'")
    if (len(train), len(test)) != (len(y_train), len(y_test)):
        sizes = f"{len(train)} and {len(test)} rows for {len(y_train)} and {len(y_test)} labels"
        raise UsageError(f"the features '{name}' have {sizes}: give one a row")
    return train, test


def _labelled(y: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Numbers of `count` rows of each class, drawn without replacement; of all rows for `ALL`."""
    order = torch.randperm(len(y), generator=rng)
    if count == ALL:
        return order
    return torch.cat([order[y[order] == c][:count] for c in range(int(y.max()) + 1)])


def _right(x: Tensor, y: Tensor, x_test: Tensor, y_test: Tensor, strength: float) -> int:
    """How many test rows a regression on these rows puts in their class."""
    weights, offsets = softmax_regression(x, y, strength=strength)
    return int(((x_test @ weights.T + offsets).argmax(1) == y_test).sum())


def _interval(right: list[int], n: int) -> Interval:
    if len(right) == 1:
        return share_interval(right[0], n)
    return mean_interval(torch.tensor(right, dtype=torch.float64) / n)


@torch.no_grad()
def _scores(neg_log_prob: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([neg_log_prob(part) for part in x.split(500)])


def _all(model: EnergyModel, data: Dataset, n: int | None = None) -> Tensor:
    low, high = model.spec.low, model.spec.high
    return data.batch(torch.arange(min(n or len(data), len(data))), low, high).x


def _noise(model: EnergyModel, n: int, rng: torch.Generator) -> Tensor:
    low, high = model.spec.low, model.spec.high
    return low + (high - low) * torch.rand(n, *model.spec.event_shape, generator=rng)


def _label(count: int) -> str:
    return str(count or "all")
