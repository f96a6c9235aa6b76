"""Drawing in another way than that of training: --sampling.* of energies over noise levels, by every verb."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    import gibbsian as gb

    folder = tmp_path_factory.mktemp("noise") / "run"
    small = {"net__name": "residual_mlp", "net__width": 8, "net__classes": 10, "sampling__steps": 3}
    small |= {"train__lr": 0.02, "train__warmup": 0, "train__average": 0.0}
    gb.fit("noise_energy", "digits", out=folder, steps=4, progress=False, **small)
    return folder


def drawn(cli, run, tmp_path, *words):
    path = tmp_path / "x.npz"
    assert cli("sample", str(run), "-n", "4", "--label", "3", "--npz", str(path), *words).code == 0
    return np.load(path)["x"]


def test_samples_are_drawn_as_asked(cli, run, tmp_path) -> None:
    own = drawn(cli, run, tmp_path)
    for words in (["--sampling.guidance", "4"], ["--sampling.corrections", "2"], ["--sampling.steps", "5"]):
        assert not np.array_equal(own, drawn(cli, run, tmp_path, *words)), words
    assert np.array_equal(own, drawn(cli, run, tmp_path, "--sampling.steps", "3"))


def test_other_verbs_draw_as_asked(cli, run, tmp_path) -> None:
    out = tmp_path / "r"
    words = ("-n", "2", "--completions", "1", "--sampling.corrections", "2", "--out", str(out))
    ran = cli("restore", str(run), *words)
    assert ran.code == 0, ran.err
    assert f"{3 + 3 * 2} steps" in (out / "restore.txt").read_text()
    words = ("--classes", "3,5", "--plain", "-n", "2", "--npz", str(tmp_path / "c.npz"))
    ends = []
    for more in ([], ["--sampling.corrections", "2"]):
        assert cli("compose", str(run), *words, *more).code == 0
        ends.append(np.load(tmp_path / "c.npz")["x"])
    assert not np.array_equal(*ends)


@pytest.mark.parametrize("verb", ["sample", "evaluate", "restore"])
def test_settings_of_others_are_refused(cli, run, runs, verb) -> None:
    told = cli(verb, str(run), "--latent.beta", "2")
    assert told.code == 2 and "--latent.beta is for models with latents (gebm, vaebm)" in told.err
    told = cli(verb, str(runs["short_run"]), "--sampling.steps", "2")
    assert told.code == 2 and "--sampling.steps is for energies over noise levels" in told.err


def test_bad_values_are_told(cli, run) -> None:
    told = cli("sample", str(run), "--sampling.steps", "0")
    assert told.code == 2 and "sampling.steps is 0" in told.err
