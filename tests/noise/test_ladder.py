import math

import pytest

from gibbsian.core.errors import UsageError
from gibbsian.noise.ladder import Ladder

# Gao et al. 2021, T = 6, as printed in the released code.
A = (0.99995, 0.94617, 0.85629, 0.7748, 0.70092, 0.63396, 0.02278)
SIGMA = (0.01, 0.32368, 0.5165, 0.63221, 0.71324, 0.77337, 0.99974)
BAR = (0.01, 0.32382, 0.58622, 0.77845, 0.89801, 0.96031, 0.99998)
STEPS = (2.095e-5, 1.728e-3, 4.686e-3, 7.920e-3, 1.0742e-2, 1.9196e-2)
WEIGHTS = (1.0, 0.627, 0.512, 0.454, 0.4185, 0.324)


def test_six_levels_are_the_papers() -> None:
    ladder = Ladder(6)
    assert ladder.marks == (0, 100, 200, 300, 400, 500, 999)
    assert ladder.a == pytest.approx(A, abs=6e-6)
    assert ladder.sigma == pytest.approx(SIGMA, abs=6e-6)
    assert ladder.sigma_bar == pytest.approx(BAR, abs=6e-6)
    assert ladder.temperatures() == pytest.approx(STEPS, rel=3e-4)
    assert ladder.weights == pytest.approx(WEIGHTS, abs=4e-4)


@pytest.mark.parametrize("levels", [2, 3, 6, 17])
def test_steps_of_the_ladder_compose_to_the_noise_of_each_level(levels: int) -> None:
    ladder, signal, noise = Ladder(levels), 1.0, 0.0
    for a, sigma, bar in zip(ladder.a, ladder.sigma, ladder.sigma_bar, strict=True):
        signal, noise = signal * a, math.hypot(a * noise, sigma)
        assert noise == pytest.approx(bar) and math.hypot(signal, noise) == pytest.approx(1)
    assert len(ladder.a) == levels + 1 and len(ladder.weights) == len(ladder.temperatures()) == levels
    assert list(ladder.sigma_bar) == sorted(ladder.sigma_bar) and ladder.sigma_bar[-1] > 0.999


@pytest.mark.parametrize("levels", [0, 1, 501])
def test_ladders_too_short_or_long_are_refused(levels: int) -> None:
    with pytest.raises(UsageError, match=f"a ladder of {levels} levels"):
        Ladder(levels)
