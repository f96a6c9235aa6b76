"""What every system must do, whatever it is. A new system joins by one line in CASES."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import pytest
import torch

from gibbsian.core.errors import UsageError
from gibbsian.recipes.catalog import SYSTEMS
from gibbsian.systems import folder as model_folder
from gibbsian.systems.base import System, sample
from gibbsian.systems.frozen import frozen
from gibbsian.train.draw import sample as draw

CONV_NET = {"net.name": "conv", "net.channels": [4, 8]}
CONV = {**CONV_NET, "chain.steps": 3, "start.capacity": 64}
MLP = {"net.name": "mlp", "net.hidden": [16, 16], "chain.steps": 3, "start.capacity": 64}
LABELS = {**CONV, "net.classes": 10}
NOISE = {"start.kind": "noise"}
VAEBM = {
    **{"net.name": "mlp", "net.hidden": [16, 16], "vae.hidden": [16, 12], "vae.conditional": 8},
    **{"vae.steps": 1, "chain.steps": 3, "buffer.capacity": 64, "buffer.anneal": 2},
}

GEBM = {
    "net.name": "mlp",
    "net.hidden": [16, 16],
    "generator.latent": 3,
    "generator.hidden": [8],
    "energy_first": 0,
    "energy_steps": 1,
    "latent.steps": 3,
}

DRL = {"net.name": "mlp", "net.hidden": [16, 16], "ladder.steps": 2}
MATCHING = {
    **{"net.name": "mlp", "net.hidden": [16, 16], "flow.updates": 2, "flow.time": 0.1},
    **{"contrast.steps": 2, "contrast.weight": 1.0},
}
ICD = {
    **{"net.name": "mlp", "net.hidden": [16, 16], "chain.steps": 3, "chain.step_size": 0.5},
    **{"start.capacity": 32},
}
CFEBM = {"net.hidden": [8], "chain.steps": 2, "stages.fade": [2], "stages.hold": [0]}

PAIR = {
    **{"net.name": "mlp", "net.hidden": [16, 16], "generator.latent": 3, "generator.hidden": [8]},
    **{"chain.steps": 3},
}

SCORES = {"net.name": "mlp", "net.hidden": [16, 16], "chain.steps": 3}
NCE = {**SCORES, "noise.updates": 1, "noise.ratio": 2, "flow.hidden": [8], "flow.blocks": 2}
# name of the case -> (system, data, changes of its default configuration)
CASES = {
    "igebm": ("igebm", "digits", CONV),
    "igebm-points": ("igebm", "toy:ring", {**MLP, "net.spectral_norm": True}),
    "igebm-labels": ("igebm", "digits", LABELS),
    "igebm-labels-batch": ("igebm", "digits", {**LABELS, "start.labels": "batch", "start.uint8": True}),
    "igebm-resnet": (
        "igebm",
        "digits",
        {**CONV, "net.name": "igebm", "net.strides": [1, 2], "net.dropout": 0.2},
    ),
    "igebm-noise": ("igebm", "digits", {**CONV, **NOISE}),
    "igebm-fixed": ("igebm", "digits", {**CONV, "start.kind": "fixed", "chain.noise_end": 0.0}),
    "igebm-data": ("igebm", "toy:ring", {**MLP, "start.kind": "data"}),
    "igebm-ensemble": ("igebm", "toy:ring", {**MLP, "ensemble.members": 2, "ensemble.every": 2}),
    "jem": ("jem", "digits", {**CONV, "loss.w_xy": 0.5, "augment.shift": 1, "pixels.dequantize": True}),
    "jem-few": ("jem", "digits", {**CONV, "labelled": 2, "loss.ancestral": True}),
    "jem-plain": ("jem", "digits", {**CONV, "loss.w_x": 0.0, "net.dropout": 0.2}),
    "jem-wide": ("jem", "digits", {**CONV, "net.name": "wide", "net.pool": "mean", "loss.smoothed": True}),
    "jem-points": ("jem", "toy:ring", {**MLP, "net.classes": 8, "loss.w_y": 0.0, "start.kind": "data"}),
    "generative_convnet": ("generative_convnet", "digits", CONV),
    "generative_convnet-reference": ("generative_convnet", "digits", {**CONV, "reference_sigma": 0.5}),
    "generative_convnet-data": ("generative_convnet", "toy:ring", {**MLP, "start.kind": "data"}),
    "generative_convnet-cold": (
        "generative_convnet",
        "toy:ring",
        {**MLP, **NOISE, "start.noise": "gaussian"},
    ),
    "short_run": ("short_run", "digits", {**CONV, **NOISE}),
    "short_run-labels": ("short_run", "digits", {**LABELS, **NOISE, "loss.link": "softplus"}),
    "short_run-points": (
        "short_run",
        "toy:ring",
        {**MLP, **NOISE, "chain.clamp": True, "loss.objective": "softplus"},
    ),
    "cebm": ("cebm", "digits", CONV),
    "cebm-mixture": ("cebm", "digits", {**CONV, "prior": "mixture", "components": 3, "learn_prior": True}),
    "cebm-points": ("cebm", "toy:ring", {**MLP, "latent": 2, "prior": "mixture", "net.spectral_norm": True}),
    "vaebm": ("vaebm", "digits", {**VAEBM, "vae.name": "conv", "vae.channels": [4, 6], "vae.noise": "pixel"}),
    "vaebm-groups": ("vaebm", "digits", {**VAEBM, "vae.groups": [3, 2, 2], "potential": "released"}),
    "vaebm-beta-tc": ("vaebm", "digits", {**VAEBM, "vae.kind": "beta_tc", "negatives": "mean"}),
    "vaebm-factor": ("vaebm", "digits", {**VAEBM, "vae.kind": "factor", "vae.critic_hidden": [8]}),
    "vaebm-xz": ("vaebm", "digits", {**VAEBM, "energy_on": "xz", "chain.kernel": "kinetic"}),
    "vaebm-points": ("vaebm", "toy:ring", {**VAEBM, "output": "sample", "vae.groups": [2]}),
    "gebm": ("gebm", "digits", {**GEBM, "generator.norm": "batch", "generator.output": "tanh"}),
    "gebm-conv": (
        "gebm",
        "digits",
        {**GEBM, **CONV_NET, "generator.name": "conv", "generator.channels": [4]},
    ),
    "gebm-flow": ("gebm", "toy:ring", {**GEBM, "generator.name": "flow", "base": "likelihood"}),
    "gebm-frozen": ("gebm", "toy:ring", {**GEBM, "base": "frozen"}),
    "gebm-gan": ("gebm", "toy:ring", {**GEBM, "divergence": "jensen_shannon", "latent.kernel": "kinetic"}),
    "coopnets": ("coopnets", "digits", {**PAIR, "generator.norm": "batch", "generator.output": "tanh"}),
    "coopnets-conv": (
        "coopnets",
        "digits",
        {**PAIR, **CONV_NET, "generator.name": "conv", "generator.channels": [4], "noisy_start": True},
    ),
    "coopnets-points": ("coopnets", "toy:ring", {**PAIR, "infer_steps": 2, "reference_sigma": 2.0}),
    "acd": ("acd", "digits", {**PAIR, "generator.output": "tanh", "penalty_on": "between", "refine": True}),
    "acd-game": ("acd", "digits", {**PAIR, "generator.norm": "batch", "entropy_weight": 0.0, "refine": True}),
    "acd-points": ("acd", "toy:ring", {**PAIR, "penalty": 0.0, "refine": True, "output": "mean"}),
    "drl": ("drl", "digits", {**CONV_NET, "ladder.steps": 2, "ladder.levels": 3}),
    "drl-levels": (
        "drl",
        "digits",
        {"net.name": "levels", "net.channels": [4, 4, 6], "net.strides": [1, 2], "ladder.steps": 1},
    ),
    "drl-points": ("drl", "toy:ring", {**DRL, "net.spectral_norm": True}),
    "energy_matching": (
        "energy_matching",
        "digits",
        {**MATCHING, **CONV_NET, "net.activation": "swish", "contrast.clamp": True, "contrast.floor": 0.02},
    ),
    "energy_matching-points": (
        "energy_matching",
        "toy:ring",
        {**MATCHING, "flow.sampler": "langevin", "contrast.trim": 0.1, "contrast.data_chains": "ramp"},
    ),
    "icd": ("icd", "digits", {**ICD, **CONV_NET, "augment.crop": 0.5, "augment.flip": 0.5, "mix": 1}),
    "icd-scales": ("icd", "digits", {**ICD, **CONV_NET, "scales": 2, "net.spectral_norm": True}),
    "icd-points": ("icd", "toy:ring", {**ICD, "through": "all", "kl_rows": 5, "chain.clamp": False}),
    "icd-plain": ("icd", "toy:ring", {**ICD, "kl_weight": 0.0, "entropy_weight": 0.0}),
    "cfebm": ("cfebm", "digits", CFEBM),
    "cfebm-conv": ("cfebm", "digits", {**CFEBM, "family": "conv", "width": 2, "stages.shares": [1.0, 0.5]}),
    "cfebm-one-size": (
        "cfebm",
        "digits",
        {**CFEBM, "stages.count": 1, "chain.clamp": True, "chain.noise_end": 0.01, "loss.link": "softplus"},
    ),
    "score_matching": (
        "score_matching",
        "digits",
        {**SCORES, **CONV_NET, "matching.levels": 3, "jump": True, "pixels.dequantize": True},
    ),
    "score_matching-points": ("score_matching", "toy:ring", {**SCORES, "jump": True}),
    "score_matching-sliced": ("score_matching", "toy:ring", {**SCORES, "matching.method": "sliced"}),
    "score_matching-exact": ("score_matching", "digits", {**SCORES, "matching.method": "exact"}),
    "score_matching-differences": (
        "score_matching",
        "digits",
        {**SCORES, "matching.method": "finite_difference", "matching.probe": "sphere", "chain.clamp": True},
    ),
    "nce": ("nce", "digits", {**NCE, **CONV_NET, "tilt": True}),
    "nce-points": ("nce", "toy:ring", NCE),
    "nce-uniform": (
        "nce",
        "toy:ring",
        {**NCE, "noise.law": "uniform", "noise.widen": 1.0, "objective": "ranking"},
    ),
    "nce-flow": (
        "nce",
        "toy:ring",
        {**NCE, "noise.law": "flow", "noise.updates": 0, "tilt": True, "chain.kernel": "langevin"},
    ),
    "nce-conditional": ("nce", "toy:ring", {**NCE, "objective": "conditional"}),
}
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
