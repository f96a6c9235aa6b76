"""Stage one of a VAEBM: the bound of a VAE, its objective (plain, beta-TC or FactorVAE), its critic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...core.records import Loss
from ...nets.settings import VAEConfig
from ...nets.vae import VAE, Code, dense
from ...objectives.elbo import (
    beta_tc,
    gaussian_nll,
    kl_parts,
    kl_to_standard,
    negative_elbo,
    ratio_loss,
    ratio_tc,
    shuffled,
)


class Bound(NamedTuple):
    """The parts of -ELBO at data, `nll` and `kl` `(B,)` in nats, with the `code` and the latents `z`."""

    nll: Tensor
    kl: Tensor
    z: Tensor
    code: Code


def bound(vae: VAE, x: Tensor, rng: torch.Generator | None = None) -> Bound:
    """-log p(x | z) at one draw of z from q(z | x), or at q's means without `rng`; and KL(q || p)."""
    code = vae.encode(x, rng)
    decoded = vae.decode(code.eps)
    kl = kl_to_standard(torch.cat(code.mean, 1), torch.cat(code.log_sigma, 1))
    return Bound(gaussian_nll(x, decoded.mean, decoded.log_sigma), kl, decoded.z, code)


@torch.no_grad()
def elbo(vae: VAE, x: Tensor, rng: torch.Generator, chunk: int = 1000) -> float:
    """The mean ELBO of data `x`, in nats a point, with one draw of z for each."""
    found = [bound(vae, part, rng) for part in x.split(chunk)]
    return -float(torch.cat([part.nll + part.kl for part in found]).mean())


def critic(config: VAEConfig) -> nn.Module | None:
    """The network that tells latents from shuffled ones, `(B, latent)` to `(B, 1)`, of a FactorVAE."""
    if config.kind != "factor":
        return None
    sizes = (config.latent, *config.critic_hidden)
    return nn.Sequential(dense(sizes, "leaky_relu"), nn.Linear(sizes[-1], 1))


def lr_multiplier(config: VAEConfig, step: int) -> float:
    """Factor on the learning rate: `config.rate`, falling by a cosine to 0 at the end of stage one."""
    return config.rate * 0.5 * (1 + math.cos(math.pi * min(step / config.steps, 1.0)))


def losses(
    vae: VAE, judge: nn.Module | None, config: VAEConfig, x: Tensor, step: int, rng: torch.Generator
) -> Iterator[tuple[str, Loss]]:
    """The VAE's loss at update `step`, in nats a coordinate of x, so that rates and bounds serve data of any
    size; and that of the critic `judge`."""
    found, warm = bound(vae, x, rng), config.kl_weight(step)
    z = found.code.eps[0]
    loss = _objective(found, config, warm)
    if judge is not None:
        tc = ratio_tc(judge(z)[:, 0])
        loss = loss + Loss(config.gamma * warm * tc, {"tc": tc.detach()})
    yield "vae", Loss(loss.value / x[0].numel(), loss.metrics)
    if judge is not None:
        z = z.detach()
        yield "critic", ratio_loss(judge(z)[:, 0], judge(shuffled(z, rng))[:, 0])


def _objective(found: Bound, config: VAEConfig, warm: float) -> Loss:
    if config.kind != "beta_tc":
        return negative_elbo(found.nll, found.kl, warm * config.beta)
    parts = kl_parts(found.code.eps[0], found.code.mean[0], found.code.log_sigma[0])
    return beta_tc(found.nll, found.kl, parts, config.beta, warm)
