"""What other densities give the same noised images: docs/noise-energy.md, beside `gibbsian loglik RUN`.

python -m experiments.noise_levels.likelihood mnist --sigma .0078 [--minutes 5]

Images in [-1, 1] with Gaussian noise, for training and for judging alike; 1,000 test images, 95 %:

    Gaussian           all training images, full covariance
    class Gaussians    one for each class, with its share
    VAE                that of `gibbsian ood`, its decoder normal with a deviation for each pixel, at least
                       the noise: the bound of 16 draws (Y. Burda, R. Grosse, R. Salakhutdinov, 2016)
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace

import torch
from torch import Tensor

import gibbsian as gb
from gibbsian.core.random import generator, seeded_init
from gibbsian.data.dataset import Dataset
from gibbsian.energies.noised_gaussian import NoisedGaussian
from gibbsian.metrics.interval import mean_interval
from gibbsian.metrics.likelihood import bits_per_dimension
from gibbsian.models.data_noise import with_noise
from gibbsian.nets.vae import VAE
from gibbsian.report.tables import table
from gibbsian.tasks.ood.baselines import VAE_SETTINGS, Autoencoder

N, BATCH, RATE = 1000, 128, 1e-3


class Normal(Autoencoder):
    """The VAE with a normal decoder."""

    def __init__(self, event_shape: tuple[int, ...], sigma: float) -> None:
        super().__init__(event_shape)
        settings = replace(VAE_SETTINGS, floor=0.999 * sigma)
        self.vae = VAE(event_shape, settings, low=-1.5, high=1.5)

    def _given(self, x: Tensor, eps: tuple[Tensor, ...]) -> Tensor:
        found = self.vae.decode(eps)
        density = torch.distributions.Normal(found.mean, found.log_sigma.exp())
        return density.log_prob(x).flatten(1).sum(1)


def gaussians(train: Dataset, groups: list[Tensor], x: Tensor, sigma: float) -> Tensor:
    """log p of noised rows by a mixture of the Gaussians of `groups` of row numbers, `(N,)`."""
    level, logs = torch.tensor([sigma]), []
    for rows in groups:
        base = NoisedGaussian(math.prod(train.event_shape))
        base.fit(train.batch(rows, -1.0, 1.0).x)
        logs.append(math.log(len(rows) / len(train)) - base.neg_log_density(x, level).double())
    return torch.stack(logs).logsumexp(0)


def trained_vae(train: Dataset, sigma: float, minutes: float, seed: int) -> tuple[Normal, int]:
    """The VAE after `minutes`, its rate falling to 0 by a cosine, and its updates."""
    rng = generator(seed)
    with seeded_init(rng):
        model = Normal(train.event_shape, sigma)
    adam, begun, updates = torch.optim.Adam(model.parameters(), RATE), time.monotonic(), 0
    while (past := (time.monotonic() - begun) / (60 * minutes)) < 1:
        adam.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * past)) / 2
        rows = torch.randint(len(train), (BATCH,), generator=rng)
        x = with_noise(sigma, train.batch(rows, -1.0, 1.0).x, rng)
        adam.zero_grad()
        model.loss(x, rng).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1000.0)
        adam.step()
        updates += 1
    return model, updates


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--sigma", type=float, required=True, help="of the noise, of images in [-1, 1]")
    parser.add_argument("--minutes", type=float, default=5.0, help="of the VAE's training")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    train, test = gb.dataset(asked.data, "train"), gb.dataset(asked.data, "test")
    rng = generator(asked.seed)
    rows = torch.randperm(len(test), generator=rng)[:N]
    x = with_noise(asked.sigma, test.batch(rows, -1.0, 1.0).x, rng)
    everything = torch.arange(len(train))
    labels = train.batch(everything, -1.0, 1.0).y
    assert labels is not None
    found = {
        "Gaussian": gaussians(train, [everything], x, asked.sigma),
        "class Gaussians": gaussians(
            train, [everything[labels == k] for k in labels.unique()], x, asked.sigma
        ),
    }
    vae, updates = trained_vae(train, asked.sigma, asked.minutes, asked.seed)
    with torch.no_grad():
        parts = [vae.log_prob(part, rng) for part in x.split(100)]
    found[f"VAE, at least ({updates:,} updates)"] = torch.cat(parts).double()
    body = []
    for name, nats in found.items():
        over = mean_interval(nats)
        bits = bits_per_dimension(-over.estimate, math.prod(train.event_shape), 2.0)
        body.append([name, f"{over.estimate:.5g} ± {over.half_width:.2g}", f"{bits:.3f}"])
    print(table([f"{asked.data}, noise {asked.sigma:g}, n = {len(x)}", "nats", "bits a dimension"], body))


if __name__ == "__main__":
    main()
