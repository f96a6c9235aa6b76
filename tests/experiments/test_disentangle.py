"""The study of disentanglement: what it measures, and that E = 0 leaves only noise."""

from __future__ import annotations

import json
import math

import pytest
import torch

from experiments.disentangle import refinement
from experiments.disentangle.refinement import BEFORE, CHAIN, ENERGY, NOISE, RefinementMeasures, vote_rows
from experiments.disentangle.study import study_disentangle
from gibbsian.core.errors import UsageError

pytest.importorskip("sklearn")


def no_trees(*arguments, **options):
    return refinement_dci(0.5, 0.25, 0.125)


def refinement_dci(*numbers):
    from experiments.disentangle.scores import DCI

    return DCI(*numbers)


@pytest.fixture
def quick(monkeypatch):
    """Without forests, and with few votes."""
    monkeypatch.setattr(refinement, "dci", no_trees)
    score = refinement.factor_score
    monkeypatch.setattr(refinement, "factor_score", lambda *a, **more: score(*a, **more, votes=50, checks=50))


def test_states_chains_and_factors(vaebm, sprites, quick):
    found = study_disentangle(vaebm, sprites, n=150, draws=2, steps=3)
    assert list(found.scores) == [BEFORE, CHAIN, NOISE, ENERGY] and list(found.moves) == [CHAIN, NOISE]
    assert list(found.changed[CHAIN]) == ["size", "x", "y", "any"]
    assert len(found.coordinates[CHAIN]) == 3 and found.scores[CHAIN]["completeness"].estimate == 0.25
    gap = found.scores[CHAIN]["MIG"].estimate - found.scores[NOISE]["MIG"].estimate
    assert found.scores[ENERGY]["MIG"].estimate == pytest.approx(gap)
    before, after = found.traversal.values()
    assert before.shape == after.shape == (3, 9, 1, 8, 8) and not torch.equal(before, after)
    told = found.to_dict()
    assert json.loads(json.dumps(told)) == told and told["steps"] == 3
    assert "E = 0" in found.text() and set(found.figures()) == {"scores", "moves", "traversal"}


def test_forests_and_all(vaebm, sprites):
    measures = RefinementMeasures(vaebm, sprites, 1, 120, 2, 0)
    scores = measures._scores(measures.encoded(torch.arange(120)), measures.factors[:120], 0)
    assert set(scores) == {"MIG", "FactorVAE", "disentanglement", "completeness", "informativeness"}
    assert all(0 <= v <= 1 for v in scores.values())


def test_the_chain_without_energy_moves_latents_as_noise_does(vaebm, sprites):
    measures = RefinementMeasures(vaebm, sprites, 4, 400, 2, 0)
    start = vaebm.noise.draw(400, measures._rng("prior", 0)).position
    gap = measures.latents(measures.chain(NOISE, start, 0)) - measures.latents(start)
    s = vaebm.config.chain.step_size
    # z' = (1 - s/2) z + sqrt(s) xi, four times: Var(gap) = (1 - a)^2 + s (1 - a^2) / (1 - (1 - s/2)^2)
    a = (1 - s / 2) ** 4
    exact = (1 - a) ** 2 + s * (1 - a**2) / (1 - (1 - s / 2) ** 2)
    # 1,200 squares of normal numbers: relative deviation sqrt(2 / 1200); z < 5, false alarm 6e-7
    assert abs(float(gap.square().mean()) / exact - 1) < 5 * math.sqrt(2 / 1200)


def test_draws_are_disjoint_where_there_are_enough(vaebm, sprites):
    measures = RefinementMeasures(vaebm, sprites, 1, 200, 2, 0)
    assert not set(measures._rows(0).tolist()) & set(measures._rows(1).tolist())
    crowded = RefinementMeasures(vaebm, sprites, 1, 400, 2, 0)
    assert len(set(crowded._rows(1).tolist())) == 400


def test_votes_need_rows():
    assert vote_rows(torch.arange(40)[:, None] % 4) == 10
    assert vote_rows(torch.zeros(500, 1, dtype=torch.int64)) == 64


def test_refusals(vaebm, sprites, small_data, tiny_run):
    with pytest.raises(UsageError, match="say its factors"):
        study_disentangle(vaebm, small_data("digits"), n=100, draws=2)
    with pytest.raises(UsageError, match="at most 432"):
        study_disentangle(vaebm, sprites, n=433, draws=2)
    with pytest.raises(UsageError, match="at least 1 step"):
        study_disentangle(vaebm, sprites, n=100, draws=2, steps=0)
    other = tiny_run("short_run", "digits", {"net.name": "mlp", "net.hidden": (8,)}).trainer.model
    with pytest.raises(UsageError, match="no VAEBM"):
        study_disentangle(other, sprites, n=100, draws=2)
