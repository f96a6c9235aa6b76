"""The ceiling repeats exactly the products that the network needs."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from benchmarks.ceilings import ATEN, Shape, ceiling, products, replay
from benchmarks.problems import chains, latent_chains, updates
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.nets.settings import ConvConfig, MLPConfig

CPU = torch.device("cpu")
NET = MLPConfig(hidden=(8,), activation="swish")
CONV = ConvConfig(channels=(4, 8), kernels=(5, 3), strides=(2,), pool="flatten", activation="swish")


def sizes(product) -> tuple:
    return tuple(a.size for a in product.args if isinstance(a, Shape))


def test_an_mlp_needs_its_layers_forward_and_back():
    found = products(chains(NET, (2,), 5, 3, 0.01, 0.1, CPU))
    one = [
        (ATEN.addmm.default, ((8,), (5, 2), (2, 8))),
        (ATEN.addmm.default, ((1,), (5, 8), (8, 1))),
        (ATEN.mm.default, ((5, 1), (1, 8))),
        (ATEN.mm.default, ((5, 8), (8, 2))),
    ]
    assert [(p.op, sizes(p)) for p in found] == one * 3


def test_a_conv_net_needs_no_gradient_of_its_weights():
    found = products(chains(CONV, (1, 12, 12), 4, 2, 0.5, 0.1, CPU))
    counts = Counter(p.op for p in found)
    assert counts[ATEN.convolution.default] == counts[ATEN.convolution_backward.default] == 2 * 2
    assert {p.args[-1] for p in found if p.op is ATEN.convolution_backward.default} == {(True, False, False)}


def test_spectral_norm_adds_no_product_to_a_step():
    plain, normed = (
        products(chains(ConvConfig(channels=(4, 8), spectral_norm=s), (1, 8, 8), 3, 2, 0.5, 0.1, CPU))
        for s in (False, True)
    )
    assert Counter(map(sizes, normed)) == Counter(map(sizes, plain))


def test_a_generator_is_in_it():
    found = products(latent_chains(CONV, (1, 28, 28), 3, 1, 0.01, CPU))
    assert sum(p.op is ATEN.convolution.default and p.args[6] for p in found) == 2  # transposed


def test_an_update_has_its_chains_and_the_gradient_of_its_weights():
    found = products(updates(NET, (2,), 4, ChainConfig(3, 0.01, 0.1), 2, CPU, capacity=16))
    shapes = Counter((p.op, sizes(p)) for p in found)
    assert shapes[ATEN.addmm.default, ((8,), (4, 2), (2, 8))] == 2 * 3  # the chains
    assert shapes[ATEN.addmm.default, ((8,), (8, 2), (2, 8))] == 2  # both phases at once
    assert shapes[ATEN.mm.default, ((8, 8), (8, 2))] == 2  # gradient of the first layer's weight


@pytest.mark.parametrize("form", ["contiguous", "channels-last"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_replay_runs_each_product_once(form, dtype):
    found = products(chains(CONV, (1, 12, 12), 4, 2, 0.5, 0.1, CPU))
    call = replay(found, CPU, dtype, form)
    with torch.profiler.profile() as profile:
        call()
    counts = Counter({e.key: e.count for e in profile.key_averages()})
    assert counts["aten::convolution"] == 4 and counts["aten::convolution_backward"] == 4
    assert counts["aten::mm"] == 2 * 2 and counts["aten::silu"] == 0


def test_the_ceiling_is_in_one_of_the_formats():
    call, form = ceiling(chains(CONV, (1, 12, 12), 4, 2, 0.5, 0.1, CPU), CPU, torch.float32, lambda: None)
    call()
    assert form in ("contiguous", "channels-last")
