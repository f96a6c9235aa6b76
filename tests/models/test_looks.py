"""Chains, samples, buffers and models say what a person wants to know."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gibbsian as gb


def quadratic(x: torch.Tensor) -> torch.Tensor:
    return x.square().sum(1) / 2


def test_chains() -> None:
    chain = gb.run(gb.MALA(0.1), quadratic, torch.zeros(8, 2), steps=20, rng=0, thin=5)
    text = repr(chain)
    assert text.startswith("Chain: 8 of shape (2,), 20 steps of 21 gradients, acceptance ")
    assert "divergent 0.0%" in text and "energy " in text and text.endswith("4 positions kept")
    lost = gb.run(gb.Langevin(1e30), quadratic, torch.ones(8, 2), steps=5, rng=0)
    assert "divergent 100.0%" in repr(lost) and "8 not finite" in repr(lost)
    pair = gb.run(gb.Langevin(0.1), lambda x: quadratic(x[0]), (torch.ones(3, 2), torch.ones(3, 4)), steps=1)
    assert "3 of shape (2,) and (4,)" in repr(pair)


def test_buffers_are_made_and_shown() -> None:
    buffer = gb.ReplayBuffer(gb.UniformNoise((2,), -2, 2), 64)
    assert "64 chains of shape (2,)" in repr(buffer) and "rejected 0" in repr(buffer)
    gb.persistent_contrastive_divergence(
        nn.Linear(2, 1), torch.zeros(64, 2), gb.Langevin(0.02), buffer, steps=2
    )
    assert "mean age 1 (most 1)" in repr(buffer)
    held = repr(gb.ReservoirBuffer(gb.UniformNoise((2,), -2, 2), 64))
    assert "0 of 64 rows of shape (2,)" in held


def test_samples_and_models() -> None:
    model = gb.fit("short_run", "digits", steps=1, progress=False, train__batch_size=4, chain__steps=1)
    assert repr(model).startswith("NetEnergy of short_run: ") and "\n" not in repr(model)
    for part in ("data (1, 8, 8) in [-1, 1]", "no labels", "temperature", "no density", "samplers default"):
        assert part in repr(model)
    assert repr(model.sampler()).startswith("ChainSampler(1 steps of Langevin(")
    samples = model.sample(5, steps=2)
    assert len(samples) == 5
    assert repr(samples).startswith("Samples: 5 of shape (1, 8, 8), values ")
    assert "\n  2 steps of 2 gradients" in repr(samples)
    assert samples.range == (-1.0, 1.0) and samples._repr_png_()[:4] == b"\x89PNG"
    points = gb.sample(quadratic, 9, kernel=gb.MALA(0.1), start=gb.UniformNoise((2,)), steps=3, rng=0)
    assert points.range is None and points._repr_png_()[:4] == b"\x89PNG"
    again = gb.sample(quadratic, 9, kernel=gb.MALA(0.1), start=gb.UniformNoise((2,)), steps=3, rng=0)
    assert torch.equal(points.x, again.x)


def test_data_and_reports_are_short() -> None:
    assert repr(gb.dataset("digits")) == "Dataset digits, train part: 1,397 images of 1 x 8 x 8, 10 classes"
    own = repr(gb.dataset((torch.randn(30, 2), torch.arange(30) % 2)))
    assert own.startswith("Dataset arrays, train part: 30 rows of 2 numbers, 2 classes")
    target = gb.Gaussian(torch.zeros(2), torch.eye(2))
    assert repr(target) == "Gaussian target of events (2,), log Z = 1.838"
    assert repr(gb.GaussianDensity((2,))) == "GaussianDensity(event_shape=(2,))"
    report = gb.evaluate(gb.build("short_run", {}, (1, 8, 8)).model, "digits", n=20, draws=2)
    assert repr(report).startswith("Report on digits: 2 draws of 20\n") and "training data" in repr(report)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (2,), (1,), (5,), (2, 40)])
def test_samples_show_and_save_themselves(shape, tmp_path) -> None:
    samples = gb.sample(
        lambda x: x.flatten(1).square().sum(1),
        6,
        kernel=gb.MALA(0.1),
        start=gb.UniformNoise(shape),
        steps=2,
        rng=0,
    )
    text = repr(samples)
    assert f"6 of shape ({shape[0]}," in text and "tensor" not in text and len(text) < 400
    assert samples._repr_png_() is None or samples._repr_png_()[:4] == b"\x89PNG"
    assert samples.save(tmp_path / "a.npz").is_file()
