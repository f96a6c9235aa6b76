"""What each measure sees: the tables of docs/measures.md against images spoiled in a known order."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import gibbsian as gb
from experiments.features import evaluator_and_clean, spoiled_sets
from gibbsian.metrics.coverage import TYPICAL, coverage
from gibbsian.metrics.frechet import frechet_distance
from gibbsian.tasks.feature_names import features_named
from gibbsian.tasks.features import ROLES, SHIPPED, load_classifier

PAGE = (Path(__file__).parents[2] / "docs" / "measures.md").read_text()
REAL = Path(os.environ.get("GIBBSIAN_DATA") or Path(__file__).parents[3] / "shared" / "data")
SETS = ["digits", *(pytest.param(n, marks=pytest.mark.data) for n in ("mnist", "fashion_mnist", "cifar10"))]
OWN = (
    "facades/facades_pairs_64x64.npz",
    "cbcl_faces/cbcl_faces_19x19.npz",
    "orl_faces/orl_faces_56x46.npz",
    "dtd/dtd_8class_64x64.npz",
    "omniglot/omniglot_small_28x28.npz",
)
SHARES = ("confidence", "precision", "recall", "coverage", "c2st", "asked_class", "near_copies")
ALIKE = 0.03
"""Shares that differ by less count as equal."""


def tables() -> list[dict[tuple[str, str], str]]:
    """Cells by measure and kind of the tables of the page whose first title is "measure"."""
    found: list[dict[tuple[str, str], str]] = []
    kinds: list[str] = []
    for line in PAGE.splitlines():
        first, *rest = [c.strip() for c in line.strip("|").split("|")] if line.startswith("|") else [""]
        if first == "measure":
            kinds = rest
            found.append({})
        elif kinds and rest and set(first) != {"-"}:
            found[-1] |= {(first, kind): cell for kind, cell in zip(kinds, rest, strict=True)}
        elif not rest:
            kinds = []
    return found


def seen(cell: str, name: str) -> str:
    """ "rises" or "falls"; skips the sets that a cell leaves out, as in "falls (not CIFAR-10)"."""
    word, _, rest = cell.partition(" (not ")
    if name.replace("_", "") in rest.rstrip(")").lower().replace("-", "").split(", "):
        pytest.skip(f"the page says that it is not seen on {name}")
    return word


CELLS = [{key: cell for key, cell in one.items() if cell != "-"} for one in tables()]


@cache
def measured(name: str, features: str | None) -> dict[str, dict[str, float]]:
    if name != "digits" and not REAL.is_dir():
        pytest.skip(f"no data sets in {REAL}: set GIBBSIAN_DATA")
    os.environ.setdefault("GIBBSIAN_DATA", str(REAL))
    evaluator, clean = evaluator_and_clean(name, 200 if name == "digits" else 500, features)
    sets, judged = spoiled_sets(evaluator.train, clean), features is None and "judge" in SHIPPED[name]
    return {
        kind: evaluator.measure(x, clean.y if judged and len(x) == len(clean) else None)
        for kind, x in sets.items()
    }


def ranked(rows: dict[str, dict[str, float]], measure: str, kind: str) -> list[float]:
    """The measure of clean images, then of those more and more spoiled."""
    found = [k for k in rows if k in (kind, f"uniform {kind}") or k.startswith(f"{kind} ")]
    return [rows[k][measure] for k in ("clean", *found)]


def in_order(values: list[float], cell: str, share: bool) -> bool:
    sign, slack = (1 if cell == "rises" else -1), ALIKE if share else 0.0
    least = ALIKE if share else ALIKE * abs(values[0])
    steps = [sign * (b - a) for a, b in zip(values, values[1:], strict=False)]
    return all(step >= -slack for step in steps) and sign * (values[-1] - values[0]) > least


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("measure", "kind"), CELLS[0])
def test_what_the_page_says_is_seen(measure, kind, name):
    if measure == "asked_class" and "judge" not in SHIPPED[name]:
        pytest.skip(f"no judge of {name} is in the package")
    cell = seen(CELLS[0][measure, kind], name)
    values = ranked(measured(name, None), measure, kind)
    assert len(values) > (3 if kind in ("noise", "blur") else 1)
    assert in_order(values, cell, measure in SHARES), values


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("measure", "kind"), CELLS[1])
def test_what_is_seen_without_labels(measure, kind, name):
    cell = seen(CELLS[1][measure, kind], name)
    values = ranked(measured(name, "random"), measure, kind)
    assert in_order(values, cell, measure in SHARES), values


def test_every_measure_is_on_the_page():
    said = {measure for measure, _ in (*tables()[0], *tables()[1])}
    found = {*measured("digits", None)["clean"], *measured("digits", "random")["clean"]}
    assert {m for m in found if not m.startswith("feature_distance_")} <= said | {"classes"}


@pytest.mark.parametrize("features", [None, "random"])
@pytest.mark.parametrize("name", SETS)
def test_uniform_noise_is_no_image(name, features):
    assert measured(name, features)["uniform noise"]["precision"] <= 0.02
    if features is None:
        assert measured(name, features)["uniform noise"]["confidence"] < 0.05


@pytest.mark.data
@pytest.mark.parametrize("file", OWN)
def test_uniform_noise_is_no_image_of_unlabelled_sets(file):
    if not (REAL / file).is_file():
        pytest.skip(f"no {file} in {REAL}")
    arrays = np.load(REAL / file)
    images = next(a for a in map(arrays.__getitem__, arrays.files) if a.dtype == np.uint8 and a.ndim >= 3)
    train, held = gb.from_arrays(images[:600], images=True).split_off(200)
    space = features_named("random", train)
    noise = torch.rand(200, *train.event_shape, generator=gb.generator(0)) * 2 - 1
    assert coverage(space.features(held.x), space.features(noise), widest=TYPICAL).precision <= 0.02


@pytest.mark.parametrize("name", SETS[:3])
def test_two_nets_trained_apart_agree(name):
    """How much farther one Gaussian is than a Gaussian a class: within a factor of 2 in both."""
    measured(name, None)
    evaluator, _ = evaluator_and_clean(name, 200)
    draws, ratios = evaluator.baselines(), []
    for net in (load_classifier(name, role) for role in ROLES):
        x = (draws[k](200, gb.generator(0)) for k in ("one Gaussian", "class Gaussians"))
        far, near = (frechet_distance(net.features(one), net.features(evaluator.held_x)) for one in x)
        ratios.append(far / near)
    assert 0.5 < ratios[0] / ratios[1] < 2, ratios
