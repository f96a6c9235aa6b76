"""From configuration to module."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.build import build
from gibbsian.nets.families import CustomNetConfig, family
from gibbsian.nets.settings import ConvConfig, MLPConfig, ResidualConfig, per_layer


class Own(nn.Module):
    def __init__(self, event_shape, config):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float(config.classes)))

    def forward(self, x, y=None):
        return self.scale * x.flatten(1).square().sum(1)


def test_same_seed_same_weights_and_the_global_stream_untouched():
    before = torch.get_rng_state()
    nets = []
    for seed in (0, 0, 1):
        with seeded_init(generator(seed)):
            nets.append(build(ResidualConfig(channels=(4, 8), dropout=0.5), (1, 8, 8)).state_dict())
    assert all(torch.equal(nets[0][k], nets[1][k]) for k in nets[0])
    assert not torch.equal(nets[0]["stem.kernel.weight"], nets[2]["stem.kernel.weight"])
    assert torch.equal(torch.get_rng_state(), before)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match="unknown network 'igebn': did you mean 'igebm'"):
        family("igebn")
    with pytest.raises(UsageError, match="unknown name 'igebn': choose from conv"):
        ConvConfig(name="igebn")


@pytest.mark.parametrize(
    ("config", "shape"),
    [(ConvConfig(), (2,)), (ResidualConfig(), (8, 8)), (MLPConfig(), ()), (ConvConfig(), (0, 8, 8))],
)
def test_wrong_event_shape_is_one_line(config, shape):
    with pytest.raises(UsageError) as caught:
        build(config, shape)
    assert "\n" not in str(caught.value) and str(shape) in str(caught.value)


def test_own_class_by_path(monkeypatch):
    monkeypatch.setitem(sys.modules, "own_nets", sys.modules[__name__])
    net = build(CustomNetConfig(name="own_nets:Own", classes=2), (3,))
    torch.testing.assert_close(net(torch.ones(1, 3)), torch.tensor([6.0]))
    for name in ("own_nets:Missing", "no_such_module:Own", ":Own", "own_nets:pytest"):
        with pytest.raises(UsageError, match="cannot be imported|not an nn.Module|names no class"):
            build(CustomNetConfig(name=name), (3,))


def test_short_lists_repeat_their_last_entry():
    assert per_layer("strides", (1, 2), 4) == (1, 2, 2, 2)
    with pytest.raises(UsageError, match="3 entries for 2 layers"):
        per_layer("strides", (1, 2, 2), 2)


def test_config_does_not_import_torch():
    code = "import sys, gibbsian.nets, gibbsian.noise; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
