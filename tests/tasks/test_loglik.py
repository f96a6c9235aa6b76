"""log p with its constant measured: Gaussians whose constant is known, refusals, units, the command."""

from __future__ import annotations

import json
import math

import pytest
import torch

import gibbsian as gb
from gibbsian.cli.main import main
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.models.build import build
from gibbsian.tasks.loglik import loglik

QUICK = {"levels": 20, "moves": 1, "rows": 50, "draws": 2}


def gaussian(event=(2,), offset=0.0, spread=0.0):
    """A model without a tilt whose energy at the least noise is off by `offset`, and more with x."""
    config = {"net": {"name": "residual_mlp", "width": 4, "blocks": 1}, "noise": {"sigma_min": 0.1}}
    model = build("noise_energy", config, event, 0).model
    model.base.fit(torch.randn(500, math.prod(event), generator=generator(3)))
    with torch.no_grad():
        for p in model.net.parameters():
            p.zero_()
    plain = model.energy_at

    def energy_at(x, sigma, y=None):
        low = sigma.min() < 0.11
        return plain(x, sigma, y) + low * (offset + spread * x.flatten(1).square().sum(1))

    model.energy_at = energy_at
    return model.eval()


def test_log_z_is_subtracted():
    x = torch.randn(300, 2, generator=generator(4))
    plain = loglik(gaussian(), x, held="toy:ring", seed=1, **QUICK)
    moved = loglik(gaussian(offset=0.15), x, held="toy:ring", seed=1, **QUICK)
    found, base = plain.means["with the least noise"], plain.means["its Gaussian base"]
    assert found.estimate == pytest.approx(base.estimate, abs=1e-3)
    assert moved.means["with the least noise"].estimate == pytest.approx(found.estimate, abs=2e-3)
    assert moved.study.rows["log_z"].estimate == pytest.approx(-0.15, abs=1e-3)
    assert plain.n == 300 and plain.rows.shape == (300,)
    assert float(plain.rows.mean()) == pytest.approx(found.estimate)
    gauss = gaussian().base
    exact = torch.distributions.MultivariateNormal(gauss.mean, covariance(gauss, 0.1))
    noised = x + 0.1 * torch.randn(x.shape, generator=generator(9))
    assert found.estimate == pytest.approx(float(exact.log_prob(noised).mean()), abs=0.05)


def test_the_bound_of_the_sampler_needs_no_constant_and_is_below():
    """Of a Gaussian without a tilt it is log p itself; another slope lowers it, a constant does not."""
    x, name = torch.randn(400, 2, generator=generator(4)), "its sampler, at least"
    plain = loglik(gaussian(), x, held="toy:ring", seed=1, **QUICK).means
    assert plain[name].estimate == pytest.approx(plain["its Gaussian base"].estimate, abs=0.02)
    moved = loglik(gaussian(offset=50.0), x, held="toy:ring", seed=1, **QUICK)
    assert moved.means[name].estimate == pytest.approx(plain[name].estimate, abs=0.01)
    assert "beyond the bound" in moved.refused
    wrong = gaussian()
    exact = wrong.energy_at
    wrong.energy_at = lambda v, sigma, y=None: exact(v, sigma, y) + 0.3 * v.square().sum(1)
    found = loglik(wrong, x, held="toy:ring", seed=1, **QUICK)
    assert found.means[name].estimate < plain[name].estimate - 0.1
    assert found.rows.mean() <= plain["its Gaussian base"].estimate


def covariance(base, sigma):
    return base.axes @ torch.diag(base.variances) @ base.axes.T + sigma**2 * torch.eye(base.size)


def test_the_interval_has_the_error_of_log_z():
    x = torch.randn(40, 2, generator=generator(4))
    found = loglik(gaussian(spread=0.02), x, held="toy:ring", seed=1, **QUICK)
    rows = found.rows.std() / 40**0.5 * 2.0227  # Student's t of 39 degrees
    log_z = found.study.rows["log_z"].half_width
    assert found.means["with the least noise"].half_width == pytest.approx(math.hypot(rows, log_z), rel=1e-3)
    assert log_z > 1e-4


def test_a_constant_beyond_the_bound_is_refused():
    x = torch.randn(20, 2, generator=generator(4))
    found = loglik(gaussian(offset=0.8), x, held="toy:ring", **QUICK)
    assert "a dimension, beyond the bound of 0.1" in found.refused
    assert set(found.means) == {"its sampler, at least", "its Gaussian base"}
    assert "left out: log Z is -0.8" in found.text()
    more = loglik(gaussian(offset=0.8), x, held="toy:ring", bound=0.5, **QUICK)
    assert not more.refused and set(more.means) > set(found.means)


def test_a_constant_that_cannot_be_measured_is_refused():
    x = torch.randn(20, 2, generator=generator(4))
    found = loglik(gaussian(spread=3.0), x, held="toy:ring", **QUICK)
    assert "log Z is not known, the bounds are" in found.refused
    assert found.rows.shape == (20,)
    assert float(found.rows.mean()) == pytest.approx(found.means["its sampler, at least"].estimate)


def test_images_are_also_dequantised():
    data, model = gb.dataset("digits", "test"), gaussian((1, 8, 8))
    x = data.batch(torch.arange(len(data)), -1.0, 1.0).x
    model.base.fit(x + 0.3 * torch.randn(x.shape, generator=generator(5)))
    found = loglik(model, held="digits", n=10**6, levels=20, moves=1, rows=40, draws=2)
    assert set(found.means) == {
        "with the least noise",
        "dequantised",
        "its sampler, at least",
        "its Gaussian base",
    }
    assert found.n == len(data)
    exact = torch.distributions.MultivariateNormal(model.base.mean, covariance(model.base, 0.1))
    grey = x.flatten(1) + (torch.rand(len(x), 64, generator=generator(7)) - 0.5) * 2 / 255
    value = found.means["dequantised"].estimate
    assert value == pytest.approx(float(exact.log_prob(grey).mean()), abs=0.05)
    bits = found.to_dict()["nats"]["dequantised"]["bits"]
    assert bits == pytest.approx(-value / (64 * math.log(2)) + math.log2(255 / 2))
    assert f"{bits:.3f}" in found.text()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"bound": 0.0}, "bound is 0"),
        ({"n": 1}, "n is 1: a mean with an interval"),
        ({"held": None}, "not known: name the data set as held="),
    ],
)
def test_what_cannot_be_asked(change, match):
    how = {"held": "toy:ring", **QUICK} | change
    with pytest.raises(UsageError, match=match):
        loglik(gaussian(), torch.randn(5, 2), **how)


def test_other_models_and_shapes_are_refused():
    other = build("igebm", {"net": {"name": "mlp"}}, (2,), 0).model
    with pytest.raises(UsageError, match="this model of igebm claims no density"):
        loglik(other, torch.randn(5, 2), held="toy:ring")
    with pytest.raises(UsageError, match="this model takes"):
        loglik(gaussian(), torch.randn(5, 3), held="toy:ring", **QUICK)


def test_tables_have_log_p_in_their_units(tmp_path, capsys):
    """100 times as wide a column lowers log p by log 100; the command on a file of one's own."""
    rng = generator(8)
    x = torch.randn(1600, 2, generator=rng) * torch.tensor([1.0, 100.0]) + 3
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "\n".join(f"{a:.5f},{b:.5f}" for a, b in x.tolist()))
    run = tmp_path / "run"
    gb.fit("noise_energy", str(path), out=run, steps=150, progress=False, net__width=16)
    words = ["--levels", "60", "--moves", "2", "--draws", "2", "--bound", "9"]
    assert main(["loglik", str(run), "-n", "200", *words, "--data", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    exact = torch.distributions.MultivariateNormal(x.mean(0), x.T.cov() + 0.01 * torch.diag(x.var(0)))
    want = float(exact.log_prob(x).mean())
    assert told["nats"]["its Gaussian base"]["value"] == pytest.approx(want, abs=0.3)
    assert want - 0.5 < told["nats"]["with the least noise"]["value"] < want + 0.3
    assert (run / "loglik" / "loglik.txt").exists() and told["normalisation"]["n"] == 80
