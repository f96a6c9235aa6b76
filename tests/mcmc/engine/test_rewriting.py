"""Each rule on a small graph: the same numbers, by the operations that it promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from gibbsian.core.random import generator
from gibbsian.mcmc.engine.rewriting import FEW, Rewrite

aten = torch.ops.aten


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=dtype)


def traced(fn: Callable[..., Tensor], *inputs: Tensor) -> GraphModule:
    return make_fx(fn, tracing_mode="fake")(*inputs)


def operations(module: GraphModule) -> list[object]:
    return [n.target for n in module.graph.nodes if n.op == "call_function"]


def rewritten(fn: Callable[..., Tensor], *inputs: Tensor) -> tuple[list[object], list[object]]:
    """Operations before and after, once the numbers are known to agree."""
    module = traced(fn, *inputs)
    before, expected = operations(module), fn(*inputs)
    Rewrite()(module.graph)
    module.graph.lint()
    module.recompile()
    found = module(*inputs)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for node in module.graph.nodes:
        if node.op == "call_function":
            assert node.meta["val"].dtype == expected.dtype
    return before, operations(module)


@pytest.mark.parametrize("inputs, outputs", [(2, 7), (8, 3)])
def test_the_bias_of_a_narrow_product_is_added_after_it(inputs, outputs):
    x, w, b = numbers(6, inputs), numbers(outputs, inputs), numbers(outputs)
    before, after = rewritten(lambda x, w, b: F.linear(x, w, b), x, w, b)
    assert aten.addmm.default in before and not {aten.addmm.default, aten.mm.default} & set(after)
    assert aten.add.Tensor in after


def test_the_bias_of_a_wide_product_stays_with_it():
    before, after = rewritten(lambda x, w, b: F.linear(x, w, b), numbers(6, 8), numbers(7, 8), numbers(7))
    assert before == after


def test_a_weight_is_laid_out_once():
    def two_steps(x, w):
        x = (x @ w.permute(1, 0)).tanh() @ w
        return (x @ w.permute(1, 0)).tanh() @ w

    _, after = rewritten(two_steps, numbers(6, 2), numbers(9, 2))
    assert after.count(aten.clone.default) == 1 and aten.mm.default not in after


def test_a_bias_with_factors_is_left_alone():
    before, after = rewritten(
        lambda b, x, w: torch.addmm(b, x, w, beta=2, alpha=3), numbers(7), numbers(6, 8), numbers(8, 7)
    )
    assert before == after == [aten.addmm.default]


@pytest.mark.parametrize("columns", range(1, FEW + 1))
def test_few_columns_are_products_and_sums(columns):
    before, after = rewritten(torch.mm, numbers(6, 9), numbers(9, columns))
    assert before == [aten.mm.default] and aten.mm.default not in after
    assert after.count(aten.sum.dim_IntList) == columns == after.count(aten.mul.Tensor)


@pytest.mark.parametrize("terms", range(1, FEW + 1))
def test_few_terms_are_a_sum_of_outer_products(terms):
    before, after = rewritten(torch.mm, numbers(6, terms), numbers(terms, 9))
    assert before == [aten.mm.default] and aten.mm.default not in after
    assert after.count(aten.mul.Tensor) == terms and aten.sum.dim_IntList not in after


def test_wide_products_stay():
    before, after = rewritten(torch.mm, numbers(6, FEW + 1), numbers(FEW + 1, FEW + 1))
    assert before == after == [aten.mm.default]


def test_products_of_whole_numbers_stay():
    whole = torch.arange(12, dtype=torch.int32).reshape(6, 2)
    _, after = rewritten(torch.mm, whole, whole.T.contiguous()[:, :3])
    assert after.count(aten.mm.default) == 1


def test_silu_and_its_derivative_share_one_sigmoid():
    def both(x: Tensor) -> Tensor:
        s = torch.sigmoid(x)
        return F.silu(x) + s * (1 + x * (1 - torch.sigmoid(x)))

    before, after = rewritten(both, numbers(6, 3))
    assert before.count(aten.sigmoid.default) == 2 and aten.silu.default in before
    assert after.count(aten.sigmoid.default) == 1 and aten.silu.default not in after


def test_sigmoids_of_other_things_stay_apart():
    _, after = rewritten(lambda x, y: x.sigmoid() + y.sigmoid(), numbers(3), numbers(3, seed=1))
    assert after.count(aten.sigmoid.default) == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_of_a_small_network(dtype):
    """All rules at once, on what a chain is made of."""
    w1, b1, w2, b2 = (numbers(*s, seed=k, dtype=dtype) for k, s in enumerate([(16, 2), (16,), (1, 16), (1,)]))

    def force(x: Tensor, *weights: Tensor) -> Tensor:
        a, b, c, d = weights

        def total(x: Tensor) -> Tensor:
            return F.linear(F.silu(F.linear(x, a, b)), c, d).sum()

        return torch.func.grad(total)(x)

    x = numbers(5, 2, seed=9, dtype=dtype)
    module = traced(force, x, w1, b1, w2, b2)
    expected = force(x, w1, b1, w2, b2)
    Rewrite()(module.graph)
    module.recompile()
    torch.testing.assert_close(module(x, w1, b1, w2, b2), expected)
    after = operations(module)
    assert aten.addmm.default not in after and aten.mm.default not in after
    assert after.count(aten.sigmoid.default) <= 1


def test_the_pass_is_known_by_its_text():
    """The compiler's cache on the disk must not serve graphs of other rules."""
    assert Rewrite().uuid() == Rewrite().uuid() is not None
