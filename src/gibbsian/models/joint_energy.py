"""A classifier read as a joint energy of data and classes (W. Grathwohl et al. 2020, arXiv 1912.03263)."""

from __future__ import annotations

from torch import Tensor, nn

from ..core.energy import Energy
from ..core.position import Position
from ..core.spec import DataSpec
from ..energies.conditional import Marginal, OfClass
from ..energies.context import single
from .model import EnergyModel


class JointEnergy(EnergyModel):
    """A classifier read as a joint energy: E(x, y) = -f(x)[y], E(x) = -log sum_y exp f(x)[y], one Z for all
    (W. Grathwohl et al. 2020, arXiv 1912.03263).

    Args:
        net: `net.logits(x)` are f(x), `(B, classes)`.
        spec: shape, range and classes of the data.
        temperature: T of the training chains on E(x); 1 for a density.
    """

    joint = True

    def __init__(self, net: nn.Module, spec: DataSpec, *, temperature: float = 1.0) -> None:
        super().__init__(spec, temperature)
        self.net = net

    def logits(self, x: Tensor) -> Tensor:
        """f(x), `(B, classes)`: log p(x, y) at temperature 1 but for one constant."""
        found: Tensor = self.net.logits(x)  # type: ignore[operator]
        return found

    def class_energies(self, x: Position) -> Tensor:
        """E(x, y) = -f(x)[y] of every class, `(B, classes)`."""
        return -self.logits(single(x))

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x), or E(x, y) for labels `(B,)`; shape `(B,)`."""
        return self.conditioned(y)(x)

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x)/T, or E(x, y)/T for labels `(B,)`, T being the chain's; T = 0 counts as 1."""
        return self.energy(x, y) / (self.temperature or 1.0)

    def conditioned(self, y: Tensor | None = None) -> Energy:
        """The energy of p(x), or of p(x | y) for labels `(B,)`."""
        return Marginal(self.class_energies) if y is None else OfClass(self.class_energies, y)
