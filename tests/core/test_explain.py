"""Wrong arguments of every public name are told in one line, and errors of one's own stay as they are."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn

import gibbsian as gb
from gibbsian.core.errors import GibbsianError, UsageError
from gibbsian.core.explain import explained, fits

NET = nn.Sequential(nn.Linear(2, 4), nn.SiLU(), nn.Linear(4, 1))
X, START, KERNEL = torch.randn(4, 2), gb.UniformNoise((2,), -2, 2), gb.Langevin(0.02)
WRONG = (None, "abc", -1, 2.5, float("nan"), [1, 2], {}, np.zeros((3, 2)), torch.zeros(3, 5), object, gb.MALA)
CALLS = {
    "sample": (
        {"target": NET, "n": 4, "kernel": KERNEL, "start": START, "steps": 1},
        "target n kernel steps y",
    ),
    "run": ({"kernel": KERNEL, "energy": NET, "x": X, "steps": 1}, "kernel energy x steps rng thin chunk"),
    "persistent_contrastive_divergence": (
        {"energy": NET, "x": X, "kernel": KERNEL, "buffer": gb.ReplayBuffer(START, 8), "steps": 1},
        "energy x kernel buffer steps rng",
    ),
    "denoising_score_matching": ({"energy": NET, "x": X, "sigma": 0.1}, "energy x sigma rng"),
    "ReplayBuffer": ({"init_noise": START, "capacity": 8}, "capacity rng reinit bounds classes"),
    "Langevin": ({"step_size": 0.1}, "step_size temperature clip_norm clamp start_step"),
    "HMC": ({"step_size": 0.1}, "step_size leapfrogs temperature jitter"),
    "Underdamped": ({"step_size": 0.1, "friction": 1.0}, "step_size friction splitting"),
    "MLPConfig": ({}, "hidden activation classes"),
    "ConvConfig": ({}, "channels strides dropout pool"),
    "describe": ({"module": NET, "event_shape": (2,)}, "module event_shape y"),
    "Gaussian": ({"mean": torch.zeros(2), "cov": torch.eye(2)}, "mean cov"),
    "build": ({"name": "short_run", "config": {}, "event_shape": (2,)}, "name config event_shape rng net"),
    "dataset": ({"data": X}, "data split size validation"),
    "load": ({"path": "nowhere"}, "path which net"),
    "fit": ({"paper": "short_run", "data": X, "steps": 0, "progress": False}, "paper data net device"),
    "generator": ({"seed": 0}, "seed device"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_argument_is_one_line_that_names_it(name):
    right, keys = CALLS[name]
    told = 0
    for key in keys.split():
        for value in WRONG:
            try:
                getattr(gb, name)(**{**right, key: value})
            except GibbsianError as error:
                assert "\n" not in str(error) and len(str(error)) < 600, (key, value)
                told += 1
    assert told > len(keys.split())


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: gb.sample("igebm", 4), "target is 'igebm': give a model"),
        (lambda: gb.sample("digits", 4), "target is 'digits': give a model"),
        (lambda: gb.sample(None, 4), "target is None: give a model"),
        (lambda: gb.sample("/no/run", 4), "gibbsian.load(PATH)"),
        (lambda: gb.describe("igebm"), "missing a required argument: 'event_shape'"),
        (lambda: gb.describe(NET, (5,)), "cannot be called on (1, 5)"),
        (lambda: gb.describe(NET, "digits"), "event_shape is 'digits'"),
        (lambda: gb.sample(NET, 4, kernel="mala", start=START), "kernel is 'mala': sample takes a kernel"),
        (lambda: gb.sample(NET, 4, kernel=gb.MALA, start=START), "the class MALA"),
        (lambda: gb.run(KERNEL, NET, X.to_sparse(), steps=1), "use .to_dense()"),
        (lambda: gb.run(KERNEL, NET, torch.zeros(4, 5), steps=1), "x (4, 5)"),
        (lambda: gb.sample(NET, 4, step=3), "did you mean 'steps'?"),
        (lambda: gb.fit("short_run"), "missing a required argument: 'data'"),
        (lambda: gb.fit("short_run", X, device="gpu"), "unknown device 'gpu'"),
        (lambda: gb.fit(X, "short_run"), "paper is a tensor of shape (4, 2)"),
        (lambda: gb.load(3), "path is 3"),
        (lambda: gb.MALA("0.1"), "step_size is '0.1': MALA takes a number"),
        (lambda: gb.dataset(torch.full((9, 2), 1e300, dtype=torch.float64)), "overflow"),
    ],
)
def test_what_is_said(call, part):
    with pytest.raises(GibbsianError) as told:
        call()
    assert part in str(told.value)


@pytest.fixture
def model():
    """A tiny model with a sampler."""
    return gb.build("short_run", {"chain": {"steps": 1}, "net": {"name": "mlp", "hidden": [4]}}, (2,)).model


def test_models_tell_too(model):
    for call in (
        lambda m: m("a"),
        lambda m: m(torch.zeros(3, 5, 7)),
        lambda m: m.energy(None),
        lambda m: m.save(None),
        lambda m: m.sample("4"),
        lambda m: m.sampler(3),
    ):
        with pytest.raises(GibbsianError):
            call(model)


def test_seeds_and_arrays_are_taken(model):
    assert model.sample(3, rng=0).x.equal(model.sample(3, rng=0).x)
    for start in (np.zeros((4, 2)), X, (2,), [2]):
        assert gb.sample(NET, 4, kernel=KERNEL, start=start, steps=1).x.shape == (4, 2)


def test_errors_in_code_of_ones_own_stay():
    def energy(x):
        return {}["missing"]

    with pytest.raises(KeyError):
        gb.run(KERNEL, energy, X, steps=1)
    with pytest.raises(TypeError):
        explained(lambda x: x + "a")(1)


def test_every_name_is_one_object_that_can_be_pickled():
    for name in gb.__all__[1:]:
        found = getattr(gb, name)
        assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize(
    ("value", "hint", "fit"),
    [
        (np.int64(3), int, True),
        (True, int, False),
        (3, float, True),
        ([2], tuple[int, ...], True),
        ((1, 2, 3), tuple[int, int], False),
        (None, int | None, True),
        (gb.MALA, gb.Langevin, False),
    ],
)
def test_fits(value, hint, fit):
    assert fits(value, hint) is fit


def test_a_generator_for_a_seed_is_told():
    with pytest.raises(UsageError, match="whole number"):
        gb.generator("zero")
