"""Settings of energy matching. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ...core.config import require_choices
from ...core.errors import UsageError, require_not_negative, require_positive
from ...data.settings import PixelConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig


@dataclass(frozen=True)
class FlowConfig:
    """The way from noise to data, and how it is sampled."""

    step_counted: ClassVar[tuple[str, ...]] = ("updates",)
    updates: int = 5000
    """Updates of the flow alone, before the contrastive phase."""
    weight: float = 1.0
    """Weight of the flow's loss in the contrastive phase."""
    blur: float = 0.02
    """Regularisation of the transport plan, over the mean squared distance; at .001 nearly the optimal
    assignment, as released."""
    sampler: Literal["heun", "langevin"] = "heun"
    """Gradient flow by Heun's method, or Langevin steps whose temperature rises on the way."""
    time: float = 1.0
    """Length of a sampling chain; 1 is where the flow reaches data."""
    dt: float = 0.02
    """Time of one sampling step."""

    def __post_init__(self) -> None:
        require_choices(self, "flow")
        require_positive(**{f"flow.{k}": getattr(self, k) for k in ("blur", "time", "dt")})
        require_not_negative(**{"flow.updates": self.updates, "flow.weight": self.weight})
        if self.dt > self.time:
            raise UsageError(f"flow.dt is {self.dt}, flow.time {self.time}: a step must fit into the time")

    @property
    def steps(self) -> int:
        """Steps of a sampling chain."""
        return round(self.time / self.dt)


@dataclass(frozen=True)
class ContrastConfig:
    """The contrastive phase, in which exp(-V / epsilon) becomes the density of the data."""

    epsilon: float = 0.01
    """Temperature at and after time 1."""
    cutoff: float = 0.9
    """Time before which chains from noise have no noise; from there the temperature rises linearly to time
    1; at 1 it jumps."""
    weight: float = 1e-3
    """Weight of the contrast."""
    floor: float = 0.0
    """The weighted contrast counts as no less than -floor (released code: .02); 0 for no bound."""
    trim: float = 0.0
    """Share of the negatives of highest energy that are left out (released code: up to .1)."""
    steps: int = 200
    """Langevin steps of a training chain."""
    dt: float = 0.01
    """Time of one of them: drift dt grad V, noise sqrt(2 dt epsilon)."""
    data_chains: Literal["constant", "ramp"] = "constant"
    """Half of the chains begin at data: at the full temperature, or through the ramp as the released code."""
    clamp: bool = False
    """Clamp the ends of chains to the range of the data."""

    def __post_init__(self) -> None:
        require_choices(self, "contrast")
        require_positive(**{f"contrast.{k}": getattr(self, k) for k in ("epsilon", "steps", "dt")})
        require_not_negative(**{"contrast.weight": self.weight, "contrast.floor": self.floor})
        if not (0 <= self.cutoff <= 1 and 0 <= self.trim < 1):
            raise UsageError(
                f"contrast.cutoff is {self.cutoff}, contrast.trim {self.trim}: the first lies in [0, 1], the "
                "second in [0, 1)"
            )


@dataclass(frozen=True)
class EnergyMatchingConfig:
    """One scalar potential for both: far from the data a flow, near it an energy."""

    net: AnyNet = field(default_factory=lambda: ConvConfig(activation="swish"))
    """V; its loss needs second derivatives, so a smooth activation."""
    flow: FlowConfig = field(default_factory=FlowConfig)
    contrast: ContrastConfig = field(default_factory=ContrastConfig)
    pixels: PixelConfig = field(default_factory=PixelConfig)

    @property
    def claims_density(self) -> bool:
        """Whether nothing but the contrast decides V in the end, and its chains last."""
        contrast = self.contrast
        lasting = contrast.data_chains == "constant" and contrast.steps * contrast.dt > 1
        bent = contrast.clamp or contrast.trim or contrast.floor or self.flow.weight
        return bool(contrast.weight and lasting and not bent)

    def __post_init__(self) -> None:
        if self.net.classes:
            raise UsageError("energy_matching is unconditional: set net.classes to 0")
        if self.net.kinked:
            raise UsageError(
                f"net.activation is {self.net.activation}: the flow differentiates the gradient of V, "
                "which is piecewise constant then; take a smooth one, such as swish"
            )


CONFIG = EnergyMatchingConfig
