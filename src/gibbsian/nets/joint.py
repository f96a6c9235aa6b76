"""An energy of data and latents on top of an energy network: E(x, z) = E(x) + f([h(x), g(z)]).

h are the features of the network for x, g and f are small dense networks. f starts at 0 and sees z by itself
too, so it can change the distribution of the latents as well as their fit to x.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from .conv import ConvNet
from .igebm import IGEBMNet
from .layers import activation
from .mlp import MLP


class JointNet(nn.Module):
    """`net` for x `(B, *event)` and latents z `(B, latent)`; called as `joint(x, z)`, returns `(B,)`.

    `width` is that of g's and f's hidden layers. Raises `UsageError` for a network of another package, whose
    features are not known, and for one with classes.
    """

    def __init__(self, net: nn.Module, latent: int, width: int = 128, activation_name: str = "swish") -> None:
        super().__init__()
        if not isinstance(net, (MLP, ConvNet, IGEBMNet)):
            raise UsageError(
                f"{type(net).__name__} shows no features: an energy on (x, z) needs mlp, conv or igebm"
            )
        if net.head.classes:
            raise UsageError("an energy on (x, z) is unconditional: set net.classes to 0")
        self.net = net
        self.of_z = nn.Sequential(nn.Linear(latent, width), activation(activation_name))
        last = nn.Linear(width, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        first = nn.Linear(feature_size(net) + width, width)
        self.of_both = nn.Sequential(first, activation(activation_name), last)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        h = self.net.features(x)
        both = self.of_both(torch.cat([h, self.of_z(z.to(h.dtype))], 1))[:, 0]
        energy: Tensor = self.net.head(h) + both
        return energy


def feature_size(net: MLP | ConvNet | IGEBMNet) -> int:
    """Length of a network's features, from one pass on zeros in eval mode."""
    training = net.training
    with torch.no_grad():
        size = net.eval().features(torch.zeros(1, *net.event_shape)).shape[1]
    net.train(training)
    return size
