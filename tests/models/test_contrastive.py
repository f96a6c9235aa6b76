"""The two phases: kernels from configurations, negatives that stay finite, one forward pass for both."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gibbsian.core.errors import UsageError
from gibbsian.core.records import Batch
from gibbsian.mcmc.langevin import Langevin
from gibbsian.mcmc.settings import FadingNoise
from gibbsian.models.contrastive import (
    chain_metrics,
    contrastive_loss,
    draw_labels,
    label_energies,
    langevin,
    matched,
    negatives,
    noise_start,
    positives,
    training_start,
)
from gibbsian.nets.spectral import SpectralLinear
from gibbsian.models.papers import entry
from gibbsian.train.recipes import presets
from gibbsian.data.settings import PixelConfig
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.objectives.settings import LossConfig
from gibbsian.starts.settings import StartConfig
from gibbsian.starts.replay import ReplayBuffer

PIXELS = PixelConfig(-1.0, 1.0)


def carrying(net: nn.Module) -> nn.Module:
    """`net` with what `negatives` asks of a learner."""
    net.precision, net.compiling = "fp32", "never"
    return net


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_kernel_is_the_papers() -> None:
    paper = langevin(ChainConfig(60, 20.0, 0.005, noise_first=True, clip=0.01, clamp=True), 0.0, 1.0)
    assert (paper.step_size, paper.clip_value, paper.clamp, paper.noise_first) == (
        20.0,
        0.01,
        (0.0, 1.0),
        True,
    )
    assert math.sqrt(paper.step_size * paper.temperature) == pytest.approx(0.005)
    by_norm = langevin(ChainConfig(clip=0.5, clip_by="norm"), 0.0, 1.0)
    assert (by_norm.clip_value, by_norm.clip_norm) == (None, 0.5)
    assert langevin(ChainConfig(60, 2.0, 0.01), 0.0, 1.0) == Langevin(step_size=2.0, temperature=5e-5)


@pytest.mark.parametrize("chain", [
    ChainConfig(), ChainConfig(clip=0.1), ChainConfig(clamp=True), ChainConfig(noise_first=True),
    ChainConfig(noise=0.0), ChainConfig(noise_end=0.0), ChainConfig(noise_end=ChainConfig().noise),
])  # fmt: skip
def test_config_and_kernel_agree_on_match(chain: ChainConfig) -> None:
    assert langevin(chain, -1.0, 1.0).matched == chain.matched


def test_chains_that_begin_at_noise_each_time_are_not_matched() -> None:
    plain = ChainConfig(20, 0.1, 0.3)
    kinds = ("persistent", "data", "noise", "fixed")
    assert [matched(plain, StartConfig(kind=k)) for k in kinds] == [True, True, False, False]
    assert not matched(ChainConfig(clamp=True), StartConfig())


def test_the_uva_chain_clamps_the_noised_point_too() -> None:
    kernel = langevin(presets("igebm")["uva-mnist"].model.chain, -1.0, 1.0)
    assert kernel.noise_first and kernel.clamp == (-1.0, 1.0) and kernel.clamp_noised
    with pytest.raises(UsageError, match="clamp_noised"):
        ChainConfig(clamp_noised=True, clamp=True)


def test_falling_steps_keep_the_temperature() -> None:
    chain = ChainConfig(steps=4, step_size=0.2, noise=0.3, decay=0.5)
    moves = [langevin(chain, -1.0, 1.0).at(k) for k in range(4)]
    assert [m.step_size for m in moves] == pytest.approx([0.2 * (1 + k) ** -0.5 for k in range(4)])
    assert {m.temperature for m in moves} == {chain.temperature} and chain.matched
    assert chain.mean_step_size == pytest.approx(sum(m.step_size for m in moves) / 4)
    with pytest.raises(UsageError, match=r"chain\.decay"):
        ChainConfig(decay=1.5)


def test_fading_noise_ends_where_it_should() -> None:
    kernel = langevin(ChainConfig(steps=5, step_size=2.0, noise=0.4, noise_end=0.0), -1.0, 1.0)
    sigmas = [math.sqrt(2.0 * kernel.at(k).temperature) for k in range(7)]
    assert sigmas == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0])
    assert FadingNoise(0.4, 0.2, 1, 2.0)(0) == pytest.approx(0.08)


def test_starts_follow_the_configuration() -> None:
    batch = Batch(torch.full((3, 2), 0.25), torch.tensor([0, 1, 1]))

    def start(**kw):
        return training_start(StartConfig(capacity=8, **kw), PIXELS, (2,), 2, rng())

    assert torch.equal(start(kind="data").draw(3, rng(), batch=batch).position, batch.x)
    fixed = start(kind="fixed")
    bank = {tuple(x.tolist()) for x in fixed.bank}
    assert all(tuple(x.tolist()) in bank for x in fixed.draw(3, rng(5)).position)
    assert isinstance(start(), ReplayBuffer) and start().keeps_labels
    assert not start(labels="batch").keeps_labels and start(uint8=True).stored.dtype == torch.uint8
    uniform = noise_start(StartConfig(kind="noise"), PIXELS, (2,)).draw(5000, rng()).position
    assert uniform.min() >= -1 and uniform.max() <= 1
    gauss = (
        noise_start(StartConfig(kind="noise", noise="gaussian", scale=3.0), PIXELS, (2,))
        .draw(5000, rng())
        .position
    )
    assert 2.85 < float(gauss.std()) < 3.15  # 10,000 numbers: 7 standard errors


def test_positives_are_dequantised_into_the_range_and_smoothed() -> None:
    x = torch.tensor([[-1.0, 1.0]]).repeat(4000, 1)
    y = positives(Batch(x), PixelConfig(-1.0, 1.0, dequantize=True), rng())
    # black fills [-1, -1 + 2/256), white [1 - 2/256, 1)
    assert (
        y.min() >= -1
        and y[:, 0].max() < -1 + 2 / 256
        and y[:, 1].min() >= 1 - 2 / 256 - 1e-6
        and y.max() <= 1
    )
    smoothed = positives(Batch(x), PixelConfig(-1.0, 1.0, noise=0.1), rng())
    assert float((smoothed - x).std()) == pytest.approx(0.1, rel=0.05)
    assert torch.equal(positives(Batch(x), PIXELS, rng()), x)


def test_labels_of_an_unconditional_model_are_refused() -> None:
    assert draw_labels(3, None, 0, rng()) is None
    assert draw_labels(300, None, 4, rng()).unique().tolist() == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="no labels"):
        draw_labels(3, torch.zeros(3), 0, rng())


def test_label_energies_keep_their_columns() -> None:
    found = label_energies(lambda x, y: x.sum(1) + 10 * y, torch.tensor([[1.0], [2.0]]), 3)
    assert found.tolist() == [[1.0, 11.0, 21.0], [2.0, 12.0, 22.0]]


def blown(x: torch.Tensor) -> torch.Tensor:
    """Finite at the right, beyond all bounds within a few steps at the left."""
    return torch.where(x[:, 0] < 0, -1e30, 0.1) * x.square().sum(1)


@pytest.mark.parametrize("share", ["some", "all"])
def test_non_finite_chains_are_drawn_anew_counted_and_never_stored(share: str) -> None:
    buffer = ReplayBuffer(noise_start(StartConfig(), PIXELS, (2,)), 32, rng(), reinit=0.0)
    before = buffer.stored.clone()
    ticket = buffer.draw(16, rng(1))
    if share == "all":
        ticket.position[:, 0] = -0.5
    left = ticket.position[:, 0] < 0
    neg = negatives(carrying(nn.Identity()), blown, Langevin(0.5, 1e-6), ticket, 4, rng(2), buffer.fresh)
    assert torch.equal(neg.bad, left)
    assert torch.isfinite(neg.x).all() and neg.x.abs().max() <= 1
    assert torch.equal(neg.x[~left], neg.chain.position[~left])
    buffer.write(ticket, neg.chain.position)
    assert torch.isfinite(buffer.stored).all() and int(buffer.rejected) == int(left.sum())
    assert torch.equal(buffer.stored[ticket.slots[left]], before[ticket.slots[left]])
    metrics = chain_metrics(neg)
    assert float(metrics["redrawn"]) == float(metrics["divergent"]) == float(left.float().mean())
    assert all(math.isfinite(float(v)) for v in metrics.values())
    assert ("drift" in metrics) == (share == "some")
    latent = chain_metrics(neg, latent=True)
    length = math.sqrt(neg.x[0].numel())
    assert "drift" not in latent and ("drift_z" in latent) == ("drift" in metrics)
    if "drift" in metrics:
        assert float(latent["drift_z"]) == pytest.approx(float(metrics["drift"]) / length)
    assert latent.keys() - {"drift_z"} == metrics.keys() - {"drift"}


def test_clamped_chains_that_blow_up_count_as_divergent() -> None:
    """A clamp turns infinity into the border, so their ends look finite."""
    buffer = ReplayBuffer(noise_start(StartConfig(), PIXELS, (2,)), 32, rng())
    kernel = langevin(ChainConfig(4, 1e12, 1e-3, clamp=True), -1.0, 1.0)
    ticket = buffer.draw(16, rng(1))
    left = ticket.position[:, 0] < 0
    neg = negatives(carrying(nn.Identity()), blown, kernel, ticket, 1, rng(2), buffer.fresh)
    metrics = chain_metrics(neg)
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
    buffer = ReplayBuffer(noise_start(StartConfig(), PIXELS, (2,)), 8, rng())
    neg = negatives(carrying(net), net, Langevin(0.1, 1e-3), buffer.draw(4, rng()), 5, rng(), buffer.fresh)
    assert torch.equal(net.layer.matrix.v, before) and net.calls == 0
    assert all(p.grad is None for p in net.parameters())
    energies_of_both(net, torch.zeros(4, 2), neg.x)
    assert net.calls == 1 and not torch.equal(net.layer.matrix.v, before)


def test_pairing_keeps_order_and_labels() -> None:
    def energy(x, y=None):
        return x[:, 0] if y is None else x[:, 0] + 100 * y

    pos, neg = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [4.0], [5.0]])
    assert [e.tolist() for e in energies_of_both(energy, pos, neg)] == [[1, 2], [3, 4, 5]]
    y = torch.tensor([0, 1]), torch.tensor([1, 0, 1])
    assert [e.tolist() for e in energies_of_both(energy, pos, neg, *y)] == [[1, 102], [103, 4, 105]]


def test_descending_the_loss_lowers_the_energy_of_data() -> None:
    """The sign convention, through the whole phase: data low, negatives high."""
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    buffer = ReplayBuffer(noise_start(StartConfig(), PIXELS, (1,)), 8, rng())
    neg = negatives(
        carrying(net),
        lambda x: net(x)[:, 0],
        Langevin(0.1, 1e-3),
        buffer.draw(4, rng()),
        1,
        rng(),
        buffer.fresh,
    )
    e_pos, e_neg = energies_of_both(lambda x: net(x)[:, 0], torch.ones(4, 1), -torch.ones(4, 1))
    loss = contrastive_loss(e_pos, e_neg, LossConfig(energy_l2=0.5), neg)
    loss.value.backward()
    assert net.weight.grad.item() == pytest.approx(2.0)  # so a descent step makes E(1) < E(-1)
    assert {"energy_gap", "energy_l2", "drift", "redrawn"} <= set(loss.metrics)
