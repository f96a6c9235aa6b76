"""The two phases of contrastive learning, shared by every system whose chains move in data space.

positive: data, smoothed by noise.   negative: where the chains of this step ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import Position, cat, finite, leaves
from ..core.records import Batch, Loss
from ..energies.conditional import Given
from ..mcmc.base import Chain, Kernel, Precision, run
from ..mcmc.kernels import kernel_of
from ..mcmc.langevin import Langevin
from ..objectives.contrast import contrast, energy_l2
from ..recipes.chain import ChainConfig, LossConfig, PixelConfig, StartConfig
from ..starts.base import Start, Ticket
from ..starts.data import DataStart
from ..starts.fixed import FixedNoise
from ..starts.noise import GaussianNoise, UniformNoise, redraw
from ..starts.replay import ReplayBuffer
from .base import COMPILE, Handed, System
from .frozen import frozen


def langevin(chain: ChainConfig, low: float, high: float) -> Langevin:
    """The paper's Langevin kernel; `low`, `high` bound clamped positions."""
    return cast(Langevin, kernel_of(chain, low, high))


def matched(chain: ChainConfig, start: StartConfig) -> bool:
    """Whether training chains sample exp(-E/T) up to step-size bias: a matched kernel on chains that last.

    Chains that begin at noise each time are read as a K-step generator, whose E is no log-density (Nijkamp
    et al. 2019, 2020), however plain the kernel.
    """
    return chain.matched and start.kind in ("persistent", "data")


def noise_start(start: StartConfig, pixels: PixelConfig, event_shape: tuple[int, ...]) -> Start:
    """Fresh noise, uniform on the data range or Gaussian."""
    if start.noise == "gaussian":
        return GaussianNoise(event_shape, start.scale)
    return UniformNoise(event_shape, pixels.low, pixels.high)


def training_start(
    start: StartConfig, pixels: PixelConfig, event_shape: tuple[int, ...], classes: int, rng: torch.Generator
) -> Start:
    """Where training chains begin, as the config says."""
    fresh = noise_start(start, pixels, event_shape)
    if start.kind == "noise":
        return fresh
    if start.kind == "data":
        return DataStart(pixels.noise)
    if start.kind == "fixed":
        return FixedNoise(fresh, start.capacity, rng)
    return ReplayBuffer(
        fresh,
        start.capacity,
        rng,
        reinit=start.reinit,
        uint8=start.uint8,
        bounds=(pixels.low, pixels.high),
        classes=classes,
        labels=start.labels,
    )


def draw_labels(n: int, y: Tensor | None, classes: int, rng: torch.Generator) -> Tensor | None:
    """The labels asked for, or uniform ones; none for an unconditional model."""
    if not classes:
        if y is not None:
            raise UsageError("this model has no labels: leave out the label, or train with net.classes > 0")
        return None
    return torch.randint(classes, (n,), generator=rng, device=rng.device) if y is None else y


def given(energy: Callable[..., Tensor], y: Tensor | None) -> Energy:
    """E(., y) for chains with labels, E itself without."""
    return energy if y is None else Given(energy, y)


def label_energies(energy: Callable[..., Tensor], x: Tensor, classes: int) -> Tensor:
    """E(x, y) for every label, shape `(B, classes)`."""
    return torch.stack([energy(x, torch.full((len(x),), c, device=x.device)) for c in range(classes)], dim=1)


def positives(batch: Batch, pixels: PixelConfig, rng: torch.Generator) -> Tensor:
    """The data of a batch, dequantised and smoothed by noise as the config says."""
    x = batch.x
    if pixels.dequantize:
        span, base = pixels.high - pixels.low, pixels.low
        jitter = torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        x = base + (x - base) * (255 / 256) + jitter * (span / 256)
    if pixels.noise:
        x = x + pixels.noise * torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
    return x


class Negatives(NamedTuple):
    """Chain ends `x`; where the `(B,)` mask `bad` is true they were not finite and are fresh noise instead.

    `chain` has the raw ends.
    """

    x: Tensor
    chain: Chain
    bad: Tensor


def negatives(
    system: System,
    energy: Energy,
    kernel: Kernel,
    ticket: Ticket,
    steps: int,
    rng: torch.Generator,
    fresh: Start,
) -> Negatives:
    """Run the chains of one update from `ticket`; non-finite ends are re-drawn from `fresh` and counted."""
    with frozen(system):
        chain = run(
            kernel,
            energy,
            ticket.position,
            steps=steps,
            rng=rng,
            evaluate=False,
            precision=system.precision,
            compile=COMPILE[system.compiling],
        )
    bad = ~finite(chain.position)
    return Negatives(cast(Tensor, redraw(chain.position, bad, fresh, rng)), chain, bad)


def paired(
    energy: Callable[..., Tensor],
    x_pos: Position,
    x_neg: Position,
    y_pos: Tensor | None = None,
    y_neg: Tensor | None = None,
    *,
    precision: Precision = "fp32",
) -> tuple[Tensor, Tensor]:
    """E(x_pos) and E(x_neg) from one forward pass: one set of normalised weights for both."""
    x, first = cat([x_pos, x_neg]), leaves(x_pos)[0]
    y = torch.cat([y_pos, y_neg]) if y_pos is not None and y_neg is not None else None
    with torch.autocast(first.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        both = energy(x) if y is None else energy(x, y)
    both = both.to(first.dtype)
    return both[: len(first)], both[len(first) :]


def contrastive_loss(
    e_pos: Tensor, e_neg: Tensor, loss: LossConfig, neg: Negatives, *, latent: bool = False
) -> Loss:
    """The contrast with its energy penalty, and what the monitor watches (`latent`: see `chain_metrics`)."""
    total = contrast(e_pos, e_neg, loss.objective)
    if loss.energy_l2:
        total = total + energy_l2(e_pos, e_neg, loss.energy_l2)
    return total + Loss(torch.zeros(()), chain_metrics(neg, latent=latent))


def handed(net: nn.Module, temperature: float, *, link: str = "exp", reference: float = 0.0) -> Handed:
    """`net` as another system may take it over; raises `UsageError` where its output is not E alone."""
    if not temperature or link != "exp" or reference:
        raise UsageError(
            f"an energy with temperature {temperature:g}, link {link} and reference_sigma {reference:g} "
            "is not the law of its network alone"
        )
    return Handed(net, 1 / temperature)


def chain_metrics(neg: Negatives, *, latent: bool = False) -> dict[str, Tensor]:
    """Chain diagnostics of one update, as the log and the monitor know them.

    `divergent` and `redrawn` are shares of chains: those that met a non-finite number on their way, and
    those that ended in one. The means of the others leave divergent chains out. The drift of `latent` chains
    is no length in data space: it is logged as `drift_z`, over the root of the number of latents.
    """
    info = neg.chain.info
    shares = {"divergent": info.divergent.float().mean(), "redrawn": neg.bad.float().mean()}
    if bool(info.divergent.all()):
        return shares
    drift, acceptance = (_mean(v, ~info.divergent) for v in (info.drift, info.acceptance))
    if latent and drift is not None:
        drift = drift / math.sqrt(sum(a[0].numel() for a in leaves(neg.chain.position)))
    known = {
        "drift_z" if latent else "drift": drift,
        "drift_noise": _ratio(info.drift_noise),
        "clipped": info.clipped,
        "saturated": info.saturated,
        "acceptance": acceptance,
    }
    return {**{k: v.float() for k, v in known.items() if v is not None}, **shares}


def _ratio(drift_noise: Tensor | None) -> Tensor | None:
    """None for chains whose temperature never left 0."""
    return None if drift_noise is None or bool(drift_noise.isinf()) else drift_noise


def _mean(values: Tensor | None, good: Tensor) -> Tensor | None:
    return None if values is None else values.masked_fill(~good, 0.0).sum() / good.sum()
