"""`gibbsian compose`."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.parametrize("op", ["product", "and", "mixture", "or", "negation", "not"])
def test_images_of_two_runs(op, cli, runs, tmp_path):
    out, npz = tmp_path / "x.png", tmp_path / "x.npz"
    run = str(runs["short_run"])
    words = ["compose", run, run, "--op", op, "-n", "3", "--out", str(out), "--npz", str(npz), "--json"]
    ran = cli(*words)
    assert ran.code == 0, ran.err
    assert np.load(npz)["x"].shape == (3, 8, 8) and out.stat().st_size > 50
    assert ran.json["run"].startswith({"and": "product", "or": "mixture", "not": "negation"}.get(op, op))


def test_points_and_weights(cli, runs, tmp_path):
    run, npz = str(runs["generative_convnet"]), tmp_path / "x.npz"
    ran = cli(
        "compose",
        run,
        run,
        "--weights",
        "1,0.5",
        "-n",
        "4",
        "--npz",
        str(npz),
        "--gif",
        str(tmp_path / "a.gif"),
    )
    assert ran.code == 0 and np.load(npz)["x"].shape == (4, 2) and (tmp_path / "a.gif").is_file()


def test_models_without_chains_on_data_take_a_kernel(cli, tmp_path):
    run, npz = str(tmp_path / "run"), tmp_path / "x.npz"
    assert cli(f"train vaebm --data toy:ring --steps 2 --net.hidden [8] --out {run}").code == 0
    words = ["compose", run, run, "-n", "3", "--steps", "2", "--npz", str(npz)]
    ran = cli(*words)
    assert ran.code == 2 and "give a kernel" in ran.err and ran.err.count("\n") == 1
    ran = cli(*words, "--kernel", "mala", "--temperature", "1", "--kernel.step_size", "0.01")
    assert ran.code == 0 and np.load(npz)["x"].shape[0] == 3


def test_classes_of_one_run_and_of_several(cli, runs, tmp_path):
    run, npz = str(runs["igebm"]), str(tmp_path / "x.npz")
    for more in (["--plain"], ["--op", "or"], ["--op", "not"]):
        assert cli("compose", run, "--classes", "1,2", *more, "-n", "2", "--npz", npz).code == 0
    ran = cli("compose", run, "--classes", "1,2", "-n", "2", "--npz", npz)
    assert ran.code == 2 and "train a joint one (jem)" in ran.err  # E(x, y) alone has no E(x)
    assert cli("compose", run, str(runs["short_run"]), "--classes", "3,-", "-n", "2", "--npz", npz).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "RUN... is missing"),
        (["{igebm}"], "one RUN alone"),
        (["{igebm}", "--classes", "1"], "one RUN alone"),
        (["{igebm}", "--classes", "1,x"], "--classes is '1,x'"),
        (["{igebm}", "--plain", "--classes", "1,99"], "class 99 is unknown"),
        (["{igebm}", "{igebm}", "--classes", "1,2,3"], "names 3 for 2 models"),
        (["{igebm}", "{igebm}", "--weights", "1"], "give a finite one for each of 2"),
        (["{igebm}", "{igebm}", "--weights", "1,b"], "--weights is '1,b'"),
        (["{igebm}", "{igebm}", "{igebm}", "--op", "not"], "a negation is of two models"),
        (["{igebm}", "{generative_convnet}"], "all must be of data of one shape"),
        (["{igebm}", "nowhere"], "nowhere"),
        (["{igebm}", "{igebm}", "-n", "0"], "at least 1"),
        (["{igebm}", "{igebm}", "--op", "nand"], "did you mean"),
    ],
)
def test_what_cannot_be_composed_is_one_line(words, said, cli, runs):
    ran = cli("compose", *[word.format(**runs) for word in words])
    assert ran.code in (1, 2) and said in ran.err and ran.err.count("\n") == 1
