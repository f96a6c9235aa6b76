"""`gibbsian study`: what it asks for, hands on and writes; the measures have tests of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from known import stand_in

from gibbsian.cli import results
from gibbsian.cli.main import main
from gibbsian.cli.runs import trained_on
from gibbsian.core.errors import UsageError
from gibbsian.tasks.study import modes

TINY = (
    "train vaebm --data digits --steps 4 --vae.steps 2 --vae.hidden [8] --vae.groups [3] --net.hidden [8] "
    "--chain.steps 1 --sample.steps 1 --buffer.capacity 40 --train.batch_size 16 --train.sample_every 0"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """A VAEBM on digits, four updates."""
    run = tmp_path_factory.mktemp("studied") / "vaebm"
    assert main([*TINY.split(), "--out", str(run), "--json"]) == 0
    return {"vaebm": run}


@pytest.fixture
def asked(monkeypatch):
    """What the tasks are asked for, by topic."""
    calls = {}
    monkeypatch.setattr(modes, "study_modes", stand_in(calls, "modes"))
    return calls


def test_modes_writes_record_text_and_plots(cli, trained, tmp_path):
    out = tmp_path / "s"
    ran = cli("study", "modes", str(trained["vaebm"]), "-n", "40", "--draws", "2", "--steps", "0,1",
              "--out", str(out), "--json")  # fmt: skip
    assert ran.code == 0 and "model: 2 draws of 40 samples" in ran.err
    assert {p.name for p in out.iterdir()} == {
        "modes.json", "modes.txt", "modes-histogram.png", "modes-steps.png", "modes-energies.png",
        "modes-samples.png",
    }  # fmt: skip
    assert ran.json["topic"] == "modes" and set(ran.json["steps"]) == {"0", "1"}
    kept = json.loads((out / "modes.json").read_text())
    assert kept["measures"] == ran.json["measures"] and "perfect sampler" in (out / "modes.txt").read_text()


def test_calibration_takes_further_runs_as_seeds(cli, tmp_path):
    words = "train jem --data digits --steps 2 --net.hidden [8] --loss.w_x 0 --train.sample_every 0"
    runs = [str(tmp_path / name) for name in ("one", "two")]
    for seed, run in enumerate(runs):
        assert main([*words.split(), "--seed", str(seed), "--out", run, "--json"]) == 0
    out = ["--out", str(tmp_path / "s"), "-n", "50", "--bins", "5"]
    ran = cli("study", "calibration", runs[0], "--runs", runs[1], *out, "--json")
    assert ran.code == 0 and list(ran.json["runs"]) == [*runs, "mean of 2"] and ran.json["joint"]
    assert {p.name for p in (tmp_path / "s").iterdir()} == {
        "calibration.json", "calibration.txt", "calibration-reliability.png",
    }  # fmt: skip
    assert len(ran.json["reliability"][runs[1]]) == 5


def test_sizes_are_those_of_the_topic_unless_given(cli, trained, asked, tmp_path):
    run, out = str(trained["vaebm"]), str(tmp_path / "s")
    cli("study", "modes", run, "--out", out)
    (_, data), options = asked["modes"]
    assert data == "digits" and options["steps"] == [*modes.STEPS] and options["seed"] == 0
    assert (options["n"], options["draws"]) == (2000, 3)
    ran = cli("study", "modes", run, "--out", out, "-n", "7", "--steps", "3", "--seed", "4", "--json")
    _, options = asked["modes"]
    assert (options["n"], options["steps"], options["seed"]) == (7, [3], 4)
    kept = json.loads((tmp_path / "s" / "modes.json").read_text())
    assert ran.json["gap"] == "inf" and kept["gap"] == "inf"


def test_the_folder_is_in_the_run_or_here(cli, trained, asked, tmp_path, monkeypatch):
    run = trained["vaebm"]
    assert results.place(str(run), "study") == run / "study"
    newest = next((run / "checkpoints").glob("step-*"))
    assert results.place(str(newest), "study") == run / "study" and trained_on(str(newest)) == "digits"
    assert cli("export", str(run), "--out", str(tmp_path / "m")).code == 0
    monkeypatch.chdir(tmp_path)
    assert cli("study", "modes", str(tmp_path / "m")).code == 0
    assert (tmp_path / "study/modes.txt").read_text() == "found  1.5\n"


def test_without_matplotlib_there_are_no_plots(cli, trained, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "find_spec", lambda name: None)
    ran = cli("study", "modes", str(trained["vaebm"]), "--out", str(tmp_path))
    assert ran.code == 0 and "gibbsian[plot]" in ran.err and (tmp_path / "modes.json").is_file()


def test_chains_of_a_vaebm_go_on_from_its_buffer(cli, trained, tmp_path):
    out = ["--out", str(tmp_path / "s.png")]
    assert cli("sample", str(trained["vaebm"]), "--start", "buffer", "-n", "8", *out).code == 0
    ran = cli("sample", str(trained["vaebm"]), "--start", "buffer", "-n", "41", *out)
    assert ran.code == 2 and "that training stored" in ran.err


def test_mistakes_are_one_line(cli, trained, tmp_path):
    run = str(trained["vaebm"])
    ran = cli("study", "mods", run)
    assert ran.code == 2 and "did you mean 'study modes'?" in ran.err
    ran = cli("study", "modes", run, "--steps", "0,many", "--out", str(tmp_path))
    assert ran.code == 2 and "give whole numbers" in ran.err and ran.err.count("\n") == 1
    with pytest.raises(UsageError, match="--steps is 'x'"):
        results.numbers("--steps", "x")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("dimension --draws 7", "unknown option '--draws'"),
        ("longrun --bins 9", "unknown option '--bins'"),
        ("calibration --steps 1,2", "unknown option '--steps'"),
        ("modes --runs a", "unknown option '--runs'"),
        ("modes -n 0", "must be a positive"),
    ],
)
def test_options_of_other_topics_are_refused(cli, trained, words, part):
    topic, *more = words.split()
    ran = cli("study", topic, str(trained["vaebm"]), *more)
    assert ran.code == 2 and part in ran.err
