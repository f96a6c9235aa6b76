"""What a generator is made of, as plain values. This file does not import torch.

`nets.generator.build_generator(config, event_shape)` makes the module: latents z `(B, latent)`, standard
normal, to data `(B, *event_shape)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.config import require_choices
from ..core.errors import UsageError
from .net import Activation


@dataclass(frozen=True)
class GeneratorConfig:
    """Family and sizes of a generator; raises `UsageError` for values out of range."""

    name: Literal["mlp", "conv", "flow"] = "mlp"
    """mlp, conv (transposed convolutions, for images), or flow (affine couplings, with an exact density)."""
    latent: int = 32
    """Length of z; a flow's is the size of the data."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers (mlp), of the coupling networks (flow), or of the dense layers before the
    first feature map (conv; may be empty)."""
    channels: tuple[int, ...] = (64, 32)
    """Feature maps from the smallest to the largest size; each stage doubles the side (conv)."""
    blocks: int = 5
    """Coupling layers (flow; at least 2, so that every coordinate is moved)."""
    activation: Activation = "relu"
    """Nonlinearity of the hidden layers; the couplings of a flow use it too."""
    norm: Literal["none", "batch"] = "none"
    """Batch normalisation of hidden layers (mlp, conv); chains run with its stored statistics."""
    output: Literal["linear", "tanh"] = "linear"
    """tanh, scaled to the range of the data, for images; linear for points."""

    def __post_init__(self) -> None:
        require_choices(self, "generator")
        if self.latent < 1 or self.blocks < 1:
            raise UsageError(
                f"generator.latent is {self.latent} and blocks {self.blocks}: both must be at least 1"
            )
        if any(n < 1 for n in (*self.hidden, *self.channels)):
            raise UsageError(
                f"generator.hidden is {self.hidden}, channels {self.channels}: entries must be at least 1"
            )
        if (self.name == "conv" and not self.channels) or (self.name != "conv" and not self.hidden):
            raise UsageError(
                f"a generator '{self.name}' needs layers: give hidden (mlp, flow) or channels (conv)"
            )
