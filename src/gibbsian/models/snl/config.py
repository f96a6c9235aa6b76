"""Settings of the self-normalised likelihood: the energy, the proposal, the chain. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ...core.errors import UsageError, require_not_negative, require_positive
from ...data.settings import PixelConfig
from ...nets.families import AnyNet
from ...nets.settings import MLPConfig
from ..nce.config import SamplingConfig


@dataclass(frozen=True)
class ProposalConfig:
    """q(x | c), a Gaussian around a regression; raises `UsageError` for values out of range."""

    step_counted: ClassVar[tuple[str, ...]] = ("lead", "updates")
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the network that gives its mean and scales (of conditional models)."""
    lead: int = 500
    """Updates in which it learns alone."""
    updates: int = 0
    """Updates after which it stays as it is; 0 lets it learn beside the energy to the end."""
    ratio: int = 4
    """Draws of it for each datum."""

    def __post_init__(self) -> None:
        require_positive(**{"proposal.ratio": self.ratio})
        require_not_negative(**{"proposal.lead": self.lead, "proposal.updates": self.updates})
        if not self.hidden or min(self.hidden) < 1:
            raise UsageError(
                f"proposal.hidden is {list(self.hidden)}: widths of at least one layer, as 64,64"
            )


@dataclass(frozen=True)
class SNLConfig:
    """One energy that is learnt with its log Z."""

    takes_condition: ClassVar[bool] = True
    """It learns p(x | c) too."""
    net: AnyNet = field(default_factory=lambda: MLPConfig(activation="swish"))
    """The energy."""
    proposal: ProposalConfig = field(default_factory=ProposalConfig)
    partition: tuple[int, ...] = (64, 64)
    """Widths of the network b(c) of log Z; a number without conditions."""
    partition_rate: float = 3.0
    """Learning rate of b over that of the energy."""
    chain: SamplingConfig = field(default_factory=lambda: SamplingConfig(steps=100, step_size=0.1))
    """From draws of the proposal; where that is the base, steps are in units of its deviations."""
    pixels: PixelConfig = field(default_factory=PixelConfig)
    proposal_is_base: bool = True
    """E = net(u, c) - log q(x | c), u being x as the proposal whitens it: the network learns what q lacks."""

    @property
    def claims_density(self) -> bool:
        """Always: E + b is -log p, b being the learnt log Z."""
        return True

    def __post_init__(self) -> None:
        require_positive(partition_rate=self.partition_rate)
        if self.net.classes:
            raise UsageError("snl takes conditions, not classes: set net.classes to 0, and give one-hot rows")


CONFIG = SNLConfig
