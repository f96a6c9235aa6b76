"""`gibbsian ood`: what it writes for a tiny run, and one line for what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

QUICK = "-n 30 --against noise --scores energy,complexity --baselines vae --baseline-minutes 0.002"


def test_writes_record_text_sheet_and_histograms(cli, runs, tmp_path):
    out = tmp_path / "o"
    ran = cli(f"ood {runs['igebm']} {QUICK} --out {out} --json")
    assert ran.code == 0
    assert (
        list(ran.json["scores"]) == ["energy", "complexity", "vae", "vae+png"]
        and ran.json["data"] == "digits"
    )
    written = {p.name for p in out.iterdir()}
    assert written >= {"ood.json", "ood.txt", "ood-sheet.png", "ood-energy.png", "ood-vae-png.png"}
    assert [p.name for p in (out / "baselines").iterdir()] == ["vae.safetensors"]
    assert json.loads((out / "ood.json").read_text())["scores"] == ran.json["scores"]
    again = cli(f"ood {runs['igebm']} {QUICK} --out {out} --json")
    assert again.json["scores"] == ran.json["scores"], "kept baselines"


def test_prints_tables_and_takes_a_background(cli, runs, tmp_path):
    ran = cli(
        f"ood {runs['short_run']} -n 30 --against constant --scores energy,ratio --baselines none "
        f"--background {runs['igebm']} --choose-on gaussian --out {tmp_path}"
    )
    assert ran.code == 0 and "AUROC" in ran.out and "score to quote" in ran.out
    row = next(line for line in ran.out.splitlines() if line.startswith("set   ") and "ratio" in line)
    assert row.split() == ["set", "energy", "ratio"]


def test_wrong_words_are_one_line(cli, runs, tmp_path):
    run = runs["short_run"]
    for words, told in (
        ("--against niose", "did you mean 'noise'"),
        ("--against noise --scores lse", "has no label head"),
        ("--against noise --scores ratio", "--background RUN"),
        ("--against noise --scores levels", "no ladder"),
        ("--baselines glow", "unknown baseline 'glow'"),
        ("--baseline-minutes 0", "minutes is 0"),
        ("-n 5", "n is 5"),
        ("--choose-on digits", "what the model was trained on"),
        ("--data mnist --data-dir /nowhere", ""),
    ):
        ran = cli(f"ood {run} --out {tmp_path} {words}")
        assert ran.code in (1, 2) and told in ran.err and ran.err.count("\n") == 1, words
    words = f"ood {runs['generative_convnet']} -n 30 --out {tmp_path} --against noise"
    for more, told in (("--baselines vae", "images"), ("--scores complexity", "picture")):
        points = cli(f"{words} {more}")
        assert points.code == 2 and told in points.err and points.err.count("\n") == 1


def test_rows_of_numbers_are_compared_without_a_sheet(cli, runs, tmp_path):
    np.save(tmp_path / "far.npy", np.random.default_rng(0).normal(9, 1, (25, 2)))
    words = f"ood {runs['generative_convnet']} -n 30 --out {tmp_path}/o --against"
    ran = cli(f"{words} {tmp_path}/far.npy,noise,gaussian,toy:moons --json")
    assert ran.code == 0, ran.err
    assert list(ran.json["scores"]["energy"]) == [f"{tmp_path}/far.npy", "noise", "gaussian", "toy:moons"]
    assert ran.json["sets"][0]["n"] == 25 and "complexity" in ran.json["left_out"]
    assert not (tmp_path / "o/ood-sheet.png").exists()
    for name, told in (("flipped", "set of images"), ("digits", "like with like")):
        wrong = cli(f"{words} {name}")
        assert wrong.code == 2 and told in wrong.err


@pytest.mark.parametrize(
    "name",
    ["own.npz", "labelled.npz", "own.npy", "folder:own", "./own", "folder:classes", "folder:own@grey=yes"],
)
def test_images_of_your_own_are_a_set(cli, runs, tmp_path, monkeypatch, name):
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", x=x)
    np.savez(tmp_path / "labelled.npz", images=x / 255.0, labels=np.arange(40) % 3)
    np.save(tmp_path / "own.npy", x[:, None])
    for k, image in enumerate(x):
        for folder in ("own", f"classes/{k % 2}"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(tmp_path / folder / f"{k}.png")
    monkeypatch.chdir(tmp_path)
    ran = cli(f"ood {runs['igebm']} --against {name} -n 20 --scores energy --baselines none "
              f"--out {tmp_path}/o --json")  # fmt: skip
    assert ran.code == 0 and list(ran.json["scores"]["energy"]) == [name], ran.err
    gone = cli(f"ood {runs['igebm']} --against folder:{tmp_path}/no -n 20 --scores energy --baselines none")
    assert gone.code == 1 and gone.err.count("\n") == 1
