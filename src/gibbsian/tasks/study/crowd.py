"""Drawing the plans of a system and measuring what they draw, for the study of modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ...core.position import Position
from ...core.random import derive, generator
from ...energies.algebra import Product
from ...energies.latent import PullBack
from ...metrics.coverage import coverage
from ...metrics.duplicates import duplicate_share
from ...metrics.frechet import frechet_distance
from ...metrics.interval import Interval
from ...metrics.modes import class_shares, modes
from ...report.tables import summary
from ...starts.replay import ReplayBuffer
from ...systems.base import Continuing, Leg, Plan, Planner, System, advance, sample
from ..chains import classes_in_turn
from ..yardstick import ImageYardstick

SHOWN, FEWEST = 32, 16
MODEL, BUFFER, DATA = "model", "buffer", "training data"


class Crowd:
    """Draws plans and measures them; keeps histograms, energies and pictures by name of the plan."""

    def __init__(
        self,
        system: System,
        stick: ImageYardstick,
        n: int,
        draws: int,
        seed: int,
        progress: Callable[[str], None],
    ) -> None:
        self.system, self.stick, self.n, self.draws, self.seed = system, stick, n, draws, seed
        self.progress, self.device = progress, next(system.parameters()).device
        assert stick.train.y is not None
        self.classes = len(stick.classifier.classes)
        self.histograms = {"data": class_shares(stick.train.y, self.classes)}
        self.energies: dict[str, Tensor] = {}
        self.pictures: dict[str, Tensor] = {}
        self.notes: list[str] = []

    def row(self, name: str, plan: Planner, *, kept: bool = True) -> dict[str, Interval]:
        """Measures of `draws` sets of samples by `plan`, from the seed that all plans share."""
        self.progress(f"{name}: {self.draws} draws of {self._size(name)} samples")
        rng, ends = generator(derive(self.seed, "modes"), self.device), Ends(plan)
        sets = [self._draw(name, ends, rng) for _ in range(self.draws)]
        if kept and name in (MODEL, BUFFER):
            self.energies[name] = ends.energies()
        return self._measured(name, sets, kept)

    def data_row(self) -> dict[str, Interval]:
        """The same of training images."""
        rng, draw = generator(derive(self.seed, "data row")), self.stick.baselines()[DATA]
        return self._measured(DATA, [draw(self.n, rng) for _ in range(self.draws)], True)

    def measure(self, x: Tensor, y: Tensor) -> dict[str, float]:
        """The measures of the module's list, of pictures `x` in [-1, 1] that the classifier calls `y`."""
        features, held = self.stick.classifier.features(x), self.stick.held_features
        found, near = modes(y, self.classes, reference=self.histograms["data"]), coverage(held, features)
        return {
            "modes": float(found.found),
            "kl": found.kl,
            "recall": near.recall,
            "precision": near.precision,
            "feature_distance": frechet_distance(features, held),
            "duplicates": duplicate_share(held, features),
        }

    def _measured(self, name: str, sets: list[Tensor], kept: bool) -> dict[str, Interval]:
        seen = [self.stick.as_picture(x) for x in sets]
        answers = [self.stick.classifier.answers(x) for x in seen]
        if kept:
            self.histograms[name] = class_shares(torch.cat(answers), self.classes)
            self.pictures[name] = seen[0][:SHOWN]
        return summary([self.measure(x, y) for x, y in zip(seen, answers, strict=True)])

    def _draw(self, name: str, plan: Planner, rng: torch.Generator) -> Tensor:
        size = self._size(name)
        y = classes_in_turn(self.system, size, rng)
        # Chains of one chunk come from distinct slots of a buffer; those of two might share some.
        chunk = size if name == BUFFER else 512
        return sample(self.system, size, rng=rng, y=y, plan=plan, chunk=chunk).x

    def _size(self, name: str) -> int:
        if name != BUFFER or (held := stored(self.system)) >= self.n:
            return self.n
        told = f"the buffer holds {held} chains: its row has so few samples, which raises feature_distance"
        self.notes += [] if told in self.notes else [told]
        return held


class Ends:
    """A plan that notes the energy where its chains ended: E alone, without the base measure of latents."""

    def __init__(self, plan: Planner) -> None:
        self.plan, self._found = plan, list[Tensor]()

    def __call__(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """The plan itself; energies are taken when its last leg has ended."""
        legs = self.plan(n, rng, y=y, steps=steps)
        leg = next(legs, None)
        while leg is not None:
            end = yield leg
            last, leg = leg, advance(legs, end)
        self._note(last, end)

    def energies(self) -> Tensor:
        """E of every chain so far, `(chains,)`, on the CPU; those that are not finite are left out."""
        found = torch.cat(self._found)
        return found[torch.isfinite(found)]

    @torch.no_grad()
    def _note(self, leg: Leg, end: Position) -> None:
        energy = leg.energy
        if isinstance(energy, Product) and isinstance(energy.energies[0], PullBack):
            energy = energy.energies[0]  # the released potential of a VAEBM: energy first
        if isinstance(energy, PullBack):
            energy = PullBack(energy.energy, energy.generator, prior=False)
        self._found.append(energy(end).float().cpu())


def of_length(plan: Planner, steps: int) -> Planner:
    """The same plan with chains of `steps` steps; with 0 it ends where its first leg begins."""

    def started(n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None) -> Plan:
        yield replace(next(plan(n, rng, y=y, steps=1)), steps=0)

    def sized(n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None) -> Plan:
        return plan(n, rng, y=y, steps=length)

    length = steps
    return sized if steps else started


def moves(system: System) -> bool:
    """Whether the system's own plan has a chain whose length can be told."""
    rng = generator(0, next(system.parameters()).device)
    return next(system.plan(1, rng, y=classes_in_turn(system, 1, rng), steps=1)).steps > 0


def plans_of(system: System) -> tuple[dict[str, Planner], list[str]]:
    """The plans to compare, and why one is missing."""
    plans: dict[str, Planner] = {MODEL: system.plan, **system.other_plans()}
    if not isinstance(system, Continuing) or not isinstance(system.chains, ReplayBuffer):
        return plans, []
    if stored(system) < FEWEST:
        return plans, ["no chains are stored (exported folders keep none): nothing goes on from a buffer"]
    return {**plans, BUFFER: system.continued}, []


def stored(system: System) -> int:
    """How many chains of training the system's buffer holds."""
    chains = system.chains if isinstance(system, Continuing) else None
    return int((chains.age > 0).sum()) if isinstance(chains, ReplayBuffer) else 0
