import math

import torch

from gibbsian.core.random import generator
from gibbsian.mcmc import Heun, run

X = torch.randn((5, 3), generator=generator(0), dtype=torch.float64)


def bowl(x):
    return x.square().sum(1) / 2


def test_one_step_on_a_bowl_is_the_second_order_series() -> None:
    end = run(Heun(0.1), bowl, X, steps=1, rng=generator(0)).position
    torch.testing.assert_close(end, X * (1 - 0.1 + 0.1**2 / 2))


def test_the_error_falls_with_the_square_of_the_step() -> None:
    errors = []
    for steps in (10, 20, 40):
        end = run(Heun(1 / steps), bowl, X, steps=steps, rng=generator(0)).position
        errors.append(float((end - X * math.exp(-1)).abs().max()))
    assert 3.7 < errors[0] / errors[1] < 4.6 and 3.7 < errors[1] / errors[2] < 4.4


def test_it_goes_downhill_without_noise() -> None:
    first, second = (run(Heun(0.2), bowl, X, steps=7, rng=generator(k)) for k in (1, 2))
    assert torch.equal(first.position, second.position)
    assert (first.energy < bowl(X)).all() and first.info.gradients == 14
