"""log p by any model that claims a density, against closed forms; what is refused; the command."""

from __future__ import annotations

import json
import math

import pytest
import torch

import gibbsian as gb
from gibbsian.cli.main import main
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.spec import DataSpec
from gibbsian.models.net_energy import NetEnergy
from gibbsian.tasks import density
from gibbsian.tasks.density import AS_THEY_ARE, DEQUANTISED, GAUSSIAN, GAUSSIANS
from gibbsian.tasks.loglik import loglik

QUICK = {"annealing": {"particles": 200, "runs": 2}}


def model(net, event: tuple[int, ...], *, claims: bool = True, temperature: float = 1.0) -> NetEnergy:
    class Net(torch.nn.Module):
        def forward(self, x):
            return net(x)

    made = NetEnergy(Net(), DataSpec(event), temperature=temperature)
    made.claims_density = claims
    return made


def quadratic(x):
    return 7 + (x - 1).flatten(1).square().sum(1)


def test_a_gaussian_of_four_numbers():
    """exp(-E/T) with E = 7 + |x - 1|^2, T = 2 is N(1, I)."""
    x = 1 + torch.randn(300, 4, generator=generator(0))
    found = loglik(model(quadratic, (4,), temperature=2.0), x, **QUICK)
    exact = torch.distributions.Normal(1.0, 1.0).log_prob(x.double()).sum(1)
    assert float((found.rows.sort().values - exact.sort().values).abs().max()) < 0.1 and found.grid is None
    assert found.means[AS_THEY_ARE].estimate == pytest.approx(float(exact.mean()), abs=0.1)
    assert found.log_z.low - 0.02 < 2 * math.log(2 * math.pi) - 3.5 < found.log_z.high + 0.02
    low, high = sorted(found.bounds)
    assert low - 0.1 < float(exact.mean()) < high + 0.1
    rows = found.rows.std() / 300**0.5 * 1.968
    half = found.means[AS_THEY_ARE].half_width
    assert half == pytest.approx(math.hypot(rows, (found.log_z.high - found.log_z.low) / 2), rel=0.01)


def test_in_the_plane_the_grid_is_subtracted_and_gaussians_stand_beside():
    x = torch.randn(2000, 2, generator=generator(0))
    found = loglik(model(lambda x: x.square().sum(1) / 2 - 3, (2,)), x, held="toy:ring", **QUICK)
    exact = -(x.double().square().sum(1) / 2).mean() - math.log(2 * math.pi)
    assert found.grid.value == pytest.approx(math.log(2 * math.pi) + 3, abs=1e-5)
    assert abs(found.log_z.value - found.grid.value) < 0.05
    assert found.rows.mean() == pytest.approx(float(exact), abs=0.2) and not found.doubt
    assert set(found.means) == {AS_THEY_ARE, GAUSSIAN, GAUSSIANS}
    assert "subtracted" in found.text() and found.to_dict()["grid"]["error"] < 1e-4


def test_images_have_noise_of_a_grey_level_and_its_offset():
    def narrow(x):
        return ((x + 1) / 0.2).flatten(1).square().sum(1) / 2  # black is -1

    found = loglik(model(narrow, (1, 2, 2)), torch.zeros(50, 1, 2, 2), n=50, **QUICK)
    top = -4 * math.log(0.2 * math.sqrt(2 * math.pi))
    assert found.means[AS_THEY_ARE].estimate == pytest.approx(top, abs=0.06)
    grey = top - 4 * (2 / 255) ** 2 / 12 / 0.04 / 2
    assert found.means[DEQUANTISED].estimate == pytest.approx(grey, abs=0.06)
    bits = found.to_dict()["nats"][DEQUANTISED]["bits"]
    assert bits == pytest.approx(-found.rows.mean().item() / (4 * math.log(2)) + math.log2(255 / 2))


def test_the_gaussians_beside_are_those_of_the_data():
    """One Gaussian of rows, against torch.distributions."""
    rng = generator(0)
    train = torch.randn(500, 3, generator=rng)
    data = gb.from_arrays(train)
    found = density._baselines(train, None, train[:100], (3,), 0.0, False, 2.0)
    cov = torch.cov(train.double().T)
    share = 3 / 503
    cov = (1 - share) * cov + (share * cov.diagonal() + 1e-3 * cov.diagonal().mean()).diag()
    exact = torch.distributions.MultivariateNormal(train.double().mean(0), cov).log_prob(train[:100].double())
    assert found[GAUSSIAN].estimate == pytest.approx(float(exact.mean()), abs=1e-6) and len(data) == 500


def test_what_is_not_known_is_doubted():
    log_z = gb.log_partition(lambda x: x.square().sum(1), event_shape=(5,), rng=0, particles=100, runs=2)
    assert density._doubt(log_z, None, 5, 0.1) == ""
    apart = type(log_z)(**{**log_z.to_dict(), "upper": log_z.lower + 1.0})
    assert "nats apart" in density._doubt(apart, None, 5, 0.1)
    heavy = type(log_z)(**{**log_z.to_dict(), "largest": 0.5})
    assert "one particle has 50%" in density._doubt(heavy, None, 5, 0.1)


def test_a_model_without_a_density_is_refused():
    with pytest.raises(UsageError, match="this model claims no density.*noise_energy, nce or snl"):
        loglik(model(quadratic, (2,), claims=False), torch.zeros(5, 2))
    with pytest.raises(UsageError, match="not known: name the data"):
        loglik(model(quadratic, (2,)))


def test_the_command_on_a_table_of_ones_own(tmp_path, capsys):
    """In the units of the table: a column a hundred times as wide lowers log p by log 100."""
    rng = generator(8)
    x = torch.randn(1200, 2, generator=rng) * torch.tensor([1.0, 100.0]) + 3
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "\n".join(f"{a:.5f},{b:.5f}" for a, b in x.tolist()))
    run = tmp_path / "run"
    gb.fit("nce", str(path), out=run, steps=60, progress=False)
    assert main(["loglik", str(run), "-n", "100", "--particles", "200"]) == 0
    told = json.loads((run / "loglik" / "loglik.json").read_text())
    capsys.readouterr()
    gaussian = told["nats"][GAUSSIAN]["value"]
    assert gaussian == pytest.approx(-(1 + math.log(2 * math.pi)) - math.log(100), abs=0.4)
    assert told["grid"]["error"] < 1e-3 and math.isfinite(told["nats"][AS_THEY_ARE]["value"])


@pytest.mark.parametrize("system", ["nce", "generative_convnet", "score_matching"])
def test_trained_models_of_the_plane_against_the_grid(system):
    trained = gb.fit(system, "toy:ring", preset="toy", steps=150, progress=False)
    found = loglik(trained, held="toy:ring", n=100, annealing={"particles": 2000, "runs": 2})
    assert abs(found.log_z.value - found.grid.value) < 0.02
