"""Spectral normalisation: still in chains, exact in the limit, kind to small kernels."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gibbsian.core.random import generator, seeded_init
from gibbsian.nets.spectral import SpectralConv2d, SpectralLinear, SpectralWeight, cached_weights


def seeded(make, seed=0):
    with seeded_init(generator(seed)):
        return make()


def weight(**options):
    return seeded(lambda: SpectralWeight(torch.randn(6, 4, 3, 3, dtype=torch.float64), **options)).double()


def test_sigma_converges_to_the_largest_singular_value():
    w = weight()
    for _ in range(500):
        w()
    exact = torch.linalg.matrix_norm(w.weight.detach().flatten(1), 2)
    torch.testing.assert_close(w.sigma().detach(), exact, rtol=1e-10, atol=0)
    torch.testing.assert_close(torch.linalg.matrix_norm(w().detach().flatten(1), 2), torch.ones_like(exact))


def test_eval_moves_nothing_and_training_advances_once_per_forward():
    layer = seeded(lambda: SpectralConv2d(3, 5, 3, padding=1))
    x = torch.ones(2, 3, 4, 4)
    before = layer.kernel.u.clone()
    layer.eval()
    first, second = layer(x), layer(x)
    assert torch.equal(first, second) and torch.equal(layer.kernel.u, before)
    layer.train()
    layer(x)
    once = layer.kernel.u.clone()
    assert not torch.equal(once, before)
    layer.kernel.u.copy_(before)
    layer.kernel.advance()
    torch.testing.assert_close(layer.kernel.u, once)


def test_gradient_and_value_agree_with_torch():
    w = weight().eval()
    theirs = nn.Conv2d(4, 6, 3, bias=False).double()
    theirs.weight.data.copy_(w.weight)
    theirs = spectral_norm(theirs).eval()
    theirs.parametrizations.weight[0]._u.copy_(w.u)
    theirs.parametrizations.weight[0]._v.copy_(w.v)
    probe = torch.randn(6, 4, 3, 3, dtype=torch.float64, generator=generator(1))
    (w() * probe).sum().backward()
    (theirs.weight * probe).sum().backward()
    torch.testing.assert_close(w(), theirs.weight)
    torch.testing.assert_close(w.weight.grad, theirs.parametrizations.weight.original.grad)


def test_backward_through_two_training_forwards():
    layer = seeded(lambda: SpectralLinear(4, 3))
    (layer(torch.ones(2, 4)).sum() - layer(torch.zeros(2, 4)).sum()).backward()
    assert torch.isfinite(layer.matrix.weight.grad).all()


@pytest.mark.parametrize(("scale", "norm"), [(1e-10, None), (0.5, None), (7.0, 1.0)])
def test_lower_bound_shrinks_but_never_grows(scale, norm):
    w = weight(lower_bound=True)
    w.weight.data *= scale / torch.linalg.matrix_norm(w.weight.data.flatten(1), 2)
    for _ in range(300):
        w()
    result = torch.linalg.matrix_norm(w().detach().flatten(1), 2).item()
    assert result == pytest.approx(norm or scale, rel=1e-6)


def test_plain_norm_blows_up_a_tiny_kernel():
    w = weight()
    w.weight.data *= 1e-10
    assert torch.linalg.matrix_norm(w().detach().flatten(1), 2).item() == pytest.approx(1, rel=0.2)


def test_zero_weight_stays_finite_and_recovers():
    w = weight(lower_bound=True)
    kept = w.weight.data.clone()
    w.weight.data.zero_()
    assert torch.equal(w().detach(), torch.zeros_like(kept))
    w.weight.data.copy_(kept)
    for _ in range(300):
        w()
    exact = torch.linalg.matrix_norm(kept.flatten(1), 2)
    torch.testing.assert_close(w.sigma().detach(), exact, rtol=1e-6, atol=0)


def test_cached_weights_compute_once_nest_and_restore(monkeypatch):
    net = seeded(lambda: nn.Sequential(SpectralLinear(4, 4), nn.SiLU(), SpectralLinear(4, 1)))
    calls = []
    inner = SpectralWeight.normalised
    monkeypatch.setattr(SpectralWeight, "normalised", lambda self: calls.append(1) or inner(self))
    x, u = torch.ones(3, 4), net[0].matrix.u.clone()
    with cached_weights(net.modules()):
        with cached_weights(net.modules()):
            inside = [net(x) for _ in range(5)]
        inside.append(net(x))
    assert len(calls) == 2 and torch.equal(net[0].matrix.u, u)
    assert all(torch.equal(inside[0], other) for other in inside)
    assert net[0].matrix().requires_grad
    with pytest.raises(RuntimeError, match="boom"), cached_weights(net.modules()):
        raise RuntimeError("boom")
    assert net[0].matrix() is not net[0].matrix()


def test_weights_stay_float32_under_autocast():
    layer = seeded(lambda: SpectralLinear(8, 8)).eval()
    plain = layer.matrix()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.matrix(), plain)
        with cached_weights(layer.modules()):
            assert torch.equal(layer.matrix(), plain) and layer(torch.ones(1, 8)).dtype == torch.bfloat16
