"""`gibbsian rollout`."""

from __future__ import annotations

import numpy as np
import pytest

QUICK = "--train.steps 4 --train.save_every 4 --train.batch_size 32 --proposal.lead 2 --net.hidden [8]"
HORIZON = ("--horizon", "5", "-n", "6", "--steps", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of the point mass, and one of a file with actions."""
    from gibbsian.cli.main import main

    root = tmp_path_factory.mktemp("paths")
    rng = np.random.default_rng(0)
    acts = rng.normal(size=(8, 20, 1))
    np.savez(root / "mine.npz", states=rng.normal(size=(8, 20, 3)).cumsum(1).cumsum(1), actions=acts)
    for name, data in {"mass": "pointmass:two_way", "mine": f"episodes:{root}/mine.npz"}.items():
        preset = "point_mass" if name == "mass" else "transitions"
        words = f"train snl --preset {preset} --data {data} {QUICK} --out {root}/{name}"
        assert main(words.split()) == 0
    return root


@pytest.mark.parametrize("name", ["mass", "mine"])
@pytest.mark.parametrize("more", [[], ["--near", "0.1"], ["--joint"], ["--goal", "2"], ["--within"]])
def test_futures_of_a_row(name, more, folder, cli, tmp_path) -> None:
    npz = tmp_path / "paths.npz"
    ran = cli("rollout", str(folder / name), "--start", "3", *HORIZON, *more, "--npz", str(npz), "--out",
              str(tmp_path / "a.png"), "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    paths = np.load(npz)["paths"]
    assert paths.shape == (6, 6, 1 if name == "mass" else 3) and np.isfinite(paths).all()
    assert ran.json["joint"] is (more in (["--joint"], ["--goal", "2"])) and (tmp_path / "a.png").is_file()


def test_measures_and_the_picture_in_the_run(folder, cli) -> None:
    ran = cli("rollout", str(folder / "mine"), *HORIZON, "--windows", "10", "--json")
    assert ran.code == 0, ran.err
    found = ran.json["measured"]
    assert found["windows"] == 10 and found["episodes"] == 1 and len(found["per_step"]["frechet"]) == 5
    assert found["nats"]["value"] and (folder / "mine" / "rollout.png").is_file()


def test_a_state_and_actions_from_files(folder, cli, tmp_path) -> None:
    state, acts = tmp_path / "state.csv", tmp_path / "acts.npy"
    state.write_text("0.5,1,2\n0.6,1.1,2\n")
    np.save(acts, np.zeros((5, 1)))
    words = [
        "rollout",
        str(folder / "mine"),
        "--start",
        str(state),
        *HORIZON,
        "--out",
        str(tmp_path / "a.png"),
    ]
    ran = cli(*words, "--actions", str(acts))
    assert ran.code == 0 and "6 futures of 5 steps from" in ran.out
    ran = cli(*words)
    assert ran.code == 2 and "give actions of 5 steps" in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--start", "10000"], "has rows 0 to 9999"),
        (["--start", "nowhere.csv"], "cannot be read as a state"),
        (["--goal", "{state}"], "goal has shape"),
        (["--horizon", "99", "--windows", "5"], "longest held-out episode"),
        (["--joint", "--windows", "5"], "leave out --joint"),
        (["--data", "toy:ring"], "holds no transitions"),
        (["--data", "pointmass:ring"], "this model takes steps"),
        (["-n", "0"], "n is 0"),
    ],
)
def test_mistakes_are_one_line(words, said, folder, cli, tmp_path) -> None:
    (tmp_path / "state.csv").write_text("1,2,3,4\n")
    given = [w.format(state=tmp_path / "state.csv") for w in words]
    ran = cli("rollout", str(folder / "mass"), *given, "--steps", "2", "--out", str(tmp_path / "a.png"))
    assert ran.code in (1, 2) and said in ran.err and ran.err.count("\n") == 1


def test_a_model_of_something_else(runs, cli) -> None:
    ran = cli("rollout", str(runs["generative_convnet"]))
    assert ran.code == 2 and "holds no transitions" in ran.err
