"""Sets outside: what they are made of, how they come to the model's shape, what is said of absent ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.data.load import load
from gibbsian.tasks.ood.sets import MADE, check_names, defaults, gather, to_choose_on

GREY, COLOUR = (40, 6, 6), (40, 6, 6, 3)


def images(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.randint(256, shape, generator=generator(seed)).to(torch.uint8)


@pytest.mark.parametrize("shape", [GREY, COLOUR])
@pytest.mark.parametrize("name", MADE)
def test_made_sets_are_bytes_of_the_shape_inside_and_repeat(name, shape) -> None:
    inside = images(shape)
    found = gather(name, inside, 30, seed=3)
    assert found.x.dtype == torch.uint8 and found.x.shape == (30, *shape[1:]) and not found.absent
    assert torch.equal(found.x, gather(name, inside, 30, seed=3).x)


def test_noise_is_uniform_and_gaussian_is_clipped() -> None:
    inside = images((400, 8, 8))
    noise, gaussian = (gather(k, inside, 400, seed=0).x.double() / 255 for k in ("noise", "gaussian"))
    assert noise.mean().item() == pytest.approx(0.5, abs=0.01)
    assert noise.var().item() == pytest.approx(1 / 12, abs=0.003)
    # P(N(.5, .5^2) <= 1/510) = Phi(-.996) = .1596
    assert (gaussian == 0).double().mean().item() == pytest.approx(0.1596, abs=0.01)
    assert gaussian.mean().item() == pytest.approx(0.5, abs=0.01)


def test_constants_are_one_value_a_channel() -> None:
    x = gather("constant", images(COLOUR), 40, seed=0).x
    assert (x == x[:, :1, :1]).all() and len(x[:, 0, 0].unique(dim=0)) > 35
    assert (x[:, 0, 0, 0] != x[:, 0, 0, 1]).any()


def test_interpolation_is_the_rounded_mean_of_two_different_images() -> None:
    inside = images(GREY)
    made = gather("interpolation", inside, 40, seed=0).x.double()
    means = (inside[:, None].double() + inside[None].double()) / 2
    error = (means[None] - made[:, None, None]).abs().flatten(3).amax(3)
    where = [(error[k] <= 0.5).nonzero() for k in range(40)]
    assert all(len(pairs) == 2 and pairs[0, 0] != pairs[0, 1] for pairs in where)
    used = torch.cat([pairs[0] for pairs in where]).bincount(minlength=40)
    assert (used == 2).all()


def test_flipped_turns_rows_over() -> None:
    inside = images(COLOUR)
    assert torch.equal(gather("flipped", inside, 40, seed=0).x[:, 0], inside[:, -1])


def test_a_named_set_is_brought_to_size_and_colour() -> None:
    inside = images((30, 12, 12, 3))
    found = gather("digits", inside, 30, seed=0)
    assert found.x.shape == inside.shape and (found.x[..., 0] == found.x[..., 2]).all()
    assert found.what == "test part, 8x8 resampled to 12x12, grey repeated in 3 channels"
    other = gather("digits", inside, 30, seed=0, split="train")
    assert other.what.startswith("train part") and not torch.equal(found.x, other.x)


def test_a_small_test_part_may_borrow_training_rows() -> None:
    inside = images((600, 8, 8))
    test, train = (len(load("digits", split)) for split in ("test", "train"))
    assert len(gather("digits", inside, 600, seed=0).x) == test < 600 < test + train
    found = gather("digits", inside, 600, seed=0, whole=True)
    assert len(found.x) == 600 and found.what == "test part and train part"
    assert gather("digits", inside, 20, seed=0, whole=True).what == "test part"


def test_textures_are_cut_from_the_corner(tmp_path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    (tmp_path / "dtd").mkdir()
    names = np.array([f"class {i}" for i in range(8)])
    np.savez(
        tmp_path / "dtd" / "dtd_8class_64x64.npz",
        train_x=x, train_y=np.arange(8), test_x=x, test_y=np.arange(8), label_names=names,
    )  # fmt: skip
    found = gather("dtd", images((8, 32, 32, 3)), 8, seed=0, data_dir=tmp_path)
    corners = torch.from_numpy(x[:, :32, :32])
    assert found.what == "test part, top-left 32x32 of 64x64"
    assert all((row == corners).flatten(1).all(1).sum() == 1 for row in found.x)


def test_an_absent_set_says_so_in_one_line(tmp_path) -> None:
    found = gather("svhn", images((5, 32, 32, 3)), 5, seed=0, data_dir=tmp_path)
    assert len(found) == 0 and "test_32x32.mat" in found.absent and "\n" not in found.absent


def test_names_are_checked() -> None:
    assert check_names(["orl", "noise"], "mnist") == ["faces", "noise"]
    for names, told in (
        (["niose"], "did you mean 'noise'"),
        (["noise", "noise"], "named twice"),
        (["mnist"], "what the model was trained on"),
        ([], "no set to compare with"),
        (["toy:rong"], "unknown set"),
    ):
        with pytest.raises(UsageError, match=told):
            check_names(names, "mnist")


def test_defaults_are_those_of_the_papers() -> None:
    assert defaults("fashion_mnist", (1, 28, 28))[:4] == ["mnist", "emnist_letters", "notmnist", "omniglot"]
    assert defaults("cifar10", (3, 32, 32))[:3] == ["cifar100", "dtd", "svhn"]
    assert defaults("digits", (1, 8, 8)) == ["noise", "constant", "interpolation", "flipped"]
    assert to_choose_on("mnist", (1, 28, 28)) == to_choose_on("cifar10", (3, 32, 32)) == "emnist_letters"
    assert to_choose_on("emnist_letters", (1, 28, 28)) == to_choose_on("digits", (1, 8, 8)) == "interpolation"
