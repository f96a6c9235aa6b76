"""A table of a person's own through every command: index, classes by name, units; moved, beside another."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import yaml

from gibbsian.cli.runs import asked_data
from gibbsian.core.spec import Table
from gibbsian.data.load import load

R = np.random.default_rng(0)
Z = R.normal(size=(120, 2))


def rows(n=120, factor=1.0):
    return [
        f"{i},{45 + 12 * Z[i, 0]:.0f},{6e4 + 2e4 * factor * Z[i, 1]:.2f},{('f', 'm')[i % 2]}"
        for i in range(n)
    ]


@pytest.fixture
def people(tmp_path, monkeypatch):
    """The file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text("\n".join([",age,pay,sex", *rows()]))
    return tmp_path


QUICK = "--steps 2 --train.batch_size 16 --train.sample_every 0"


def read(path, mark=","):
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle, delimiter=mark))


def test_samples_are_a_table_in_the_units_of_the_first(people, cli):
    trained = cli(f"train jem --data people.csv --out run {QUICK}")
    for told in ("numbers the rows", "'sex' holds the labels", "are standardised", "net.classes is 2"):
        assert told in trained.err
    assert cli("sample run -n 6 --steps 2 --out s.csv").code == 0
    drawn = read("s.csv")
    assert list(drawn[0]) == ["age", "pay", "sex"] and {row["sex"] for row in drawn} == {"f", "m"}
    assert np.std([float(row["pay"]) for row in drawn]) > 1000
    for name in ("s.tsv", "s.npy", "s.npz"):
        assert cli(f"sample run -n 6 --steps 2 --out {name}").code == 0
    assert np.allclose(np.load("s.npy"), np.load("s.npz")["x"])
    assert np.allclose(np.load("s.npy")[:, 1], [float(row["pay"]) for row in read("s.tsv", "\t")])
    assert (
        cli("export run --out model").code == 0 and cli("sample model -n 6 --steps 2 --out m.csv").code == 0
    )
    assert read("m.csv") == drawn


def test_three_columns_are_sampled_to_csv_by_default(people, cli):
    (people / "three.csv").write_text("\n".join(["a,b,c", *(f"{a},{b},{9 * a}" for a, b in Z)]))
    assert cli(f"train igebm --data three.csv --out run {QUICK}").code == 0
    assert cli("sample run -n 3 --steps 2").code == 0 and list(read("samples.csv")[0]) == ["a", "b", "c"]
    assert "holds rows of numbers, not data of shape" in sampled_images(cli)


def sampled_images(cli):
    words = "--data digits --net.name mlp --net.hidden [8] --chain.steps 1"
    assert cli(f"train short_run {words} --out images {QUICK}").code == 0
    return cli("sample images --out s.csv").err


def test_a_run_goes_on_where_the_table_was_moved(people, cli):
    assert cli(f"train igebm --data people.csv --out run {QUICK}").code == 0
    assert yaml.safe_load((people / "run/config.yaml").read_text())["data"].endswith(
        "people.csv@standardise=yes"
    )
    (people / "elsewhere").mkdir()
    (people / "people.csv").rename("elsewhere/folk.csv")
    (people / "run").rename("elsewhere/run")
    words = QUICK.replace("--steps 2", "--steps 3")
    gone = cli(f"train igebm --data people.csv --out elsewhere/run --resume auto {words}")
    assert "there is no file" in gone.err and gone.code == 1
    found = cli(f"train igebm --data elsewhere/folk.csv --out elsewhere/run --resume auto {words}")
    assert found.code == 0 and "resumed from" in found.err and "run.json:" not in found.err


def test_another_table_is_seen_in_the_units_of_the_run(people, cli):
    assert cli(f"train igebm --data people.csv --out run {QUICK}").code == 0
    (people / "richer.csv").write_text("\n".join([",age,pay,sex", *rows(60, 100.0)]))
    kept = json.loads((people / "run/run.json").read_text())["table"]
    for data in (None, "richer.csv", "richer.csv@on_error=skip"):
        assert load(asked_data("run", data)).table == Table.read(kept)
    assert cli("export run --out model").code == 0
    assert load(asked_data("model", "richer.csv")).table == Table.read(kept)
    assert "run.json" not in json.loads((people / "model/config.json").read_text())["data"]
    assert (asked_data("run", "digits"), asked_data("run", "toy:ring")) == ("digits", "toy:ring")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "--columns age,pay --label-column none",
            "data: {}@label_column=none@columns=age,pay@standardise=yes",
        ),
        ("--standardise yes", "@standardise=yes"),
        ("--on-error skip", "@on_error=skip@standardise=yes"),
        ("--label-column sex --header yes", "@header=yes@label_column=sex@standardise=yes"),
    ],
)
def test_how_a_table_is_read_is_kept_by_the_run(people, cli, words, told):
    assert cli(f"train igebm --data people.csv --out run {QUICK} {words}").code == 0
    assert told.format(people / "people.csv") in (people / "run/config.yaml").read_text()
    assert cli(f"train igebm --data people.csv --out run --resume auto {QUICK}").code == 0


def test_columns_left_as_they_are_are_judged(people, cli):
    refused = cli(f"train igebm --data people.csv --out run {QUICK} --standardise no")
    assert refused.code == 2 and "let gb.dataset standardise them (--standardise yes)" in refused.err


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_arrays_of_points_take_the_preset_for_points(people, cli, columns):
    np.save("p.npy", R.normal(size=(60, columns)) * 100)
    trained = cli(f"train igebm --data p.npy --out run {QUICK}")
    assert trained.code == 0 and "preset toy" in trained.err
    assert cli("sample run -n 3 --steps 2 --out s.csv").code == 0 and len(read("s.csv")) == 3


def test_every_verb_sees_other_rows_in_the_units_of_the_run(people, cli):
    (people / "richer.csv").write_text("\n".join([",age,pay,sex", *rows(120, 40.0)]))
    words = QUICK.replace("--steps 2", "--steps 60")
    assert cli(f"train score_matching --data people.csv --out run {words}").code == 0
    measured = json.loads(cli("evaluate run -n 40 --draws 2 --json").out)["measures"]
    assert measured["noise"]["sliced_w2"]["value"] < 3, "in deviations"
    energies = []
    for name in ("people.csv", "richer.csv"):
        assert cli(f"score run --data {name} --csv s.csv").code == 0
        energies.append(np.median([float(row["energy"]) for row in read("s.csv")]))
    assert energies[1] > energies[0] + 5
    ran = cli("ood run --against richer.csv -n 40 --scores energy --data people.csv --json")
    found = json.loads(ran.out)["scores"]["energy"]["richer.csv"]["auroc"]["value"]
    assert found > 0.8 and "run.json" not in json.loads(ran.out)["data"]


@pytest.mark.parametrize("op", ["product", "mixture", "negation"])
def test_models_of_one_table_are_put_together_in_its_units(people, cli, op):
    for seed in (0, 1):
        assert cli(f"train igebm --data people.csv --seed {seed} --out run{seed} {QUICK}").code == 0
    done = cli(f"compose run0 run1 --op {op} --ceiling 5 -n 8 --steps 2 --out s.csv")
    drawn = read("s.csv")
    assert done.code == 0 and list(drawn[0]) == ["age", "pay"]
    assert np.std([float(row["pay"]) for row in drawn]) > 1000
    (people / "richer.csv").write_text("\n".join([",age,pay,sex", *rows(120, 3.0)]))
    assert cli(f"train igebm --data richer.csv --out richer {QUICK}").code == 0
    assert "columns in other units" in cli(f"compose run0 richer --op {op}").err


@pytest.mark.parametrize("cell", ["", "nan", "none", "x"])
def test_incomplete_rows_are_left_out_of_a_score_when_asked(people, cli, cell):
    assert cli(f"train igebm --data people.csv --out run {QUICK}").code == 0
    (people / "holes.csv").write_text("\n".join([",age,pay,sex", *rows(6), f"6,40,{cell},f"]))
    assert "--on-error skip" in cli("score run --data holes.csv").err
    done = cli("score run --data holes.csv --on-error skip --csv s.csv")
    assert done.code == 0 and len(read("s.csv")) == 6 and "left out" in done.out


@pytest.mark.parametrize(("channels", "name", "shape"), [(1, "s.npy", (3, 1, 32)), (2, "s.npy", (3, 2, 32))])
def test_signals_are_sampled_to_arrays(tmp_path, monkeypatch, cli, channels, name, shape):
    monkeypatch.chdir(tmp_path)
    np.save("sig.npy", np.sin(R.uniform(0, 6, (40, channels, 1)) + np.arange(32) / 3).astype("f4"))
    assert cli(f"train igebm --data sig.npy --out run {QUICK}").code == 0
    assert cli(f"sample run -n 3 --steps 2 --out {name}").code == 0 and np.load(name).shape == shape
    table = cli("sample run -n 3 --steps 2 --out s.csv")
    if channels == 1:
        assert table.code == 0 and np.loadtxt("s.csv", delimiter=",", skiprows=1).shape == (3, 32)
    else:
        assert "use --npz" in table.err
