"""What every system must do, whatever it is. A new system joins by one line in CASES."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from cases import CASES, CONV, NOISE
from gibbsian.systems import folder as model_folder
from gibbsian.systems.base import System, sample
from gibbsian.nets.frozen import frozen
from gibbsian.train.draw import sample as draw

from gibbsian.core.errors import UsageError
from gibbsian.models.papers import PAPERS
from gibbsian.train.trainer import Trainer

# configuration -> (temperature, matched) as the paper's numbers imply
TEMPERATURES = [
    ("igebm", {}, 0.005**2 / 20, False),
    ("igebm", {"chain.clip": 0.0, "chain.clamp": False, "chain.noise_first": False}, 1.25e-6, True),
    ("igebm", {"chain.clip": 0.0, "chain.clamp": False}, 1.25e-6, False),
    ("short_run", {}, 5e-5, False),
    ("jem", {}, 5e-5, True),
    ("jem", {"loss.ancestral": True}, 5e-5, False),
    ("jem", {"loss.w_x": 0.0}, 5e-5, False),
    ("generative_convnet", {}, 5e-5, True),
    ("generative_convnet", {"chain.noise": 0.125}, 0.125**2 / 2, True),
    ("generative_convnet", {"chain.noise_end": 0.0}, 5e-5, False),
    ("generative_convnet", {"reference_sigma": 1.0}, 1.0, True),
    ("generative_convnet", {"chain.clamp": True}, 5e-5, False),
    ("cebm", {}, 0.0075**2 / 2, True),
    ("icd", {}, 1e-6 / 200, False),
]

each = pytest.mark.parametrize("case", CASES)


@dataclass(frozen=True)
class Trained:
    """A case after three updates: its trainer, the weights before, the last metrics. Tests leave it so."""

    case: str
    trainer: Trainer
    before: dict[str, dict[str, torch.Tensor]]
    metrics: dict[str, float]

    @property
    def system(self) -> System:
        return self.trainer.system


@pytest.fixture(scope="module")
def run(tiny_run):
    def make(case: str, changes: dict | None = None, **more):
        system, data, base = CASES[case]
        return tiny_run(system, data, {**base, **(changes or {})}, **more)

    return make


@pytest.fixture(scope="module", params=CASES)
def trained(request, run) -> Trained:
    """Every case, built and trained once for all tests of it."""
    torch.manual_seed(5)
    trainer = run(request.param).trainer
    before = {
        g: {n: p.detach().clone() for n, p in m.named_parameters()}
        for g, m in trainer.system.groups().items()
    }
    for _ in range(3):
        metrics = trainer.update()
    return Trained(request.param, trainer, before, metrics)


def data_rows(small_data, case: str) -> torch.Tensor:
    return small_data(CASES[case][1]).batch(torch.arange(6), 0.0, 1.0).x


def state(system: System) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in system.state_dict().items()}


def assert_same(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert torch.equal(value, right[key]), key


def test_every_system_has_a_case() -> None:
    assert {system for system, *_ in CASES.values()} == set(PAPERS)


def test_systems_are_final() -> None:
    for found in PAPERS.values():
        file, _, cls = found.system.partition(":")
        system = getattr(importlib.import_module(f"gibbsian.systems.{file}"), cls)
        assert system.__bases__ == (System,), f"{cls} extends another system: hold its parts instead"


def test_every_group_gets_gradients_and_moves(trained) -> None:
    assert all(math.isfinite(v) for v in trained.metrics.values())
    for group, module in trained.system.groups().items():
        for name, p in module.named_parameters():
            assert p.grad is not None, f"{group}.{name} has no gradient"
            if p.dim() > 1:
                assert not torch.equal(p, trained.before[group][name]), f"{group}.{name} did not move"


def test_samples_are_finite_and_of_data_shape(trained, small_data) -> None:
    drawn = draw(trained.system, 5, seed=3, chunk=2)
    assert drawn.x.shape == (5, *small_data(CASES[trained.case][1]).event_shape)
    assert drawn.energy.shape == (5,)
    assert torch.isfinite(drawn.x).all() and torch.isfinite(drawn.energy).all()
    assert not drawn.x.requires_grad
    assert (drawn.y is not None) == bool(trained.system.config.net.classes)


def test_same_seed_same_samples_and_another_seed_others(trained) -> None:
    first, same, other = (draw(trained.system, 4, seed=seed).x for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_chains_touch_nothing_and_restore_modes(trained) -> None:
    """torchebm and ebmkit sample in train mode with live parameter gradients and moving spectral norms."""
    system = trained.system.train()
    first = next(system.parameters())
    wanted = first.requires_grad
    first.requires_grad_(False)
    try:
        flags = [p.requires_grad for p in system.parameters()]
        before, modes = state(system), [m.training for m in system.modules()]
        draw(system, 4)
        assert_same(before, state(system))
        assert [m.training for m in system.modules()] == modes and all(modes)
        assert [p.requires_grad for p in system.parameters()] == flags
    finally:
        first.requires_grad_(wanted)


def test_chains_run_in_eval_mode_without_parameter_gradients(trained) -> None:
    system = trained.system.train()
    seen = []
    sample(
        system,
        2,
        rng=torch.Generator().manual_seed(0),
        observe=lambda step, s, i: seen.append(
            (system.training, any(p.requires_grad for p in system.parameters()))
        ),
    )
    assert seen and set(seen) == {(False, False)}


def test_training_is_repeatable_and_leaves_the_global_stream(trained, run) -> None:
    """Another state of the global stream changes nothing, another seed of the run does."""
    torch.manual_seed(6)
    before = torch.get_rng_state()
    second = run(trained.case).trainer
    for _ in range(3):
        second.update()
    draw(second.system, 2)
    assert torch.equal(before, torch.get_rng_state())
    found = state(trained.system)
    assert_same(found, state(second.system))
    other = run(trained.case, {"train.seed": 1}).trainer
    for _ in range(3):
        other.update()
    assert any(not torch.equal(v, other.system.state_dict()[k]) for k, v in found.items())


def test_surprisal_is_one_number_a_point_and_keeps_its_graph(trained, small_data) -> None:
    x = data_rows(small_data, trained.case).requires_grad_()
    found = trained.system.eval().surprisal(x)
    assert found.shape == (6,) and torch.isfinite(found).all()
    assert torch.autograd.grad(found.sum(), x)[0].abs().sum() > 0


def test_labels_are_checked(trained) -> None:
    system = trained.system
    if not system.config.net.classes:
        with pytest.raises(UsageError, match="no labels"):
            draw(system, 2, y=1)
        return
    assert draw(system, 3, y=7).y.tolist() == [7, 7, 7]
    with pytest.raises(UsageError, match="class 10 is unknown"):
        draw(system, 2, y=10)
    with pytest.raises(UsageError, match="class -1 is unknown"):
        draw(system, 2, y=torch.tensor([3, -1]))


def test_model_folder_round_trip(trained, small_data, tmp_path: Path) -> None:
    system = trained.system.eval()
    system.save(tmp_path / "model", data="tiny")
    other = model_folder.load(tmp_path / "model")
    kept = {k: v for k, v in state(system).items() if not k.startswith(model_folder.BUFFERS)}
    assert_same(kept, {k: v for k, v in state(other).items() if k in kept})
    x = data_rows(small_data, trained.case)
    assert torch.equal(system.surprisal(x), other.surprisal(x))
    assert torch.equal(draw(system, 3).x, draw(other, 3).x)
    assert (other.temperature, other.matched, other.config) == (
        system.temperature,
        system.matched,
        system.config,
    )
    assert not other.training


def test_frozen_restores_after_an_error(trained) -> None:
    system = trained.system.train()
    before = state(system)
    with pytest.raises(RuntimeError, match="boom"), frozen(system), frozen(system):
        raise RuntimeError("boom")
    assert system.training and all(p.requires_grad for p in system.net.parameters())
    assert_same(before, state(system))


@each
def test_bfloat16_runs_and_keeps_positions_in_full_precision(case, run) -> None:
    trainer = run(case, {"train.precision": "bf16"}).trainer
    trainer.update()
    drawn = draw(trainer.system, 2)
    assert drawn.x.dtype == torch.float32 and torch.isfinite(drawn.x).all()
    assert all(p.dtype == torch.float32 for p in trainer.system.parameters())


@pytest.mark.parametrize(("name", "changes", "temperature", "matched"), TEMPERATURES)
def test_temperature_and_match_follow_the_configuration(
    name, changes, temperature, matched, tiny_run
) -> None:
    system = tiny_run(
        name, "digits", {**CONV, **(NOISE if name == "short_run" else {}), **changes}
    ).trainer.system
    assert system.temperature == pytest.approx(temperature)
    assert system.matched is matched
