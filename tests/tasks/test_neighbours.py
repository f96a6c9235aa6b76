"""Samples beside their nearest training rows: which ones, how far, as a picture, a table and a record."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.neighbors import NearestNeighbors

import gibbsian as gb
from gibbsian.core.spec import Table
from gibbsian.report.pictures import GAP, LABEL
from gibbsian.tasks.evaluator import evaluator_for
from gibbsian.tasks.neighbours import MARGIN, NEAREST, SAMPLES


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def evaluator(held=200):
    return evaluator_for("digits", held, rng(), features="random")


def noised(n: int = 60) -> torch.Tensor:
    """Training images, the first ones least changed."""
    x = gb.dataset("digits").batch(torch.arange(n)).x
    return (x + torch.linspace(0, 1, n)[:, None, None, None] * torch.randn(x.shape, generator=rng())).clamp(
        -1, 1
    )


def test_the_nearest_ones_come_first_with_their_rows():
    of = evaluator()
    found = of.neighbours(of.look(noised()))
    train, held = (data.batch(torch.arange(len(data))).x.flatten(1).numpy() for data in (of.train, of.held))
    known = NearestNeighbors(n_neighbors=NEAREST).fit(train)
    usual = np.sort(known.kneighbors(held)[0][:, 0])[(len(held) - 1) // 2]  # torch's median
    far, rows = known.kneighbors(found.samples.flatten(1).numpy())
    np.testing.assert_allclose(found.ratio.numpy(), far / usual, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.row_numbers.numpy(), rows)
    assert len(found.samples) == SAMPLES and found.sample_numbers[0] == found.row_numbers[0, 0] == 0
    assert torch.equal(found.ratio[:, 0], found.ratio[:, 0].sort().values) and found.ratio[0, 0] < 1e-3
    torch.testing.assert_close(found.rows[0, 0], of.train.batch(torch.tensor([0])).x[0])
    whole = known.kneighbors(of.as_picture(noised()).flatten(1).numpy())[0][:, 0] / usual
    assert found.quantiles == pytest.approx(
        tuple(np.quantile(whole, [0, 0.05, 0.25, 0.5])), rel=1e-3, abs=1e-5
    )


def test_they_are_a_picture_and_a_record(tmp_path):
    of = evaluator()
    found = of.neighbours(of.look(noised()))
    found.save(tmp_path / "new")
    picture = np.asarray(Image.open(tmp_path / "new" / "neighbours.png"))
    record = json.loads((tmp_path / "new" / "neighbours.json").read_text())
    assert record["nearest"][0]["sample"] == 0 and record["nearest"][0]["rows"][0] == "0"
    assert list(record["ratio of all samples"]) == ["least", "5 %", "25 %", "50 %"]
    line = picture[LABEL : LABEL + 60]  # the first one: the sample, then the same training image
    sample, first = (line[:, left : left + 60] for left in (MARGIN, MARGIN + 60 + 4 * GAP))
    assert np.array_equal(sample, first) and sample.std() > 10 and (line[:, :MARGIN] < 100).any()
    assert not np.array_equal(sample, line[:, MARGIN + 122 + 4 * GAP :][:, :60])
    assert found.text() == ""


def test_rows_of_a_table_are_told_in_its_units():
    x = torch.randn(300, 2, generator=rng(), dtype=torch.float64)
    of = evaluator_for(x, 100, rng(), held=torch.randn(100, 2, generator=rng(1), dtype=torch.float64))
    near = torch.cat([of.train.x[7:8] + 1e-3, torch.randn(40, 2, generator=rng(2))])
    units = Table(("height", "weight"), (100.0, 0.0), (10.0, 2.0))
    found = of.neighbours(of.look(near), units)
    assert (
        found.columns == ("height", "weight")
        and found.sample_numbers[0] == 0
        and found.row_numbers[0, 0] == 7
    )
    torch.testing.assert_close(found.rows[0, 0], units.in_units(of.train.x[7:8])[0], atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found.samples[0], units.in_units(near[:1])[0], atol=1e-4, rtol=1e-5)
    first, rule, sample, row, *_ = found.text().splitlines()
    assert "height" in first and sample.startswith("sample 0") and row.startswith("training row 7")
    assert found.picture() is None and len(found.text().splitlines()) == 2 + 6


def test_there_is_no_ratio_to_held_out_rows_that_are_training_rows():
    x = torch.randn(50, 2, generator=rng())
    of = evaluator_for(x, 50, rng(), held=x)
    assert of.neighbours(of.look(x + 1)) is None
