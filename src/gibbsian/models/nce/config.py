"""Settings of noise-contrastive estimation: the loss, the density of the noise, the chain. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ...core.config import require_choices
from ...core.errors import UsageError, require_not_negative, require_positive
from ...data.settings import PixelConfig
from ...nets.families import AnyNet
from ...nets.settings import ConvConfig, GeneratorConfig


@dataclass(frozen=True)
class NoiseConfig:
    """The density q that data are told from; raises `UsageError` for values out of range."""

    step_counted: ClassVar[tuple[str, ...]] = ("updates",)
    distribution: Literal["gaussian", "uniform", "flow"] = "gaussian"
    """A Gaussian with the data's covariance, uniform on their box, or a flow that learns alongside."""
    updates: int = 100
    """Updates before the energy learns: they fit the Gaussian, or are the flow's lead (not uniform)."""
    ridge: float = 1e-3
    """Variance added to the Gaussian in every direction, so that it has no flat ones."""
    widen: float = 0.1
    """Margin of the uniform box on either side, as a share of pixels.low to pixels.high."""
    ratio: int = 4
    """nu: noise draws for each datum."""
    sigma: float = 0.3
    """Noise that leads from a datum to its contrast (objective conditional)."""

    def __post_init__(self) -> None:
        require_choices(self, "noise")
        require_positive(**{f"noise.{k}": getattr(self, k) for k in ("ridge", "ratio", "sigma")})
        require_not_negative(**{f"noise.{k}": getattr(self, k) for k in ("updates", "widen")})
        if self.distribution == "gaussian" and self.updates < 1:
            raise UsageError(f"noise.updates is {self.updates}: a Gaussian needs at least 1 batch to fit")

    @property
    def lead(self) -> int:
        """Update at which the energy begins to learn."""
        return 0 if self.distribution == "uniform" else self.updates


@dataclass(frozen=True)
class SamplingConfig:
    """A chain at temperature 1 from draws of the noise; raises `UsageError` for values out of range."""

    kernel: Literal["mala", "langevin"] = "mala"
    """With or without a Metropolis test; without it while training in bf16, which the test refuses."""
    steps: int = 300
    """Steps of one chain."""
    step_size: float = 0.02
    """s: the drift is s/2 times the gradient of E, the noise root s."""

    def __post_init__(self) -> None:
        require_choices(self, "chain")
        require_positive(**{"chain.steps": self.steps, "chain.step_size": self.step_size})


@dataclass(frozen=True)
class NCEConfig:
    """One energy told from noise."""

    net: AnyNet = field(default_factory=lambda: ConvConfig(activation="swish"))
    """The energy."""
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    flow: GeneratorConfig = field(default_factory=lambda: GeneratorConfig("flow", hidden=(64, 64), blocks=6))
    """The flow, where it is the noise."""
    chain: SamplingConfig = field(default_factory=SamplingConfig)
    pixels: PixelConfig = field(default_factory=PixelConfig)
    objective: Literal["binary", "ranking", "conditional"] = "binary"
    """binary learns log Z too; ranking (InfoNCE with log q) and conditional (x against x + noise) do not."""
    noise_is_base: bool = False
    """E = net - log q, so that the network need learn only what q lacks; not for uniform noise."""
    partition_rate: float = 10.0
    """Learning rate of the log-partition c over that of the energy."""

    @property
    def claims_density(self) -> bool:
        """Always: E + c is -log p(x), c being the learnt log-partition."""
        return True

    def __post_init__(self) -> None:
        require_choices(self, "nce")
        require_positive(partition_rate=self.partition_rate)
        if self.net.classes:
            raise UsageError(
                "noise-contrastive estimation is unconditional: set net.classes to 0, or use igebm"
            )
        if self.flow.name != "flow":
            raise UsageError(
                f"flow.name is '{self.flow.name}': only a flow has a density; leave it at 'flow'"
            )
        if self.noise_is_base and self.noise.distribution == "uniform":
            raise UsageError(
                "on a uniform base the energy is the network alone: unset noise_is_base, or set "
                "noise.distribution to gaussian"
            )


CONFIG = NCEConfig
