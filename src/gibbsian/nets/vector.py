"""Networks with several outputs: the families of `build`, with a vector where the energy was."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from ..core.errors import UsageError
from .build import build
from .families import AnyNet
from .layers import check_event


@runtime_checkable
class Logits(Protocol):
    """A network that offers its last layer's outputs."""

    def logits(self, x: Tensor) -> Tensor:
        """f `(B, outputs)` of `x` `(B, *event)`."""


class VectorNet(nn.Module):
    """`x` `(B, *event_shape)` to `(B, outputs)`: the logits of `net`, with no parameter left unused.

    Raises `UsageError` for positions of another shape, and if the network returns another shape.
    """

    def __init__(self, net: nn.Module, event_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.net, self.event_shape, self.outputs = net, tuple(event_shape), outputs

    def forward(self, x: Tensor) -> Tensor:
        check_event(x, self.event_shape)
        out: Tensor = self.net.logits(x)  # type: ignore[operator]
        if out.shape != (len(x), self.outputs):
            raise UsageError(
                f"network returned logits of shape {tuple(out.shape)} for {len(x)} positions: "
                f"({len(x)}, {self.outputs}) are needed, so let it make config.classes outputs"
            )
        return out


def build_vector(config: AnyNet, event_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """The network of `config` with 2 or more `outputs` in place of E: `(B, *event)` to `(B, outputs)`.

    Networks of your own, `module:Class`, are built with `config.head` "logits" and `config.classes` set to
    `outputs`, and must return `(B, outputs)`, or have a method `logits(x)` that does. Raises `UsageError` for
    those that do neither, for fewer than 2 outputs, and for a config with labels: classes are not outputs.
    """
    if config.classes:
        raise UsageError(f"net.classes is {config.classes}: this network takes no labels, set it to 0")
    if outputs < 2:
        raise UsageError(f"a vector of {outputs} outputs: it needs at least 2; for one energy use build")
    net = build(replace(config, head="logits", classes=outputs), event_shape)
    if not isinstance(net, Logits):
        raise UsageError(
            f"network '{config.name}' has no logits: give it a method logits(x) that returns "
            f"(B, {outputs}), one column for each of config.classes"
        )
    return VectorNet(net, event_shape, outputs)
