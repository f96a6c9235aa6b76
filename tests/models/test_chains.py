"""Parts of a chain from its settings: kernels, where chains begin, smoothed data, labels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gibbsian.core.errors import UsageError
from gibbsian.core.records import Batch
from gibbsian.core.spec import DataSpec
from gibbsian.data.settings import PixelConfig
from gibbsian.mcmc.langevin import Langevin
from gibbsian.mcmc.settings import ChainConfig, FadingNoise
from gibbsian.models.chains import init_noise, langevin
from gibbsian.models.data_noise import noised_data
from gibbsian.models.igebm.config import IGEBMConfig
from gibbsian.models.joint_energy import JointEnergy
from gibbsian.models.labels import draw_labels
from gibbsian.models.net_energy import NetEnergy
from gibbsian.models.training_start import training_start
from gibbsian.starts.replay import ReplayBuffer
from gibbsian.starts.settings import StartConfig
from gibbsian.train.recipes import presets

PIXELS, SPEC = PixelConfig(-1.0, 1.0), DataSpec((2,), -1.0, 1.0, 2)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_kernel_is_the_papers() -> None:
    paper = langevin(
        ChainConfig(60, 20.0, 0.005, noise_first=True, clip=0.01, clamp=True), DataSpec((2,), 0.0, 1.0)
    )
    assert (paper.step_size, paper.clip_value, paper.clamp, paper.noise_first) == (
        20.0,
        0.01,
        (0.0, 1.0),
        True,
    )
    assert math.sqrt(paper.step_size * paper.temperature) == pytest.approx(0.005)
    by_norm = langevin(ChainConfig(clip=0.5, clip_by="norm"), DataSpec((2,), 0.0, 1.0))
    assert (by_norm.clip_value, by_norm.clip_norm) == (None, 0.5)
    assert langevin(ChainConfig(60, 2.0, 0.01), DataSpec((2,), 0.0, 1.0)) == Langevin(
        step_size=2.0, temperature=5e-5
    )


@pytest.mark.parametrize("chain", [
    ChainConfig(), ChainConfig(clip=0.1), ChainConfig(clamp=True), ChainConfig(noise_first=True),
    ChainConfig(noise=0.0), ChainConfig(noise_end=0.0), ChainConfig(noise_end=ChainConfig().noise),
])  # fmt: skip
def test_settings_and_kernel_agree_on_the_density(chain: ChainConfig) -> None:
    assert langevin(chain, SPEC).samples_density == chain.samples_density


def test_chains_that_begin_at_noise_each_time_sample_no_density() -> None:
    plain = ChainConfig(20, 0.1, 0.3)
    kinds = ("persistent", "data", "noise", "fixed")
    told = [IGEBMConfig(chain=plain, start=StartConfig(kind=k)).claims_density for k in kinds]
    assert told == [True, True, False, False]
    assert not IGEBMConfig(chain=ChainConfig(clamp=True)).claims_density


def test_the_uva_chain_clamps_the_noised_point_too() -> None:
    kernel = langevin(presets("igebm")["uva-mnist"].model.chain, SPEC)
    assert kernel.noise_first and kernel.clamp == (-1.0, 1.0) and kernel.clamp_noised
    with pytest.raises(UsageError, match="clamp_noised"):
        ChainConfig(clamp_noised=True, clamp=True)


def test_falling_steps_keep_the_temperature() -> None:
    chain = ChainConfig(steps=4, step_size=0.2, noise=0.3, decay=0.5)
    moves = [langevin(chain, SPEC).at(k) for k in range(4)]
    assert [m.step_size for m in moves] == pytest.approx([0.2 * (1 + k) ** -0.5 for k in range(4)])
    assert {m.temperature for m in moves} == {chain.temperature} and chain.samples_density
    assert chain.mean_step_size == pytest.approx(sum(m.step_size for m in moves) / 4)
    with pytest.raises(UsageError, match=r"chain\.decay"):
        ChainConfig(decay=1.5)


def test_fading_noise_ends_where_it_should() -> None:
    kernel = langevin(ChainConfig(steps=5, step_size=2.0, noise=0.4, noise_end=0.0), SPEC)
    sigmas = [math.sqrt(2.0 * kernel.at(k).temperature) for k in range(7)]
    assert sigmas == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0])
    assert FadingNoise(0.4, 0.2, 1, 2.0)(0) == pytest.approx(0.08)


def test_starts_follow_the_configuration() -> None:
    batch = Batch(torch.full((3, 2), 0.25), torch.tensor([0, 1, 1]))

    def start(**kw):
        return training_start(StartConfig(capacity=8, **kw), SPEC, PIXELS.noise, rng())

    assert torch.equal(start(kind="data").draw(3, rng(), batch=batch).position, batch.x)
    fixed = start(kind="fixed")
    bank = {tuple(x.tolist()) for x in fixed.bank}
    assert all(tuple(x.tolist()) in bank for x in fixed.draw(3, rng(5)).position)
    assert isinstance(start(), ReplayBuffer) and start().keeps_labels
    assert not start(labels="batch").keeps_labels and start(uint8=True).stored.dtype == torch.uint8
    uniform = init_noise(StartConfig(kind="noise"), SPEC).draw(5000, rng()).position
    assert uniform.min() >= -1 and uniform.max() <= 1
    gaussian = StartConfig(kind="noise", noise="gaussian", scale=3.0)
    gauss = init_noise(gaussian, SPEC).draw(5000, rng()).position
    assert 2.85 < float(gauss.std()) < 3.15  # 10,000 numbers: 7 standard errors


def test_data_are_dequantised_into_the_range_and_smoothed() -> None:
    x = torch.tensor([[-1.0, 1.0]]).repeat(4000, 1)
    y = noised_data(Batch(x), PixelConfig(-1.0, 1.0, dequantize=True), rng())
    # black fills [-1, -1 + 2/256), white [1 - 2/256, 1)
    assert (
        y.min() >= -1
        and y[:, 0].max() < -1 + 2 / 256
        and y[:, 1].min() >= 1 - 2 / 256 - 1e-6
        and y.max() <= 1
    )
    smoothed = noised_data(Batch(x), PixelConfig(-1.0, 1.0, noise=0.1), rng())
    assert float((smoothed - x).std()) == pytest.approx(0.1, rel=0.05)
    assert torch.equal(noised_data(Batch(x), PIXELS, rng()), x)


class Sums(nn.Module):
    """E(x, y) = sum x + 10 y, or E(x) = sum x; logits are their negatives."""

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return x.sum(1) if y is None else x.sum(1) + 10 * y

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return -x.sum(1, keepdim=True) - 10 * torch.arange(self.classes)


def test_labels_are_drawn_for_conditional_models_and_refused_by_others() -> None:
    plain, conditional = (NetEnergy(Sums(c), DataSpec((1,), -1.0, 1.0, c)) for c in (0, 4))
    assert draw_labels(plain, 3, None, rng()) is None
    assert draw_labels(conditional, 300, None, rng()).unique().tolist() == [0, 1, 2, 3]
    assert draw_labels(conditional, 2, torch.tensor([3, 3]), rng()).tolist() == [3, 3]
    assert draw_labels(JointEnergy(Sums(4), conditional.spec), 3, None, rng()) is None  # its marginal
    with pytest.raises(UsageError, match="no labels"):
        draw_labels(plain, 3, torch.zeros(3), rng())


@pytest.mark.parametrize("head", [False, True])
def test_class_energies_keep_their_columns(head: bool) -> None:
    model = NetEnergy(Sums(3), DataSpec((1,), -1.0, 1.0, 3), logits_head=head)
    found = model.class_energies(torch.tensor([[1.0], [2.0]]))
    assert found.tolist() == [[1.0, 11.0, 21.0], [2.0, 12.0, 22.0]]
    assert model.logits(torch.tensor([[1.0]])).tolist() == [[-1.0, -11.0, -21.0]]
