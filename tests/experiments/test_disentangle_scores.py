"""Disentanglement: codes that are the factors, codes that tell nothing, codes that mix all."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from sklearn.metrics import mutual_info_score

from experiments.disentangle.scores import dci, factor_score, mig, mutual_information, unevenness, vote_score
from gibbsian.core.errors import UsageError

SIZES = (4, 5, 8)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grid(sizes: tuple[int, ...] = SIZES, copies: int = 10) -> torch.Tensor:
    """All combinations of the factors, each `copies` times, (N, F)."""
    return torch.cartesian_prod(*map(torch.arange, sizes)).repeat(copies, 1)


def noise(n: int, d: int = 3) -> torch.Tensor:
    return torch.randn(n, d, generator=rng(7), dtype=torch.float64)


def mixed(factors: torch.Tensor) -> torch.Tensor:
    """Every latent an even mixture of all factors: an orthogonal matrix of entries +-1/2 for 4 factors."""
    signs = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]).double() / 2
    centred = factors.double() - factors.double().mean(0)
    return centred @ signs


def test_information_is_scikit_learns():
    factors, z = grid(copies=3), noise(480) + grid(copies=3).double() * torch.tensor([1.0, 0.1, 3.0])
    found = mutual_information(z, factors, bins=20)
    for i, column in enumerate(z.T):
        width = (column.max() - column.min()) / 20
        cells = ((column - column.min()) / width).floor().clamp(max=19).long()
        for j, values in enumerate(factors.T):
            assert float(found[i, j]) == pytest.approx(mutual_info_score(cells, values), abs=1e-9)


def test_the_factors_themselves_score_one():
    """In any order, of any sign and scale, with a latent of noise beside."""
    factors = grid()
    z = torch.cat([-3.0 * factors[:, [2, 0, 1]].double(), noise(len(factors), 1)], 1)
    assert mig(z[:, :3], factors) == pytest.approx(1, abs=1e-9)
    assert mig(z, factors) > 0.97
    assert factor_score(z, factors, rng()) == 1
    scores = dci(z, factors, rng())
    assert scores.disentanglement > 0.98 and scores.completeness > 0.98 and scores.informativeness > 0.99


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_the_gap_is_to_the_second_largest(order):
    """A factor of 4 values, a latent that is it, one that tells its halves, one constant: (log 4 - log 2) /
    log 4."""
    v = torch.arange(4).repeat(25)
    z = torch.stack([v, v // 2, 0 * v], 1)[:, order].double()
    assert mig(z, v[:, None]) == pytest.approx(0.5)
    assert mig(z[:, [order.index(0), order.index(1)]], v[:, None]) == pytest.approx(0.5)


def test_noise_scores_nothing():
    """Factor score: 800 checks of a vote at chance 1/3 have deviation 0.017 (z < 5)."""
    factors = grid(copies=20)
    z = noise(len(factors))
    assert 0 <= mig(z, factors) < 0.03
    assert factor_score(z, factors, rng()) == pytest.approx(1 / 3, abs=0.085)
    scores = dci(z[:800], factors[:800], rng())
    assert abs(scores.disentanglement) < 0.1 and abs(scores.completeness) < 0.1
    assert scores.informativeness < 0.3


def test_a_rotation_keeps_the_information_and_loses_the_rest():
    """Four equal factors seen through an even mixture: no latent is nearer to one factor than to another."""
    factors = grid((5, 5, 5, 5), 4)
    z = mixed(factors)
    assert mig(z, factors) < 0.02
    assert factor_score(z, factors, rng()) < 0.45
    scores = dci(z[:1250], factors[:1250], rng())
    assert scores.disentanglement < 0.2 and scores.completeness < 0.2 and scores.informativeness > 0.6


def test_one_latent_for_all_is_complete_but_not_disentangled():
    factors = grid((4, 5))
    z = torch.stack([factors[:, 0] * 5.0 + factors[:, 1], torch.zeros(len(factors))], 1)
    scores = dci(z, factors, rng())
    assert scores.completeness == pytest.approx(1) and scores.disentanglement < 0.1


def test_more_values_than_bins_bound_the_gap():
    factors = grid((40, 2))
    z = factors.double()
    assert mig(z[:, :1], factors[:, :1]) == pytest.approx(math.log(20) / math.log(40))


def test_constant_latents_are_left_out_of_the_vote():
    factors = grid()
    z = torch.cat([torch.ones(len(factors), 1).double(), factors.double()], 1)
    assert factor_score(z, factors, rng()) == 1
    with pytest.raises(UsageError, match="every latent is constant"):
        factor_score(torch.ones(len(factors), 2), factors, rng())


def test_votes_from_a_simulator_agree_with_votes_from_arrays():
    """Noise of different size on each factor; both are means of 1,000 checks (deviation of a difference below
    0.022, z < 5)."""
    size, scale = 10, torch.tensor([0.3, 3.0, 6.0], dtype=torch.float64)

    def code(factors: torch.Tensor, g: torch.Generator) -> torch.Tensor:
        return factors.double() + scale * torch.randn(factors.shape, generator=g, dtype=torch.float64)

    def draw(factor: int, g: torch.Generator) -> torch.Tensor:
        factors = torch.randint(size, (16, 3), generator=g)
        factors[:, factor] = torch.randint(size, (), generator=g)
        return code(factors, g)

    factors = torch.randint(size, (40_000, 3), generator=rng(1))
    z = code(factors, rng(2))
    one = factor_score(z, factors, rng(3), rows=16, votes=1000, checks=1000)
    two = vote_score(draw, 3, z.std(0), rng(4), votes=1000, checks=1000)
    assert 0.4 < one < 0.9 and abs(one - two) < 0.11


def test_unevenness_weighs_rows():
    assert unevenness(torch.eye(3).double()) == 1 and unevenness(torch.ones(3, 4).double()) == pytest.approx(
        0
    )
    rows = torch.tensor([[3.0, 0.0], [0.5, 0.5], [0.0, 0.0]], dtype=torch.float64)
    assert unevenness(rows) == pytest.approx(0.75)


def test_the_same_seed_gives_the_same_scores():
    factors = grid((3, 3), 40)
    z = factors.double() + noise(len(factors), 2)
    assert dci(z[:150], factors[:150], rng()) == dci(z[:150], factors[:150], rng())
    assert factor_score(z, factors, rng(), rows=8) == factor_score(z, factors, rng(), rows=8)
    boosted = dci(z[:150], factors[:150], rng(), model="boosting")
    assert 0 < boosted.disentanglement < 1 and boosted.informativeness > 0.4


def test_what_cannot_be_scored_is_refused(monkeypatch):
    factors = grid((3, 3))
    z = factors.double()
    for bad in (factors[:5], factors.float(), factors - 1, factors[:, 0]):
        with pytest.raises(UsageError, match="whole numbers"):
            mig(z, bad)
    with pytest.raises(UsageError, match="factor 1 has one value only"):
        mig(z, factors * torch.tensor([1, 0]))
    with pytest.raises(UsageError, match="no value of factor 0 has 64 rows"):
        factor_score(z, factors, rng())
    with pytest.raises(UsageError, match="2 latents and 2 factors"):
        dci(z[:, :1], factors, rng())
    with pytest.raises(UsageError, match="did you mean 'forest'"):
        dci(z, factors, rng(), model="forst")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UsageError, match=r"DCI needs scikit-learn: pip install 'gibbsian\[tables\]'"):
        dci(z, factors, rng())
