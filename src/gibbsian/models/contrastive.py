"""The contrast of data and chain ends, shared by every learner whose chains move.

loss = mean E(x_pos) - mean E(x_neg),    x_pos: data, smoothed by noise    x_neg: where chains ended
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.position import Position, cat, finite, leaves
from ..core.records import Loss
from ..mcmc.base import Chain, Kernel, Precision, run
from ..nets.frozen import frozen
from ..objectives.contrast import contrast, energy_l2
from ..objectives.settings import LossConfig
from ..starts.base import BufferSample, Start
from ..starts.noise import UniformNoise, redraw
from .model import EnergyModel
from .sampler import RunOptions


class ChainEnds(NamedTuple):
    """Chain ends `x` as a loss takes them: fresh noise where the `(B,)` mask `bad` says they were not finite.

    `raw` are the ends as the chain left them, for a buffer.
    """

    x: Tensor
    chain: Chain
    bad: Tensor

    @property
    def raw(self) -> Position:
        """The raw ends, as they go back into a buffer, which leaves out those that are not finite."""
        return self.chain.position

    @property
    def metrics(self) -> dict[str, Tensor]:
        """What the log and the monitor know of these chains."""
        return chain_metrics(self)


def chain_ends(
    model: EnergyModel,
    start: BufferSample,
    kernel: Kernel,
    steps: int,
    rng: torch.Generator,
    options: RunOptions,
    *,
    energy: Energy | None = None,
    init_noise: Start | None = None,
) -> ChainEnds:
    """Run the chains of one update; ends that are not finite are replaced by fresh noise and counted.

    Args:
        model: kept still (`frozen`) while the chains run.
        start: where the B chains begin, with their labels if they have some.
        kernel: makes the steps, at the temperature of `energy`.
        steps: number of steps.
        rng: the source of the chains' noise and of replaced ends.
        options: precision and compiling of the chains.
        energy: what the chains move on; by default the model's, at the labels of `start`.
        init_noise: draws what replaces ends that are not finite; by default uniform on the data range.
    """
    energy = energy or model.conditioned(start.y)
    spec = model.spec
    with frozen(model):
        chain = run(kernel, energy, start.position, steps=steps, rng=rng, evaluate=False, **options.arguments)
    bad = ~finite(chain.position)
    noise = init_noise or UniformNoise(spec.event_shape, spec.low, spec.high)
    return ChainEnds(cast(Tensor, redraw(chain.position, bad, noise, rng)), chain, bad)


def energies_of_both(
    energy: Callable[..., Tensor],
    x_pos: Position,
    x_neg: Position,
    y_pos: Tensor | None = None,
    y_neg: Tensor | None = None,
    *,
    precision: Precision = "fp32",
) -> tuple[Tensor, Tensor]:
    """E(x_pos) `(N,)` and E(x_neg) `(M,)` from one forward pass: one set of normalised weights for both.

    Args:
        energy: called as `energy(x)`, or `energy(x, y)` where labels are given.
        x_pos: data `(N, *event)`, or a tuple of such leaves.
        x_neg: samples `(M, *event)`, of the same structure.
        y_pos: labels of the data, `(N,)`; both kinds of labels are given, or neither.
        y_neg: labels of the samples, `(M,)`.
        precision: "bf16" for autocast; the energies come back in the type of the data.
    """
    x, first = cat([x_pos, x_neg]), leaves(x_pos)[0]
    y = torch.cat([y_pos, y_neg]) if y_pos is not None and y_neg is not None else None
    with torch.autocast(first.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        both = energy(x) if y is None else energy(x, y)
    both = both.to(first.dtype)
    return both[: len(first)], both[len(first) :]


def contrastive_loss(
    e_pos: Tensor, e_neg: Tensor, loss: LossConfig, ends: ChainEnds, *, latent: bool = False
) -> Loss:
    """The contrast with its energy penalty, and what the monitor watches.

    Args:
        e_pos: energies of data, `(N,)`.
        e_neg: energies of chain ends, `(M,)`.
        loss: the kind of contrast and the weight of the penalty.
        ends: the chains, for their diagnostics.
        latent: whether they moved latents, see `chain_metrics`.
    """
    total = contrast(e_pos, e_neg, loss.objective)
    if loss.energy_l2:
        total = total + energy_l2(e_pos, e_neg, loss.energy_l2)
    return total.logging(chain_metrics(ends, latent=latent))


def chain_metrics(ends: ChainEnds, *, latent: bool = False) -> dict[str, Tensor]:
    """Chain diagnostics of one update, as the log and the monitor know them.

    `divergent` and `redrawn` are shares of chains: those that met a non-finite number on their way, and
    those that ended in one. The means of the others leave divergent chains out. The drift of `latent` chains
    is no length in data space: it is logged as `drift_z`, over the root of the number of latents.
    """
    info = ends.chain.info
    shares = {"divergent": info.divergent.float().mean(), "redrawn": ends.bad.float().mean()}
    if bool(info.divergent.all()):
        return shares
    drift, acceptance = (_mean(v, ~info.divergent) for v in (info.drift, info.acceptance))
    if latent and drift is not None:
        drift = drift / math.sqrt(sum(a[0].numel() for a in leaves(ends.chain.position)))
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
