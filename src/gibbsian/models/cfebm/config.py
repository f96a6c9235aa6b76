"""Settings of the multistage coarse-to-fine EBM. Torch-free."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import ClassVar, Literal, NamedTuple, TypeVar

from ...core.config import require_choices
from ...core.errors import UsageError, require_not_negative
from ...data.settings import PixelConfig
from ...mcmc.settings import ChainConfig
from ...nets.families import AnyNet
from ...nets.settings import MLPConfig
from ...objectives.settings import LossConfig

Number = TypeVar("Number", int, float)
"""Of a list with an entry for each stage."""


class Turn(NamedTuple):
    """The stage that learns, from 0, and the weight alpha in [0, 1] of its new part."""

    stage: int
    alpha: float


@dataclass(frozen=True)
class StagesConfig:
    """The image sizes and when each learns; lists with fewer entries than sizes repeat their last one."""

    step_counted: ClassVar[tuple[str, ...]] = ("fade", "hold")
    smallest: int = 4
    """Pixels a side of the smallest images, at least; the data's size is halved while that is even."""
    count: int | None = None
    """How many sizes, counted from the data's own downwards; none takes all."""
    fade: tuple[int, ...] = (500,)
    """Updates of each stage in which its new part is faded in (the first has none, but learns as long)."""
    hold: tuple[int, ...] = (500,)
    """Updates of each stage after that; the last stage goes on to the end of training."""
    rates: tuple[float, ...] = (1.0,)
    """Factor on the learning rate in each stage."""
    shares: tuple[float, ...] = (1.0,)
    """Share of the batch that each stage uses, in (0, 1]: large images need fewer, and more memory each."""

    def __post_init__(self) -> None:
        if self.smallest < 1 or (self.count is not None and self.count < 1):
            raise UsageError(
                f"stages.smallest is {self.smallest} and stages.count {self.count}: both must be at least 1"
            )
        for name in ("fade", "hold", "rates", "shares"):
            values = getattr(self, name)
            if not values:
                raise UsageError(f"stages.{name} is empty: give one entry for all stages, or one each")
            require_not_negative(**{f"stages.{name}": min(values)})
        if not all(0 < share <= 1 for share in self.shares):
            raise UsageError(f"stages.shares is {self.shares}: each is a share of the batch, in (0, 1]")

    def sizes(self, event_shape: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Height and width of each stage, smallest first; raises `UsageError` for data without a pyramid.

        >>> StagesConfig(smallest=7).sizes((1, 28, 28))
        ((7, 7), (14, 14), (28, 28))
        """
        if len(event_shape) != 3:
            raise UsageError(
                f"cfebm needs images (channels, height, width), and data of shape {tuple(event_shape)} have "
                "no sizes to go through: use igebm or short_run"
            )
        found = [(event_shape[1], event_shape[2])]
        while self._halves(found[0]) and len(found) != self.count:
            found.insert(0, (found[0][0] // 2, found[0][1] // 2))
        if self.count is not None and len(found) < self.count:
            raise UsageError(
                f"stages.count is {self.count}, but {event_shape[1]}x{event_shape[2]} images halve to only "
                f"{len(found)} sizes of {self.smallest} pixels or more: lower stages.count or stages.smallest"
            )
        return tuple(found)

    def starts(self, count: int) -> tuple[int, ...]:
        """The update at which each of `count` stages begins; raises `UsageError` if two begin together."""
        fades, holds = _each("fade", self.fade, count), _each("hold", self.hold, count)
        lengths = [a + b for a, b in zip(fades, holds, strict=True)]
        if any(n < 1 for n in lengths[:-1]):
            raise UsageError(f"stages.fade {self.fade} and stages.hold {self.hold}: a stage has no update")
        return (0, *accumulate(lengths[:-1]))

    def turn(self, step: int, count: int) -> Turn:
        """The stage of update `step`, from 0, and its alpha: 1 in the first, else rising to 1 over `fade`.

        >>> [tuple(StagesConfig(fade=(2,), hold=(1,)).turn(k, 2)) for k in range(6)]
        [(0, 1.0), (0, 1.0), (0, 1.0), (1, 0.5), (1, 1.0), (1, 1.0)]
        """
        starts = self.starts(count)
        stage = bisect_right(starts, step) - 1
        fade = _each("fade", self.fade, count)[stage]
        made = step - starts[stage] + 1
        return Turn(stage, 1.0 if not stage or made >= fade else made / fade)

    def lr_multiplier(self, stage: int, count: int) -> float:
        """The factor on the learning rate in one of `count` stages."""
        return _each("rates", self.rates, count)[stage]

    def share(self, stage: int, count: int) -> float:
        """The share of a batch that one of `count` stages uses."""
        return _each("shares", self.shares, count)[stage]

    def _halves(self, size: tuple[int, int]) -> bool:
        return all(n % 2 == 0 for n in size) and min(size) // 2 >= self.smallest


@dataclass(frozen=True)
class SourceConfig:
    """How images of one domain become images of another: the chain starts at the source image."""

    noise: float = 0.01
    """Standard deviation of the noise added to source images."""
    steps: int = 64
    """Steps from a source image after training; in training chain.steps are taken."""

    def __post_init__(self) -> None:
        require_not_negative(**{"source.noise": self.noise})
        if self.steps < 1:
            raise UsageError(f"source.steps is {self.steps}: it must be at least 1; the paper takes 64")


@dataclass(frozen=True)
class CFEBMConfig:
    """One coarse-to-fine EBM; raises `UsageError` for values out of range."""

    mode: Literal["generate", "translate"] = "generate"
    """Chains start at noise of the smallest size, or at the images of another domain, `Batch.cond`."""
    family: Literal["conv", "dense"] = "dense"
    """The paper's expanding convolutions, or a network of its own for each size, as `net` says."""
    net: AnyNet = field(default_factory=lambda: MLPConfig(hidden=(256, 256), activation="swish"))
    """The network of each size (dense: mlp or any other); conv takes only the activation from it."""
    width: int = 32
    """Feature maps at 64 pixels a side; twice as many at 32, four times from 16 on (conv)."""
    stages: StagesConfig = field(default_factory=StagesConfig)
    chain: ChainConfig = field(
        default_factory=lambda: ChainConfig(steps=15, step_size=2.0, noise=0.015, noise_end=0.0)
    )
    """The chain of one size; the noise falls over the chains of all sizes together."""
    pixels: PixelConfig = field(default_factory=PixelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    source: SourceConfig = field(default_factory=SourceConfig)

    def __post_init__(self) -> None:
        require_choices(self, "cfebm")
        if self.width < 1:
            raise UsageError(
                f"width is {self.width}: it must be at least 1; the paper takes 32, or 48 at 512"
            )
        if self.net.classes:
            raise UsageError("cfebm is unconditional: set net.classes to 0, or use igebm")


def _each(name: str, values: tuple[Number, ...], count: int) -> tuple[Number, ...]:
    """`values` with one entry for each of `count` stages."""
    if len(values) > count:
        raise UsageError(
            f"stages.{name} has {len(values)} entries for {count} image sizes: give 1 to {count}"
        )
    return values + (values[-1],) * (count - len(values))


CONFIG = CFEBMConfig
