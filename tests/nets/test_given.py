"""A network of one's own: taken as it is, tried, put in a small frame where its output asks for one."""

from __future__ import annotations

import sys
import warnings
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.nets.build import build
from gibbsian.nets.families import AnyNet, CustomNetConfig
from gibbsian.nets.found import made
from gibbsian.nets.given import Column, Logits, prepared_net


class Sums(nn.Module):
    """(B,) from x alone."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x.flatten(1).sum(1)


class Labelled(Sums):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return self.scale * x.flatten(1).sum(1) + y


class Returns(Sums):
    """Whatever it was given."""

    def __init__(self, out) -> None:
        super().__init__()
        self.out = out

    def forward(self, x: Tensor) -> Tensor:
        return self.out(x)


class Fails(Returns):
    def __init__(self) -> None:
        super().__init__(None)

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes\ncannot be multiplied")


def columns(outputs: int = 1) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Dropout(0.5), nn.SiLU(), nn.Linear(5, outputs))


X = torch.randn(4, 2, 3, generator=generator(0))


def test_an_energy_is_returned_itself() -> None:
    for net, classes in ((Sums(), 0), (Labelled(), 3)):
        assert prepared_net(net, (2, 3), classes=classes) is net


def test_a_column_is_squeezed_and_weights_keep_their_names() -> None:
    net = columns()
    found = prepared_net(net, (2, 3))
    assert isinstance(found, Column) and found.net is net
    assert torch.equal(found.eval()(X), net(X)[:, 0])
    assert set(found.state_dict()) == {f"net.{k}" for k in net.state_dict()}


def test_logits_are_a_joint_energy() -> None:
    net = columns(3)
    found = prepared_net(net, (2, 3), classes=3).eval()
    assert isinstance(found, Logits)
    f, y = net(X), torch.tensor([0, 2, 1, 1])
    assert torch.equal(found.logits(X), f)
    torch.testing.assert_close(found(X, y), -f[torch.arange(4), y])
    torch.testing.assert_close(found(X, nn.functional.one_hot(y, 3).float()), found(X, y))
    torch.testing.assert_close(torch.exp(-found(X)), f.exp().sum(1))


LAZY = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(4), nn.Dropout(), nn.LazyLinear(1)),
    "conv": lambda: nn.Sequential(nn.LazyConv2d(4, 2), nn.Flatten(), nn.SiLU(), nn.LazyLinear(1)),
    "first only": lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(4), nn.SiLU(), nn.Linear(4, 1)),
    "last only": lambda: nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), nn.LazyLinear(1)),
}


@pytest.mark.parametrize("kind", LAZY)
def test_lazy_layers_are_initialised_and_nothing_else_happens(kind) -> None:
    net, stream = LAZY[kind](), torch.get_rng_state()
    prepared_net(net, (1, 4, 3))
    assert all(p.numel() and not nn.parameter.is_lazy(p) for p in net.parameters()) and net.training
    assert torch.equal(torch.get_rng_state(), stream)


@pytest.mark.parametrize(
    ("norm", "words"),
    [
        (nn.BatchNorm1d(4), "batch norm \\('1'\\)"),
        (nn.SyncBatchNorm(4), "batch norm \\('1'\\)"),
        (nn.LazyBatchNorm1d(), "batch norm \\('1'\\)"),
        (nn.BatchNorm1d(4, track_running_stats=False), "batch norm|rest of its batch"),
        (nn.InstanceNorm1d(4, track_running_stats=True), "instance norm \\('1'\\) takes running statistics"),
    ],
)
def test_batch_norm_is_warned_of_and_keeps_its_statistics(norm, words) -> None:
    net = nn.Sequential(nn.Unflatten(1, (4, 3)), norm, nn.Flatten(), nn.Linear(12, 1))
    with pytest.warns(UserWarning, match=words):
        prepared_net(net, (12,))
    assert net[1].num_batches_tracked in (None, 0) and net.training


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), nn.LayerNorm(3), nn.InstanceNorm1d(4, affine=True)])
def test_norms_of_a_datum_are_not(norm) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepared_net(nn.Sequential(nn.Unflatten(1, (4, 3)), norm, nn.Flatten(), nn.Linear(12, 1)), (12,))


def test_it_is_tried_in_its_own_precision_between_the_ends_of_the_data() -> None:
    seen = []
    net = Returns(lambda x: seen.append(x) or x.flatten(1).sum(1)).double()
    prepared_net(net, (2, 3), low=-4.0, high=7.0)
    x, *_ = seen
    assert x.dtype == torch.float64 and (float(x.min()), float(x.max())) == (-4.0, 7.0)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Sums, "the class Sums"),
        (lambda x: x, "a function"),
        (nn.Flatten(), "no parameters"),
        (nn.Identity(), "no parameters"),
        (nn.Sequential(nn.SiLU(), nn.Flatten()), "no parameters"),
        (nn.BatchNorm1d(2, affine=False), "no parameters"),
        (partial(Sums), "a partial"),
        ("mynet:Small", "a str"),
        (Labelled(), "cannot be called"),
        (Fails(), r"cannot be called on \(2, 2, 3\): mat1 and mat2 shapes"),
        (Returns(lambda x: x), r"returns \(B, 2, 3\): an energy returns \(B,\) or \(B, 1\)"),
        (Returns(lambda x: x.sum()), r"returns \(\)"),
        (Returns(lambda x: (x, x)), "returns tuple"),
        (Returns(lambda x: x.flatten(1).argmax(1)), "returns torch.int64"),
        (Returns(lambda x: x.flatten(1)[:, 0] > 0), "returns torch.bool"),
        (Returns(lambda x: x.flatten(1).sum(1)[:1]), r"returns \(1,\)"),
        (Returns(lambda x: x.flatten(1).sum(1).detach().numpy()), "returns ndarray"),
        (Returns(lambda x: x.flatten(1).sum(1) / 0), "not finite"),
        (Returns(lambda x: x.flatten(1).sum(1).detach()), "does not depend on its position"),
    ],
)
def test_what_cannot_be_an_energy_is_one_line(net, words) -> None:
    with pytest.raises(UsageError, match=words) as error:
        prepared_net(net, (2, 3))
    assert "\n" not in str(error.value)


class NoArguments(Sums):
    pass


class Configured(nn.Module):
    def __init__(self, shape: tuple[int, ...], config: AnyNet) -> None:
        super().__init__()
        self.f = nn.Linear(shape[0], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.f(x)


class TooMany(Sums):
    def __init__(self, a, b, c) -> None:
        super().__init__()


class Optional(Sums):
    def __init__(self, width=64, depth=3) -> None:
        super().__init__()
        self.width = width


class Unlucky(Sums):
    def __init__(self, event_shape=None, config=None) -> None:
        super().__init__()
        self.shape = event_shape + 1


def test_optional_arguments_stay_as_they_are_and_failures_are_one_line(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "found_nets", sys.modules[__name__])
    assert made(CustomNetConfig(name="found_nets:Optional"), (3,)).width == 64
    with pytest.raises(UsageError, match=r"failed as Unlucky\(event_shape, config\): TypeError: can"):
        made(CustomNetConfig(name="found_nets:Unlucky"), (3,))


def test_an_energy_without_curvature_is_refused_where_it_matters() -> None:
    kinked = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1))
    for net, words in ((kinked, r"kinks of ReLU \('2'\)"), (Sums(), "piecewise linear")):
        with pytest.raises(UsageError, match=words):
            prepared_net(net, (2, 3), curved=True)
    assert isinstance(prepared_net(columns(), (2, 3), curved=True), Column)


def test_classes_by_name(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "found_nets", sys.modules[__name__])
    assert isinstance(build(CustomNetConfig(name="found_nets:NoArguments"), (3,)), NoArguments)
    assert isinstance(build(CustomNetConfig(name="found_nets:Configured"), (3,)), Column)
    with pytest.raises(UsageError, match=r"TooMany\(event_shape, config\) or TooMany\(\)"):
        build(CustomNetConfig(name="found_nets:TooMany"), (3,))


def test_files_and_modules_beside_you(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    code = "from torch import nn\nclass Small(nn.Sequential):\n    def __init__(self):\n"
    (tmp_path / "beside_you.py").write_text(code + "        super().__init__(nn.Linear(3, 1))\n")
    code = "import functools\nMade = functools.partial(Small)\nmake = lambda: Small()\nmine = Small()\n"
    with open("beside_you.py", "a") as file:
        file.write(code)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "of mine.py").write_text((tmp_path / "beside_you.py").read_text())
    named = ["beside_you:Small", *(f"./beside_you.py:{thing}" for thing in ("Small", "Made", "make", "mine"))]
    for name in (*named, f"{tmp_path}/beside_you.py:Small", "~/beside_you.py:Small", "a b/of mine.py:Small"):
        assert build(CustomNetConfig(name=name), (3,))(torch.zeros(4, 3)).shape == (4,)
    monkeypatch.delitem(sys.modules, "beside_you")
    (tmp_path / "broken.py").write_text("class")
    for name, words in (("no.py:Small", "no file no.py"), ("broken.py:Small", "cannot be imported")):
        with pytest.raises(UsageError, match=words):
            build(CustomNetConfig(name=name), (3,))
