"""The study of modes on a tiny VAEBM, and the pieces that it is made of."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.models.samples import draw_samples
from gibbsian.tasks.study.comparison import FEWEST, EnergyRecorder, Stored, moves, of_length
from gibbsian.tasks.study.modes import study_modes


@pytest.fixture
def stored(vaebm_learner):
    found = Stored.of(vaebm_learner)
    assert found is not None
    return found


@pytest.fixture
def found(vaebm, stored):
    return study_modes(vaebm, "digits", steps=(0, 2), n=50, draws=2, stored=stored)


def test_rows_are_the_plans_and_the_data(found):
    assert list(found.rows) == ["model", "vae", "buffer", "training data"] and list(found.steps) == [0, 2]
    assert set(found.rows["model"]) == {
        "modes", "kl", "recall", "precision", "feature_distance", "duplicates",
    }  # fmt: skip
    real = found.rows["training data"]
    assert real["recall"].estimate > 0.7 and real["kl"].estimate < 0.5 < found.rows["model"]["kl"].estimate
    assert found.floor == pytest.approx(9 / 100) and found.classes == 10


def test_the_start_alone_is_the_vae(found):
    vae, start = found.rows["vae"], found.steps[0]
    assert all(start[k] == vae[k] for k in vae)
    assert any(found.steps[2][k] != vae[k] for k in vae)


def test_a_short_buffer_is_told(found, stored):
    held = stored.count
    assert FEWEST <= held <= 40 and f"the buffer holds {held} chains" in " ".join(found.notes)
    assert len(found.energies["buffer"]) == 2 * held and len(found.energies["model"]) == 100


def test_record_text_and_figures(found):
    told = found.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["measures"]["vae"]["modes"]["value"] == found.rows["vae"]["modes"].estimate
    assert "perfect sampler" in found.text() and "buffer" in found.text()
    figures = found.figures()
    assert list(figures) == ["histogram", "steps", "energies", "samples"]
    assert [panel.get_xlabel() for panel in figures["steps"].axes] == ["K, steps of a chain"] * 6


def test_few_samples_of_many_classes_are_told(vaebm):
    found = study_modes(vaebm, "digits", steps=(), n=40, draws=2)
    assert any("floor" in note for note in found.notes)


def test_without_stored_chains_nothing_goes_on(vaebm, stored, tmp_path):
    from gibbsian.train.load import load

    vaebm.save(tmp_path / "m", data="digits")
    found = study_modes(load(tmp_path / "m"), "digits", steps=(), n=40, draws=2)
    assert "buffer" not in found.rows and not found.steps
    assert set(found.figures()) == {"histogram", "energies", "samples"}
    few = study_modes(vaebm, "digits", steps=(), n=40, draws=2, stored=replace(stored, count=FEWEST - 1))
    assert "buffer" not in few.rows and "no chains are stored" in " ".join(few.notes)


def test_other_systems_have_fewer_rows(tiny_run):
    small = {"net.name": "mlp", "net.hidden": (8,), "chain.steps": 2, "sample.steps": 2}
    igebm = tiny_run("igebm", "digits", {**small, "start.capacity": 64, "net.classes": 10}).trainer
    igebm.fit(2, progress=False)
    kept = Stored.of(igebm.learner)
    found = study_modes(igebm.model, "digits", steps=(1,), n=40, draws=2, stored=kept)
    assert list(found.rows) == ["model", "buffer", "training data"]


def test_energy_is_taken_without_the_base_measure(vaebm):
    ends = EnergyRecorder(vaebm.sampler("vae"))
    drawn = draw_samples(vaebm, ends, 5, rng=generator(0))
    eps = drawn.chains[0].position
    assert torch.allclose(ends.energies(), vaebm.energy(vaebm.pushed(eps)), atol=1e-5)
    prior = sum(part.flatten(1).square().sum(1) for part in eps) / 2
    assert torch.allclose(drawn.energy - ends.energies(), prior, rtol=1e-4)


def test_lengths_of_chains(vaebm):
    for k in (0, 3):
        chain = draw_samples(vaebm, of_length(vaebm.sampler(), k), 4, rng=generator(0)).chains[0]
        assert chain.info.steps == k
    assert moves(vaebm)


def test_refusals(vaebm, tiny_run):
    with pytest.raises(UsageError, match="steps are"):
        study_modes(vaebm, "digits", steps=(-1,), n=50, draws=2)
    with pytest.raises(UsageError, match="take 2 draws or more"):
        study_modes(vaebm, "digits", n=50, draws=1)
    small = {"net.name": "mlp", "net.hidden": (8,)}
    points = tiny_run("generative_convnet", "toy:ring", small).trainer.model
    with pytest.raises(UsageError, match="no set of labelled images"):
        study_modes(points, "toy:ring", n=50, draws=2)


def test_chains_from_the_buffer_begin_at_stored_latents(vaebm_learner, stored):
    stage = next(stored.sampler.stages(8, generator(0)))
    latents = torch.cat(stage.position[:-1], 1)
    held = vaebm_learner.buffer.contents()[0]
    assert (latents[:, None] == held).all(2).any(1).all()
    assert len(latents.unique(dim=0)) == 8
    with pytest.raises(UsageError, match="that training stored"):
        next(stored.sampler.stages(41, generator(0)))
