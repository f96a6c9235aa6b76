"""`gibbsian compose --given` and `gibbsian infer`, on sprites and on classes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from gibbsian.cli.main import main
from gibbsian.data import shapes

ALL = "shape=heart,scale=0.8,x=0.3,y=0.6,rotation=40"
SMALL = "--net.channels [4,4] --net.middle 8 --train.steps 2 --train.batch_size 8 --chain.steps 12"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Tiny runs: all attributes with and without label dropout, and two attributes apart."""
    folder, patch = tmp_path_factory.mktemp("sprites"), pytest.MonkeyPatch()
    patch.setattr(shapes, "SIZE", {"train": 32, "test": 8})
    for name, more in {
        "one": "",
        "whole": "--net.condition_dropout 0",
        "shape": "--data sprites:shape",
        "scale": "--data sprites:scale",
    }.items():
        words = f"train score_matching --preset sprites {SMALL} {more} --out {folder / name}"
        assert main(words.split()) == 0
    patch.undo()
    return {name: str(folder / name) for name in ("one", "whole", "shape", "scale")}


@pytest.fixture
def views(tmp_path):
    folder = tmp_path / "views"
    folder.mkdir()
    sprites = shapes.draw(3, shapes.generator(0))
    for k, image in enumerate(shapes.render(sprites)):
        Image.fromarray((255 * image).byte().numpy()).save(folder / f"{k}.png")
    return str(folder)


@pytest.mark.parametrize(
    ("runs", "given", "more"),
    [
        (["one"], ALL, ""),
        (["one"], ALL, "--plain"),
        (["one"], "scale=0.7", ""),
        (["shape", "scale"], "shape=square,scale=0.6", "--weights 1,2"),
    ],
)
def test_attributes_are_composed(runs, given, more, cli, trained, tmp_path):
    out, npz = tmp_path / "x.png", tmp_path / "x.npz"
    words = [*(trained[r] for r in runs), "--given", given, "-n", "4", "--out", str(out), "--npz", str(npz)]
    ran = cli("compose", *words, *more.split())
    assert ran.code == 0, ran.err
    assert np.load(npz)["x"].shape == (4, 32, 32)
    with Image.open(out) as picture:
        wide, high = picture.size
    assert (wide > 1.5 * high) == (given == ALL)  # the rendering stands beside


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{one} --given colour=red", "unknown attribute 'colour'"),
        ("{one} --given scale=3", "scale is 3"),
        ("{one} --given scale=0.7 --op or", "leave out --op"),
        ("{shape} --given scale=0.7", "these models know shape alone"),
        ("{shape} {shape} --given shape=heart", "the same attribute"),
        ("{one} --given scale=0.7,shape=heart --weights 1", "--weights has 1 for 2"),
        ("{whole} --given scale=0.7", "train it with --net.condition_dropout"),
        ("{short_run} --given scale=0.7", "conditions have no names"),
    ],
)
def test_what_cannot_be_given_is_one_line(words, said, cli, trained, runs):
    ran = cli("compose", *words.format(**trained, short_run=runs["short_run"]).split())
    assert ran.code == 2 and said in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("concept", "more", "count"),
    [
        ("shape", "", 3),
        ("scale", "--candidates 5", 5),
        ("position", "--candidates 3", 9),
        ("rotation", "", 36),
    ],
)
def test_views_are_explained(concept, more, count, cli, trained, views, tmp_path):
    out = tmp_path / "found"
    ran = cli(
        "infer",
        trained["one"],
        "--images",
        views,
        "--concept",
        concept,
        "--out",
        str(out),
        *more.split(),
        "--json",
    )
    assert ran.code == 0, ran.err
    stored = json.loads((out / "infer.json").read_text())
    assert len(stored["energy"]) == count and stored["best"] == min(
        stored["energy"], key=stored["energy"].get
    )
    assert ran.json["best"] == stored["best"] and len(stored["best_of_each_view"]) == 3
    assert (out / "views.png").is_file()


def test_classes_are_inferred(cli, runs, tmp_path):
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "x.png")
    ran = cli(
        "infer", str(runs["igebm"]), "--images", str(tmp_path / "x.png"), "--out", str(tmp_path), "--json"
    )
    assert ran.code == 0 and ran.json["concept"] == "class" and len(ran.json["energy"]) == 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{one}", "say what is seen"),
        ("{one} --images nowhere --concept shape", "nowhere"),
        ("{one} --images {views} --concept colour", "unknown concept 'colour'"),
        ("{one} --images {views}", "unknown concept 'class'"),
        ("{one} --images {views} --concept scale --candidates 1", "2 or more"),
        ("{whole} --images {views} --concept scale", "--net.condition_dropout"),
        ("{short_run} --images {views}", "conditions have no names"),
        ("{igebm} --images {views}", "add --fit"),
        ("{igebm} --images {views} --concept shape", "knows classes alone"),
    ],
)
def test_what_cannot_be_inferred_is_one_line(words, said, cli, trained, runs, views):
    ran = cli("infer", *words.format(**trained, **runs, views=views).split())
    assert ran.code in (1, 2) and said in ran.err and ran.err.count("\n") == 1
