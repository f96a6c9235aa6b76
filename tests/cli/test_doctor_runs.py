"""`gibbsian doctor RUN` on runs spoiled on purpose, whose cause it names first, and on healthy ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import DivergedError
from gibbsian.data.load import load

SMALL = {"net__hidden": (64, 64), "train__batch_size": 32, "train__sample_every": 0, "train__log_every": 5}
SHORT = {**SMALL, "chain__steps": 15}
STORED = {**SHORT, "start__capacity": 1000, "sample__steps": 40}
PAIR = {**SMALL, "generator__hidden": (64, 64), "chain__steps": 8}
POINTS = {**SHORT, "train__batch_size": 64, "chain__steps": 20}

HEALTHY: dict[str, tuple[str, str, dict[str, Any]]] = {
    "short-run": ("short_run", "digits", {**SHORT, "steps": 200}),
    "stored chains": ("igebm", "digits", {**STORED, "steps": 200}),
    "a pair": ("coopnets", "digits", {**PAIR, "steps": 500}),
    "a generator's energy": ("gebm", "digits", {**SMALL, "generator__hidden": (64, 64), "steps": 600}),
    "points": ("igebm", "toy:ring", {**POINTS, "steps": 100}),
}
SLOW = {"chain__step_size": 2e-3}
SPOILED: dict[str, tuple[str, str, int, dict[str, Any], str]] = {
    "step too large": ("igebm", "digits", 50, {**STORED, "chain__step_size": 200.0}, "drift of a chain"),
    "step too small": ("short_run", "digits", 150, {**SHORT, **SLOW}, "chain steps are too small"),
    "step too small, stored": ("igebm", "digits", 40, {**STORED, **SLOW}, "chain steps are too small"),
    "no noise": ("igebm", "digits", 20, {**STORED, "chain__noise": 0.0}, "chains have no noise"),
    "stale buffer": ("igebm", "digits", 20, {**STORED, "start__reinit": 0.0}, "stored chains go stale"),
    "unused buffer": ("igebm", "digits", 20, {**STORED, "start__capacity": 50_000}, "chains are stale"),
    "collapsed energy": ("igebm", "digits", 150, {**STORED, "loss__energy_l2": 1000.0}, "nearly flat"),
    "memorised": ("coopnets", "few.npz", 800, {**PAIR, "preset": "digits"}, "copies of training rows"),
    "wrong range": ("short_run", "twice.npz", 20, {**SHORT, "preset": "digits"}, "fill 1.6% of the range"),
    "labels shuffled": ("jem", "shuffled.npz", 20, {**STORED, "preset": "digits"}, "labels say nothing"),
    "last part missing": ("vaebm", "digits", 20, {**SMALL, "vae__steps": 30}, "never came"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Digits: 16 of them, divided by their maximum twice, with their labels in another order."""
    folder, data = tmp_path_factory.mktemp("data"), load("digits")
    x, y = data.batch(torch.arange(len(data)), 0.0, 1.0).x.numpy(), data.y.numpy()
    np.savez(folder / "few.npz", x=x[:16], y=y[:16])
    np.savez(folder / "twice.npz", x=x / 64, y=y)
    np.savez(folder / "shuffled.npz", x=x, y=np.random.default_rng(0).permutation(y))
    return folder


@pytest.fixture
def told(cli, files, tmp_path):
    """What `doctor` says of a run that is not good, in order."""

    def of(system: str, data: str, changes: dict[str, Any]) -> list[dict[str, str]]:
        name = str(files / data) if data.endswith(".npz") else data
        try:
            gb.fit(system, name, out=tmp_path / "run", progress=False, **changes)
        except DivergedError:
            pass
        found = cli("doctor", str(tmp_path / "run"), "--json").json["results"]
        return [one for one in found if one["grade"] != "good"]

    return of


@pytest.mark.parametrize("name", SPOILED)
def test_the_cause_is_named_first(told, name: str) -> None:
    system, data, steps, changes, want = SPOILED[name]
    found = told(system, data, {**changes, "steps": steps})
    assert found and found[0]["grade"] == "bad" and want in found[0]["what"], found
    assert found[0]["remedy"]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_left_in_peace(told, name: str) -> None:
    assert told(*HEALTHY[name]) == []


@pytest.mark.slow
@pytest.mark.data
def test_minutes_of_mnist_are_left_in_peace(cli, tmp_path) -> None:
    """Four fifths of MNIST's pixels lie at the border, and so do those of good samples."""
    gb.fit("coopnets", "mnist", minutes=3, out=tmp_path / "run", progress=False, train__sample_every=0)
    found = cli("doctor", str(tmp_path / "run"), "--json").json
    assert found["seen"]["border_data"] > 0.75
    assert [one for one in found["results"] if one["grade"] != "good"] == []


def test_what_cannot_be_judged_is_one_line(cli, tmp_path) -> None:
    x = np.arange(40 * 64, dtype=np.uint8).reshape(40, 1, 8, 8)
    gb.fit("short_run", x, preset="digits", steps=1, out=tmp_path / "run", progress=False, **SHORT)
    ran = cli("doctor", str(tmp_path / "run"))
    assert "not held against the data of this run: they were given in Python" in ran.out
