"""What a system is: the one place where energies, kernels, starts and objectives meet.

    batch -> losses -> (group, Loss)          one optimiser step a yield
    plan  -> (energy, kernel, steps, position)  one leg of a sampling chain a yield, sent back its end

Every system is final: a new paper is a new file that holds parts, not a subclass of another system. Slightly
longer than other files, because the contract reads best in one place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position
from ..core.records import Batch, Loss
from ..mcmc.base import Chain, ChainInfo, ChainState, Compile, Kernel, run
from ..mcmc.langevin import Langevin
from ..recipes.train import Compiling
from .frozen import frozen

if TYPE_CHECKING:
    from ..data.dataset import Dataset

Plan = Generator["Leg", Position, None]
Planner = Callable[..., Plan]
COMPILE: dict[Compiling, Compile] = {"never": False, "auto": "auto", "always": True}


@dataclass(frozen=True)
class Leg:
    """One leg of a chain: `steps` of `kernel` on `energy` from `position`."""

    energy: Energy
    kernel: Kernel
    steps: int
    position: Position


@dataclass(frozen=True)
class Standing:
    """A chain begun at data, which the model's law should leave looking like data.

    `ending` leads from a position of the chain to one that `decode` takes; without one the position is that.
    """

    energy: Energy
    kernel: Kernel
    position: Position
    ending: Callable[[Position], Plan] | None = None


@dataclass(frozen=True)
class Handed:
    """An energy network that another system can begin with: factor * net(x) is -log p(x) up to a constant."""

    net: nn.Module
    factor: float


class System(nn.Module, ABC):
    """An energy-based model with its way of learning and of sampling.

    Attributes:
        config: the frozen dataclass that it was built from.
        event_shape: shape of one data point, `(C, H, W)` or `(D,)`.
        temperature: T of the law exp(-E/T) that its training chains sample.
        matched: whether they sample it up to step-size bias; log Z and likelihoods need this.
        additive: whether its losses are means over samples; gradient accumulation needs this.
        precision: "fp32" or "bf16", set by the trainer.
        compiling: whether its chains are compiled: "never", "always", or "auto" where it pays.
        joint: whether the softmax of its `logits` is p(y | x), so that chains without a label move on p(x).
        counted: settings that count updates, which should grow with a run for it to keep its shape.
    """

    config: Any
    event_shape: tuple[int, ...]
    temperature: float = 1.0
    matched: bool = False
    additive: bool = True
    precision: Literal["fp32", "bf16"] = "fp32"
    compiling: Compiling = "never"
    joint: bool = False
    counted: tuple[str, ...] = ()

    @abstractmethod
    def groups(self) -> dict[str, nn.Module]:
        """The modules to train by name; each gets an optimiser of its own."""

    @abstractmethod
    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The losses of one update, each with the group whose parameters it trains, in order."""

    @abstractmethod
    def plan(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """The legs of a sampling chain of `n` samples, started from noise; `steps` replaces the default."""

    @abstractmethod
    def decode(self, position: Position) -> Tensor:
        """Data of shape `(n, *event_shape)` from where the last leg ended."""

    @abstractmethod
    def surprisal(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """-log density up to a constant, shape `(B,)`; the docstring says with respect to what."""

    def logits(self, x: Tensor) -> Tensor:
        """A score for every class, `(B, classes)`, the highest being the answer. Their softmax is p(y | x) in
        joint models only. Raises `UsageError` for a system without labels.
        """
        raise UsageError(
            f"this {type(self).__name__} has no label head, so it cannot classify: take jem, or igebm with "
            "net.classes > 0"
        )

    def meet(self, data: Dataset) -> None:
        """The training data, before the first update of a run, resumed ones too: here nothing is done.

        A system may refuse them, or keep rows that its losses need beside the batch.
        """

    def begin_anew(self) -> None:
        """Weights have come from another run (`--init-from`): drop what that run's training knew besides."""

    def other_plans(self) -> dict[str, Planner]:
        """Plans to set beside `plan` by name, such as "base": the generator that an energy refines."""
        return {}

    def handed(self) -> Handed:
        """The energy network with the factor that makes its output -log p, for another kind of system to
        begin with. Raises `UsageError` where the energy is no network of x alone, or has no law.
        """
        raise UsageError(f"the energy of {type(self).__name__} is not one network of x, to be handed over")

    def standing(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> Standing:
        """The chain of the long-run test (Nijkamp et al. 2020) from data `x` `(B, *event)` with labels `y`:
        here the last leg of the plan, as it goes on once its schedules have ended.

        Raises `UsageError` where chains move latents, or training has not come to chains on data.
        """
        leg, made = None, self.plan(len(x), rng, y=y)
        following = next(made, None)
        while following is not None:
            leg, following = following, advance(made, following.position)
        if leg is None or not isinstance(leg.position, Tensor) or leg.position.shape != x.shape:
            raise UsageError("these chains do not move data of full size: none can begin at data")
        kernel = leg.kernel.from_step(leg.steps) if isinstance(leg.kernel, Langevin) else leg.kernel
        return Standing(leg.energy, kernel, x)

    def stages(self) -> tuple[int, ...]:
        """Updates at which training turns to something new, such as the energy of a trained base."""
        return ()

    def own_measures(self, x: Tensor, rng: torch.Generator) -> dict[str, float]:
        """Numbers of its own on held-out data `(N, *event)`, such as KALE or the ELBO, in nats."""
        return {}

    def rate(self, group: str, step: int) -> float:
        """Factor on the learning rate of a group at an update; 1 unless stages or groups differ."""
        return 1.0

    def shape_gradients(self, group: str) -> None:
        """Change the weight gradients of a group in place, before they are clipped and applied."""

    def save(self, path: Path | str, *, data: str = "") -> Path:
        """Write a model folder that `gibbsian.load` reads; `data` names what it was trained on."""
        from .folder import save

        return save(self, path, data=data)


@runtime_checkable
class Continuing(Protocol):
    """A system whose chains can go on from those that training stored, in `chains`."""

    chains: Any

    def continued(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Plan:
        """A plan that begins at stored chains."""


@runtime_checkable
class Translating(Protocol):
    """A system with a chain of its own from images of another domain."""

    def translated(self, x: Tensor, *, steps: int | None = None) -> Planner:
        """A plan for just N chains from images `x` `(N, *event)`."""


@dataclass(frozen=True)
class Samples:
    """What `sample` returns: data, the energy at the end, and the chains of the legs in order.

    `chains` are those of the first chunk; with one chunk these are all.
    """

    x: Tensor
    y: Tensor | None
    energy: Tensor
    chains: list[Chain]


def sample(
    system: System,
    n: int,
    *,
    rng: torch.Generator,
    y: Tensor | None = None,
    steps: int | None = None,
    thin: int = 0,
    chunk: int = 512,
    observe: Callable[[int, ChainState, ChainInfo], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    plan: Callable[..., Plan] | None = None,
) -> Samples:
    """Draw `n` samples by the system's own plan (or another `plan` of the same signature).

    Chains run `chunk` at a time under `frozen(system)`; `thin` keeps every thin-th position in each
    chain's trace; `observe(step, state, info)` is called after every step (compiled chains then make one step
    a graph), `progress(done, steps)` of a leg now and then.

    Raises `UsageError` for fewer than 1 sample, or 1 step where `steps` is given.
    """
    if n < 1 or (steps is not None and steps < 1):
        raise UsageError(
            f"n is {n} and steps is {steps}: at least 1 sample is drawn, by chains of 1 step or more"
        )
    parts = []
    with frozen(system):
        for first in range(0, n, chunk):
            size = min(chunk, n - first)
            labels = None if y is None else y[first : first + size]
            legs = (plan or system.plan)(size, rng, y=labels, steps=steps)
            parts.append(walk(system, legs, rng, thin=thin, observe=observe, progress=progress))
        x = torch.cat([system.decode(chains[-1].position) for chains in parts])
    energy = torch.cat([_final_energy(chains) for chains in parts])
    return Samples(x, y, energy, parts[0])


def walk(
    system: System,
    legs: Plan,
    rng: torch.Generator,
    *,
    thin: int = 0,
    observe: Callable[[int, ChainState, ChainInfo], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Chain]:
    """Run the legs of a plan, sending back where each ended. Returns one chain a leg."""
    chains: list[Chain] = []
    leg = next(legs, None)
    while leg is not None:
        chain = run(
            leg.kernel,
            leg.energy,
            leg.position,
            steps=leg.steps,
            rng=rng,
            thin=thin,
            observe=observe,
            progress=progress,
            precision=system.precision,
            compile=COMPILE[system.compiling],
        )
        chains.append(chain)
        leg = advance(legs, chain.position)
    return chains


def advance(legs: Plan, end: Position) -> Leg | None:
    """The next leg of a plan whose last one ended at `end`; none when that was all."""
    try:
        return legs.send(end)
    except StopIteration:
        return None


def _final_energy(chains: list[Chain]) -> Tensor:
    energy = chains[-1].energy
    if energy is None:
        raise RuntimeError("a chain ended without its energy")
    return energy
