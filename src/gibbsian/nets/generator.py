"""From a `GeneratorConfig` to a module from latents to data. Callers build inside `core.random.seeded_init`.

A generator G takes z `(B, latent)`, meant as N(0, I), to x `(B, *event_shape)`; `energies.PullBack` puts an
energy on z. Chains run in eval mode, where batch normalisation uses its stored statistics: in training mode
it would tie the chains of a batch to one another.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..core.errors import UsageError, unknown
from .conv import image_channels
from .flow import CouplingFlow
from .layers import activation
from .precision import widened
from .settings import GeneratorConfig


def build_generator(
    config: GeneratorConfig, event_shape: tuple[int, ...], low: float = -1.0, high: float = 1.0
) -> nn.Module:
    """The generator that `config` describes: z `(B, latent)` to `(B, *event_shape)`, with attribute `latent`.

    `low` and `high` are the range of the data, used by output "tanh". A flow has `latent` = the size of the
    data whatever the config says, and also `inverse(x)` and `log_density(x)`.
    Raises `UsageError` for an event shape or range that the generator cannot make.
    """
    shape = tuple(event_shape)
    if not shape or min(shape) < 1:
        raise UsageError(f"event shape {shape} is empty: give sizes of at least 1, such as (1, 28, 28)")
    if not low < high:
        raise UsageError(f"the data range is [{low}, {high}]: low must be below high")
    if config.name not in GENERATORS:
        raise unknown("generator", config.name, GENERATORS)
    # Channels last, as in `build`.
    net: nn.Module = GENERATORS[config.name](shape, config, low, high).to(  # type: ignore[call-overload]
        memory_format=torch.channels_last
    )
    return net


class MLPGenerator(nn.Module):
    """Dense layers of widths `config.hidden`, then a linear layer to the size of the event."""

    def __init__(
        self, event_shape: tuple[int, ...], config: GeneratorConfig, low: float = -1.0, high: float = 1.0
    ) -> None:
        super().__init__()
        self.latent, self.event_shape = config.latent, tuple(event_shape)
        features = (config.latent, *config.hidden)[-1]
        self.dense = dense(config)
        self.last = nn.Linear(features, math.prod(self.event_shape))
        self.output = Output(config, low, high)

    def forward(self, z: Tensor) -> Tensor:
        check_latent(z, self.latent)
        x: Tensor = self.output(self.last(self.dense(z)))
        return x.unflatten(1, self.event_shape)


class ConvGenerator(nn.Module):
    """Dense layers, then transposed convolutions (kernel 4, stride 2) up to an image `(C, H, W)`.

    The first map has `channels[0]` features and side ceil(side / 2^len(channels)); every stage doubles it,
    the last one to C channels, and the centre is kept where that is larger than the image: channels (64, 32)
    at 28 pixels go 7, 14, 28; three channels go 4, 8, 16, 32 and lose 2 pixels on each side. With batch
    normalisation the weights of the convolutions begin as N(0, .02^2).

    Source: A. Radford, L. Metz, S. Chintala, ICLR 2016 (arXiv:1511.06434). Raises `UsageError` for an event
    that is not an image.
    """

    def __init__(
        self, event_shape: tuple[int, ...], config: GeneratorConfig, low: float = -1.0, high: float = 1.0
    ) -> None:
        super().__init__()
        self.latent, self.event_shape = config.latent, tuple(event_shape)
        colours, channels = image_channels(self.event_shape), config.channels
        height, width = (-(-side // 2 ** len(channels)) for side in self.event_shape[1:])
        self.dense = dense(config)
        self.first = nn.Linear(
            (config.latent, *config.hidden)[-1], channels[0] * height * width, bias=config.norm == "none"
        )
        self.unflatten = nn.Unflatten(1, (channels[0], height, width))
        layers = hidden_map(channels[0], config)
        for inputs, outputs in zip(channels[:-1], channels[1:], strict=True):
            layers += [doubling(inputs, outputs, bias=config.norm == "none"), *hidden_map(outputs, config)]
        self.stages = nn.Sequential(*layers, doubling(channels[-1], colours))
        self.output = Output(config, low, high)
        if config.norm == "batch":
            self.stages.apply(narrow_start)

    def forward(self, z: Tensor) -> Tensor:
        check_latent(z, self.latent)
        h = self.unflatten(self.first(self.dense(z)))
        x: Tensor = self.output(centre(self.stages(h), self.event_shape[1:]))
        return x


class FlowGenerator(nn.Module):
    """A `CouplingFlow` to events of any shape; `latent` is the size of the event.

    Raises `UsageError` for settings that would cost the exact density: batch normalisation, or output tanh.
    """

    def __init__(self, event_shape: tuple[int, ...], config: GeneratorConfig) -> None:
        super().__init__()
        if config.norm != "none" or config.output != "linear":
            raise UsageError(
                f"generator 'flow' got norm '{config.norm}' and output '{config.output}': its density is "
                "exact only with norm 'none' and output 'linear'"
            )
        self.event_shape = tuple(event_shape)
        self.latent = math.prod(self.event_shape)
        self.flow = CouplingFlow(self.latent, config.hidden, config.blocks, config.activation)

    def forward(self, z: Tensor) -> Tensor:
        check_latent(z, self.latent)
        x: Tensor = self.flow(z)
        return x.unflatten(1, self.event_shape)

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The latents `(B, latent)` of `x` `(B, *event_shape)`, and log |dz/dx| `(B,)`."""
        self._check(x)
        return self.flow.inverse(x.flatten(1))

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) in nats, `(B,)`, of `x` `(B, *event_shape)`."""
        self._check(x)
        return self.flow.log_density(x.flatten(1))

    def _check(self, x: Tensor) -> None:
        if tuple(x.shape[1:]) != self.event_shape:
            raise UsageError(
                f"flow got data of shape {tuple(x.shape)}: it was built for (B, "
                f"{', '.join(map(str, self.event_shape))})"
            )


class Output(nn.Module):
    """The last step: float32 at least, as it is or by tanh into [`low`, `high`]."""

    def __init__(self, config: GeneratorConfig, low: float, high: float) -> None:
        super().__init__()
        self.bounded = config.output == "tanh"
        self.middle, self.reach = (low + high) / 2, (high - low) / 2

    def forward(self, h: Tensor) -> Tensor:
        h = widened(h)
        return self.middle + self.reach * torch.tanh(h) if self.bounded else h


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that raises a `UsageError` for a training batch of one row."""

    def forward(self, h: Tensor) -> Tensor:
        if self.training and len(h) == 1:
            raise UsageError(
                "generator.norm is batch, and one row has no spread: raise train.batch_size (or lower "
                "train.accumulate), or set generator.norm to none"
            )
        normed: Tensor = super().forward(h)
        return normed


def dense(config: GeneratorConfig) -> nn.Sequential:
    """The dense layers of widths `config.hidden` with their normalisation and activation; maybe none."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip((config.latent, *config.hidden), config.hidden, strict=False):
        layers.append(nn.Linear(inputs, outputs, bias=config.norm == "none"))
        layers += [BatchNorm(outputs)] if config.norm == "batch" else []
        layers.append(activation(config.activation))
    return nn.Sequential(*layers)


def hidden_map(channels: int, config: GeneratorConfig) -> list[nn.Module]:
    """What follows the weights of a hidden feature map: batch normalisation if asked for, activation."""
    norm = [nn.BatchNorm2d(channels)] if config.norm == "batch" else []
    return [*norm, activation(config.activation)]


def doubling(inputs: int, outputs: int, *, bias: bool = True) -> nn.Module:
    """A transposed convolution that doubles height and width."""
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)


def narrow_start(module: nn.Module) -> None:
    """Weights of a transposed convolution from N(0, .02^2) and no bias; other modules are left alone."""
    if isinstance(module, nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def centre(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """The middle `size` (height, width) of `x` `(B, C, H, W)`, which is at least as large."""
    top, left = ((have - want) // 2 for have, want in zip(x.shape[2:], size, strict=True))
    return x[:, :, top : top + size[0], left : left + size[1]]


def check_latent(z: Tensor, latent: int) -> None:
    """Raise `UsageError` unless `z` is `(B, latent)`."""
    if z.dim() != 2 or z.shape[1] != latent:
        raise UsageError(f"generator got latents of shape {tuple(z.shape)}: it takes (B, {latent})")


def _flow(event_shape: tuple[int, ...], config: GeneratorConfig, low: float, high: float) -> nn.Module:
    return FlowGenerator(event_shape, config)


GENERATORS: dict[str, Callable[[tuple[int, ...], GeneratorConfig, float, float], nn.Module]] = {
    "conv": ConvGenerator,
    "flow": _flow,
    "mlp": MLPGenerator,
}
