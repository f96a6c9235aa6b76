"""Columns of wild scales: standardised inside, rows and samples in the units of the data outside."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import CheckpointError, DataError, UsageError
from gibbsian.core.spec import Table
from gibbsian.models.units import InUnits
from gibbsian.train.init_from import load_into

SCALE, SHIFT = [12.0, 20_000.0, 0.1], [45.0, 60_000.0, 1.7]
X = np.random.default_rng(0).normal(size=(300, 3)) * SCALE + SHIFT
QUICK = {"progress": False, "train__batch_size": 32, "steps": 3}


@pytest.fixture(scope="module")
def model():
    return gb.fit("igebm", X, **QUICK)


@pytest.mark.parametrize(
    ("x", "wanted"),
    [
        (X, True),
        (X[:, :1], True),
        (np.random.default_rng(0).normal(size=(50, 2)), False),
        (np.random.default_rng(0).normal(size=(50, 2)) + [0, 100], True),
        (np.random.default_rng(0).normal(size=(50, 2)) * [1, 0.001], True),
        (np.random.default_rng(0).uniform(-2, 2, size=(50, 2)), False),
    ],
)
def test_columns_are_standardised_where_their_scales_are_not_about_one(x, wanted):
    data = gb.dataset(x)
    assert data.table.changes == wanted == any("are standardised" in note for note in data.notes)
    seen = data.batch(torch.arange(len(x))).x
    assert torch.allclose(data.x, torch.tensor(x, dtype=torch.float32)), "x stays as it was given"
    if wanted:
        assert seen.mean(0).abs().max() < 1e-3 and (seen.std(0, correction=0) - 1).abs().max() < 1e-3
    else:
        assert torch.equal(seen, data.x)
    for asked in (True, False):
        assert gb.dataset(x, standardise=asked).table.changes == asked


def test_the_training_rows_alone_decide(tmp_path):
    np.save(tmp_path / "x.npy", X)
    parts = {
        split: gb.dataset(tmp_path / "x.npy", split, validation=50)
        for split in ("train", "validation", "test")
    }
    shift = parts["train"].x.double().mean(0)
    for data in parts.values():
        assert torch.allclose(torch.tensor(data.table.shift, dtype=torch.float64), shift, rtol=1e-6)
    assert "@validation=50@standardise=yes" in parts["train"].full_name
    np.savez(tmp_path / "x.npz", train_x=X[:100], test_x=X[100:] * 2)
    assert gb.dataset(tmp_path / "x.npz", "test").table == gb.dataset(tmp_path / "x.npz").table


def test_constant_columns_of_arrays_stay(tmp_path):
    table = gb.dataset(np.c_[X, np.full(300, 0.1)]).table
    assert table.scale[3] == 1 and math.isclose(table.shift[3], 0.1, rel_tol=1e-6)


@pytest.mark.parametrize("paper", ["igebm", "short_run", "score_matching", "nce"])
def test_samples_come_back_in_units(paper):
    drawn = gb.fit(paper, X, **QUICK).sample(64, steps=5)
    assert drawn.x[:, 1].std() > 1000 and drawn.x.shape == (64, 3)
    assert "values" in repr(drawn)


def test_rows_go_in_as_samples_come_out(model):
    x = model.sample(8, steps=2).x
    z = model.table.standardised(x)
    assert torch.allclose(model.energy(x), model.inner.energy(z))
    shift = model.neg_log_prob(x) - model.inner.neg_log_prob(z)
    assert torch.allclose(shift, torch.full((8,), sum(map(math.log, model.table.scale))))
    assert torch.allclose(model.sampler().decode(z), x, rtol=1e-5) and "in the units" in repr(model)
    with pytest.raises(UsageError, match=r"this model takes \(B, 3\), in the units"):
        model.energy(x[:, :2])
    scale = torch.tensor(model.table.scale)
    assert torch.allclose(gb.score_function(model, x) * scale, gb.score_function(model.inner, z), rtol=1e-4)


@pytest.mark.parametrize("start", [None, torch.tensor(X[:4], dtype=torch.float32)])
def test_kernels_move_standardised_chains(model, start):
    drawn = gb.sample(model, 4, kernel=gb.MALA(1e-6), steps=1, start=start)
    if start is not None:
        assert torch.allclose(drawn.x, start, rtol=1e-2)
    assert drawn.x[:, 1].min() > -60_000 and torch.isfinite(gb.product(model, model).energy(drawn.x)).all()
    own = model.sample(4, steps=1, sampler=model.sampler())
    assert torch.equal(own.x, model.sample(4, steps=1).x)


def test_units_are_kept_with_a_model_and_a_run(model, tmp_path):
    x = torch.tensor(X[:5], dtype=torch.float32)
    model.save(tmp_path / "saved")
    run = gb.fit("igebm", X, out=tmp_path / "run", **QUICK)
    for again, first in ((gb.load(tmp_path / "saved"), model), (gb.load(tmp_path / "run"), run)):
        assert again.spec.table == first.spec.table and torch.allclose(again.energy(x), first.energy(x))
    more = gb.fit("igebm", X, out=tmp_path / "run", resume="auto", **{**QUICK, "steps": 4})
    assert more.spec.table == run.spec.table
    record = json.loads((tmp_path / "run/run.json").read_text())
    for bad in ({"shift": [1], "scale": [0]}, {"shift": [1]}, 3):
        (tmp_path / "run/run.json").write_text(json.dumps({**record, "table": bad}))
        with pytest.raises(CheckpointError, match="the table in run.json or config.json is damaged"):
            gb.load(tmp_path / "run")


def test_weights_go_on_in_the_same_units_only(tmp_path):
    run = gb.fit("igebm", X, out=tmp_path / "run", **QUICK)
    learner = gb.load_run(tmp_path / "run")
    load_into(learner, tmp_path / "run")
    learner.model.spec = replace(run.spec, table=None)
    with pytest.raises(CheckpointError, match="learnt columns in other units"):
        load_into(learner, tmp_path / "run")


def test_classes_of_rows_in_units():
    model = gb.fit("jem", (X, (X[:, 0] > 45).astype(int)), **QUICK)
    x = torch.tensor(X[:4], dtype=torch.float32)
    assert torch.allclose(model.logits(x), model.inner.logits(model.table.standardised(x)))
    assert model.sample(4, y=1, steps=1).y.tolist() == [1] * 4
    assert torch.isfinite(model.conditioned(torch.zeros(4, dtype=torch.long))(x)).all()


def test_another_table_is_read_as_the_model_s(tmp_path):
    names = ("age", "pay", "height")
    table = Table(names, tuple(SHIFT), tuple(SCALE), "sex", ("f", "m"))
    rows = [f"{h:.2f};m;{a:.1f};x;{p:.0f}" for a, p, h in X[:30]]
    (tmp_path / "new.csv").write_text("\n".join(["height;sex;age;town;pay", *rows]))
    data = gb.dataset(tmp_path / "new.csv", table=table)
    assert data.table == table and data.x[:, 1].min() > 1000 and set(data.y.tolist()) == {1}
    (tmp_path / "new.csv").write_text("\n".join(["height;sex;age;pay", "1;other;2;3", "2;f;3;4"]))
    data = gb.dataset(tmp_path / "new.csv", table=table)
    assert data.y is None and any("class 'other' is none" in note for note in data.notes)
    (tmp_path / "new.csv").write_text("a,b\n1,2\n3,4")
    with pytest.raises(DataError, match="has no column 'age', which the model learnt"):
        gb.dataset(tmp_path / "new.csv", table=table)
    np.savetxt(tmp_path / "bare.csv", X, delimiter=",")
    assert gb.dataset(tmp_path / "bare.csv", table=table).table == table


def test_evaluate_and_ood_look_inside(model, monkeypatch):
    seen = []
    monkeypatch.setattr(InUnits, "neg_log_prob", lambda *given: seen.append(given))
    for task in (gb.evaluate, gb.ood):
        with pytest.raises(UsageError):
            task(model, "digits", n=20)
    assert not seen
