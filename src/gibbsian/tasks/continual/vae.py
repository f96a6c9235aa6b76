"""A variational autoencoder given the class, p(x | y) with one network for all classes, as a baseline.

    E(x, y) = -ELBO(x | y) = -log N(x; m(z, y), sigma^2) + KL(q(z | x, y) || N(0, I))

The bound is at the mean of q where it classifies, and at one draw where it trains. Samples are means of the
decoder at z ~ N(0, I).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.draws import normal
from ...core.records import Batch, Loss
from ...core.spec import DataSpec
from ...nets.vae import dense
from ...objectives.elbo import gaussian_nll, kl_to_standard, negative_elbo
from .learners import InSequence


class ConditionalVAE(nn.Module):
    """-ELBO(x | y) `(B,)` of x `(B, *event)` and labels `(B,)`; encoder and decoder have layers `hidden`."""

    def __init__(self, spec: DataSpec, hidden: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.spec, self.latent = spec, latent
        size = math.prod(spec.event_shape)
        self.encoder = dense((size + spec.num_classes, *hidden), "relu")
        self.posterior = nn.Linear(hidden[-1], 2 * latent)
        self.decoder = dense((latent + spec.num_classes, *hidden[::-1]), "relu")
        self.last = nn.Linear(hidden[0], size)
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        nll, kl = self.bound(x, y)
        return nll + kl

    def bound(self, x: Tensor, y: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """-log p(x | z, y) at a draw of z, or at its mean without `rng`, and the KL, both `(B,)` in nats."""
        h = self.encoder(self._with_label(x.flatten(1), y))
        mean, log_sigma = self.posterior(h).chunk(2, 1)
        z = mean if rng is None else mean + log_sigma.exp() * normal(mean, rng)
        found = self.decode(z, y)
        return gaussian_nll(x.flatten(1), found, self.log_sigma.expand_as(found)), kl_to_standard(
            mean, log_sigma
        )

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """The mean of x, `(B, size)`, of images inside their range."""
        out: Tensor = self.last(self.decoder(self._with_label(z, y)))
        low, high = self.spec.low, self.spec.high
        return low + (high - low) * out.sigmoid() if self.spec.is_image else out

    def draw(self, y: Tensor, rng: torch.Generator) -> Tensor:
        """A sample of each class in `y`, `(B, *event)`."""
        z = torch.randn(len(y), self.latent, generator=rng, device=rng.device)
        return self.decode(z, y).unflatten(1, self.spec.event_shape)

    def _with_label(self, h: Tensor, y: Tensor) -> Tensor:
        return torch.cat([h, F.one_hot(y, self.spec.num_classes).to(h.dtype)], 1)


class VAELearner(InSequence):
    """The bound by one draw of z."""

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """One loss an update."""
        net = self.model.net
        assert isinstance(net, ConditionalVAE) and batch.y is not None
        yield "energy", negative_elbo(*net.bound(batch.x, batch.y, rng))
