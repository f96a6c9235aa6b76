"""Networks of a person's own with a fault: each is told before training."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from gibbsian.core.errors import UsageError
from gibbsian.nets.families import CustomNetConfig
from gibbsian.nets.found import made
from gibbsian.nets.given import prepared_net


class Of(nn.Module):
    """h(x) = a linear layer, and any function of both."""

    def __init__(self, function):
        super().__init__()
        self.layer, self.function = nn.Linear(4, 1), function

    def forward(self, x):
        return self.function(self.layer(x.flatten(1)), x)


def fails(h, x):
    raise KeyError("lost")


class Half(nn.Module):
    def __init__(self):
        pass


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Of(lambda h, x: h * float("nan")), "not finite for x from -1 to 1"),
        (Of(lambda h, x: h / 0), "not finite"),
        (Of(lambda h, x: h.detach()), "does not depend on its position"),
        (Of(lambda h, x: 0 * h.detach() + 1), "does not depend on its position"),
        (Of(lambda h, x: h + x.mul_(2).sum((1, 2))[:, None]), "cannot be differentiated by x"),
        (Of(fails), "cannot be called on .*KeyError 'lost'"),
        (Of(lambda h, x: h).to("meta"), "weights without values"),
        (Half(), r"must call super\(\).__init__\(\)"),
    ],
)
def test_faults_are_one_line(net, words):
    with pytest.raises(UsageError, match=words) as error:
        prepared_net(net, (2, 2))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("net", "warned"),
    [
        (Of(lambda h, x: h + x.std(0).mean()), True),
        (Of(lambda h, x: h - x.mean()), True),
        (Of(lambda h, x: h + torch.randn_like(h)), True),
        (Of(lambda h, x: h), False),
        (nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(4, 1)), False),
        (nn.Sequential(nn.Flatten(), nn.LayerNorm(4), nn.Linear(4, 1)), False),
    ],
)
def test_an_energy_of_its_batch_or_of_chance_is_warned_of(net, warned):
    state = torch.get_rng_state()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        prepared_net(net, (2, 2))
    assert warned == any("rest of its batch" in str(one.message) for one in told)
    assert torch.equal(torch.get_rng_state(), state)


SOURCE = """
from torch import nn
def plain(): return nn.Linear(4, 1)
def shaped(event_shape, config): return nn.Linear(event_shape[0], 1)
there = nn.Linear(4, 1)
def none(): return 3
def fails(): raise ValueError("no")
class Fails(nn.Module):
    def __init__(self): raise OSError("gone")
"""


@pytest.mark.parametrize("name", ["plain", "shaped", "there"])
def test_functions_and_instances_by_name(tmp_path, name):
    file = tmp_path / f"own_{name}.py"
    file.write_text(SOURCE)
    first, second = (made(CustomNetConfig(name=f"{file}:{name}"), (4,)) for _ in range(2))
    assert first.in_features == 4 and first is not second


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (SOURCE, "none", "is a int, not an nn.Module"),
        (SOURCE, "fails", "ValueError: no"),
        (SOURCE, "Fails", "OSError: gone"),
        ("1 / 0", "X", "cannot be imported .ZeroDivisionError"),
        ("raise SystemExit(3)", "X", "cannot be imported .SystemExit"),
        ("class X(:", "X", "cannot be imported"),
        ("import nowhere_such", "X", "No module named 'nowhere_such'"),
        ("X = 3", "X", "is not an nn.Module class"),
    ],
)
def test_code_that_fails_is_one_line(tmp_path, text, name, words):
    file = tmp_path / f"own_{abs(hash(text + name))}.py"
    file.write_text(text)
    with pytest.raises(UsageError, match=words) as error:
        made(CustomNetConfig(name=f"{file}:{name}"), (4,))
    assert "\n" not in str(error.value)
