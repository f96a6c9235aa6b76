"""`gibbsian restore` and `gibbsian crossclass` on tiny runs: what they write, ask for and refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

QUICK = ("-n", "4", "--steps", "2", "--completions", "2")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few validation images."""
    monkeypatch.setattr("gibbsian.tasks.restore.run.VALIDATION", 6)


def test_restore_writes_record_text_pictures_and_a_film(cli, runs, tmp_path):
    ran = cli("restore", str(runs["short_run"]), *QUICK, "--out", str(tmp_path), "--json")
    assert ran.code == 0
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {
        "restore.json",
        "restore.txt",
        "restore.png",
        "restore.gif",
        "restore-rows.png",
        "restored",
    }
    assert len(list((tmp_path / "restored").iterdir())) == 8
    kept = json.loads((tmp_path / "restore.json").read_text())
    assert kept["rows"] == ran.json["rows"] and kept["n"] == 4 and kept["corruption"] == "bottom"
    assert kept["config"]["steps"] == 2 and kept["rows"]["ours"]["differ"]["value"] == 1
    assert "ours less nearest" in (tmp_path / "restore.txt").read_text()


def test_restore_takes_labels_noise_and_every_choice(cli, runs, tmp_path):
    run, out = str(runs["igebm"]), ("--out", str(tmp_path), "--json")
    words = "--task denoise --noise salt_pepper:0.1,0.1,0.9 --outlier-mask extremes --average --label true"
    ran = cli("restore", run, *QUICK, *words.split(), *out)
    assert ran.code == 0 and ran.json["corruption"] == "salt_pepper:0.1,0.1,0.9"
    assert ran.json["config"]["average"] and ran.json["label"] == "true"
    words = "--mask rectangle:1,1,3,3 --label 3 --step-factor 0.5 --start samples --candidates 20 --seed 5"
    ran = cli("restore", run, *QUICK, *words.split(), *out)
    assert ran.code == 0 and ran.json["seed"] == 5 and "nearest of class" in ran.json["rows"]
    assert ran.json["config"]["step_factor"] == 0.5 and ran.json["config"]["candidates"] == 20


def test_restore_tunes_on_validation_images(cli, runs, tmp_path):
    words = "--task denoise --noise gaussian:0.2 --tune -n 4"
    ran = cli("restore", str(runs["short_run"]), *words.split(), "--out", str(tmp_path), "--json")
    assert ran.code == 0 and ran.json["tuned"]["criterion"] == "PSNR"
    best = ran.json["tuned"]["tried"][0]
    assert {k: ran.json["config"][k] for k in ("steps", "data_weight")} == {
        k: best[k] for k in ("steps", "data_weight")
    }


def test_restore_takes_files_of_yours_with_a_painted_mask(cli, runs, tmp_path):
    picture = np.full((8, 8), 200, np.uint8)
    white = np.zeros((8, 8), np.uint8)
    white[2:5, 3:6] = 255
    (tmp_path / "in").mkdir()
    Image.fromarray(picture).save(tmp_path / "in" / "one.png")
    Image.fromarray(white).save(tmp_path / "mask.png")
    out, run = tmp_path / "out", str(runs["short_run"])
    words = ("--image", str(tmp_path / "in"), "--mask", str(tmp_path / "mask.png"), *QUICK[2:])
    ran = cli("restore", run, *words, "--out", str(out), "--json")
    assert ran.code == 0 and ran.json["rows"] == {} and len(ran.json["energies"][0]) == 2
    first, second = (np.asarray(Image.open(out / "restored" / f"one-{k}.png")) for k in (1, 2))
    assert (first[white == 0] == 200).all() and (second[white == 0] == 200).all()
    assert (first != second)[white > 0].any()


def test_files_are_restored_where_the_training_data_are_gone(cli, tmp_path):
    x = np.random.RandomState(0).randint(0, 256, (40, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", x=x)
    words = f"train short_run --data {tmp_path}/mine.npz --preset digits --net.name mlp --net.hidden [8]"
    quick = "--steps 2 --chain.steps 2 --train.batch_size 8 --train.sample_every 0"
    run, out = tmp_path / "run", tmp_path / "o"
    assert cli(*words.split(), *quick.split(), "--out", str(run)).code == 0
    (tmp_path / "mine.npz").unlink()
    Image.fromarray(x[0]).save(tmp_path / "one.png")
    asked = ("restore", str(run), "--image", str(tmp_path / "one.png"), *QUICK[2:], "--out", str(out))
    ran = cli(*asked)
    assert ran.code == 0 and "no training images to compare with" in ran.err
    assert (out / "restored" / "one-1.png").is_file()
    ran = cli(*asked, "--data", f"{tmp_path}/mine.npz")
    assert ran.code == 1 and ran.err.count("\n") == 1


def test_mistakes_of_restore_are_one_line(cli, runs, tmp_path):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "large.png")
    run, toy = str(runs["short_run"]), str(runs["generative_convnet"])
    for words, said in [
        (f"{run} --mask botom", "did you mean 'bottom'"),
        (f"{run} --mask {tmp_path}/large.png", "--fit"),
        (f"{run} --mask bottom:7", "the lower half"),
        (f"{run} --image {tmp_path}/large.png", "--fit"),
        (f"{run} --noise gaussian:0.3", "is for --task denoise"),
        (f"{run} --task denoise --mask bottom", "is for --task inpaint"),
        (f"{run} --task denoise --noise gausian:0.3", "unknown noise"),
        (f"{run} --label 3", "no labels"),
        (f"{runs['igebm']} --label 11", "class 11 is unknown"),
        (f"{run} --clean", "speaks of --image"),
        (f"{run} --image {tmp_path}/none.png", "there is no image"),
        (f"{run} --image {tmp_path}/large.png -n 8", "brings its own"),
        (f"{run} --method chains", "did you mean 'chain'"),
        (f"{run} -n 1", "2 images or more"),
        (f"{run} --data toy:ring", "images of the model's shape"),
        (f"{toy} --data digits", "not images"),
        (f"{tmp_path}/nothing", "no checkpoint"),
    ]:
        ran = cli("restore", *words.split(), "--out", str(tmp_path / "o"))
        assert ran.code in (1, 2) and said in ran.err and ran.err.count("\n") == 1, words


def test_grey_images_are_refused_by_a_colour_model(cli, tmp_path):
    colour = np.random.RandomState(0).randint(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "c.npz", x=colour)
    words = f"train short_run --data {tmp_path}/c.npz --preset digits --net.name mlp --net.hidden [8]"
    quick = "--steps 2 --chain.steps 2 --train.batch_size 8 --train.sample_every 0"
    assert cli(*words.split(), *quick.split(), "--out", str(tmp_path / "run")).code == 0
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "g.png")
    asked = ("restore", str(tmp_path / "run"), "--image", str(tmp_path / "g.png"), "--steps", "1")
    ran = cli(*asked, "--out", str(tmp_path / "o"))
    assert ran.code == 2 and "is grey" in ran.err and ran.err.count("\n") == 1
    assert cli(*asked, "--fit", "--out", str(tmp_path / "o")).code == 0


def test_crossclass_writes_tables_and_pictures(cli, runs, tmp_path):
    words = "-n 2 --to 1,4 --steps 2"
    ran = cli("crossclass", str(runs["igebm"]), *words.split(), "--out", str(tmp_path), "--json")
    assert ran.code == 0 and ran.json["pairs"]["targets"] == [1, 4] and ran.json["steps"] == 2
    names = {p.name for p in tmp_path.iterdir()}
    assert {"crossclass.json", "crossclass.txt", "crossclass.png", "crossclass-pairs.png"} <= names
    assert "judged as asked" in (tmp_path / "crossclass.txt").read_text()


@pytest.mark.parametrize(
    ("run", "words", "said"),
    [
        ("short_run", "", "has no labels"),
        ("igebm", "--to 12", "class 12 is unknown"),
        ("igebm", "--to x", "unknown class 'x'"),
        ("igebm", "-n 1", "2 images"),
    ],
)
def test_mistakes_of_crossclass_are_one_line(cli, runs, tmp_path, run, words, said):
    ran = cli("crossclass", str(runs[run]), *words.split(), "--out", str(tmp_path))
    assert ran.code == 2 and said in ran.err and ran.err.count("\n") == 1


def test_options_that_a_task_would_not_hear(cli, runs):
    for words, told in (
        (["--outlier-mask", "none"], "--outlier-mask none is for --noise salt_pepper"),
        (["--task", "denoise", "--outlier-mask", "extremes"], "--outlier-mask extremes is for"),
        (["--data-weight", "3"], "inpainting has none"),
    ):
        ran = cli("restore", str(runs["short_run"]), *words)
        assert ran.code == 2 and told in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize("n", [20, 30, 60])
def test_all_of_few_test_images_are_taken(cli, runs, tmp_path, n):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((n, 8, 8)))
    quick = "--steps 1 --completions 1 --json"
    ran = cli(f"restore {runs['short_run']} --data {tmp_path}/a.npy {quick} --out {tmp_path}/o")
    assert ran.code == 0 and ran.json["n"] == n // 10
