"""JEM: the joint energy-based classifier (W. Grathwohl et al., ICLR 2020, arXiv 1912.03263).

A classifier with logits f(x) of C classes is read as the joint law

    p(x, y) ~ exp(f(x)[y]),      p(y | x) = softmax f(x)[y],
    E(x, y) = -f(x)[y],          E(x) = -log sum_y exp f(x)[y]

with one normaliser for all classes, and is trained by

    loss = w_y CE(f(x), y) + w_x (mean E(x_pos) - mean E(x_neg)) + w_xy (mean E(x_pos, y) - mean E(x_neg, y)).

The cross-entropy sees clean data (augmented, if so set), the contrasts data smoothed by noise. x_neg are
Langevin chains of p(x) from a replay buffer, in the last term chains of p(x | y) from the part of the buffer
that belongs to their class. Every chain keeps the class of its slot, so chains of p(x) are at hand for
p(x | y) later. With w_x = w_xy = 0 no chain runs: the same network as a plain classifier.

Not one joint law as published: the chain has a drift of 1 and noise of .01, so it samples exp(-E(x)/T) with
T = 5e-5, while the softmax is taken at T = 1. `matched` speaks of the chain's law alone. Only at T = 1
(preset toy) are p(x) and p(y | x) those of one p(x, y).

Samples are chains of p(x | y) for the class asked for. The released code sorts chains of p(x) by the class
that the model sees in them, which is another thing where the model is unsure.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position
from ..core.random import seeded_init
from ..core.records import Batch, Loss
from ..data.augment import augment
from ..data.dataset import Dataset
from ..data.few import few
from ..energies.conditional import Marginal, OfClass
from ..mcmc.langevin import Langevin
from ..nets.build import build
from ..recipes.chain import ChainConfig, LossConfig
from ..recipes.jem import JEMConfig
from ..starts.base import Ticket
from .base import Handed, Leg, Plan, System
from .phases import (
    Negatives,
    contrastive_loss,
    langevin,
    matched,
    negatives,
    noise_start,
    paired,
    positives,
    training_start,
)
from .stored import stored_chains

Chains = list[tuple[Ticket, Negatives]]


class JEM(System):
    """A classifier, a replay buffer with a part for each class, Langevin chains."""

    config: JEMConfig
    joint = True

    def __init__(self, config: JEMConfig, event_shape: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.config, self.event_shape = config, tuple(event_shape)
        with seeded_init(rng):
            self.net = build(config.net, event_shape)
        self.fresh = noise_start(config.start, config.pixels, event_shape)
        self.chains = training_start(config.start, config.pixels, event_shape, config.net.classes, rng)
        of_x = config.loss.w_x > 0 and not config.loss.ancestral
        self.temperature = config.chain.temperature
        self.matched = of_x and matched(config.chain, config.start)
        self._taught: Dataset | None = None

    def groups(self) -> dict[str, torch.nn.Module]:
        """One group: the classifier."""
        return {"energy": self.net}

    def logits(self, x: Tensor) -> Tensor:
        """f `(B, classes)`, whose softmax is p(y | x)."""
        f: Tensor = self.net.logits(x)  # type: ignore[operator]
        return f

    def energies(self, x: Position) -> Tensor:
        """E(x, y) = -f(x)[y] of every class, `(B, classes)`."""
        return -self.logits(self.decode(x))

    def law(self, y: Tensor | None = None) -> Energy:
        """The energy of p(x), or of p(x | y) for labels `(B,)`."""
        return Marginal(self.energies) if y is None else OfClass(self.energies, y)

    def meet(self, data: Dataset) -> None:
        """Keep the rows whose labels may be seen, where `labelled` says that not all may.

        Raises `UsageError` for data with another number of classes, or with too few rows of one.
        """
        wanted, found = self.config.net.classes, len(data.classes)
        if found != wanted:
            raise UsageError(
                f"net.classes is {wanted}, but {data.name} has {found}: set net.classes to {found}"
            )
        self._taught = few(data, self.config.labelled) if self.config.labelled else None

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Cross-entropy of labelled rows and contrasts of data and chains, in one update."""
        weights, chains = self.config.loss, Chains()
        taught = self._labelled(batch, rng)
        total = Loss(torch.zeros((), device=batch.x.device))
        if weights.w_y:
            total = total + self._classification(taught, rng)
        if weights.w_x:
            total = total + self._of_x(batch, chains, rng)
        if weights.w_xy:
            told = self._of_xy(taught, chains, rng)
            total = total + (_renamed(told, "{}_xy") if weights.w_x else told)
        yield "energy", total
        for ticket, neg in chains:
            self.chains.write(ticket, neg.chain.position)

    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A chain from noise of p(x | y) for labels `(n,)`, of p(x) without."""
        chain, start = self.config.sampling, self.fresh.draw(n, rng).position
        yield Leg(self.law(y), self._kernel(chain), steps or chain.steps, start)

    def continued(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A plan that goes on from stored chains: of p(x), or of p(x | y) from those of the classes `y`."""
        chain, ticket = self.config.sampling, stored_chains(self.chains, n, rng, y)
        yield Leg(self.law(y), self._kernel(chain), steps or chain.steps, ticket.position)

    def decode(self, position: Position) -> Tensor:
        """The position is the data."""
        return position if isinstance(position, Tensor) else position[0]

    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E(x)/T, or E(x, y)/T for labels `(B,)`, T being the chain's; a log-density only if `matched`."""
        return self.law(y)(x) / (self.temperature or 1.0)

    def handed(self) -> Handed:
        """Refused: scaling the last layer scales f, and log sum exp (c f) is not c log sum exp f."""
        raise UsageError(
            "the energy of JEM is a sum over classes, which cannot be brought to another temperature by its "
            "last layer: start from another jem"
        )

    # -- the terms of the loss ----------------------------------------------------------------------

    def _labelled(self, batch: Batch, rng: torch.Generator) -> Batch:
        """The batch itself; where labels are hidden, as many rows drawn from those that are not."""
        if not self.config.labelled:
            return batch
        if self._taught is None:
            raise UsageError(
                f"labelled is {self.config.labelled}: train by gibbsian.fit, or call system.meet(data) first"
            )
        rows = torch.randint(len(self._taught), (len(batch),), generator=rng, device=rng.device).cpu()
        pixels = self.config.pixels
        return self._taught.batch(rows, pixels.low, pixels.high).to(batch.x.device)

    def _classification(self, taught: Batch, rng: torch.Generator) -> Loss:
        cfg, y = self.config, _labels(taught)
        pixels = cfg.pixels
        x = augment(taught.x, cfg.augment, rng, low=pixels.low, high=pixels.high)
        if cfg.loss.smoothed:
            x = positives(Batch(x), pixels, rng)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            f = self.logits(x)
        value = F.cross_entropy(f.to(x.dtype), y, label_smoothing=cfg.loss.label_smoothing)
        right = (f.argmax(1) == y).float().mean()
        return Loss(cfg.loss.w_y * value, {"cross_entropy": value.detach(), "accuracy": right})

    def _of_x(self, batch: Batch, chains: Chains, rng: torch.Generator) -> Loss:
        """The contrast of E(x); the batch's labels are not used."""
        unlabelled, classes = Batch(batch.x), self.config.net.classes
        y = None
        if self.config.loss.ancestral:
            y = torch.randint(classes, (len(batch),), generator=rng, device=rng.device)
        neg = self._ends(unlabelled, y, chains, rng)
        x_pos = positives(unlabelled, self.config.pixels, rng)
        e_pos, e_neg = paired(self.law(), x_pos, neg.x, precision=self.precision)
        return self._contrast(self.config.loss.w_x, e_pos, e_neg, neg)

    def _of_xy(self, taught: Batch, chains: Chains, rng: torch.Generator) -> Loss:
        """The contrast of E(x, y): labelled rows against chains of p(x | y) with the same labels."""
        y = _labels(taught)
        neg = self._ends(taught, y, chains, rng)
        x_pos = positives(taught, self.config.pixels, rng)
        law = self.law(torch.cat([y, y]))
        e_pos, e_neg = paired(law, x_pos, neg.x, precision=self.precision)
        return self._contrast(self.config.loss.w_xy, e_pos, e_neg, neg)

    def _ends(self, batch: Batch, y: Tensor | None, chains: Chains, rng: torch.Generator) -> Negatives:
        """Where chains of p(x), or of p(x | y), end; noted in `chains`, to be written back after."""
        chain, ticket = self.config.chain, self.chains.draw(len(batch), rng, batch=batch, y=y)
        neg = negatives(self, self.law(y), self._kernel(chain), ticket, chain.steps, rng, self.fresh)
        chains.append((ticket, neg))
        return neg

    def _contrast(self, weight: float, e_pos: Tensor, e_neg: Tensor, neg: Negatives) -> Loss:
        found = contrastive_loss(e_pos, e_neg, LossConfig(energy_l2=self.config.loss.energy_l2), neg)
        return Loss(weight * found.value, found.metrics)

    def _kernel(self, chain: ChainConfig) -> Langevin:
        return langevin(chain, self.config.pixels.low, self.config.pixels.high)


def _labels(batch: Batch) -> Tensor:
    if batch.y is None:
        raise UsageError("a classifier needs labels: take labelled data")
    return batch.y


def _renamed(loss: Loss, form: str) -> Loss:
    return Loss(loss.value, {form.format(k): v for k, v in loss.metrics.items()})
