"""Pages of models: every kind of model and data has one, and what it says is what was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cases import CASES
from pages import Page, sound_page

import gibbsian as gb
from gibbsian.core.config import override
from gibbsian.core.errors import CheckpointError, UsageError
from gibbsian.metrics.interval import Interval
from gibbsian.models.build import build
from gibbsian.models.papers import entry
from gibbsian.tasks.neighbours import Neighbours
from gibbsian.tasks.pages.about import about_model, about_run, card
from gibbsian.tasks.pages.evaluation import write_report
from gibbsian.tasks.pages.meanings import chains_in_words
from gibbsian.tasks.pages.views import energies_part, neighbours_part, samples_part, strip_part, view

HOSTILE = "<script>alert(1)</script>"
SOME = ("igebm-labels", "jem-points", "cebm-mixture", "vaebm-xz", "gebm-flow", "drl-points", "cfebm", "snl",
        "noise_energy", "nce-conditional", "energy_matching")  # fmt: skip
"""Cases whose chains move data, latents, pairs, ladders, sizes, labels and conditions."""


@pytest.mark.parametrize("case", SOME)
def test_every_kind_of_model_is_shown(case, small_data) -> None:
    system, name, changes = CASES[case]
    data = small_data(name)
    model = build(system, override(entry(system).config_class()(), changes), data.event_shape).model.eval()
    found = view(model, data, n=20)
    samples = Page("".join(samples_part(found, data.classes)))
    assert samples.all("img") and all(image["alt"] for image in samples.all("img"))
    Page("".join(strip_part(found)))
    assert Page("".join(energies_part(found))).all("polygon")
    assert torch.equal(found.drawn.x, view(model, data, n=20).drawn.x)


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """A run on a toy, by way of Python."""
    out = tmp_path_factory.mktemp("runs") / "ring"
    gb.fit("generative_convnet", "toy:ring", steps=12, out=out, progress=False, net__hidden=(8,),
           chain__steps=2, sample__steps=9, train__log_every=1, train__lr=2e-3)  # fmt: skip
    return out


def test_a_run_has_a_page_of_all_that_is_known(points, tmp_path) -> None:
    path = write_report(points, tmp_path / "page", n=64, draws=2)
    page = sound_page(path)
    assert path == tmp_path / "page" / "report.html" and page.all("title")
    told = json.loads((tmp_path / "page" / "report.json").read_text())
    value = told["measures"]["model"]["kl_forward"]["value"]
    assert (
        f"{value:.3g} ±" in page.text and f"{value:.3g} ±" in (tmp_path / "page" / "report.txt").read_text()
    )
    said = "generative_convnet on toy:ring|Jianwen Xie|train.lr|0.002|0.001|12 updates|chains on their way"
    for words in f"{said}|energy gap|--preset toy|seed 0".split("|"):
        assert words in page.text, words
    assert [a["href"] for a in page.all("a")][0].startswith("https://")
    assert len(page.all("img")) == 3 and len(page.all("svg")) >= 5


def test_a_model_in_memory_and_an_exported_one(points, tmp_path) -> None:
    model = gb.load(points)
    exported = model.save(tmp_path / "model", data="toy:ring")
    page = sound_page(write_report(exported, tmp_path / "a", n=32, draws=2))
    assert "an exported model keeps no log" in page.text and "gibbsian train" not in page.text
    page = sound_page(write_report(model, tmp_path / "b", "toy:ring", n=32, draws=2))
    assert "claims a density" in page.text
    with pytest.raises(UsageError, match="give data"):
        write_report(gb.build("generative_convnet", {"net": {"name": "mlp"}}, (2,)).model, tmp_path / "c")


def test_hostile_names_of_columns_classes_and_folders_are_text(tmp_path) -> None:
    folder = tmp_path / f"{HOSTILE.replace('/', '')}"
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = (HOSTILE, "tall & wide") * 60
    rows = [
        f"{a:.3f};{b:.3f};{a - b:.3f};{y}" for (a, b), y in zip(rng.random((120, 2)), labels, strict=True)
    ]
    file = folder / "people.csv"
    file.write_text("\n".join([f'"<img src=x onerror=alert(1)>";b;c;{HOSTILE}', *rows]) + "\n")
    tiny = {"net__hidden": (8,), "net__classes": 2, "chain__steps": 2, "sample__steps": 2}
    model = gb.fit("igebm", str(file), steps=4, progress=False, **tiny)
    page = sound_page(write_report(model, tmp_path / "page", str(file), n=32, draws=2))
    assert HOSTILE in page.text and "tall & wide" in page.text and "<img src=x" in page.text
    assert {"samples: the first 10", "held-out data: the first 10"} <= {
        region.get("aria-label") for region in page.all("div")
    }


def test_images_of_ones_own_are_a_grid_by_class(tmp_path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (80, 9, 9), dtype=np.uint8), np.array([HOSTILE, "b"] * 40)
    tiny = {"net__name": "mlp", "net__hidden": (8,), "net__classes": 2, "chain__steps": 2, "sample__steps": 2}
    model = gb.fit("igebm", (x, y), steps=3, progress=False, **tiny)
    found = view(model, gb.dataset((x, y)), n=16)
    page = Page("".join(samples_part(found, gb.dataset((x, y)).classes)))
    assert len(page.all("img")) == 4 and page.text.startswith("2 of 2 classes")
    assert {image["alt"] for image in page.all("img")} >= {
        f"samples drawn for {HOSTILE}",
        "held-out rows of b",
    }


def test_the_nearest_training_rows_are_shown() -> None:
    """A picture of images, rows of few numbers, nothing of neither."""

    def near(*event: int) -> Neighbours:
        known = (torch.zeros(2, *event), torch.zeros(2, 1, *event), torch.arange(2), torch.zeros(2, 1).long())
        return Neighbours(*known, torch.full((2, 1), 0.25), (0.1, 0.2, 0.3, 0.4), (HOSTILE,))

    images = Page("".join(neighbours_part(near(1, 4, 4))))
    assert len(images.all("img")) == 1 and images.text.startswith("Nearest training rows")
    rows = Page("".join(neighbours_part(near(3))))
    assert not rows.all("img") and f"training row {HOSTILE}" in rows.text and "0.25" in rows.text
    assert neighbours_part(None) == [] and neighbours_part(near(40)) == []


def test_the_page_of_an_evaluation_has_them(tmp_path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    model = gb.fit("score_matching", x, steps=3, progress=False, net__hidden=(8,))
    path = gb.write_report(model, tmp_path, x, n=16, draws=2)
    assert "Nearest training rows" in Page(path.read_text()).text


def test_what_is_known_of_a_run(points) -> None:
    about = about_run(points)
    assert about.updates == 12 and about.seconds is not None and not about.exported
    changed = {name: value for name, (_, value) in about.changed().items()}
    assert changed["net.hidden"] == [8] and changed["train.lr"] == 2e-3 and "net.sharpness" not in changed
    words = about.training_command()
    assert words.startswith("gibbsian train generative_convnet --data toy:ring --preset toy")
    assert "--net.hidden '[8]'" in words and "--train.steps 12" in words
    assert dict(card(about))["training"].startswith("done, 12 updates")


@pytest.mark.parametrize(
    "record", [{"spent": 3}, {"spent": {"x": "y"}}, {"data": {"n": "<b>"}}, {"step": "a"}]
)
def test_a_damaged_record_does_no_harm(record) -> None:
    from gibbsian.tasks.pages.about import About

    about = About("run", {"system": "<b>", "data": "digits"}, {"state": "done", **record})
    assert dict(card(about))["system"] == "<b>" and about.paper is None and about.changed() == {}


def test_what_is_no_run_is_told(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        about_run(tmp_path / "nowhere")
    (tmp_path / "config.yaml").write_text("colour: blue\n")
    with pytest.raises(CheckpointError, match="names no system"):
        about_run(tmp_path)


def test_a_model_built_by_hand_has_a_name(tilted) -> None:
    assert about_model(tilted()).title == "Tilted"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("energy_rhat", 1.003, "they have converged"),
        ("energy_rhat", 1.05, "nearly agree"),
        ("energy_rhat", 2.5, "not exp(-E/T)"),
        ("acceptance", 0.7, "70% of the proposals are accepted, as it should be"),
        ("acceptance", 0.05, "change the step size"),
        ("drift_noise", 40.0, "40 times the noise: chains descend"),
        ("drift_noise", 0.01, "chains wander"),
        ("divergent", 0.25, "25.0% of the chains met a number that is not finite"),
        ("divergent", 0.0, "No chain met"),
    ],
)
def test_diagnostics_in_words(name, value, said) -> None:
    (words,) = chains_in_words({name: Interval(value, value, value)})
    assert said in words
