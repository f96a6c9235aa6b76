"""Positions: one tensor or a flat tuple, through the same functions."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core import position as P

ONE = torch.arange(12.0).reshape(3, 4) - 5
PAIR = (ONE, torch.arange(6.0).reshape(3, 1, 2) - 2)


@pytest.mark.parametrize("x", [ONE, PAIR], ids=["tensor", "tuple"])
def test_structure_survives(x) -> None:
    for y in (
        P.tree_map(lambda a: a + 0, x),
        P.where(torch.tensor([True] * 3), x, x),
        P.detach(x),
        P.cat([P.rows(x, slice(0, 1)), P.rows(x, slice(1, 3))]),
    ):
        assert type(y) is type(x)
        assert all(torch.equal(a, b) for a, b in zip(P.leaves(x), P.leaves(y), strict=True))
    assert P.batch_size(x) == 3


def test_inner_products_run_over_everything_but_the_chain() -> None:
    wanted = ONE.square().sum(1) + PAIR[1].square().sum((1, 2))
    torch.testing.assert_close(P.dot(PAIR, PAIR), wanted)
    torch.testing.assert_close(P.norm(PAIR), wanted.sqrt())
    torch.testing.assert_close(P.dot(ONE, 2 * ONE), 2 * ONE.square().sum(1))
    torch.testing.assert_close(P.norm(ONE), ONE.norm(dim=1))


def test_where_chooses_whole_chains() -> None:
    mask = torch.tensor([True, False, True])
    z, e = P.where(mask, PAIR, P.tree_map(torch.zeros_like, PAIR))
    assert torch.equal(z[1], torch.zeros(4)) and torch.equal(e[1], torch.zeros(1, 2))
    assert torch.equal(z[mask], PAIR[0][mask]) and torch.equal(e[mask], PAIR[1][mask])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_finite_looks_at_every_coordinate(bad) -> None:
    x = (PAIR[0].clone(), PAIR[1].clone())
    assert P.finite(x).all()
    x[1][2, 0, 1] = bad
    assert P.finite(x).tolist() == [True, True, False]
    x[0][0, 0] = bad
    assert P.finite(x).tolist() == [False, True, False]
    big = torch.full((2, 1000), torch.finfo(torch.float32).max)
    assert P.finite(big).all(), "large finite numbers must not overflow the test"


def test_noise_is_the_generators() -> None:
    def draw():
        return P.randn_like(PAIR, torch.Generator().manual_seed(3))

    state = torch.get_rng_state()
    first, second = draw(), draw()
    assert all(torch.equal(a, b) and a.shape == x.shape for a, b, x in zip(first, second, PAIR, strict=True))
    assert torch.equal(state, torch.get_rng_state())
    assert P.randn_like(ONE.double(), torch.Generator()).dtype == torch.float64


def test_inner_products_keep_float32_under_autocast() -> None:
    x, y = torch.randn(2, 5, 3072, generator=torch.Generator().manual_seed(0)).unbind()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = P.dot(x, y)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, P.dot(x, y))
