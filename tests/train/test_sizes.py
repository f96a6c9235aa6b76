"""Networks that suit the shape of a person's own data: signals, and images larger than presets expect."""

from __future__ import annotations

import numpy as np
import pytest

import gibbsian as gb
from gibbsian.cli.main import main
from gibbsian.core.errors import UsageError
from gibbsian.data.dataset import from_arrays
from gibbsian.models.build import build
from gibbsian.train.matching import resolved

SIGNALS = np.random.default_rng(0).normal(0, 0.3, (24, 2, 32)).astype(np.float32)
LABELS = np.arange(24) % 2
SMALL = {"train__batch_size": 4, "train__sample_every": 0, "steps": 1, "progress": False}
SYSTEMS = {
    "igebm": {"chain__steps": 1, "start__capacity": 8},
    "short_run": {"chain__steps": 1},
    "generative_convnet": {"chain__steps": 1},
    "cebm": {"chain__steps": 1, "start__capacity": 8},
    "icd": {"chain__steps": 1, "start__capacity": 8},
    "jem": {"chain__steps": 1, "start__capacity": 8},
    "drl": {"ladder__steps": 1},
    "gebm": {"latent__steps": 1, "energy_first": 0},
    "coopnets": {"chain__steps": 1},
    "acd": {},
    "nce": {},
    "score_matching": {"chain__steps": 1},
    "energy_matching": {"contrast__steps": 1},
    "vaebm": {"chain__steps": 1, "buffer__capacity": 8},
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_learns_signals(system) -> None:
    model = gb.fit(system, (SIGNALS, LABELS), **SYSTEMS[system], **SMALL)
    assert model.spec.event_shape == (2, 32)
    assert gb.sample(model, 2, steps=1).x.shape == (2, 2, 32)


def test_what_needs_sizes_says_so() -> None:
    with pytest.raises(UsageError, match="cfebm needs images .* use igebm or short_run"):
        gb.fit("cfebm", SIGNALS, **SMALL)


@pytest.mark.parametrize(
    ("length", "layers"), [(1, 2), (5, 2), (32, 2), (100, 4), (128, 4), (187, 5), (1000, 7)]
)
def test_signals_are_halved_until_they_are_short(length, layers) -> None:
    data = from_arrays(np.zeros((9, 1, length)), images=False)
    config, told = resolved("short_run", None, data, {})
    net = config.model.net
    assert net.name == "conv1d" and len(net.channels) == layers
    assert f"as data are signals of {length} samples" in told[0] and "\n" not in told[0]
    assert build("short_run", config.model, data.event_shape).model.energy(data.x[:2]).shape == (2,)


def test_a_network_that_was_chosen_stays() -> None:
    data = from_arrays(SIGNALS)
    assert resolved("short_run", None, data, {"net.name": "mlp"})[0].model.net.name == "mlp"
    assert resolved("short_run", "digits", data, {})[0].model.net.name == "mlp"
    chosen = resolved("short_run", None, data, {"net.channels": (4, 6)})[0].model.net
    assert (chosen.name, chosen.channels) == ("conv1d", (4, 6))


@pytest.mark.parametrize(
    ("size", "more"),
    [
        ((28, 28), 0),
        ((32, 32), 0),
        ((33, 20), 1),
        ((64, 64), 1),
        ((97, 97), 2),
        ((100, 75), 2),
        ((128, 128), 2),
    ],
)
@pytest.mark.parametrize("system", ["short_run", "drl", "gebm", "vaebm"])
def test_networks_of_images_are_deeper_for_larger_ones(system, size, more) -> None:
    data = from_arrays(np.zeros((4, *size, 3), np.uint8))
    plain = resolved(system, None, from_arrays(np.zeros((4, 32, 32, 3), np.uint8)), {})[0].model
    config, told = resolved(system, None, data, {})
    assert len(config.model.net.channels) == len(plain.net.channels) + more
    assert bool(told) == bool(more)
    if more:
        assert f"as images are {size[0]}x{size[1]}" in told[0]
    if system == "short_run" or size == (33, 20):
        build(system, config.model, data.event_shape)


def test_the_command_line_learns_and_draws_signals(tmp_path, capsys) -> None:
    np.savez(tmp_path / "a.npz", x=SIGNALS, y=LABELS)
    run = ["--out", str(tmp_path / "run"), "--steps", "1", "--train.batch_size", "4", "--chain.steps", "1"]
    assert main(["train", "short_run", "--data", str(tmp_path / "a.npz"), *run]) == 0
    told = capsys.readouterr().err
    assert "signals of 32 samples and 2 channels" in told and "net.name is conv1d" in told
    files = ["--out", str(tmp_path / "a.png"), "--npz", str(tmp_path / "s.npz")]
    assert main(["sample", str(tmp_path / "run"), "-n", "3", *files]) == 0
    assert np.load(tmp_path / "s.npz")["x"].shape == (3, 2, 32)
    assert (tmp_path / "a.png").stat().st_size > 500
