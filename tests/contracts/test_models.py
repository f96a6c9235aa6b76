"""What every system must do, whatever it is. A new system joins by one line in CASES."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import pytest
import torch
from cases import CASES, CONV, NOISE

from gibbsian.core.errors import UsageError
from gibbsian.recipes.catalog import SYSTEMS
from gibbsian.systems import folder as model_folder
from gibbsian.systems.base import System, sample
from gibbsian.systems.frozen import frozen
from gibbsian.train.draw import sample as draw

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


@pytest.fixture
def run(tiny_run):
    def make(case: str, changes: dict | None = None, **more):
        system, data, base = CASES[case]
        return tiny_run(system, data, {**base, **(changes or {})}, **more)

    return make


def state(system: System) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in system.state_dict().items()}


def assert_same(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert torch.equal(value, right[key]), key


def test_every_system_has_a_case() -> None:
    assert {system for system, *_ in CASES.values()} == set(SYSTEMS)


def test_systems_are_final() -> None:
    for found in SYSTEMS.values():
        file, _, cls = found.system.partition(":")
        system = getattr(importlib.import_module(f"gibbsian.systems.{file}"), cls)
        assert system.__bases__ == (System,), f"{cls} extends another system: hold its parts instead"


@each
def test_every_group_gets_gradients_and_moves(case, run) -> None:
    trainer = run(case).trainer
    groups = trainer.system.groups()
    before = {g: {n: p.detach().clone() for n, p in m.named_parameters()} for g, m in groups.items()}
    for _ in range(3):
        metrics = trainer.update()
    assert all(math.isfinite(v) for v in metrics.values())
    for group, module in groups.items():
        for name, p in module.named_parameters():
            assert p.grad is not None, f"{group}.{name} has no gradient"
            if p.dim() > 1:
                assert not torch.equal(p, before[group][name]), f"{group}.{name} did not move"


@each
def test_samples_are_finite_and_of_data_shape(case, run, small_data) -> None:
    system = run(case).trainer.system
    drawn = draw(system, 5, seed=3, chunk=2)
    assert drawn.x.shape == (5, *small_data(CASES[case][1]).event_shape)
    assert drawn.energy.shape == (5,)
    assert torch.isfinite(drawn.x).all() and torch.isfinite(drawn.energy).all()
    assert not drawn.x.requires_grad
    assert (drawn.y is not None) == bool(system.config.net.classes)


@each
def test_same_seed_same_samples_and_another_seed_others(case, run) -> None:
    system = run(case).trainer.system
    assert torch.equal(draw(system, 4, seed=1).x, draw(system, 4, seed=1).x)
    assert not torch.equal(draw(system, 4, seed=1).x, draw(system, 4, seed=2).x)


@each
def test_chains_touch_nothing_and_restore_modes(case, run) -> None:
    """torchebm and ebmkit sample in train mode with live parameter gradients and moving spectral norms."""
    system = run(case).trainer.system.train()
    next(system.parameters()).requires_grad_(False)
    wanted = [p.requires_grad for p in system.parameters()]
    before, modes = state(system), [m.training for m in system.modules()]
    draw(system, 4)
    assert_same(before, state(system))
    assert [m.training for m in system.modules()] == modes and all(modes)
    assert [p.requires_grad for p in system.parameters()] == wanted


@each
def test_chains_run_in_eval_mode_without_parameter_gradients(case, run) -> None:
    system = run(case).trainer.system.train()
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


@each
def test_training_is_repeatable_and_leaves_the_global_stream(case, run) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = run(case).trainer, run(case).trainer
    first.fit(3, progress=False)
    draw(first.system, 2)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)  # a second fit may not depend on it
    second.fit(3, progress=False)
    assert_same(state(first.system), state(second.system))
    other = run(case, {"train.seed": 1}).trainer
    other.fit(3, progress=False)
    assert any(not torch.equal(v, other.system.state_dict()[k]) for k, v in state(first.system).items())


@each
def test_surprisal_is_one_number_a_point_and_keeps_its_graph(case, run, small_data) -> None:
    system = run(case).trainer.system.eval()
    x = small_data(CASES[case][1]).batch(torch.arange(6), 0.0, 1.0).x.requires_grad_()
    found = system.surprisal(x)
    assert found.shape == (6,) and torch.isfinite(found).all()
    assert torch.autograd.grad(found.sum(), x)[0].abs().sum() > 0


@each
def test_labels_are_checked(case, run) -> None:
    system = run(case).trainer.system
    if not system.config.net.classes:
        with pytest.raises(UsageError, match="no labels"):
            draw(system, 2, y=1)
        return
    assert draw(system, 3, y=7).y.tolist() == [7, 7, 7]
    with pytest.raises(UsageError, match="class 10 is unknown"):
        draw(system, 2, y=10)
    with pytest.raises(UsageError, match="class -1 is unknown"):
        draw(system, 2, y=torch.tensor([3, -1]))


@each
def test_model_folder_round_trip(case, run, small_data, tmp_path: Path) -> None:
    trainer = run(case).trainer
    trainer.fit(2, progress=False)
    system = trainer.system.eval()
    system.save(tmp_path / "model", data="tiny")
    other = model_folder.load(tmp_path / "model")
    kept = {k: v for k, v in state(system).items() if not k.startswith(model_folder.BUFFERS)}
    assert_same(kept, {k: v for k, v in state(other).items() if k in kept})
    x = small_data(CASES[case][1]).batch(torch.arange(6), 0.0, 1.0).x
    assert torch.equal(system.surprisal(x), other.surprisal(x))
    assert torch.equal(draw(system, 3).x, draw(other, 3).x)
    assert (other.temperature, other.matched, other.config) == (
        system.temperature,
        system.matched,
        system.config,
    )
    assert not other.training


@pytest.mark.parametrize(("name", "changes", "temperature", "matched"), TEMPERATURES)
def test_temperature_and_match_follow_the_configuration(
    name, changes, temperature, matched, tiny_run
) -> None:
    system = tiny_run(
        name, "digits", {**CONV, **(NOISE if name == "short_run" else {}), **changes}
    ).trainer.system
    assert system.temperature == pytest.approx(temperature)
    assert system.matched is matched


@each
def test_frozen_restores_after_an_error(case, run) -> None:
    system = run(case).trainer.system.train()
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
