"""What other densities give the same noised images: docs/noise-energy.md, beside `gibbsian loglik RUN`.

python -m experiments.noise_levels.likelihood mnist --sigma .0078 [--minutes 5] [--record OUT.json]

Images in [-1, 1] with Gaussian noise, for training and for judging alike; 1,000 test images, 95 %:

    Gaussian           all training images, full covariance
    class Gaussians    one for each class, with its share
    VAE                that of `gibbsian ood`, its decoder normal with a deviation for each pixel, at least
                       the noise: the bound of 16 draws (Y. Burda, R. Grosse, R. Salakhutdinov, 2016)
    flow               8 affine couplings on whitened principal axes

The last two keep the weights that are best on a tenth of the training images, which is set aside.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import gibbsian as gb
from experiments.book.records import made_here
from gibbsian.core.random import generator, seeded_init
from gibbsian.data.dataset import Dataset
from gibbsian.energies.noised_gaussian import NoisedGaussian
from gibbsian.metrics.interval import mean_interval
from gibbsian.metrics.likelihood import bits_per_dimension
from gibbsian.models.data_noise import with_noise
from gibbsian.nets.flow import CouplingFlow
from gibbsian.nets.vae import VAE
from gibbsian.report.tables import table
from gibbsian.tasks.ood.baselines import VAE_SETTINGS, Autoencoder

N, BATCH, RATE, PATIENCE, ASIDE = 1000, 128, 1e-3, 4, 2000


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


class Flow(nn.Module):
    """Affine couplings on whitened axes of the training images: what is Gaussian is right at once."""

    mean: Tensor
    whiten: Tensor
    log_det: Tensor

    def __init__(self, train: Tensor, sigma: float) -> None:
        super().__init__()
        x = train.flatten(1).double()
        values, axes = torch.linalg.eigh(torch.cov(x.T))
        scale = (values.clamp_min(0) + sigma**2).sqrt()
        self.register_buffer("mean", x.mean(0).float())
        self.register_buffer("whiten", (axes / scale).float())
        self.register_buffer("log_det", -scale.log().sum().float())
        self.net = CouplingFlow(x.shape[1], (256, 256), blocks=8)

    def log_prob(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """`(B,)` nats."""
        u = (x.flatten(1) - self.mean) @ self.whiten
        return self.net.log_density(u) + self.log_det

    def loss(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """-log p, `(B,)`."""
        return -self.log_prob(x, rng)


def fitted(model: Any, train: Dataset, aside: Tensor, sigma: float, minutes: float, seed: int) -> int:
    """Train for at most `minutes` of the processor, the rate falling to 0 by a cosine; put back the weights
    that were best on images set aside; ended when `PATIENCE` times as long as the best took brought nothing.
    The updates made."""
    rng, updates, look, found = generator(seed), 0, 0.0, -math.inf
    adam, begun, best, kept = torch.optim.Adam(model.parameters(), RATE), time.process_time(), 0.0, {}
    while (past := (time.process_time() - begun) / (60 * minutes)) < min(1, max(PATIENCE * best, 0.05)):
        if past >= look:
            look = past + max(0.1 * past, 0.002)
            with torch.no_grad():
                score = float(model.log_prob(aside, generator(0)).mean())
            if score > found:
                found, best, kept = score, past, copy.deepcopy(model.state_dict())
        adam.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * past)) / 2
        rows = torch.randint(len(train), (BATCH,), generator=rng)
        adam.zero_grad()
        model.loss(with_noise(sigma, train.batch(rows, -1.0, 1.0).x, rng), rng).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1000.0)
        adam.step()
        updates += 1
    model.load_state_dict(kept)
    return updates


def main() -> None:
    """The table, and the record if asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--sigma", type=float, required=True, help="of the noise, of images in [-1, 1]")
    parser.add_argument("--minutes", type=float, default=5.0, help="of a processor, of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="JSON file to write")
    asked = parser.parse_args()
    whole, test = gb.dataset(asked.data, "train"), gb.dataset(asked.data, "test")
    rng = generator(asked.seed)
    rows = torch.randperm(len(test), generator=rng)[:N]
    x = with_noise(asked.sigma, test.batch(rows, -1.0, 1.0).x, rng)
    order = torch.randperm(len(whole), generator=rng)
    kept, held = order[len(order) // 10 :], order[: len(order) // 10][:ASIDE]
    train = whole.subset(kept)
    aside = with_noise(asked.sigma, whole.batch(held, -1.0, 1.0).x, rng)
    everything = torch.arange(len(whole))
    labels = whole.batch(everything, -1.0, 1.0).y
    assert labels is not None
    classes = [everything[labels == k] for k in labels.unique()]
    found = {
        "Gaussian": gaussians(whole, [everything], x, asked.sigma),
        "Gaussian mixture, one a class": gaussians(whole, classes, x, asked.sigma),
    }
    with seeded_init(generator(asked.seed)):
        images = whole.batch(everything[:20_000], -1.0, 1.0).x
        rivals: dict[str, Any] = {
            "VAE, at least": Normal(whole.event_shape, asked.sigma),
            "flow": Flow(images, asked.sigma),
        }
    for name, model in rivals.items():
        updates = fitted(model, train, aside, asked.sigma, asked.minutes, asked.seed)
        with torch.no_grad():
            parts = [model.log_prob(part, rng) for part in x.split(100)]
        found[f"{name} ({updates:,} updates)"] = torch.cat(parts).double()
    body = []
    for name, nats in found.items():
        over = mean_interval(nats)
        bits = bits_per_dimension(-over.estimate, math.prod(whole.event_shape), 2.0)
        body.append([name, f"{over.estimate:.5g} ± {over.half_width:.2g}", f"{bits:.3f}"])
    head = [f"{asked.data}, noise {asked.sigma:g}, n = {len(x)}", "nats", "bits a dimension"]
    print(table(head, body))
    if asked.record:
        told = {
            "source": "measured",
            "command": f"python -m experiments.noise_levels.likelihood {asked.data} --sigma {asked.sigma:g} "
            f"--minutes {asked.minutes:g} --seed {asked.seed}",
            **made_here(),
            "seed": asked.seed,
            "n": len(x),
            "table": {"head": head, "body": body},
        }
        asked.record.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
