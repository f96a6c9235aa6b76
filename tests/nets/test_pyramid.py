"""Networks of growing sizes: what is shared, and what fading does."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.models.cfebm.config import CFEBMConfig
from gibbsian.nets.pyramid import DownBlock, inherit, maps, pyramid
from gibbsian.nets.settings import ConvConfig, MLPConfig

SMALL = MLPConfig(hidden=(16, 8), activation="swish")
FAMILIES = {
    "dense": CFEBMConfig(family="dense", net=SMALL),
    "dense-conv": CFEBMConfig(family="dense", net=ConvConfig(channels=(4, 8))),
    "conv": CFEBMConfig(family="conv", width=2),
}
each_family = pytest.mark.parametrize("family", FAMILIES)


def make(family: str, sizes=((4, 4), (8, 8), (16, 16)), channels: int = 2):
    with seeded_init(generator(0)):
        return pyramid(FAMILIES[family], channels, sizes)


def images(side: int, n: int = 5, channels: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.rand(n, channels, side, side, generator=generator(seed)) * 2 - 1


@each_family
def test_unfaded_is_the_old_network_on_pooled_images_bit_for_bit(family):
    stages = make(family).eval()
    for side, below, above in ((8, stages[0], stages[1]), (16, stages[1], stages[2])):
        x = images(side)
        assert torch.equal(above(x, torch.tensor(0.0)), below(F.avg_pool2d(x, 2)))


@each_family
def test_fully_faded_is_the_new_path_alone(family):
    stages = make(family).eval()
    x = images(16)
    plain, whole = stages[2](x), stages[2](x, torch.tensor(1.0))
    with torch.no_grad():
        for p in stages[2].old.parameters():
            p.fill_(torch.pi)
    assert torch.equal(stages[2](x), plain) and torch.allclose(whole, plain, atol=1e-6)
    assert not torch.allclose(stages[2](x, torch.tensor(0.5)), plain)


def test_dense_energies_are_blended_in_proportion():
    stages = make("dense").eval()
    x, a = images(8), 0.3
    wanted = (1 - a) * stages[0](F.avg_pool2d(x, 2)) + a * stages[1].entry(x)
    assert torch.allclose(stages[1](x, torch.tensor(a)), wanted, atol=1e-6)


@each_family
def test_weights_are_inherited_by_all_stages_above(family):
    stages = make(family)
    with torch.no_grad():
        for p in stages[0].parameters():
            p.add_(torch.randn(p.shape, generator=generator(2)))
    own = [p.clone() for p in (*stages[1].entry.parameters(), *stages[1].front.parameters())]
    stages.train()
    stages[0](images(4))  # moves the vectors of spectral norms, which belong to the weights
    inherit(stages)
    stages.eval()
    x = images(16)
    pooled = F.avg_pool2d(x, 2)
    assert torch.equal(stages[1](pooled, torch.tensor(0.0)), stages[0](F.avg_pool2d(pooled, 2)))
    assert torch.equal(stages[2](x, torch.tensor(0.0)), stages[1](pooled))
    assert all(
        torch.equal(a, b)
        for a, b in zip(own, (*stages[1].entry.parameters(), *stages[1].front.parameters()), strict=True)
    )


@each_family
def test_every_parameter_has_a_gradient_half_way(family):
    for stage, side in zip(make(family), (4, 8, 16), strict=True):
        stage(images(side), torch.tensor(0.5)).sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in stage.parameters())


@pytest.mark.parametrize("sizes", [((7, 7), (14, 14), (28, 28)), ((3, 5), (6, 10)), ((1, 1), (2, 2))])
def test_odd_and_oblong_sizes(sizes):
    for stage, (height, width) in zip(make("conv", sizes, 1), sizes, strict=True):
        assert stage(torch.zeros(2, 1, height, width), torch.tensor(0.5)).shape == (2,)


def test_the_papers_maps():
    assert [maps(48, (n, n)) for n in (4, 8, 16, 32, 64, 128, 256, 512)] == [192] * 3 + [96, 48, 24, 12, 6]
    assert maps(32, (28, 28)) == 64 and maps(1, (512, 512)) == 1


def test_a_block_by_hand():
    with seeded_init(generator(0)):
        block = DownBlock(3, 4, torch.nn.SiLU()).eval()
    h = images(6, channels=3)
    inner = F.silu(F.avg_pool2d(block.conv2(F.silu(block.conv1(h))), 2))
    wanted = (F.avg_pool2d(block.skip(h), 2) + inner) / 2**0.5
    assert torch.allclose(block(h), wanted, atol=1e-6)


def test_images_of_another_size_are_refused():
    with pytest.raises(UsageError, match="8, 8"):
        make("conv")[1](images(16))
