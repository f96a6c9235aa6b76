"""One network on data: p(x) ~ q(x) exp(-E(x) / T), the model that most papers train.

    E(x) = link(net(x)) / unit            exp (the usual link): E is what the network returns
    -log p(x) = E(x) / T + base(x) + log Z

Persistent, short-run or improved contrastive divergence, score matching, noise contrast and energy matching
are ways to learn it; weights move between them.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position
from ..core.spec import DataSpec
from ..energies.algebra import Product, Tempered
from ..energies.conditional import Given
from ..energies.context import single
from ..energies.link import link_energy
from ..energies.reference import Box
from .labels import asked
from .model import EnergyModel


class LogPartition(nn.Module):
    """c, a learnt log Z: one number with an optimiser of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.zeros(()))


class NetEnergy(EnergyModel):
    """An energy network with what its density needs besides.

    Args:
        net: called as `net(x)`, or `net(x, y)` with labels or conditions; returns E `(B,)`.
        spec: shape, range, classes and conditions of the data. With either E(x, y) is conditional: Z(y) is
            unknown, so that it says nothing of p(y).
        temperature: T. With a `base`, chains move on E/T + base at temperature 1, never on a cold E + base.
        link: density that the output stands for, see `energies.link`.
        unit: E is the output over this number.
        base: -log q(x) `(B,)` as a callable, an nn.Module where it has state; none for the uniform base.
        log_partition: a learnt log Z, where `neg_log_prob` is normalised.
        logits_head: whether `net.logits(x)` gives -E(x, y) of all classes at once.
        past: how many past copies of the weights are kept, for samplers that step through them.
    """

    def __init__(
        self,
        net: nn.Module,
        spec: DataSpec,
        *,
        temperature: float = 1.0,
        link: str = "exp",
        unit: float = 1.0,
        base: Energy | None = None,
        log_partition: LogPartition | None = None,
        logits_head: bool = False,
        past: int = 0,
    ) -> None:
        super().__init__(spec, temperature)
        self.net, self.link, self.unit, self.base = net, link, unit, base
        self.log_partition, self.logits_head = log_partition, logits_head
        self.past = nn.ModuleList(copy.deepcopy(net) for _ in range(past))
        self.past.requires_grad_(False)
        self.copies: Tensor
        if past:
            self.register_buffer("copies", torch.zeros((), dtype=torch.int64))

    def energy(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E(x) or E(x, y), shape `(B,)`, without temperature, base and log Z."""
        return self.energy_under(self.net, x, y)

    def energy_under(self, net: nn.Module, x: Position, y: Tensor | None = None) -> Tensor:
        """The same with the weights of `net`, such as one of `past`."""
        out: Tensor = net(x) if y is None else net(x, y)
        e = out if self.link == "exp" else link_energy(-out, self.link)
        return e if self.unit == 1 else e / self.unit

    def neg_log_prob(self, x: Position, y: Tensor | None = None) -> Tensor:
        """E/T with base and log Z; without a label the least E(x, y)/T over all labels. T = 0 counts as 1."""
        if y is None and self.spec.num_classes:
            e = self.class_energies(x).amin(1)
        else:
            e = self.conditional(y)(x)
        found = e / (self.temperature or 1.0)
        found = found if self.base is None else found + self.base(x)
        return found if self.log_partition is None else found + self.log_partition.c.detach()

    def conditional(self, y: Tensor | None) -> Energy:
        """E at labels or conditions y, on x alone; of a condition that is not given, at zeros. Raises as
        `labels.asked`.
        """
        y = asked(self.spec, y)
        return self.energy if y is None else Given(self.energy, y)

    def conditioned(self, y: Tensor | None = None) -> Energy:
        """What chains move on: E at temperature T, or E/T + base at temperature 1."""
        learnt = self.conditional(y)
        return learnt if self.base is None else Product((Tempered(learnt, self.temperature), self.base))

    @property
    def chain_temperature(self) -> float:
        """The temperature of chains on `conditioned`."""
        return self.temperature if self.base is None else 1.0

    def logits(self, x: Tensor) -> Tensor:
        """-E(x, y) of every class, `(B, classes)`: Z(y) being unknown, they rank classes and say nothing of
        p(y | x). `capabilities.classifier` refuses models without classes.
        """
        return -self.class_energies(x)

    def class_energies(self, x: Position) -> Tensor:
        """E(x, y) of every label, `(B, classes)`: all at once where the network gives them all."""
        if self.logits_head:
            return link_energy(self.net.logits(x), self.link)  # type: ignore[operator]
        x, classes = single(x), range(self.spec.num_classes)
        return torch.stack(
            [self.energy(x, torch.full((len(x),), c, device=x.device)) for c in classes], dim=1
        )

    def scale(self) -> float:
        """The factor that makes the network's output -log p(x); raises `UsageError` where E is more than
        that.
        """
        flat = self.base is None or isinstance(self.base, Box)  # a wall changes nothing inside of it
        if not self.temperature or self.link != "exp" or not flat:
            base = "no base" if flat else "a base measure"
            raise UsageError(
                f"an energy with temperature {self.temperature:g}, link {self.link} and {base} is not the "
                "distribution of its network alone"
            )
        return 1 / (self.unit * self.temperature)
