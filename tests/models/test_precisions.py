"""Which precision "auto" stands for: that which was quicker, where bfloat16 may be used at all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gibbsian.core.spec import DataSpec
from gibbsian.mcmc import MALA, Langevin
from gibbsian.models import precisions
from gibbsian.models.model import EnergyModel
from gibbsian.models.precisions import Chosen, chosen
from gibbsian.models.sampler import ChainStage, Sampler


class Chains(Sampler):
    """One stage by a kernel, of energies that note the precision that they were called in."""

    def __init__(self, kernel) -> None:
        self.kernel, self.begun = kernel, 0

    def stages(self, n, rng, *, y=None, steps=None):
        self.begun = n
        x = torch.randn(n, 1, 4, 4, generator=rng)
        end = yield ChainStage(lambda x: x.square().flatten(1).sum(1), self.kernel, 5, x)
        return end


class Model(EnergyModel):
    """An energy of images or of points, with one sampler."""

    def __init__(self, shape=(1, 4, 4), kernel=None) -> None:
        super().__init__(DataSpec(shape))
        self.chains = Chains(kernel or Langevin(0.1))
        self.samplers = {"default": self.chains}

    def energy(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x.square().flatten(1).sum(1)

    neg_log_prob = energy


@pytest.fixture
def timed(monkeypatch):
    """A machine with bfloat16 on which it takes `took` seconds, and float32 one."""

    def set_to(took: float) -> None:
        monkeypatch.setattr(precisions, "native_bf16", lambda device: True)
        monkeypatch.setattr(
            precisions, "_seconds", lambda stage, precision, steps: took if precision == "bf16" else 1.0
        )

    return set_to


@pytest.mark.parametrize("wanted", ["fp32", "bf16"])
def test_what_was_asked_for_is_not_timed(wanted):
    model = Model()
    assert chosen(model, wanted).precision == wanted and not model.chains.begun


@pytest.mark.parametrize(("took", "expected"), [(0.4, "bf16"), (0.79, "bf16"), (0.81, "fp32"), (2.0, "fp32")])
def test_the_quicker_one_is_chosen(took, expected, timed):
    timed(took)
    found = chosen(Model(), "auto", 7)
    assert found.precision == expected and f"{1 / took:.1f} times as quick" in found.why


def test_points_exact_kernels_and_other_machines_keep_float32(timed, monkeypatch):
    timed(0.1)
    assert "no images" in chosen(Model((2,)), "auto").why
    assert chosen(Model(kernel=MALA(0.1)), "auto").precision == "fp32"
    monkeypatch.setattr(precisions, "native_bf16", lambda device: False)
    assert chosen(Model(), "auto") == Chosen("fp32", "this machine has no bfloat16 arithmetic")


def test_the_sampler_that_is_used_is_timed(timed):
    timed(0.1)
    model, other = Model(kernel=MALA(0.1)), Chains(Langevin(0.1))
    assert chosen(model, "auto", 5, other).precision == "bf16" and other.begun == 5


def test_both_are_really_run(monkeypatch):
    monkeypatch.setattr(precisions, "native_bf16", lambda device: True)
    asked = []
    plain = precisions.run
    monkeypatch.setattr(
        precisions, "run", lambda *a, **k: (asked.append((k["precision"], k["steps"])), plain(*a, **k))[1]
    )
    state = torch.random.get_rng_state()
    assert chosen(Model(), "auto", 3).precision in ("fp32", "bf16")
    assert asked[:2] == [("fp32", 1), ("bf16", 1)]
    assert asked[2:] == precisions.TURNS * [("fp32", precisions.STEPS), ("bf16", precisions.STEPS)]
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_slow_chain_is_timed_by_few_steps(timed, monkeypatch):
    timed(1.0)
    asked = []

    def seconds(stage, precision, steps):
        asked.append(steps)
        return 4.0 * steps

    monkeypatch.setattr(precisions, "_seconds", seconds)
    chosen(Model(), "auto")
    assert asked == [1, 1, 1, 1]
