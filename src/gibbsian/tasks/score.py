"""Numbers for every row of a person's own: its energy, its rank among training rows, a flag at a stated rate.

    energy   E/T with the base measure, as `neg_log_prob`: -log p(x) up to a constant where the model claims a
             density, else a number that only ranks
    rank     share of training rows with lower energy: 0.99 is less typical than 99 of 100 of them
    flagged  whether the energy is above the threshold, which a share `rate` of held-out rows exceeds, or a
             value lies beyond those of all training rows by more than a tenth of their range: there the
             energy was never trained, and may be as low as it likes

The threshold is the energy of a held-out row, so that with n of them no rate below 1/n can be set; its
interval is between order statistics, from Wilson's for the share. Conditional models give the energy without
a label (the marginal of a joint model, else the least over classes) unless labels are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from ..core.random import derive, generator
from ..core.records import Batch
from ..data.dataset import Dataset
from ..data.own import Given
from ..data.recipe import DataRecipe, named
from ..models.labels import checked_labels
from ..models.model import EnergyModel, device_of
from ..nets.frozen import frozen
from ..report.outside import EXAMPLES
from ..train.load import load, trained_on
from .parts import class_number, name_of, part_of, policy_of
from .scores import Scores, Threshold, beyond

ROWS, MOST, MARGIN = 500, 5000, 0.1
"""Rows at once, training and held-out rows at most, and how far beyond the range of training an energy holds,
as a share of that range."""


def score(
    model: EnergyModel | str | Path,
    data: Given,
    *,
    rate: float = 0.05,
    label: str | int = "none",
    reference: Given | None = None,
    held: Given | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    net: nn.Module | None = None,
    on_error: str | None = None,
) -> Scores:
    """Score every row of `data`.

    Args:
        model: a model, or the folder of a run or of an exported model.
        data: an image file, a folder (all images below it), a file of arrays or a table, arrays, a torch data
            set, or a name, of which the test part is taken. Images come in the model's size and colour.
        rate: share of held-out rows that are flagged.
        label: "none" (without labels), "true" (the data's own, or the names of its folders) or a class.
        reference: what the model was trained on, for ranks and the threshold; that of a run by default.
        held: rows for the threshold; by default the validation or test part of the reference.
        seed: of the choice of at most 5,000 rows of each.
        net: the network of a run that was trained with one of your own.
        on_error: "skip" leaves broken image files and incomplete rows out; by default they are treated as
            in training.

    Raises:
        UsageError: a rate outside (0, 1), data of another shape, labels that the model does not have.
        DataError: data that cannot be read. CheckpointError: no run there.
    """
    if not 0 < rate < 1:
        raise UsageError(f"rate is {rate}: it must lie between 0 and 1, such as 0.05")
    if isinstance(model, (str, Path)):
        reference = reference if reference is not None else trained_on(Path(model)) or None
        model = load(model, net=net)
    if not isinstance(model, EnergyModel):
        raise UsageError(
            f"the first argument is a {type(model).__name__}: give a model or a run; the gradient of a log "
            "density is score_function"
        )
    read = _Reader(model.inner, str(label), seed, data_dir)
    trained = None if reference is None else read.known(reference, "train")
    classes = trained.classes if trained is not None else ()
    if str(label) not in ("none", "true"):
        read = replace(read, label=str(class_number(label, classes)))
    at, held_energy, extra = _threshold(read, rate, reference, held)
    policy = on_error or (None if reference is None else policy_of(reference))
    asked = read.asked(data, policy, classes)
    energy, kept = read.energies(asked)
    if len(kept) < len(asked):
        asked = asked.subset(kept)
    known = None if trained is None else read.energies(trained)[0].sort().values
    rank = None if known is None else torch.searchsorted(known, energy).double() / len(known)
    left = None if trained is None else read.beyond(asked, trained)
    flagged = None if at is None else ~(energy <= at.value.estimate)
    if flagged is not None and left is not None:
        flagged = flagged | (left > MARGIN)
    told = str(label) if model.spec.num_classes else ""
    return Scores(
        name_of(data), asked.names, energy, rank, flagged, at, 0 if known is None else len(known),
        held_energy, model.claims_density, told, (*asked.notes, *extra), _examples(asked, energy), left,
    )  # fmt: skip


def _threshold(
    read: _Reader, rate: float, reference: Given | None, held: Given | None
) -> tuple[Threshold | None, Tensor | None, tuple[str, ...]]:
    if held is None and reference is None:
        said = "no rank and no threshold: what the model was trained on is not known, name it as reference"
        return None, None, (said,)
    given = held if held is not None else reference
    assert given is not None
    rows = read.known(given, "all" if held is not None else _held_part(given))
    energy = read.energies(rows)[0]
    energy = energy[energy.isfinite()]
    if not len(energy):
        raise UsageError("no held-out row has a finite energy: the model is not usable")
    notes = () if held is not None else tuple(note for note in rows.notes if "held out" in note)
    return Threshold.at(rate, energy, name_of(given)), energy, notes


def _held_part(data: Given) -> str:
    named_recipe = DataRecipe.parse(named(data)) if isinstance(data, (str, Path)) else None
    return "validation" if named_recipe and named_recipe.validation else "test"


@dataclass(frozen=True, eq=False)
class _Reader:
    """Rows as a model takes them, and their energies."""

    model: EnergyModel
    label: str
    seed: int
    data_dir: str | Path | None

    def known(self, data: Given, split: str) -> Dataset:
        """At most `MOST` rows of a part."""
        found = self._fitting(part_of(data, split, self.model.spec, data_dir=self.data_dir), data)
        if len(found) <= MOST:
            return found
        rng = generator(derive(self.seed, f"score/{split}"))
        return found.subset(torch.randperm(len(found), generator=rng)[:MOST])

    def asked(self, data: Given, on_error: str | None, classes: tuple[str, ...]) -> Dataset:
        """The rows to score: all of a person's own, the test part of a named set."""
        own = not isinstance(data, (str, Path)) or DataRecipe.parse(named(data)).places
        split, where = "all" if own else "test", self.data_dir
        found = part_of(data, split, self.model.spec, on_error=on_error, data_dir=where)
        self._fitting(found, data)
        if self.label != "true" or found.y is not None:
            return found
        return _labelled(found, classes)

    def energies(self, data: Dataset) -> tuple[Tensor, Tensor]:
        """Energies `(n,)`, float64 on the CPU, and the numbers of the rows that could be read."""
        model, parts, kept = self.model, [], []
        with frozen(model), torch.no_grad():
            for index in torch.arange(len(data)).split(ROWS):
                batch = data.batch(index, model.spec.low, model.spec.high).to(device_of(model))
                assert batch.index is not None
                good = batch.index.cpu() == index
                parts.append(
                    model.neg_log_prob(batch.x, self._labels(batch, len(index))).double().cpu()[good]
                )
                kept.append(index[good])
        return torch.cat(parts), torch.cat(kept)

    def beyond(self, data: Dataset, trained: Dataset) -> Tensor:
        """How far the values of each row lie beyond those of training rows `(n,)`, the furthest, as a share
        of their range: of each column, of images of the range of the model."""
        low, high = (torch.tensor(v) for v in (self.model.spec.low, self.model.spec.high))
        if not data.is_image:
            known = trained.batch(torch.arange(len(trained)), *self._range).x
            low, high = known.amin(0), known.amax(0)
        parts = torch.arange(len(data)).split(ROWS)
        return torch.cat([beyond(data.batch(index, *self._range).x, low, high) for index in parts])

    @property
    def _range(self) -> tuple[float, float]:
        return self.model.spec.low, self.model.spec.high

    def _labels(self, batch: Batch, n: int) -> Tensor | None:
        y, spec = batch.y, self.model.spec
        if spec.condition and batch.cond is not None:
            return checked_labels(self.model, n, batch.cond)
        if self.label == "none":
            return None
        if self.label == "true":
            if y is None:
                raise UsageError("label true: these rows have no labels; give a class, or leave it out")
            return checked_labels(self.model, n, y)
        return checked_labels(self.model, n, int(self.label))

    def _fitting(self, found: Dataset, data: Given) -> Dataset:
        shape = self.model.spec.event_shape
        if found.event_shape != shape:
            raise UsageError(
                f"{name_of(data)} holds rows of shape {found.event_shape}, this model takes {shape}: give "
                "rows of the model's shape"
            )
        return found


def _labelled(data: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Labels from the folders that the images lie in, where each lies in one named as a class."""
    found = [next((p for p in Path(name).parts[:-1] if p in classes), None) for name in data.names]
    if not classes or None in found:
        raise UsageError("label true: these rows have no labels; give a class, or leave it out")
    y = torch.tensor([classes.index(str(name)) for name in found])
    return replace(data, y=y, classes=classes)


def _examples(data: Dataset, energy: Tensor) -> dict[str, Tensor]:
    """uint8 images at the ends and in the middle of the order, all of them if few; none for other data."""
    order, n, few = energy.argsort(stable=True), len(energy), EXAMPLES
    if not data.is_image:
        return {}
    middle = (n - few) // 2
    parts = {"most typical first": order}
    if n > few:
        parts = {"most typical": order[:few], "in the middle": order[middle : middle + few]}
        parts["least typical last"] = order[-few:]
    return {name: data.rows.read(rows) for name, rows in parts.items()}
