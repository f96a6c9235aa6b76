"""Several outputs from the families of `build`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.families import AnyNet, CustomNetConfig
from gibbsian.nets.settings import ConvConfig, MLPConfig, ResidualConfig
from gibbsian.nets.vector import build_vector

IMAGE = (1, 8, 8)
FAMILIES = {
    "mlp": (MLPConfig(hidden=(8, 8)), (2,)),
    "mlp_spectral": (MLPConfig(hidden=(8, 8), spectral_norm=True), IMAGE),
    "conv": (ConvConfig(channels=(4, 6)), IMAGE),
    "conv_flatten": (ConvConfig(channels=(4, 6), pool="flatten", head_hidden=(5,)), IMAGE),
    "igebm": (ResidualConfig(channels=(4, 6), strides=(1, 2)), IMAGE),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_makes_a_vector_and_wastes_no_parameter(family: str) -> None:
    config, shape = FAMILIES[family]
    with seeded_init(generator(0)):
        net = build_vector(config, shape, 6)
    out = net(torch.randn(5, *shape, generator=generator(1)))
    assert out.shape == (5, 6) and len(out.unique()) > 6
    out.square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_do_not_depend_on_one_another(family: str) -> None:
    config, shape = FAMILIES[family]
    with seeded_init(generator(0)):
        net = build_vector(config, shape, 3).double().eval()
    x = torch.randn(4, *shape, generator=generator(1), dtype=torch.float64)
    torch.testing.assert_close(net(x)[1:2], net(x[1:2]))


def test_other_positions_are_refused() -> None:
    net = build_vector(FAMILIES["mlp"][0], (2,), 4)
    with pytest.raises(UsageError, match="built for"):
        net(torch.zeros(3, 5))


def test_labels_and_single_outputs_are_refused() -> None:
    with pytest.raises(UsageError, match="takes no labels"):
        build_vector(MLPConfig(classes=3), (2,), 4)
    with pytest.raises(UsageError, match="at least 2"):
        build_vector(MLPConfig(), (2,), 1)


class Own(nn.Module):
    """A network of one's own, with logits."""

    def __init__(self, event_shape: tuple[int, ...], config: AnyNet) -> None:
        super().__init__()
        self.layer = nn.Linear(event_shape[0], config.classes)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class Wide(Own):
    """One whose outputs are not those asked for."""

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return super().logits(x)[:, :2]


class Bare(nn.Module):
    """One that has an energy alone."""

    def __init__(self, event_shape: tuple[int, ...], config: AnyNet) -> None:
        super().__init__()
        self.layer = nn.Linear(event_shape[0], 1)


def test_networks_of_your_own(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "own_vectors", sys.modules[__name__])
    net = build_vector(CustomNetConfig(name="own_vectors:Own"), (2,), 4)
    assert net(torch.zeros(3, 2)).shape == (3, 4)
    with pytest.raises(UsageError, match="Bare cannot be called"):
        build_vector(CustomNetConfig(name="own_vectors:Bare"), (2,), 4)
    with pytest.raises(UsageError, match=r"logits of shape \(3, 2\).*\(3, 4\) are needed"):
        build_vector(CustomNetConfig(name="own_vectors:Wide"), (2,), 4)(torch.zeros(3, 2))
