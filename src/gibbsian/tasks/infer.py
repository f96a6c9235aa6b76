"""Which concept explains several views: the c of least energy summed over them (Y. Du, S. Li, I. Mordatch,
NeurIPS 2020, arXiv 2004.06030, section 4.4).

    c* = argmin_c sum_n E(x_n | c) / T

Among energies E(x | c) = -log p(x | c) - log Z(c) that is maximum likelihood as far as Z(c) is the same for
all c, which no objective here makes sure of: what is measured is how often it is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..models.model import EnergyModel, device_of
from ..nets.frozen import frozen
from ..report.tables import table

ROWS = 512
SHOWN = 10


@dataclass(frozen=True, eq=False)
class Inference:
    """What was found about a concept.

    Fields:
        concept: what it is called.
        names: the candidates, C of them.
        energies: E(x_n | c) / T, `(N, C)`, a row a view.
        views: names of the views.
    """

    concept: str
    names: tuple[str, ...]
    energies: Tensor
    views: tuple[str, ...]

    @property
    def total(self) -> Tensor:
        """The sum over views, `(C,)`."""
        return self.energies.sum(0)

    @property
    def best(self) -> int:
        """The number of the candidate of least energy."""
        return int(self.total.argmin())

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        each = [self.names[k] for k in self.energies.argmin(1).tolist()]
        return {
            "concept": self.concept,
            "best": self.names[self.best],
            "views": len(self.energies),
            "energy": dict(zip(self.names, self.total.tolist(), strict=True)),
            "best_of_each_view": dict(zip(self.views, each, strict=True)),
        }

    def text(self) -> str:
        """The best candidates and how much more energy the others have."""
        order = self.total.argsort()[:SHOWN].tolist()
        more = self.total - self.total.min()
        rows = [[self.names[k], f"{more[k]:.4g}"] for k in order]
        said = f"{self.concept} {self.names[self.best]} explains {len(self.energies)} views best"
        return f"{said}\n\n{table([self.concept, 'energy above the best'], rows)}"

    def figures(self) -> dict[str, Any]:
        """The energy of every candidate, summed and of single views."""
        from ..report.plots import COLOURS, GREY, named, panels

        figure, (panel,) = panels(1, 1)
        place = range(len(self.names))
        for row in (self.energies - self.energies.min(1, keepdim=True).values)[:SHOWN].cpu():
            panel.plot(place, row, color=GREY, lw=0.8)
        panel.plot(place, (self.total - self.total.min()).cpu(), color=COLOURS[0], marker="o", ms=3)
        step = max(1, len(self.names) // 8)
        panel.set_xticks(place[::step], self.names[::step], fontsize=7)
        named(
            panel, f"{len(self.energies)} views (grey: single ones)", self.concept, "energy above the least"
        )
        return {"energies": figure}


def infer(
    model: EnergyModel,
    x: Tensor,
    candidates: Tensor | None = None,
    *,
    names: Sequence[str] = (),
    concept: str = "class",
    views: Sequence[str] = (),
) -> Inference:
    """Which of the `candidates` has the least energy, summed over the views `x`.

    Args:
        model: a model of p(x | y) with classes or conditions.
        x: views `(N, *event_shape)` in the model's range, all of one concept.
        candidates: conditions `(C, D)`, with zeros for what is not given where the model was trained with
            `net.condition_dropout`, or class numbers `(C,)`; all classes by default.
        names: of the candidates; their numbers by default.
        concept: what they are called in the record.
        views: names of the views; their numbers by default.

    Raises:
        UsageError: no views, views of another shape, candidates that the model does not take.
    """
    spec = model.spec
    if len(x) < 1 or tuple(x.shape[1:]) != spec.event_shape:
        raise UsageError(
            f"views have shape {tuple(x.shape)}: give (N, {', '.join(map(str, spec.event_shape))})"
        )
    if candidates is None:
        if not spec.num_classes:
            raise UsageError("this model has no classes to choose from: give candidates, a row a condition")
        candidates = torch.arange(spec.num_classes)
    named = tuple(names) or tuple(map(str, range(len(candidates))))
    if len(named) != len(candidates):
        raise UsageError(f"{len(named)} names for {len(candidates)} candidates: give one each")
    energies = _energies(model, x.to(device_of(model)), candidates.to(device_of(model)))
    return Inference(concept, named, energies, tuple(views) or tuple(map(str, range(len(x)))))


@torch.no_grad()
def _energies(model: EnergyModel, x: Tensor, candidates: Tensor) -> Tensor:
    """E(x_n | c) / T, `(N, C)`, by blocks of about `ROWS` pairs."""
    n, found = len(x), []
    with frozen(model):
        for part in candidates.split(max(1, ROWS // n)):
            y = part.repeat_interleave(n, 0)
            pairs = x.repeat(len(part), *[1] * (x.dim() - 1))
            found.append(model.neg_log_prob(pairs, y).view(len(part), n))
    return torch.cat(found).T
