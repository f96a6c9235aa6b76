import math

import pytest
import torch
from targets import Banana, Bounded

from experiments.grid import Grid, sample_kl
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies import Box, Gaussian, GaussianMixture, Product

P = Gaussian([0.5, -0.3], [[0.4, 0.1], [0.1, 0.2]])
Q = Gaussian([0.0, 0.2], [[0.5, 0.0], [0.0, 0.3]])


def gaussian_kl(p, q):
    inverse = q.cov.inverse()
    shift = q.mean - p.mean
    gap = float((inverse @ p.cov).trace() + shift @ inverse @ shift) - len(shift)
    return 0.5 * (gap + float(q.cov.logdet() - p.cov.logdet()))


def test_log_z_of_a_gaussian_in_single_precision():
    assert Grid().log_z(P) == pytest.approx(P.log_z, abs=1e-5)


def test_log_z_of_a_flat_box_counts_the_edges_once():
    assert Grid().log_z(Box(-4, 4)) == pytest.approx(math.log(64), abs=1e-9)


def test_density_integrates_to_one_and_indexes_the_first_coordinate_first():
    density = Grid(n=200).log_density(P).exp()
    assert float(density.sum()) * (8 / 199) ** 2 == pytest.approx(1, abs=1e-6)
    at = density.flatten().argmax()
    axis = torch.linspace(-4, 4, 200)
    assert float(axis[at // 200]) == pytest.approx(0.5, abs=0.03)
    assert float(axis[at % 200]) == pytest.approx(-0.3, abs=0.03)


def test_kl_of_gaussians_in_closed_form():
    assert Grid(n=150).kl(P, Q) == pytest.approx(gaussian_kl(P, Q), abs=1e-5)
    assert Grid(n=150).kl(Q, P) == pytest.approx(gaussian_kl(Q, P), abs=1e-5)
    assert Grid(n=150).kl(P, lambda x: P(x) + 100) == pytest.approx(0, abs=1e-6)


def test_kl_with_walls():
    walled = Product([P, Box(-4, 0.5)])
    assert Grid(n=150).kl(walled, P) > 0.5
    assert Grid(n=150).kl(P, walled) == math.inf


def test_sample_kl_of_exact_draws_is_its_bias():
    # 2N KL is chi-squared with about k = 150 to 400 degrees: mean k, deviation sqrt(2k), so for N = 20,000
    # it lies below (400 + 5 * 28) / 2N = 0.0135 but for 1 seed in a million.
    mixture = GaussianMixture([0.7, 0.3], [[-1.5, 0.0], [1.5, 1.0]], std=0.6, dtype=torch.float64)
    x = mixture.draw(20_000, generator(3))
    assert 0 < sample_kl(x, mixture) < 0.0135
    other = GaussianMixture([0.5, 0.5], [[-1.5, 0.0], [1.5, 1.0]], std=0.6)
    assert sample_kl(x, other) > 0.05


def test_mass_of_a_cell_is_the_gaussian_distribution_function():
    # Draws in one cell only: the divergence is -log of that cell's mass.
    target = Gaussian([0.5, -0.3], [[0.64, 0.0], [0.0, 0.81]], dtype=torch.float64)
    below = [0.5 * math.erfc(m / s / math.sqrt(2)) for m, s in [(0.5, 0.8), (-0.3, 0.9)]]
    kl = sample_kl(torch.full((5, 2), -0.1), target, Grid(-6, 6, dtype=torch.float64), bins=4)
    edge = [0.5 * math.erfc((m + 3) / s / math.sqrt(2)) for m, s in [(0.5, 0.8), (-0.3, 0.9)]]
    mass = (below[0] - edge[0]) * (below[1] - edge[1])
    assert kl == pytest.approx(-math.log(mass), abs=0.01)


def test_points_come_in_the_dtype_asked_for():
    seen = []
    Grid(-1, 1, 3, dtype=torch.float64).log_z(lambda x: seen.append(x.dtype) or x.sum(1))
    assert seen == [torch.float64]


def test_large_grids_are_evaluated_in_pieces():
    sizes = []
    Grid(-8, 8, 300).log_z(lambda x: sizes.append(len(x)) or Banana()(x))
    assert max(sizes) <= 40_000 and sum(sizes) == 90_000


def test_nan_and_empty_squares_are_refused():
    with pytest.raises(UsageError, match="NaN inside"):
        Grid().log_z(Bounded(2))
    with pytest.raises(UsageError, match="low < high"):
        Grid(4, -4)
    with pytest.raises(UsageError, match="no draw lies in"):
        sample_kl(torch.full((3, 2), 9.0), P)
