"""What a sampler is: how samples of a model are drawn, as stages of chains.

    stages -> ChainStage(energy, kernel, steps, position)    one stage a yield, sent back where it ended
    decode -> data from where the last stage ended

Ladders, pyramids and annealing are samplers of several stages; most have one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position
from ..core.show import one_line
from ..mcmc.base import Compile, Kernel
from ..mcmc.langevin import Langevin

if TYPE_CHECKING:
    from ..energies.latent import PullBack

Stages: TypeAlias = Generator["ChainStage", Position, None]
COMPILE: dict[str, Compile] = {"never": False, "auto": "auto", "always": True}


@dataclass(frozen=True)
class RunOptions:
    """How chains are computed: the `precision` of the network, and whether steps are compiled or replayed.

    "bf16" runs the network under bfloat16 autocast, positions staying float32. `compile` is "never",
    "always", or "auto", which compiles after many steps. `replay` as in `mcmc.run`: False calls the energy at
    every step.
    """

    precision: Literal["fp32", "bf16"] = "fp32"
    compile: Literal["never", "auto", "always"] = "never"
    replay: bool = True

    @property
    def arguments(self) -> dict[str, Any]:
        """The same as keyword arguments of `run`."""
        return {"precision": self.precision, "compile": COMPILE[self.compile], "replay": self.replay}


@dataclass(frozen=True)
class ChainStage:
    """One stage of a sampler.

    Fields:
        energy: what the chains move on, of positions of B chains, `(B,)`.
        kernel: makes a step; its temperature is that of `energy`.
        steps: number of steps, 0 where the positions are the samples.
        position: where the B chains begin.
        energy_on_latents: set where chains move latents z of a generator G: E(G(z)), the model's own part of
            `energy`; None for chains on data.
        noised: clean data with the noise that chains of this stage have on them, drawn from a generator; None
            where they have none.
    """

    energy: Energy
    kernel: Kernel
    steps: int
    position: Position
    energy_on_latents: PullBack | None = None
    noised: Callable[[Tensor, torch.Generator], Tensor] | None = None

    __repr__ = one_line


@dataclass(frozen=True)
class DataChain:
    """A chain begun at data, which the model's distribution should leave looking like data.

    Fields:
        energy: what the chain moves on.
        kernel: makes a step.
        position: where the chains begin, `(B, *event)` for chains on data.
        remaining: the stages that lead from a position of the chain to one that `decode` takes; None where
            `decode` takes the chain's own.
    """

    energy: Energy
    kernel: Kernel
    position: Position
    remaining: Callable[[Position], Stages] | None = None

    __repr__ = one_line


class Sampler(ABC):
    """A way to draw samples of a model.

    Attributes:
        temperature: T at which its stages sample exp(-energy / T) of the energy that they move on.
        beyond_range: whether its stages move data with noise on them, which leave the range of the data.
    """

    temperature: float = 1.0
    beyond_range: bool = False

    @abstractmethod
    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The stages of `n` chains, each to be sent back where it ended.

        Args:
            n: number of chains.
            rng: the source of where they begin, and of labels that are drawn.
            y: their labels, `(n,)` int64; None draws them, or leaves them out.
            steps: steps of each stage, in place of the sampler's own number.
        """

    def decode(self, position: Position) -> Tensor:
        """Data of shape `(n, *event_shape)` from where the last stage ended: here the position itself."""
        return position if isinstance(position, Tensor) else position[0]

    def from_data(self, x: Tensor, rng: torch.Generator, y: Tensor | None = None) -> DataChain:
        """The chain of the long-run test (Nijkamp et al. 2020) from data `x` `(B, *event)` with labels `y`:
        here the last stage, as it goes on once its schedules have ended.

        Raises `UsageError` where chains move latents, or training has not come to chains on data.
        """
        last, made = None, self.stages(len(x), rng, y=y)
        following = next(made, None)
        while following is not None:
            last, following = following, next_stage(made, following.position)
        # Latents may have the shape of the data, as those of a flow do: `energy_on_latents` tells.
        if last is None or last.energy_on_latents is not None or not _like(last.position, x):
            raise UsageError("these chains do not move data of full size: none can begin at data")
        kernel = last.kernel.from_step(last.steps) if isinstance(last.kernel, Langevin) else last.kernel
        return DataChain(last.energy, kernel, x)


def _like(position: Position, x: Tensor) -> bool:
    return isinstance(position, Tensor) and position.shape == x.shape


def next_stage(stages: Stages, end: Position) -> ChainStage | None:
    """The next stage of a sampler whose last one ended at `end`; none when that was all."""
    try:
        return stages.send(end)
    except StopIteration:
        return None


class WrappedSampler(Sampler):
    """A sampler around another one, `inner`, whose samples it decodes: it watches or changes the stages.

    `make(n, rng, y=..., steps=...)` gives the stages; by default they are those of `inner`.
    """

    def __init__(self, inner: Sampler, make: Callable[..., Stages] | None = None) -> None:
        self.inner, self.make = inner, make or inner.stages
        self.temperature, self.beyond_range = inner.temperature, inner.beyond_range

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The stages that were made."""
        return self.make(n, rng, y=y, steps=steps)

    def decode(self, position: Position) -> Tensor:
        """As the wrapped sampler decodes."""
        return self.inner.decode(position)
