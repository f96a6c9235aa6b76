"""`gibbsian sample`."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def drawn(cli, runs, tmp_path):
    """Draw from a tiny run into files: `drawn("igebm", "-n", "4")` gives the call and the arrays."""

    def draw(system, *words):
        npz = tmp_path / "x.npz"
        ran = cli("sample", str(runs[system]), "--npz", str(npz), *words, "--json")
        assert ran.code == 0, ran.err
        return ran, dict(np.load(npz))

    return draw


def test_images_are_uint8(drawn):
    ran, arrays = drawn("short_run", "-n", "5")
    assert arrays["x"].shape == (5, 8, 8) and arrays["x"].dtype == np.uint8
    assert arrays["energy"].shape == (5,) and "y" not in arrays
    assert ran.json["n"] == 5 and abs(ran.json["energy"] - arrays["energy"].mean()) < 1e-5


def test_points_are_float32(drawn):
    _, arrays = drawn("generative_convnet", "-n", "5")
    assert arrays["x"].shape == (5, 2) and arrays["x"].dtype == np.float32


def test_labels_come_in_turn_or_as_asked(drawn):
    assert drawn("igebm", "-n", "12")[1]["y"].tolist() == [*range(10), 0, 1]
    arrays = drawn("igebm", "-n", "3", "--label", "7")[1]
    assert arrays["y"].tolist() == [7, 7, 7] and arrays["y"].dtype == np.int64


def test_the_seed_decides(drawn):
    first, again = (drawn("short_run", "-n", "3", "--seed", "5")[1]["x"] for _ in range(2))
    assert (first == again).all()
    assert (first != drawn("short_run", "-n", "3", "--seed", "6")[1]["x"]).any()


def test_buffer_chains_go_on(drawn, cli, runs):
    drawn("igebm", "-n", "4", "--start", "buffer", "--steps", "1")
    ran = cli("sample", str(runs["short_run"]), "--start", "buffer")
    assert ran.code == 2 and "--start noise" in ran.err
    ran = cli("sample", str(runs["igebm"]), "--start", "buffer", "-n", "1000")
    assert ran.code == 2 and "buffer of 64" in ran.err


@pytest.fixture
def latent(monkeypatch, tilted):
    """Any RUN is a model that moves pairs of latents."""
    from gibbsian.train import load

    def loaded(run, **options):
        model = tilted((1, 4, 4), pair=True, steps=5)
        return model, dict(model.samplers)

    monkeypatch.setattr("gibbsian.cli.sample.cut_short", lambda run, which: "")
    monkeypatch.setattr(load, "load_samplers", loaded)


def test_the_base_of_a_latent_system(cli, latent, tmp_path):
    npz, gif, strip = tmp_path / "x.npz", tmp_path / "c.gif", tmp_path / "s.png"
    words = [
        "--start",
        "base",
        "-n",
        "3",
        "--npz",
        str(npz),
        "--gif",
        str(gif),
        "--strip",
        str(strip),
        "--json",
    ]
    ran = cli("sample", "RUN", *words)
    assert ran.code == 0 and np.load(npz)["x"].shape == (3, 4, 4), ran.err
    with Image.open(gif) as film, Image.open(strip) as shown:
        assert film.n_frames == 1 and shown.width == 66
    ran = cli("sample", "RUN", *words, "--kernel", "mala", "--kernel.step_size", ".2", "--steps", "2")
    assert 0 < ran.json["acceptance"] <= 1


def test_strips(cli, latent, runs, tmp_path):
    path = tmp_path / "deep/s.png"
    assert cli("sample", "RUN", "-n", "20", "--strip", str(path)).code == 0
    with Image.open(path) as shown:  # six times, 16 chains at most
        assert shown.size == (6 * 68 - 2, 16 + 16 * 68 - 2)
    ran = cli("sample", "RUN", "-n", "2", "--strip", str(path), "--json", "--steps", "3")
    assert ran.json["strip"] == str(path) and "out" not in ran.json
    with Image.open(path) as shown:
        assert shown.size == (4 * 68 - 2, 16 + 2 * 68 - 2)


def test_watching_by_a_strip_changes_no_sample(cli, latent, tmp_path):
    words = ["sample", "RUN", "-n", "4", "--npz", str(tmp_path / "x.npz")]
    drawn = []
    for more in ([], ["--strip", str(tmp_path / "s.png")]):
        assert cli(*words, *more).code == 0
        drawn.append(np.load(tmp_path / "x.npz")["energy"])
    assert (drawn[0] == drawn[1]).all()


@pytest.mark.parametrize(
    ("start", "part"),
    [
        ("bas", "did you mean 'base'?"),
        ("x", "choose from base, noise"),
        ("buffer", "noise or --start base"),
    ],
)
def test_starts_that_are_not_there_are_named_with_those_that_are(cli, latent, start, part):
    ran = cli("sample", "RUN", "--start", start)
    assert ran.code == 2 and part in ran.err and ran.err.count("\n") == 1


def test_pictures(cli, runs, tmp_path):
    out, gif = tmp_path / "g.png", tmp_path / "deep/c.gif"
    words = [
        "sample",
        str(runs["short_run"]),
        "-n",
        "6",
        "--columns",
        "3",
        "--out",
        str(out),
        "--gif",
        str(gif),
    ]
    assert cli(*words, "--steps", "5").code == 0
    with Image.open(out) as grid, Image.open(gif) as chain:
        assert grid.size == (3 * 62 - 2, 2 * 62 - 2)  # 8x8 in a frame of 1, six times
        assert chain.size == (grid.width, grid.height + 80) and chain.n_frames == 6


def test_long_chains_keep_few_frames(cli, runs, tmp_path):
    gif = tmp_path / "c.gif"
    assert (
        cli("sample", str(runs["generative_convnet"]), "-n", "4", "--gif", str(gif), "--steps", "150").code
        == 0
    )
    with Image.open(gif) as chain:
        assert 30 < chain.n_frames < 80


def test_a_picture_is_written_without_being_asked(cli, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("sample", str(runs["generative_convnet"]), "-n", "9").code == 0
    assert (tmp_path / "samples.png").is_file()


def test_what_cannot_be_drawn_goes_to_an_array(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "p.npy", np.array([[i, i % 3, i % 5] for i in range(40)], float))
    words = "--net.hidden [4] --chain.steps 2 --train.batch_size 4 --train.sample_every 0 --steps 1 --out run"
    assert cli(f"train generative_convnet --preset toy-cold --data p.npy {words}").code == 0
    assert cli("sample run -n 3").code == 0
    assert np.load("samples.npz")["x"].shape == (3, 3)
    ran = cli("sample run --out x.png")
    assert ran.code == 2 and "use --npz" in ran.err


@pytest.mark.parametrize("kernel", ["mala", "hmc", "underdamped"])
def test_exact_kernels_on_a_matched_system(drawn, kernel):
    ran, arrays = drawn(
        "generative_convnet", "-n", "8", "--kernel", kernel, "--kernel.step_size", ".3", "--steps", "3"
    )
    assert 0 < ran.json["acceptance"] <= 1 and ran.json["kernel"] == kernel and len(arrays["x"]) == 8


def test_step_sizes_are_tuned_where_none_is_given(drawn):
    ran, _ = drawn("generative_convnet", "-n", "16", "--kernel", "mala", "--steps", "5")
    assert 0 < ran.json["acceptance"] < 1


def test_langevin_replaces_the_chain_of_any_system(drawn):
    ran, _ = drawn("igebm", "-n", "4", "--kernel", "langevin", "--kernel.step_size", "1e-2", "--steps", "3")
    assert ran.json["kernel"] == "langevin" and "acceptance" not in ran.json


def test_a_temperature_makes_up_for_an_unmatched_chain(drawn, cli, runs):
    ran = cli("sample", str(runs["short_run"]), "--kernel", "mala")
    assert ran.code == 2 and "defines no T" in ran.err and ran.err.count("\n") == 1
    words = ["--kernel", "mala", "--kernel.step_size", ".1", "--temperature", ".1", "--steps", "2"]
    assert drawn("short_run", "-n", "4", *words)[0].json["acceptance"] > 0


MISTAKES = [
    ("-n 0", 2, "at least 1"),
    ("--steps 0", 2, "at least 1"),
    ("--label 3", 2, "no labels"),
    ("--temperature 1", 2, "--temperature needs a kernel"),
    ("--kernel hcm", 2, "did you mean 'hmc'?"),
    ("--kernel mala --temperature -1", 2, "--temperature is -1"),
    ("--kernel mala --kernel.step_size -1 --temperature 1", 2, "step_size"),
    ("--kernel mala --kernel.step_size a --temperature 1", 2, "kernel.step_size is 'a'"),
    ("--kernel mala --kernel.leapfrogs 3", 2, "unknown option '--kernel.leapfrogs'"),
    ("--kernel.step_size 3", 2, "needs --kernel"),
    ("--which best", 1, "validate_every 0; take the newest"),
    ("--npz a.csv", 2, "--npz is a.csv: it writes a .npz file"),
    ("--gif a.png", 2, "--gif is a.png"),
    ("--out grid.xyz", 2, "names no picture format"),
]


@pytest.mark.parametrize(("words", "code", "part"), MISTAKES)
def test_mistakes_are_one_line(cli, runs, monkeypatch, tmp_path, words, code, part):
    monkeypatch.chdir(tmp_path)
    ran = cli("sample", str(runs["short_run"]), *words.split())
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert ran.err.count("\n") == 1 and part in ran.err


def test_labels_out_of_range(cli, runs):
    ran = cli("sample", str(runs["igebm"]), "--label", "10")
    assert ran.code == 2 and "classes 0 to 9" in ran.err


def test_missing_and_truncated_runs(cli, runs, tmp_path):
    ran = cli("sample", str(tmp_path / "none"))
    assert ran.code == 1 and "no checkpoint" in ran.err
    shutil.copytree(runs["short_run"], tmp_path / "a")
    state = tmp_path / "a/checkpoints/step-000003/state.json"
    state.write_text(state.read_text()[:50])
    ran = cli("sample", str(tmp_path / "a"))
    assert ran.code == 1 and "damaged" in ran.err and ran.err.count("\n") == 1


def test_exported_models_hold_no_chains(cli, runs, tmp_path):
    assert cli("export", str(runs["igebm"]), "--out", str(tmp_path / "m")).code == 0
    ran = cli("sample", str(tmp_path / "m"), "--start", "buffer")
    assert ran.code == 2 and "holds no chains" in ran.err


def test_latents_are_drawn_as_asked(cli, tmp_path) -> None:
    run = str(tmp_path / "gebm")
    words = ["--energy_first", "0", "--energy_steps", "1", "--train.save_every", "3"]
    assert cli("train", "gebm", "--data", "digits", "--steps", "3", "--out", run, *words).code == 0
    ends = {}
    for name, more in {
        "own": [],
        "sharp": ["--latent.beta", "30"],
        "kinetic": ["--latent.kernel", "kinetic"],
    }.items():
        npz = tmp_path / f"{name}.npz"
        assert cli("sample", run, "-n", "4", "--npz", str(npz), "--latent.steps", "5", *more).code == 0
        ends[name] = np.load(npz)["x"]
    assert not np.array_equal(ends["own"], ends["kinetic"])
    told = cli("sample", run, "--latent.kernel", "kinetik")
    assert told.code == 2 and "kinetic" in told.err
    told = cli("sample", run, "--start", "base", "--latent.beta", "2")
    assert told.code == 2 and "leave out --start base" in told.err


def test_latent_settings_need_latents(cli, runs) -> None:
    told = cli("sample", str(runs["short_run"]), "--latent.beta", "2")
    assert told.code == 2 and "models with latents" in told.err


def test_the_buffer_of_a_checkpoint(drawn, cli, runs, tmp_path):
    path = runs["igebm"] / "checkpoints/step-000003"
    words = ("-n", "4", "--start", "buffer", "--steps", "1", "--npz", str(tmp_path / "x.npz"))
    assert cli("sample", str(path), *words).code == 0


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--npz {0}/x.npz --out {0}/bad.foo", "no picture format"),
        ("--npz {0}/x.npz --out {0}", "is a folder"),
        ("--npz {0}/x.png --out {0}/x.png", "two outputs"),
        ("--out .", "is a folder"),
    ],
)
def test_bad_names_of_files_are_told_before_drawing(cli, runs, tmp_path, words, part):
    ran = cli("sample", str(runs["short_run"]), "-n", "2", *words.format(tmp_path).split())
    assert ran.code == 2 and part in ran.err and not list(tmp_path.iterdir())


def test_a_checkpoint_named_from_beside_it(cli, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(runs["short_run"] / "checkpoints")
    assert cli("sample", "step-000003", "-n", "2", "--npz", str(tmp_path / "x.npz")).code == 0


def test_an_exported_model_has_no_best(cli, runs, tmp_path):
    cli("export", str(runs["short_run"]), "--out", str(tmp_path / "m"))
    ran = cli("sample", str(tmp_path / "m"), "--which", "best")
    assert ran.code == 2 and "one set of weights" in ran.err
