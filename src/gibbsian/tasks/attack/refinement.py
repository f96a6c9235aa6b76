"""Classifiers as they are attacked: plain, and refining their input by a chain before they answer.

    plain     l(x) + b
    marginal  (1/D) sum_d l(x_d) + b,   x_d: K steps of the chain on p(x), begun at x     (joint models: JEM)
    labelled  -E(x_y, y) + b_y,         x_y: K steps of the chain on p(x | y), begun at x, kept within 8/255
              of x in every pixel                                               (conditional models: IGEBM)

b are biases of the classes, 0 unless fitted. What an attacker sees of the K steps is his choice:

    plain     nothing: the gradient of l at x, as in the attack on IGEBM's paper
    straight  l at the refined point, with dx_K/dx taken as 1 (backward-pass differentiable approximation,
              A. Athalye et al. 2018, arXiv 1802.00420); so attacked JEM's paper, without saying so
    full      the gradient through all K steps

His draws of the chain's noise are his own: the answers that count are drawn anew. Sources: W. Grathwohl et
al. 2020 (arXiv 1912.03263), section 5.3; Y. Du, I. Mordatch 2019 (arXiv 1903.08689), section 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...mcmc.base import ChainState, Kernel, run
from ...mcmc.langevin import Langevin
from ...models.capabilities import classifier
from ...models.model import EnergyModel
from ...models.sampler import DataChain
from .pgd import Answers

Through: TypeAlias = Literal["plain", "straight", "full"]
REACH = 8 / 255
"""How far a labelled chain may leave the received image, in pixels of range 1 (Du and Mordatch 2019)."""
DUPLICATES = 5
"""Chains whose logits a joint model averages (Grathwohl et al. 2020)."""


class Classifier(Protocol):
    """What is attacked: answers with fresh noise, and what an attacker may differentiate."""

    @property
    def random(self) -> bool:
        """Whether the answers depend on chance."""

    @property
    def refines(self) -> bool:
        """Whether it moves its input before it answers."""

    @property
    def rows(self) -> int:
        """Network inputs for the answer to one image."""

    @property
    def steps(self) -> int:
        """Steps of the chain, 0 for none."""

    def __call__(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Logits `(B, C)` of images `(B, *event)`, the noise drawn from `rng`."""

    def seen(self, through: Through, draws: int, rng: torch.Generator) -> Answers:
        """`draws` of the logits, `(R, B, C)`, with a gradient back to x in one of the three ways."""


@dataclass(frozen=True, eq=False)
class Plain:
    """Logits of x itself; `logits` maps `(B, *event)` to `(B, C)`, `class_biases` are `(C,)`."""

    logits: Answers
    class_biases: Tensor | float = 0.0
    random = False
    refines = False
    rows = 1
    steps = 0

    def __call__(self, x: Tensor, rng: torch.Generator) -> Tensor:
        with torch.no_grad():
            return self.logits(x) + self.class_biases

    def seen(self, through: Through, draws: int, rng: torch.Generator) -> Answers:
        """The one gradient there is, in one draw."""
        return lambda x: self.logits(x) + self.class_biases


@dataclass(frozen=True, eq=False)
class Refined:
    """`steps` of the model's own chain from x, then its answer, averaged over `duplicates` chains.

    Args:
        model: joint ones (`model.joint`) move on p(x), others once for each of the `classes` on p(x | y).
        reach: bound on the move of a labelled chain in every pixel, in units of x.
        noiseless: leave the chain's noise out, as JEM does for L2; one chain is then enough.

    Raises:
        UsageError: for fewer than 1 step, duplicate or class; later, for models whose chains cannot begin at
            data.
    """

    model: EnergyModel
    steps: int
    classes: int
    duplicates: int = 1
    reach: float = torch.inf
    noiseless: bool = False
    class_biases: Tensor | float = 0.0
    refines = True

    def __post_init__(self) -> None:
        if min(self.steps, self.duplicates, self.classes) < 1:
            raise UsageError(
                f"{self.steps} steps of {self.duplicates} chains for {self.classes} classes: take 1 or more"
            )

    @property
    def random(self) -> bool:
        """Whether the chain draws noise."""
        return not self.noiseless

    @property
    def copies(self) -> int:
        """Chains averaged: one without noise."""
        return 1 if self.noiseless else self.duplicates

    @property
    def rows(self) -> int:
        """Chains for one image."""
        return self.copies * (1 if self.model.joint else self.classes)

    def __call__(self, x: Tensor, rng: torch.Generator) -> Tensor:
        with torch.no_grad():
            return self._answers(x, "straight", rng)

    def seen(self, through: Through, draws: int, rng: torch.Generator) -> Answers:
        """Draws of the logits with a gradient; "plain" sees the classifier that does not refine."""
        if through == "plain":
            return lambda x: classifier(self.model).logits(x) + self.class_biases
        return lambda x: torch.stack([self._answers(x, through, rng) for _ in range(draws)])

    def _answers(self, x: Tensor, through: Through, rng: torch.Generator) -> Tensor:
        return (self._marginal if self.model.joint else self._labelled)(x, through, rng) + self.class_biases

    def _marginal(self, x: Tensor, through: Through, rng: torch.Generator) -> Tensor:
        begin = x.repeat_interleave(self.copies, 0)
        refined = self._moved(
            begin, self.model.sampler().from_data(begin.detach(), rng), torch.inf, through, rng
        )
        return classifier(self.model).logits(refined).unflatten(0, (len(x), self.copies)).mean(1)

    def _labelled(self, x: Tensor, through: Through, rng: torch.Generator) -> Tensor:
        begin = x.repeat_interleave(self.rows, 0)
        y = torch.arange(self.classes, device=x.device).repeat(len(x) * self.copies)
        begun = self.model.sampler().from_data(begin.detach(), rng, y)
        refined = self._moved(begin, begun, self.reach, through, rng)
        return -begun.energy(refined).unflatten(0, (len(x), self.copies, self.classes)).mean(1)

    def _moved(
        self, x: Tensor, begun: DataChain, reach: float, through: Through, rng: torch.Generator
    ) -> Tensor:
        """Where chains from `x` end: with the graph of every step, or as if that were x plus a constant."""
        whole = through == "full" and torch.is_grad_enabled() and x.requires_grad
        kernel = quiet(begun.kernel) if self.noiseless else begun.kernel
        end = _chain(kernel, begun, x if whole else x.detach(), self.steps, reach, whole, rng)
        return end if whole else x + (end - x).detach()


def _chain(
    kernel: Kernel,
    begun: DataChain,
    x: Tensor,
    steps: int,
    reach: float,
    graph: bool,
    rng: torch.Generator,
) -> Tensor:
    """The end `(B, *event)` of a chain from `x` that is put back within `reach` of `x` after every step."""
    state: Tensor | ChainState = x
    legs = [steps] if reach == torch.inf else [1] * steps
    for made in legs:
        state = run(
            kernel,
            begun.energy,
            state,
            steps=made,
            rng=rng,
            evaluate=False,
            differentiable="all" if graph else False,
        ).state
        state = state._replace(position=_within(state.position, x, reach))  # type: ignore[arg-type]
    assert isinstance(state, ChainState) and isinstance(state.position, Tensor)
    return state.position


def _within(position: Tensor, x: Tensor, reach: float) -> Tensor:
    if reach == torch.inf:
        return position
    return torch.maximum(torch.minimum(position, x + reach), x - reach)


def quiet(kernel: Kernel) -> Kernel:
    """The kernel at temperature 0; raises `UsageError` outside the unadjusted Langevin family."""
    if not isinstance(kernel, Langevin):
        raise UsageError(f"{type(kernel).__name__} cannot leave its noise out: only Langevin chains can")
    return replace(kernel, temperature_schedule=_zero)


def _zero(step: int) -> float:
    return 0.0
