"""Chain ends that stay finite, one forward pass for data and ends, and the sign of the contrast."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gibbsian.core.spec import DataSpec
from gibbsian.mcmc.base import Kernel
from gibbsian.mcmc.langevin import Langevin
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.models.chains import init_noise, langevin
from gibbsian.models.contrastive import (
    ChainEnds,
    chain_ends,
    chain_metrics,
    contrastive_loss,
    energies_of_both,
)
from gibbsian.models.net_energy import NetEnergy
from gibbsian.models.sampler import RunOptions
from gibbsian.nets.spectral import SpectralLinear
from gibbsian.objectives.settings import LossConfig
from gibbsian.starts.base import BufferSample
from gibbsian.starts.replay import ReplayBuffer
from gibbsian.starts.settings import StartConfig

SPEC = DataSpec((2,), -1.0, 1.0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def buffer_of(capacity: int, **more: float) -> ReplayBuffer:
    return ReplayBuffer(init_noise(StartConfig(), SPEC), capacity, rng(), **more)


def ended(net: nn.Module, kernel: Kernel, drawn: BufferSample, steps: int) -> ChainEnds:
    """Chains of a network; their lost ends are fresh noise on the range of the data."""
    return chain_ends(NetEnergy(net, SPEC), drawn, kernel, steps, rng(2), RunOptions())


class Blown(nn.Module):
    """Finite at the right, beyond all bounds within a few steps at the left."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, 0] < 0, -1e30, 0.1) * x.square().sum(1)


@pytest.mark.parametrize("share", ["some", "all"])
def test_non_finite_chains_are_drawn_anew_counted_and_never_stored(share: str) -> None:
    buffer = buffer_of(32, reinit=0.0)
    before = buffer.stored.clone()
    drawn = buffer.draw(16, rng(1))
    if share == "all":
        drawn.position[:, 0] = -0.5
    left = drawn.position[:, 0] < 0
    ends = ended(Blown(), Langevin(0.5, 1e-6), drawn, 4)
    assert torch.equal(ends.bad, left)
    assert torch.isfinite(ends.x).all() and ends.x.abs().max() <= 1
    assert torch.equal(ends.x[~left], ends.chain.position[~left])
    buffer.write(drawn, ends.chain.position)
    assert torch.isfinite(buffer.stored).all() and int(buffer.rejected) == int(left.sum())
    assert torch.equal(buffer.stored[drawn.slots[left]], before[drawn.slots[left]])
    metrics = chain_metrics(ends)
    assert float(metrics["redrawn"]) == float(metrics["divergent"]) == float(left.float().mean())
    assert all(math.isfinite(float(v)) for v in metrics.values())
    assert ("drift" in metrics) == (share == "some")
    if share == "some":
        assert float(metrics["drift"]) == pytest.approx(float(ends.chain.info.drift[~left].mean()))
    latent = chain_metrics(ends, latent=True)
    length = math.sqrt(ends.x[0].numel())
    assert "drift" not in latent and ("drift_z" in latent) == ("drift" in metrics)
    if "drift" in metrics:
        assert float(latent["drift_z"]) == pytest.approx(float(metrics["drift"]) / length)
    assert latent.keys() - {"drift_z"} == metrics.keys() - {"drift"}


def test_clamped_chains_that_blow_up_count_as_divergent() -> None:
    """A clamp turns infinity into the border, so their ends look finite."""
    buffer = buffer_of(32)
    kernel = langevin(ChainConfig(4, 1e12, 1e-3, clamp=True), SPEC)
    drawn = buffer.draw(16, rng(1))
    left = drawn.position[:, 0] < 0
    ends = ended(Blown(), kernel, drawn, 1)
    metrics = chain_metrics(ends)
    assert float(metrics["divergent"]) >= float(left.float().mean()) > 0


class Watched(nn.Module):
    """A spectral layer that counts its forward passes in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = SpectralLinear(2, 1), 0

    def forward(self, x):
        self.calls += self.training
        return self.layer(x)[:, 0]


def test_power_iteration_moves_once_an_update_and_never_in_chains() -> None:
    """Naive ports advance spectral norm in every Langevin step."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Watched().train()
    net.layer.matrix.u.zero_().add_(1.0)
    net.layer.matrix.v.copy_(torch.tensor([1.0, 0.0]))
    before = net.layer.matrix.v.clone()
    buffer = buffer_of(8)
    ends = ended(net, Langevin(0.1, 1e-3), buffer.draw(4, rng()), 5)
    assert torch.equal(net.layer.matrix.v, before) and net.calls == 0
    assert all(p.grad is None for p in net.parameters())
    energies_of_both(net, torch.zeros(4, 2), ends.x)
    assert net.calls == 1 and not torch.equal(net.layer.matrix.v, before)


def test_pairing_keeps_order_and_labels() -> None:
    def energy(x, y=None):
        return x[:, 0] if y is None else x[:, 0] + 100 * y

    pos, neg = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [4.0], [5.0]])
    assert [e.tolist() for e in energies_of_both(energy, pos, neg)] == [[1, 2], [3, 4, 5]]
    y = torch.tensor([0, 1]), torch.tensor([1, 0, 1])
    assert [e.tolist() for e in energies_of_both(energy, pos, neg, *y)] == [[1, 102], [103, 4, 105]]


class Slope(nn.Module):
    """E(x) = w x_1, flat at first."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x[:, 0]


def test_descending_the_loss_lowers_the_energy_of_data() -> None:
    """The sign convention, through the whole contrast: data low, chain ends high."""
    net = Slope()
    ends = ended(net, Langevin(0.1, 1e-3), buffer_of(8).draw(4, rng()), 1)
    e_pos, e_neg = energies_of_both(net, torch.ones(4, 2), -torch.ones(4, 2))
    loss = contrastive_loss(e_pos, e_neg, LossConfig(energy_l2=0.5), ends)
    loss.value.backward()
    assert float(net.weight.grad) == pytest.approx(2.0)  # so a descent step makes E(1) < E(-1)
    assert {"energy_gap", "energy_l2", "drift", "redrawn"} <= set(loss.metrics)
