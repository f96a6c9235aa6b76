import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.energies import Gaussian
from gibbsian.metrics.dimension import hessian, local_dimension


def test_the_hessian_of_a_quartic_by_hand() -> None:
    x = torch.randn((3, 2, 2), generator=generator(0), dtype=torch.float64)
    found = hessian(lambda a: a.flatten(1).pow(4).sum(1) + a[:, 0, 0] * a[:, 1, 1], x, rows=3)
    wanted = torch.diag_embed(12 * x.flatten(1).square())
    wanted[:, 0, 3] = wanted[:, 3, 0] = 1
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("along", [1, 3, 5])
def test_a_thin_gaussian_has_the_dimension_of_its_wide_directions(along: int) -> None:
    wide = torch.tensor([1.0] * along + [1e-4] * (6 - along), dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn((6, 6), generator=generator(1), dtype=torch.float64))[0]
    energy = Gaussian(torch.zeros(6), turn @ torch.diag(wide) @ turn.T, dtype=torch.float64)
    x = torch.randn((4, 6), generator=generator(2), dtype=torch.float64)
    values = torch.linalg.eigvalsh(hessian(energy, x))
    assert local_dimension(values).tolist() == [along] * 4


def test_a_circle_is_a_line_wherever_one_stands() -> None:
    angle = torch.linspace(0, 6, 7, dtype=torch.float64)
    x = torch.stack([angle.cos(), angle.sin()], 1)
    values = torch.linalg.eigvalsh(hessian(lambda a: 50 * (a.norm(dim=1) - 1).square(), x))
    assert local_dimension(values).tolist() == [1] * 7


def test_shares_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="share is 1"):
        local_dimension(torch.ones(2, 2), 1.0)
