"""Conditionals of sprites by Bayes' rule: E_i(x | c) = E_i(x) - log p_i(c | x) at every noise level i.

python -m experiments.sprites.bayes RUN OUT.safetensors [--steps 4500]                       # learn p(c | x)
python -m experiments.sprites.bayes RUN OUT.safetensors --regressor FILE [-n 256] [--out OUT.png]    # samples

E_i(x) is that of a run of score matching that tells its network the level, without attributes. p_i(c | x) is
learnt apart, on renders with the noise of level i: a categorical distribution of the shape, and Gaussians of
scale, position and phase (as cos, sin) whose deviations the network gives too. Then the sum of conditionals
less E(x) three times is E(x) - sum_k log p(c_k | x), so each concept's gradient comes from a network that
learnt it by maximum likelihood.
"""

from __future__ import annotations

import argparse
import math
import time
from functools import partial
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import gibbsian as gb
from experiments.sprites.regressor import HEADER, Errors, load, row
from gibbsian.core.random import generator, seeded_init
from gibbsian.data.shapes import Sprites, draw, render
from gibbsian.models.net_energy import NetEnergy
from gibbsian.models.score_matching.learner import Annealed
from gibbsian.models.score_matching.told import at_level
from gibbsian.nets.layers import LabelVector, spread
from gibbsian.report.pictures import save_image, sheet
from gibbsian.report.tables import table

WHITE = 2.0


class Posterior(nn.Module):
    """-log p_i(c | x) of four attributes, `(B, 4)`, of noisy images `(B, 1, 32, 32)` in [0, 2]."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        kernels = ((1, 32, 5), (32, 64, 3), (64, 64, 3))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, k, 2, k // 2, bias=False) for a, b, k in kernels)
        self.dense, self.out = nn.Linear(1024, 256, bias=False), nn.Linear(256, 11)
        sizes = (32, 64, 64, 256)
        self.gains = nn.ModuleList(LabelVector(f, levels, start=1.0) for f in sizes)
        self.biases = nn.ModuleList(LabelVector(f, levels) for f in sizes)
        self.last = LabelVector(11, levels)

    def forward(self, x: Tensor, level: Tensor, asked: Sprites) -> Tensor:
        h = x / (1 + x.square().mean((1, 2, 3), keepdim=True)).sqrt()
        for layer, gain, bias in zip((*self.convs, self.dense), self.gains, self.biases, strict=True):
            h = layer(h.flatten(1) if layer is self.dense else h)
            h = F.silu(h * spread(gain(level), h) + spread(bias(level), h))
        out = self.out(h).float() + self.last(level)
        turn = 2 * math.pi * asked.phase
        target = torch.stack([2 * asked.scale - 1.5, asked.x - 0.5, asked.y - 0.5, turn.cos(), turn.sin()], 1)
        apart, log_s = (out[:, 3:8] - target).square(), out[:, 8:].clamp(-4, 1)
        squares = torch.stack([apart[:, 0], apart[:, 1:3].sum(1), apart[:, 3:].sum(1)], 1)
        sizes = torch.tensor([1.0, 2.0, 2.0])
        gaussian = squares / 2 * torch.exp(-2 * log_s) + sizes * log_s
        return torch.cat([F.cross_entropy(out[:, :3], asked.shape, reduction="none")[:, None], gaussian], 1)


def train(sigmas: tuple[float, ...], steps: int, seed: int = 0) -> Posterior:
    """A posterior after `steps` updates on 128 fresh noisy renders each."""
    rng, levels = generator(seed), len(sigmas)
    with seeded_init(rng):
        model = Posterior(levels)
    opt = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, steps)
    for step in range(steps):
        asked, level = draw(128, rng), (step + torch.arange(128)) % levels
        x = WHITE * render(asked)[:, None]
        noise = torch.randn(x.shape, generator=rng) * torch.tensor(sigmas)[level].view(-1, 1, 1, 1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            terms = model(x + noise, level, asked)
        opt.zero_grad()
        terms.sum(1).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        opt.step()
        schedule.step()
        if step % 500 == 499:
            print(step + 1, [round(v, 2) for v in terms.detach().mean(0).tolist()], flush=True)
    return model.eval()


def samples(
    model: NetEnergy,
    posterior: Posterior,
    asked: Sprites,
    sigmas: tuple[float, ...],
    *,
    steps: int,
    seed: int,
) -> Tensor:
    """Images `(n, 32, 32)` in [0, 1]: at each level `steps` Langevin steps of half its variance."""
    n, rng = len(asked.x), generator(seed)
    x = sigmas[0] * torch.randn(n, 1, 32, 32, generator=rng)
    with gb.frozen(model), gb.frozen(posterior):
        for k, sigma in enumerate(sigmas):
            level, of_x = torch.full((n,), k), at_level(model, k)
            temperature = (sigma / sigmas[-1]) ** 2

            of_c = partial(_of_c, posterior, level, asked)
            energy = gb.Product([gb.Tempered(of_x, temperature), of_c])
            kernel = gb.Langevin(sigma**2 / 2)
            x = cast(Tensor, gb.run(kernel, energy, x, steps=steps, rng=rng, precision="bf16").position)
    return (x[:, 0] / WHITE).clamp(0, 1)


def _of_c(posterior: Posterior, level: Tensor, asked: Sprites, x: Tensor) -> Tensor:
    return cast(Tensor, posterior(x, level, asked)).sum(1)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("posterior", type=Path)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--regressor", type=Path, default=None)
    parser.add_argument("-n", type=int, default=256)
    parser.add_argument("--chain", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    model = cast(NetEnergy, gb.load(given.run).inner)
    sigmas = cast(Annealed, model.sampler()).config.matching.sigmas
    if given.regressor is None:
        save_file(train(sigmas, given.steps).state_dict(), given.posterior)
        return
    posterior, asked = Posterior(len(sigmas)), draw(given.n, generator(1000 + given.seed))
    posterior.load_state_dict(load_file(given.posterior))
    began = time.process_time()
    images = samples(model, posterior, asked, sigmas, steps=given.chain, seed=given.seed)
    found = Errors.between(load(given.regressor).read(images), asked)
    print(table(HEADER, [row(f"by Bayes' rule ({time.process_time() - began:.0f} s)", found)]))
    if given.out:
        tiles = torch.cat([render(asked)[:16], images[:16]])
        save_image(sheet(tiles[:, None], 0, 1, 16), given.out)


if __name__ == "__main__":
    main()
