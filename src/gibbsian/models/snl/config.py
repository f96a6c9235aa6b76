"""Settings of the self-normalised likelihood: the energy, the proposal, the chain. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ...core.config import require_choices
from ...core.errors import UsageError, require_not_negative, require_positive
from ...data.settings import PixelConfig
from ...nets.families import AnyNet
from ...nets.settings import MLPConfig


@dataclass(frozen=True)
class ProposalConfig:
    """q(x | c), a Gaussian around a regression; raises `UsageError` for values out of range."""

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
class SNLChainConfig:
    """A chain at temperature 1 from draws of the proposal; raises `UsageError` for values out of range."""

    kernel: Literal["mala", "langevin"] = "mala"
    """With or without a Metropolis test."""
    steps: int = 100
    """Steps of one chain."""
    step_size: float = 0.1
    """s: the drift is s/2 times the gradient of E, the noise root s; in units of the proposal's deviations
    where it is the base."""

    def __post_init__(self) -> None:
        require_choices(self, "chain")
        require_positive(**{"chain.steps": self.steps, "chain.step_size": self.step_size})


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
    chain: SNLChainConfig = field(default_factory=SNLChainConfig)
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
