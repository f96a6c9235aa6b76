"""The likelihood baselines: bounds below exact values, what is kept and used again, what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator, seeded_init
from gibbsian.data.dataset import Dataset, from_arrays
from gibbsian.tasks.ood import baselines
from gibbsian.tasks.ood.baselines import Autoencoder, Budget, baseline, train_baseline


def halves(n: int = 64, seed: int = 0) -> Dataset:
    """4x4 images that are black above and white below, or the other way round."""
    which = torch.randint(2, (n,), generator=generator(seed))
    top = torch.zeros(4, 4, dtype=torch.uint8)
    top[2:] = 255
    return from_arrays(torch.stack([top, 255 - top])[which], name="halves")


@pytest.mark.parametrize(("name", "updates"), [("vae", 25), ("pixelcnn", 20)])
def test_training_makes_data_likelier_than_noise(name, updates) -> None:
    data = halves()
    found = train_baseline(name, data, Budget(5, updates))
    assert found.record["made_updates"] == updates
    noise = torch.randint(256, (20, 4, 4), generator=generator(9)).to(torch.uint8)
    inside, outside = found.log_prob(data.x[:20]), found.log_prob(noise)
    assert inside.dtype == torch.float64 and inside.shape == (20,)
    # Noise costs at least some 8 bits a pixel, whatever is learnt of the halves less.
    assert inside.min() > outside.max() and -inside.mean() / (16 * math.log(2)) < 6


def test_same_seed_same_weights() -> None:
    one, other, third = (train_baseline("pixelcnn", halves(), Budget(5, 3), seed=s) for s in (1, 1, 2))
    x = halves().x[:5]
    assert torch.equal(one.log_prob(x), other.log_prob(x)) and not torch.equal(
        one.log_prob(x), third.log_prob(x)
    )


def test_more_draws_make_the_bound_tighter(monkeypatch) -> None:
    """ELBO <= bound of K draws on average, and both are below log p, here of 256 values a pixel."""
    with seeded_init(generator(0)):
        vae = Autoencoder((1, 4, 4)).eval()
    x = halves(200).batch(torch.arange(200)).x
    with torch.no_grad():
        elbo = -vae.loss(x, generator(1)).mean()
        few, many = [], []
        for draws, found in ((1, few), (64, many)):
            monkeypatch.setattr(baselines, "DRAWS", draws)
            found.append(vae.log_prob(x, generator(1)).mean())
    assert elbo.item() == pytest.approx(few[0].item(), rel=0.05)
    assert few[0] < many[0] < 0


def test_a_kept_baseline_is_used_until_something_differs(tmp_path, monkeypatch) -> None:
    data, budget, trainings = halves(), Budget(5, 2), []

    def counted(*arguments, **options):
        trainings.append(options)
        return train_baseline(*arguments, **options)

    monkeypatch.setattr(baselines, "train_baseline", counted)
    first = baseline("vae", data, budget, tmp_path)
    again = baseline("vae", data, budget, tmp_path)
    assert len(trainings) == 1 and again.record == first.record
    assert torch.equal(first.log_prob(data.x[:4]), again.log_prob(data.x[:4]))
    baseline("vae", data, budget, tmp_path, fresh=True)
    baseline("vae", data, Budget(5, 3), tmp_path)
    baseline("vae", data, Budget(5, 3), tmp_path, seed=1)
    baseline("vae", halves(seed=1), Budget(5, 3), tmp_path, seed=1)
    assert len(trainings) == 5
    path = tmp_path / "vae.safetensors"
    path.write_bytes(path.read_bytes()[:300])
    baseline("vae", halves(seed=1), Budget(5, 3), tmp_path, seed=1)
    assert len(trainings) == 6


def test_a_budget_of_time_ends(tmp_path) -> None:
    told = []
    found = baseline("vae", halves(), Budget(0.002), tmp_path, progress=lambda *now: told.append(now))
    assert 0.1 <= found.record["seconds"] < 5 and len(told) == found.record["made_updates"] > 0
    assert all(done <= total for done, total, _ in told)


def test_what_they_refuse(tmp_path) -> None:
    with pytest.raises(UsageError, match="minutes is 0"):
        Budget(0)
    with pytest.raises(UsageError, match="updates is -1"):
        Budget(1, -1)
    with pytest.raises(UsageError, match="unknown baseline 'pixlcnn': did you mean 'pixelcnn'"):
        baseline("pixlcnn", halves(), Budget(), tmp_path)
    points = from_arrays(torch.randn(9, 2, generator=generator(0)), name="points")
    with pytest.raises(UsageError, match="points holds no 8-bit images"):
        baseline("vae", points, Budget(), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        baseline("vae", halves(), Budget(5, 1), tmp_path / "file")
