"""What an energy of transitions is compared with: regression, and mixtures of Gaussians around one.

    regression   the mean next step, by a spectrally normalised network; its rollouts have no spread (Du and
                 Mordatch 2019 compare with it)
    mixture      a mixture-density network of K diagonal Gaussians (C. Bishop, 1994), by maximum likelihood

All see the same rows with the same noise on them, for the same number of updates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gibbsian.data.dataset import Dataset
from gibbsian.nets.layers import linear


@dataclass(frozen=True)
class Fitting:
    """How a baseline is trained: the updates, batch, rate (falling to 0 over the last `decay`), noise on
    data."""

    steps: int
    batch: int = 256
    lr: float = 2e-3
    decay: float = 0.5
    noise: float = 0.0
    weight_decay: float = 0.0
    hidden: tuple[int, ...] = (64, 64)


def stack(inputs: int, outputs: int, hidden: tuple[int, ...], spectral: bool = False) -> nn.Sequential:
    """A fully connected network; all layers but the last are normalised where asked for."""
    sizes = (inputs, *hidden)
    layers: list[nn.Module] = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [linear(a, b, spectral=spectral), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


class Regression(nn.Module):
    """The mean step given the condition."""

    def __init__(self, size: int, condition: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = stack(condition, size, hidden, spectral=True)

    def loss(self, x: Tensor, c: Tensor) -> Tensor:
        """Mean squared error."""
        return (self.net(c) - x).square().sum(1).mean()

    @torch.no_grad()
    def draw(self, c: Tensor, rng: torch.Generator) -> Tensor:
        """The mean, `(B, D)`."""
        return self.net(c)


class Mixture(nn.Module):
    """A mixture-density network of `parts` diagonal Gaussians."""

    def __init__(self, size: int, condition: int, hidden: tuple[int, ...], parts: int) -> None:
        super().__init__()
        self.size, self.parts = size, parts
        self.net = stack(condition, parts * (2 * size + 1), hidden)

    def _split(self, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.net(c)
        logits, rest = out[:, : self.parts], out[:, self.parts :].reshape(-1, self.parts, 2, self.size)
        return logits.log_softmax(1), rest[:, :, 0], 6 * torch.tanh(rest[:, :, 1] / 6)

    def log_prob(self, x: Tensor, c: Tensor) -> Tensor:
        """log p(x | c), `(B,)`."""
        weights, mean, scale = self._split(c)
        z = (x[:, None] - mean) * (-scale).exp()
        each = -0.5 * z.square().sum(2) - scale.sum(2) - self.size / 2 * math.log(2 * math.pi)
        return (weights + each).logsumexp(1)

    def loss(self, x: Tensor, c: Tensor) -> Tensor:
        """Mean -log p."""
        return -self.log_prob(x, c).mean()

    @torch.no_grad()
    def draw(self, c: Tensor, rng: torch.Generator) -> Tensor:
        """Draws `(B, D)`, one a condition."""
        weights, mean, scale = self._split(c)
        k = torch.multinomial(weights.exp(), 1, generator=rng)[:, 0]
        rows = torch.arange(len(c))
        xi = torch.randn(len(c), self.size, generator=rng)
        return mean[rows, k] + scale[rows, k].exp() * xi


def fitted(model: Regression | Mixture, data: Dataset, how: Fitting, seed: int) -> Regression | Mixture:
    """The model after its updates, with the mean of the last weights as those of the energy have."""
    assert data.cond is not None
    rng = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=how.lr, weight_decay=how.weight_decay)
    for step in range(how.steps):
        done = max(0.0, (step / how.steps - 1 + how.decay) / how.decay) if how.decay else 0.0
        for group in optimiser.param_groups:
            group["lr"] = how.lr * (1 + math.cos(math.pi * done)) / 2
        rows = torch.randint(len(data), (how.batch,), generator=rng)
        x = data.x[rows]
        loss = model.loss(x + how.noise * torch.randn(x.shape, generator=rng), data.cond[rows])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
    return model.eval()
