"""Hierarchical Gaussian VAE whose latents are all written as functions of standard normal noise.

    z_l = mu_l(z_<l) + sigma_l(z_<l) eps_l,    x = mean(z) + sigma(z) eps_x,    all eps ~ N(0, I)

The first group's prior is N(0, I) itself: z_1 = eps_1. The posterior is residual to the prior, in units of
its scale: q(eps_l | z_<l, x) = N(m_l, s_l^2), so z_l has mean mu_l + sigma_l m_l, deviation sigma_l s_l,
and KL(q || p) of a group is that of N(m_l, s_l^2) from N(0, I), whatever the prior. Positions of
chains are the flat tuple (eps_1, ..., eps_L, eps_x); `push` takes them to data.

Sources: D. Kingma, M. Welling, ICLR 2014, arXiv 1312.6114; residual posteriors A. Vahdat, J. Kautz, "NVAE",
NeurIPS 2020, arXiv 2007.03898; noise coordinates Z. Xiao et al., "VAEBM", ICLR 2021, arXiv 2010.00654.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.draws import normal
from ..core.errors import UsageError
from ..core.position import Position, leaves
from .conv import image_channels
from .layers import activation, check_event
from .settings import VAEConfig

BOUND = 5.0
"""Means and log deviations inside the hierarchy pass through 5 tanh(. / 5), as in NVAE."""


class Code(NamedTuple):
    """A draw from the posterior: noise `eps` and the parameters of its density, each `(B, d_l)` a group."""

    eps: tuple[Tensor, ...]
    mean: tuple[Tensor, ...]
    log_sigma: tuple[Tensor, ...]


class Decoded(NamedTuple):
    """What noise becomes: latents `z` `(B, latent)`, `mean` and `log_sigma` of x `(B, *event)`, and the sum
    `prior_log_sigma` `(B,)` of log sigma_l over all latents."""

    z: Tensor
    mean: Tensor
    log_sigma: Tensor
    prior_log_sigma: Tensor


class VAE(nn.Module):
    """Encoder, hierarchy and decoder for `event_shape`; images have means in (low, high), points any.

    Raises `UsageError` for convolutions on anything but images `(C, H, W)`.
    """

    def __init__(
        self, event_shape: tuple[int, ...], config: VAEConfig, low: float = -1.0, high: float = 1.0
    ) -> None:
        super().__init__()
        self.event_shape, self.groups = tuple(event_shape), config.groups
        self.noise, self.fixed, self.floor = config.noise, math.log(config.sigma), math.log(config.floor)
        self.low, self.high, self.image = low, high, len(event_shape) == 3
        family = (ConvEncoder, ConvDecoder) if config.name == "conv" else (DenseEncoder, DenseDecoder)
        outputs = 2 if config.noise == "pixel" else 1
        self.encoder = family[0](self.event_shape, config)
        self.decoder = family[1](self.event_shape, config, outputs)
        above = [sum(config.groups[:i]) for i in range(len(config.groups))]
        self.posteriors = nn.ModuleList(
            _conditional(config.hidden[-1] + a, d, config) for a, d in zip(above, config.groups, strict=True)
        )
        self.priors = nn.ModuleList(
            _conditional(a, d, config) for a, d in zip(above[1:], config.groups[1:], strict=True)
        )
        start = _unsoftened(self.fixed, self.floor)
        self.raw_sigma = nn.Parameter(torch.tensor(start)) if config.noise == "scalar" else None
        self.start = start

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Event shapes of a position's leaves: one a group, then that of x."""
        return (*((d,) for d in self.groups), self.event_shape)

    def split(self, z: Tensor) -> tuple[Tensor, ...]:
        """`(B, latent)` cut into its groups."""
        return z.split(list(self.groups), 1)

    def encode(self, x: Tensor, rng: torch.Generator | None = None) -> Code:
        """The posterior of each group's noise given x, with a draw from it; its means without `rng`."""
        check_event(x, self.event_shape)
        h, z = self.encoder(x), x.new_empty(len(x), 0)
        groups: list[tuple[Tensor, Tensor, Tensor]] = []
        for group, posterior in enumerate(self.posteriors):
            mean, raw = posterior(torch.cat([h, z], 1)).chunk(2, 1)
            log_sigma = _bounded(raw)
            eps = mean if rng is None else mean + log_sigma.exp() * normal(mean, rng)
            z = torch.cat([z, self._place(group, z, eps)[0]], 1)
            groups.append((eps, mean, log_sigma))
        return Code(*(tuple(parts) for parts in zip(*groups, strict=True)))

    def decode(self, eps: Sequence[Tensor]) -> Decoded:
        """What the noise of the groups, without that of x, becomes."""
        z, volume = eps[0][:, :0], eps[0].new_zeros(len(eps[0]))
        for group, noise in enumerate(eps):
            z_l, log_sigma = self._place(group, z, noise)
            z, volume = torch.cat([z, z_l], 1), volume + log_sigma.sum(1)
        return Decoded(z, *self._of_x(z), volume)

    def mean(self, eps: Sequence[Tensor]) -> Tensor:
        """The decoder's mean `(B, *event)` at the noise of the groups."""
        return self.decode(eps).mean

    def push(self, position: Position) -> Tensor:
        """x `(B, *event)` at a position (eps_1, ..., eps_L, eps_x), clamped to the range if an image."""
        *eps, eps_x = leaves(position)
        return self.drawn(self.decode(eps), eps_x)

    def drawn(self, decoded: Decoded, eps_x: Tensor) -> Tensor:
        """x from what was decoded and noise of its shape, clamped to the range if an image."""
        x = decoded.mean + decoded.log_sigma.exp() * eps_x
        return x.clamp(self.low, self.high) if self.image else x

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction of x at the means of its posterior."""
        return self.mean(self.encode(x).eps)

    def _place(self, group: int, above: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        """z_l and log sigma_l given the latents above and the noise."""
        if not group:
            return eps, torch.zeros_like(eps)
        mean, log_sigma = _bounded(self.priors[group - 1](above)).chunk(2, 1)
        return mean + log_sigma.exp() * eps, log_sigma

    def _of_x(self, z: Tensor) -> tuple[Tensor, Tensor]:
        out = self.decoder(z)
        mean = out[:, 0]
        if self.image:
            mean = (self.low + self.high) / 2 + (self.high - self.low) / 2 * mean.tanh()
        if self.noise == "fixed":
            return mean, torch.full_like(mean, self.fixed)
        raw = out[:, 1] + self.start if self.raw_sigma is None else self.raw_sigma
        return mean, (self.floor + F.softplus(raw - self.floor)).expand_as(mean)


class DenseEncoder(nn.Module):
    """Data `(B, *event)` to features `(B, hidden[-1])` by dense layers."""

    def __init__(self, event_shape: tuple[int, ...], config: VAEConfig) -> None:
        super().__init__()
        self.layers = dense((math.prod(event_shape), *config.hidden), config.activation)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x.flatten(1))
        return out


class DenseDecoder(nn.Module):
    """Latents `(B, latent)` to `outputs` tensors of data shape, `(B, outputs, *event)`."""

    def __init__(self, event_shape: tuple[int, ...], config: VAEConfig, outputs: int) -> None:
        super().__init__()
        widths = config.hidden[::-1]
        self.shape = (outputs, *event_shape)
        self.layers = dense((config.latent, *widths), config.activation)
        self.last = nn.Linear(widths[-1], math.prod(self.shape))

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.last(self.layers(z))
        return out.unflatten(1, self.shape)


class ConvEncoder(nn.Module):
    """Images `(B, C, H, W)` to features `(B, hidden[-1])`: convolutions of stride 2, then dense layers."""

    def __init__(self, event_shape: tuple[int, ...], config: VAEConfig) -> None:
        super().__init__()
        sides = halved(event_shape, len(config.channels))
        inputs = (image_channels(event_shape), *config.channels[:-1])
        pairs = zip(inputs, config.channels, strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.act = activation(config.activation)
        self.layers = dense((config.channels[-1] * math.prod(sides[-1]), *config.hidden), config.activation)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.convs:
            x = self.act(layer(x))
        out: Tensor = self.layers(x.flatten(1))
        return out


class ConvDecoder(nn.Module):
    """Latents to `(B, outputs, C, H, W)`: dense layers, then enlargement and convolution in turn."""

    def __init__(self, event_shape: tuple[int, ...], config: VAEConfig, outputs: int) -> None:
        super().__init__()
        self.sides = halved(event_shape, len(config.channels))[::-1]
        self.first, self.shape = (config.channels[-1], *self.sides[0]), (outputs, *event_shape)
        widths = (config.latent, *config.hidden[::-1], math.prod(self.first))
        self.layers = dense(widths, config.activation)
        maps = (*config.channels[::-1], outputs * image_channels(event_shape))
        pairs = zip(maps[:-1], maps[1:], strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.act = activation(config.activation)

    def forward(self, z: Tensor) -> Tensor:
        h = self.layers(z).unflatten(1, self.first)
        for i, (layer, side) in enumerate(zip(self.convs, self.sides[1:], strict=True)):
            h = layer(F.interpolate(self.act(h) if i else h, size=side))
        return h.unflatten(1, self.shape[:2])


def dense(sizes: tuple[int, ...], name: str) -> nn.Sequential:
    """Dense layers of these sizes, each followed by the nonlinearity called `name`."""
    layers: list[nn.Module] = []
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(a, b), activation(name)]
    return nn.Sequential(*layers)


def halved(event_shape: tuple[int, ...], times: int) -> list[tuple[int, int]]:
    """(H, W) of an image and of its halves, rounded up; raises `UsageError` if it is none or too small."""
    image_channels(event_shape)
    sides = [(event_shape[1], event_shape[2])]
    for _ in range(times):
        if min(sides[-1]) < 2:
            raise UsageError(
                f"images of {event_shape[1]}x{event_shape[2]} pixels cannot be halved {times} times: "
                "give fewer vae.channels"
            )
        sides.append((-(-sides[-1][0] // 2), -(-sides[-1][1] // 2)))
    return sides


def _conditional(inputs: int, outputs: int, config: VAEConfig) -> nn.Module:
    """Means and log deviations of one group; linear where there is only one."""
    if len(config.groups) == 1:
        return nn.Linear(inputs, 2 * outputs)
    body = dense((inputs, config.conditional), config.activation)
    return nn.Sequential(*body, nn.Linear(config.conditional, 2 * outputs))


def _bounded(x: Tensor) -> Tensor:
    return BOUND * (x / BOUND).tanh()


def _unsoftened(value: float, floor: float) -> float:
    """The number that floor + softplus(. - floor) takes to `value`."""
    return floor + math.log(math.expm1(max(value - floor, 1e-6)))
