"""Which of an image and its damaged self an energy prefers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from experiments.ranking import DAMAGES, ranked
from gibbsian.core.random import generator
from gibbsian.core.spec import DataSpec
from gibbsian.models.net_energy import NetEnergy


class Sum(nn.Module):
    """E(x) = sign times the sum of all values."""

    def __init__(self, sign):
        super().__init__()
        self.sign = sign

    def forward(self, x):
        return self.sign * x.flatten(1).sum(1)


def images(n=40):
    return 0.3 + 0.4 * torch.rand(n, 1, 8, 8, generator=generator(1))


@pytest.mark.parametrize(("sign", "share"), [(-1.0, 1.0), (1.0, 0.0)])
def test_black_pixels_lower_a_sum(sign, share) -> None:
    found = ranked(NetEnergy(Sum(sign), DataSpec((1, 8, 8), -1.0, 1.0)), images())
    assert found["5 % dropped"].estimate == pytest.approx(share, abs=0.1)
    assert list(found) == list(DAMAGES)


def test_damages() -> None:
    x = images()
    assert torch.equal(DAMAGES["shift by a pixel"](x, generator(0))[..., 1:], x[..., :-1])
    flat = torch.full((2, 3, 8, 8), 0.5)
    torch.testing.assert_close(DAMAGES["blur"](flat, generator(0)), flat)
    assert float(DAMAGES["blur"](x, generator(0)).var()) < 0.3 * float(x.var())
    assert float((DAMAGES["noise .1"](x, generator(0)) - x).std()) == pytest.approx(0.1, rel=0.05)
    gone = DAMAGES["5 % dropped"](torch.ones(50, 1, 28, 28), generator(0)) == 0
    assert float(gone.float().mean()) == pytest.approx(0.05, abs=0.005)
