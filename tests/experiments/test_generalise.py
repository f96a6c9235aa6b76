"""Combinations never seen: which cells are seen, which sum is taken, and the command at toy size."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from experiments.sprites.cells import PLACES, SIDE, cells
from experiments.sprites.generalise import SUM, Budget, Energies, study
from experiments.sprites.generators import GENERATORS
from experiments.sprites.parts import Anywhere, Summed
from experiments.sprites.regressor import Regressor
from experiments.sprites.tries import Somewhere
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator

SIGMAS = (2.0, 1.0, 0.5)
TOY = Budget(first=1, place=1, tune=1, chain=20, measured=8)


class Linear(nn.Module):
    """E(x, y) = sum x + y w: what each part says is seen in the sum."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).sum(1) + y @ self.weights


@pytest.mark.parametrize("attribute", ["size", "shape"])
def test_axes_are_always_seen_and_the_other_cells_by_their_share(attribute):
    grid = cells(attribute)
    values = 6 if attribute == "size" else 3
    others = (values - 1) * (PLACES**2 - 1)
    found = [grid.seen(share, 0) for share in (0, 0.01, 0.25, 1)]
    counts = [int(seen.sum()) for seen in found]
    assert counts == [len(grid.first) - others + round(share * others) for share in (0, 0.01, 0.25, 1)]
    assert all(bool((more | ~less).all()) for less, more in zip(found, found[1:], strict=False))
    assert int(grid.first_axis.sum()) == values and int(grid.place_axis.sum()) == PLACES**2
    assert not torch.equal(grid.seen(0.25, 0), grid.seen(0.25, 1))


def test_each_cell_is_one_image_with_its_own_conditions():
    grid = cells("size")
    both = torch.cat([grid.of_first, grid.of_place], 1)
    assert both.unique(dim=0).shape == both.shape and bool((both.sum(1) == 3).all())
    middle = grid.images[grid.first_axis]
    assert torch.allclose(middle, middle.flip(1)) and bool(middle.sum((1, 2)).diff().gt(0).all())
    moved = grid.images[grid.first == 0].view(PLACES, PLACES, SIDE, SIDE)
    assert torch.allclose(moved[2, 3].roll((1, 2), (0, 1)), moved[3, 5], atol=1e-5)


@pytest.mark.parametrize("strength", [1.0, 4.0])
def test_the_sum_takes_away_what_the_second_says_of_no_condition(strength):
    first, second, x = Linear(1.0, 2.0, 10, 20, 30), Linear(3.0, 100, 200, 300), torch.zeros(3, 1, 2, 2)
    net = Summed(first, second, (2, 1, 3), told=2)
    net.strength = strength
    y = torch.cat([torch.tensor([[0.0, 1.0, 1.0]]).expand(3, 3), torch.eye(3)], 1)
    assert net(x, y).tolist() == [2 + 10 + 3 * strength, 2 + 20 + 3 * strength, 2 + 30]
    assert net(x[:1], y[2:]).tolist() == [2 + 30]  # the second is not even asked there
    plain = Summed(first, second, (2, 1, 3), told=2, plain=True)
    assert plain(x, y).tolist() == [2 + 10 + 3 + 100, 2 + 20 + 3 + 200, 2 + 30 + 3 + 300]


def test_a_sprite_anywhere_has_one_energy_until_its_place_is_asked_for():
    x, rows = torch.rand(2, 1, SIDE, SIDE, generator=generator(0)), torch.eye(5)[:2].add(torch.eye(5)[2:4])
    net = Anywhere(2, SIGMAS)
    for shift in ((1, 0), (0, 5), (3, 7)):
        assert torch.allclose(net(x, rows), net(x.roll(shift, (2, 3)), rows), rtol=1e-5)
    assert not torch.allclose(net(x, rows), net(2 * x, rows))


def test_the_place_is_a_weight_of_the_mixture():
    x, y = torch.rand(2, 1, 32, 32, generator=generator(0)), torch.zeros(2, 2 + len(SIGMAS))
    net = Somewhere(2, SIGMAS)
    plain = net(x, y)
    with torch.no_grad():
        net.weights.base.fill_(0.7)
    assert torch.allclose(net(x, y), plain - 0.7 * SIGMAS[-1] ** 2, atol=1e-3)


def test_the_study_goes_on_where_it_was_stopped_and_refuses_other_settings(tmp_path, capsys):
    save_file(Regressor(SIDE).state_dict(), tmp_path / "r.safetensors")
    asked = {"file": tmp_path / "r.safetensors", "out": tmp_path / "out", "budget": TOY}
    found = study("shape", "0.5", **asked)
    assert set(found["0.5"]) == {SUM, *GENERATORS, "blank", "renders"}
    assert found["0.5"]["renders"]["error"][0] == 0 < found["0.5"]["blank"]["error"][0]
    assert {"results.json", "curve.png", "images-0.5.png"} <= {p.name for p in (tmp_path / "out").iterdir()}
    first = capsys.readouterr().out
    again = study("shape", "0.5", **asked)
    assert again == json.loads((tmp_path / "out" / "results.json").read_text())["rows"] and "0.5" in first
    assert not capsys.readouterr().out
    with pytest.raises(UsageError, match="other settings"):
        study("size", "0.5", **asked)


def test_parts_trained_once_serve_every_sum(tmp_path):
    energies = Energies(cells("shape"), TOY, 0, tmp_path)
    parts = energies.apart()
    images = energies.images(torch.arange(3), None, "apart")
    assert images.shape == (3, SIDE, SIDE) and 0 <= float(images.min()) and float(images.max()) <= 1
    assert energies.apart() is parts


@pytest.mark.parametrize("hold", [0, 1])
def test_the_first_energy_is_held_while_the_sum_is_tuned(hold, tmp_path):
    grid = cells("shape")
    energies = Energies(grid, replace(TOY, hold=hold), 0, tmp_path)
    first, place = energies.apart()
    net = energies.tuned(grid.seen(0.5, 0), "sum")[0]
    moved = [
        any(not torch.equal(a, b) for a, b in zip(part.parameters(), old.parameters(), strict=True))
        for part, old in ((net.first, first), (net.second, place))
    ]
    assert moved == [not hold, True]
