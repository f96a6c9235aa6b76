"""Likelihoods to stand beside an energy: what the same training images give a VAE and a small PixelCNN.

Papers compare with PixelCNN++ and Glow, whose exact likelihood is often higher for other data than for their
own. Two small models are trained here in minutes on one core:

    pixelcnn   nets.pixelcnn, exact
    vae        a dense VAE with a discretised logistic decoder: a bound, importance weighted by 16 draws
               (Y. Burda, R. Grosse, R. Salakhutdinov, ICLR 2016, arXiv 1509.00519)

Both give mass to the 256 values of a pixel, so that their bits per dimension compare with published ones
and with one another. Trained ones are kept in a folder with a record of data, settings and updates, and are
used again as long as the record fits what is asked for.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.config import to_dict
from ...core.errors import UsageError, require_positive, unknown
from ...core.random import derive, generator, seeded_init
from ...data.batches import Batches
from ...data.dataset import Dataset, as_floats
from ...nets.pixelcnn import PixelCNN, discretised_logistic
from ...nets.settings import VAEConfig
from ...nets.vae import VAE
from ...objectives.elbo import kl_to_standard
from ..cache import UNREADABLE, is_current, read_cached, save_cached
from ..progress import Advance, silent

VAE_SETTINGS = VAEConfig(groups=(32,), hidden=(512, 256), noise="pixel", sigma=0.3, floor=0.02)
DRAWS = 16
CHUNK = 100


class Autoencoder(nn.Module):
    """The VAE, whose decoder's means may lie beyond [-1, 1], so that black and white can be certain."""

    rate, batch_size, most_epochs = 1e-3, 128, 60

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.vae = VAE(event_shape, VAE_SETTINGS, low=-1.5, high=1.5)

    def loss(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """-ELBO in nats, `(B,)`, by one draw of z."""
        code = self.vae.encode(x, rng)
        kl = kl_to_standard(torch.cat(code.mean, 1), torch.cat(code.log_sigma, 1))
        return kl - self._given(x, code.eps)

    def log_prob(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """A lower bound of log p(x) in nats, `(B,)`: log mean p(x, z) / q(z | x) over draws from q."""
        weights = []
        for _ in range(DRAWS):
            eps, mean, log_sigma = (torch.cat(parts, 1) for parts in self.vae.encode(x, rng))
            prior = eps.square().sum(1)
            posterior = (((eps - mean) * (-log_sigma).exp()).square() + 2 * log_sigma).sum(1)
            weights.append(self._given(x, self.vae.split(eps)) + (posterior - prior) / 2)
        return torch.stack(weights).logsumexp(0) - math.log(DRAWS)

    def _given(self, x: Tensor, eps: tuple[Tensor, ...]) -> Tensor:
        found = self.vae.decode(eps)
        return discretised_logistic(x, found.mean, found.log_sigma).flatten(1).sum(1)


class Autoregressive(nn.Module):
    """The PixelCNN."""

    rate, batch_size, most_epochs = 2e-3, 32, 60

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.net = PixelCNN(event_shape)

    def loss(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """-log p(x) in nats, `(B,)`."""
        return -self.net.log_prob(x)

    def log_prob(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """log p(x) in nats, `(B,)`."""
        return self.net.log_prob(x)


MODELS: dict[str, type[Autoencoder] | type[Autoregressive]] = {
    "vae": Autoencoder,
    "pixelcnn": Autoregressive,
}


@dataclass(frozen=True)
class Budget:
    """How long a baseline is trained: `minutes` of time, or `updates` where they are fewer."""

    minutes: float = 8.0
    updates: int | None = None

    def __post_init__(self) -> None:
        require_positive(minutes=self.minutes)
        if self.updates is not None:
            require_positive(updates=self.updates)


@dataclass(frozen=True, eq=False)
class Baseline:
    """A trained likelihood and its record: name, data, fingerprint, settings, updates, minutes, seed."""

    name: str
    model: Autoencoder | Autoregressive
    record: dict[str, Any]

    @torch.no_grad()
    def log_prob(self, x: Tensor, *, seed: int = 0) -> Tensor:
        """log p of uint8 images `x` `(N, H, W)` or `(N, H, W, 3)`, or its bound, in nats, `(N,)` float64."""
        rng = generator(derive(seed, f"baseline/{self.name}"))
        parts = [self.model.log_prob(as_floats(p, -1.0, 1.0), rng).double() for p in x.split(CHUNK)]
        return torch.cat(parts)


def baseline(
    name: str,
    train: Dataset,
    budget: Budget,
    folder: Path,
    *,
    seed: int = 0,
    fresh: bool = False,
    progress: Advance = silent,
) -> Baseline:
    """The baseline `name` for the images `train`: the one in `folder` if its record fits, else trained now.

    `fresh` trains in any case. `progress(updates, of about, note)` is told how far. Raises `UsageError` for
    an unknown name, for data that are no images, and where the folder cannot be written.
    """
    check_names([name])
    if not train.is_image:
        raise UsageError(f"{train.name} holds no 8-bit images: the likelihood baselines need them")
    path, wanted = folder / f"{name}.safetensors", _wanted(name, train, budget, seed)
    stored = None if fresh else _kept(name, path, train.event_shape, wanted)
    if stored is not None:
        return stored
    trained = train_baseline(name, train, budget, seed=seed, progress=progress)
    save_cached(path, trained.model.state_dict(), trained.record)
    return trained


def check_names(names: list[str]) -> None:
    """Raise `UsageError` for a baseline that does not exist."""
    for name in names:
        if name not in MODELS:
            raise unknown("baseline", name, ("none", *MODELS))


def train_baseline(
    name: str,
    train: Dataset,
    budget: Budget,
    *,
    seed: int = 0,
    progress: Advance = silent,
) -> Baseline:
    """Adam by maximum likelihood (or its bound), the rate falling to 0 by a cosine over the budget.

    A budget of time makes updates as fast as the machine does; with `updates` alone the same seed gives the
    same weights.
    """
    with seeded_init(generator(derive(seed, f"{name}/init"))):
        model = MODELS[name](train.event_shape)
    batches = Batches(train, model.batch_size, generator(derive(seed, f"{name}/data")))
    most = budget.updates or -(-model.most_epochs * len(train) // model.batch_size)
    rng, optimiser = (
        generator(derive(seed, f"{name}/noise")),
        torch.optim.Adam(model.parameters(), fused=True),
    )
    begun, size, steps, bits = time.monotonic(), math.prod(train.event_shape), 0, math.nan
    while (part := max((time.monotonic() - begun) / (60 * budget.minutes), steps / most)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = model.rate * min(1, (steps + 1) / 50) * 0.5 * (1 + math.cos(math.pi * part))
        loss = model.loss(batches.next().x, rng).mean() / (size * math.log(2))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        last = float(loss.detach())
        steps, bits = steps + 1, last if math.isnan(bits) else 0.98 * bits + 0.02 * last
        progress(steps, max(steps, round(steps / max(part, 1e-6))), f"{bits:.2f} bits a value")
    record = _wanted(name, train, budget, seed) | {
        "made_updates": steps,
        "seconds": round(time.monotonic() - begun, 1),
        "training_bits_per_dimension": round(bits, 4),
    }
    return Baseline(name, model.eval().requires_grad_(False), record)


def _wanted(name: str, train: Dataset, budget: Budget, seed: int) -> dict[str, Any]:
    """What must be the same for a stored baseline to be used."""
    settings = to_dict(VAE_SETTINGS) if name == "vae" else {}
    about = {"name": name, "data": train.name, "fingerprint": train.fingerprint, "seed": seed}
    return {**about, **asdict(budget), "settings": settings}


def _kept(name: str, path: Path, shape: tuple[int, ...], wanted: dict[str, Any]) -> Baseline | None:
    """The stored baseline if it is there, whole and what is wanted."""
    model = MODELS[name](shape)
    with suppress(*UNREADABLE):
        weights, record = read_cached(path)
        if is_current(record, wanted):
            model.load_state_dict(weights)
            return Baseline(name, model.eval().requires_grad_(False), record)
    return None
