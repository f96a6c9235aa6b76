"""`gibbsian score`: a table, all rows as CSV, a sheet; and other verbs on folders of one's own."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

SHORT = "--train.batch_size 8 --train.sample_every 0 --chain.steps 1 --net.name mlp --net.hidden [8]"


def shapes(folder, n=30, classes=("box", "disc"), side=12):
    """Pictures of mixed sizes in a folder a class."""
    r = np.random.default_rng(0)
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            x = np.zeros((side + i % 4, side + 1, 3), np.uint8) + r.integers(0, 40, 3, dtype=np.uint8)
            x[2:8, 2 + 3 * k : 6 + 3 * k] = r.integers(150, 255, 3)
            Image.fromarray(x).save(folder / name / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A conditional run on pictures of mixed sizes at size 8, one of them broken, and its folder."""
    from gibbsian.cli.main import main

    home = tmp_path_factory.mktemp("own")
    shapes(home / "data/train")
    shapes(home / "data/val", 8)
    (home / "data/train/box/broken.png").write_bytes(b"no image")
    words = f"train jem --data {home}/data --size 8 --on-error skip --steps 2 {SHORT} --out {home}/run"
    assert main(words.split()) == 0
    return home


def test_all_rows_are_written_and_few_are_shown(cli, trained, tmp_path):
    (trained / "other").mkdir(exist_ok=True)
    for i in range(14):
        Image.new("L", (20, 9 + i), 9 * i).save(trained / "other" / f"{i:02}.png")
    (trained / "other/bad.jpg").write_bytes(b"no image")
    ran = cli(f"score {trained}/run --images {trained}/other --csv {tmp_path}/all.csv --rate 0.25")
    assert ran.code == 0, ran.err
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    assert [r["name"] for r in rows] == [f"{i:02}.png" for i in range(14)]
    assert list(rows[0]) == ["name", "energy", "rank", "flagged"]
    assert all(0 <= float(r["rank"]) <= 1 and r["flagged"] in ("yes", "no") for r in rows)
    assert "4 of 16 held-out rows" in ran.out and "60 training rows" in ran.out and "all.csv" in ran.out
    assert "brought to 8x8" in ran.out and "bad.jpg" in ran.out and "no label told" in ran.out
    assert len(ran.out.splitlines()) < 30
    written = {p.name for p in (trained / "run/score").iterdir()}
    assert written >= {"score.json", "score.txt", "score-sheet.png"}
    told = json.loads((trained / "run/score/score.json").read_text())
    assert told["threshold"]["held_out"] == 16 and told["threshold"]["rate"] == 0.25
    assert told["flagged"] == sum(r["flagged"] == "yes" for r in rows) and len(told["rows"]) == 14


def test_held_out_rows_themselves_are_flagged_at_the_rate(cli, trained, tmp_path):
    ran = cli(f"score {trained}/run --images {trained}/data/val --rate 0.25 --out {tmp_path} --json")
    assert ran.code == 0 and ran.json["n"] == 16 and ran.json["flagged"] == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [("--label true", "own label"), ("--label disc", "under class disc"), ("--label 1", "under class 1")],
)
def test_classes_are_told_by_folder_name_or_number(cli, trained, tmp_path, words, told):
    ran = cli(f"score {trained}/run --images {trained}/data/val {words} --out {tmp_path}")
    assert ran.code == 0 and told in ran.out


@pytest.mark.parametrize("kind", ["npy", "npz", "one file"])
def test_arrays_and_single_files(cli, trained, tmp_path, kind):
    x = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    Image.fromarray(x[0]).save(tmp_path / "x.png")
    flag = {"npy": f"--data {tmp_path}/x.npy", "npz": f"--images {tmp_path}/x.npz"}
    ran = cli(f"score {trained}/run {flag.get(kind, f'--images {tmp_path}/x.png')} --out {tmp_path} --json")
    assert ran.code == 0 and ran.json["n"] == (1 if kind == "one file" else 5), ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "say what to score"),
        ("--images a --data b", "one of them"),
        ("--images nowhere", "unknown data set 'nowhere'"),
        ("--images folder:nowhere", "there is no folder"),
        ("--data toy:ring", "rows of shape (2,)"),
        ("--data digits", "rows of shape (1, 8, 8)"),
        ("--images HOME/data/val --rate 2", "rate is 2"),
        ("--images HOME/data/val --label disk", "did you mean 'disc'"),
    ],
)
def test_wrong_words_are_one_line(cli, trained, tmp_path, words, told):
    ran = cli(f"score {trained}/run {words.replace('HOME', str(trained))} --out {tmp_path}")
    assert ran.code in (1, 2) and told in ran.err and ran.err.splitlines()[-1].startswith("gibbsian: ")


def test_points_of_a_run_on_a_toy_have_a_table_and_no_sheet(cli, runs, tmp_path):
    (tmp_path / "p.csv").write_text("a,b\n0,1\n5,5\n1,0\n")
    ran = cli(f"score {runs['generative_convnet']} --data {tmp_path}/p.csv --out {tmp_path}/o --json")
    assert ran.code == 0 and ran.json["n"] == 3 and ran.json["threshold"]["held_out"] == 5000
    assert not (tmp_path / "o/score-sheet.png").exists()


@pytest.mark.parametrize("words", ["--data HOME/mixed", "--data folder:HOME/mixed", ""])
def test_evaluate_takes_folders_of_other_sizes(cli, trained, words):
    if not (trained / "mixed").exists():
        shapes(trained / "mixed", 30, side=20)
    words = words.replace("HOME", str(trained))
    ran = cli(f"evaluate {trained}/run {words} --features random -n 16 --draws 2")
    assert ran.code == 0 and "gibbsian-random-v1" in ran.out, ran.err


def test_ood_and_attack_take_folders_of_other_sizes(cli, trained, tmp_path):
    if not (trained / "mixed").exists():
        shapes(trained / "mixed", 30, side=20)
    ran = cli(
        f"ood {trained}/run --against {trained}/mixed --scores energy --baselines none --out {tmp_path}/o"
    )
    assert ran.code == 0 and "too few to choose" in ran.out and "brought to 8x8" in ran.out


@pytest.mark.parametrize("kind", ["folder", "npz", "npy", "csv"])
def test_attack_takes_labelled_images_of_ones_own(cli, trained, tmp_path, kind):
    x, y = np.random.default_rng(0).random((60, 8, 8, 3)), np.array(["box", "disc"])[np.arange(60) % 2]
    np.savez(tmp_path / "own.npz", images=x, labels=y)
    np.save(tmp_path / "own.npy", x)
    (tmp_path / "own.csv").write_text("a,b\n" + "\n".join(f"{i},{i / 7}" for i in range(60)))
    data = shapes(tmp_path / "own", 30, side=20) if kind == "folder" else tmp_path / f"own.{kind}"
    words = "-n 6 --steps 2 --restarts 1 --refine 0 --eps 0,0.1"
    ran = cli(f"attack {trained}/run --data {data} {words} --out {tmp_path}/a --json")
    if kind in ("npy", "csv"):
        told = {"npy": "has no labels: attacks need labelled images", "csv": "holds numbers of shape (2,)"}[
            kind
        ]
        assert ran.code == 2 and told in ran.err
    else:
        assert ran.code == 0 and ran.json["n"] == 6, ran.err


def test_restore_takes_a_photo_with_a_mask_painted_on_it(cli, trained, tmp_path):
    photo, mask = np.zeros((20, 30, 3), np.uint8) + 90, np.zeros((20, 30), np.uint8)
    mask[8:12, 12:18] = 255
    Image.fromarray(photo).save(tmp_path / "p.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    words = f"restore {trained}/run --image {tmp_path}/p.png --steps 1 --completions 1 --out {tmp_path}/r"
    ran = cli(f"{words} --mask {tmp_path}/m.png")
    assert ran.code == 0 and "cut in the middle and resampled to 8x8" in ran.err, ran.err
    assert f"wrote 1 picture in {tmp_path}/r/restored" in ran.out and "p: energies" in ran.out
    restored = np.asarray(Image.open(tmp_path / "r/restored/p.png"))
    assert restored.shape == (8, 8, 3) and (restored[:2] == 90).all() and not (restored[3:5, 3:5] == 90).all()
    Image.fromarray(mask[:9]).save(tmp_path / "wrong.png")
    wrong = cli(f"{words} --mask {tmp_path}/wrong.png")
    assert wrong.code == 2 and "the photo 30 x 20" in wrong.err.splitlines()[-1]


@pytest.mark.parametrize("many", [1, 3, 7])
def test_one_mask_serves_photos_and_validation_images_of_any_number(cli, trained, tmp_path, many):
    (tmp_path / "own").mkdir()
    for i in range(many):
        Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(tmp_path / f"own/{i}.png")
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    words = f"restore {trained}/run --image {tmp_path}/own --mask {tmp_path}/m.png --steps 1 --completions 1"
    ran = cli(f"{words} --out {tmp_path}/r")
    assert ran.code == 0 and len(list((tmp_path / "r/restored").iterdir())) == many, ran.err


@pytest.mark.parametrize("kind", ["folder", "npy", "csv"])
def test_training_data_that_moved_are_asked_for_by_reference(cli, tmp_path, kind):
    own = tmp_path / ("own" if kind == "folder" else f"own.{kind}")
    if kind == "folder":
        shapes(own, 30, side=8)
    elif kind == "npy":
        np.save(own, np.random.default_rng(0).random((30, 8, 8)))
    else:
        rows = np.random.default_rng(0).normal(size=(30, 2))
        own.write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in rows))
    net = "--net mlp --net.hidden [4] --chain.steps 1 --size 8" if kind == "folder" else "--chain.steps 1"
    ran = cli(f"train short_run --data {own} {net} --steps 1 --train.batch_size 4 --out {tmp_path}/run")
    assert ran.code == 0, ran.err
    own.rename(moved := own.with_name(f"moved{own.suffix}"))
    given = f"--images {moved}" if kind == "folder" else f"--data {moved}"
    gone = cli(f"score {tmp_path}/run {given}")
    assert gone.code == 1 and "--reference" in gone.err.splitlines()[-1] and "if moved" in gone.err
    assert cli(f"score {tmp_path}/run {given} --reference {moved}").code == 0
