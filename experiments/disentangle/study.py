"""What energy refinement does to the latents of a VAE: do their coordinates still stand for single factors?

Sprites whose factors are known are encoded to posterior means. From there, and from N(0, I), the model's own
chain moves the latents; the same chain with E = 0, from the same noise, stands beside, because noise alone
moves them as well.

    scores     MIG, FactorVAE score and DCI of posterior means, and of where chains from them end
    moves      |eps_K - eps_0| / sqrt(d) of chains from N(0, I), whole and coordinate by coordinate
    changed    share of those chains whose decoded image changes a factor, as predicted

The prediction is that of the nearest posterior mean of some thousand other sprites; its own accuracy is told.
All sprites are of the test part, those that predict and those that are scored apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gibbsian.core.errors import UsageError
from gibbsian.data.dataset import Dataset
from gibbsian.metrics.interval import Interval, require_draws
from gibbsian.models.model import EnergyModel
from gibbsian.models.vaebm.model import TiltedVAE
from gibbsian.nets.frozen import frozen
from gibbsian.report.pictures import grid, to_uint8
from gibbsian.report.plots import bars, named, panels, side_by_side
from gibbsian.report.tables import over, plain, plain_rows, rows_table, summary

from .refinement import BEFORE, CHAIN, ENERGY, NOISE, VALUES, Found, RefinementMeasures


@dataclass(frozen=True)
class DisentangleStudy:
    """Rows of intervals of 95 % over draws (disjoint subsets of sprites where there are enough, and seeds).

    `scores` by state of the latents; `moves` and `changed` by chain; `coordinates` are the moves of single
    latents; `accuracy` is the predictor's, by factor; `traversal` holds decoded images `(d, 9, C, H, W)`, one
    latent a row set to `values`, before and after the chain.
    """

    data: str
    n: int
    draws: int
    seed: int
    record: dict[str, Any]
    scores: dict[str, dict[str, Interval]]
    moves: dict[str, Interval]
    changed: dict[str, dict[str, Interval]]
    coordinates: dict[str, list[Interval]]
    accuracy: dict[str, Interval]
    low: float
    high: float
    traversal: dict[str, Tensor] = field(default_factory=dict, repr=False)
    values: tuple[float, ...] = VALUES

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        head = {"data": self.data, "n": self.n, "draws": self.draws, "seed": self.seed, **self.record}
        return {
            **head,
            "scores": plain_rows(self.scores),
            "moves": {k: plain(v) for k, v in self.moves.items()},
            "changed": plain_rows(self.changed),
            "coordinates": {k: [plain(v) for v in row] for k, row in self.coordinates.items()},
            "predictor_accuracy": {k: plain(v) for k, v in self.accuracy.items()},
        }

    def text(self) -> str:
        """Scores, moves and changed factors as tables."""
        moved = {k: {"|eps_K - eps_0| / sqrt(d)": self.moves[k], **self.changed[k]} for k in self.moves}
        about = f"{self.record['kernel']}, {self.record['steps']} steps of {self.record['step_size']:g}"
        accuracy = {"accuracy": self.accuracy}
        return "\n\n".join(
            [
                rows_table(self.scores, f"{self.data}, n = {self.n}"),
                f"chains from N(0, I) ({about}): how far they move, and the share that changes a factor",
                rows_table(moved),
                "the predictor of factors on sprites it has not seen",
                rows_table(accuracy),
            ]
        )

    def figures(self) -> dict[str, Any]:
        """Scores before and after, how far and how often latents and factors move, traversals."""
        return {"scores": _scores(self), "moves": _moves(self), "traversal": _traversal(self)}


def study_disentangle(
    model: EnergyModel,
    sprites: Dataset,
    *,
    steps: int | None = None,
    n: int = 5000,
    draws: int = 3,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> DisentangleStudy:
    """Scores and moves of a VAEBM's latents on `sprites` that it has not seen, whose factors are known.

    Args:
        steps: length of the chain; the sampling chain's by default.
        n: sprites of one draw, and chains from N(0, I).

    Raises:
        UsageError: another model, data without factors, too few rows or draws, less than one step.
    """
    require_draws(draws, n, 100)
    if not isinstance(model, TiltedVAE):
        raise UsageError(f"{type(model).__name__} is no VAEBM: only its latents are refined from a posterior")
    if sprites.factors is None:
        raise UsageError(f"{sprites.name} does not say its factors: take dsprites32")
    steps = model.latent.steps if steps is None else steps
    if steps < 1:
        raise UsageError(f"--chain-steps is {steps}: a chain has at least 1 step")
    measures = RefinementMeasures(model, sprites, steps, n, draws, seed)
    with frozen(model), torch.no_grad():
        found = []
        for k in range(draws):
            progress(f"draw {k + 1} of {draws}: {n} sprites and {n} chains of {steps} steps")
            found.append(measures.measured(k))
        traversal = measures.traversal()
    return _study(measures, found, traversal)


def _study(
    measures: RefinementMeasures, found: list[Found], traversal: dict[str, Tensor]
) -> DisentangleStudy:
    latent = measures.model.latent
    record = {
        "kernel": latent.kernel, "steps": measures.steps, "step_size": latent.step_size, "beta": latent.beta,
        "latents": measures.gallery.shape[1], "predicted_by": len(measures.gallery),
    }  # fmt: skip
    return DisentangleStudy(
        measures.sprites.name, measures.n, measures.draws, measures.seed, record,
        scores={k: summary([f.scores[k] for f in found]) for k in (BEFORE, CHAIN, NOISE, ENERGY)},
        moves={k: over([f.moves[k] for f in found]) for k in (CHAIN, NOISE)},
        changed={k: summary([f.changed[k] for f in found]) for k in (CHAIN, NOISE)},
        coordinates={
            k: [over(list(v)) for v in zip(*(f.coordinates[k] for f in found), strict=True)]
            for k in (CHAIN, NOISE)
        },
        accuracy=summary([f.accuracy for f in found]),
        low=measures.low, high=measures.high, traversal=traversal,
    )  # fmt: skip


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
        side_by_side(panel, groups)
    named(left, "How far a latent moves", "latent", "root mean square")
    named(right, "How often a predicted factor changes", "", "share of chains")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2)
    return figure


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
