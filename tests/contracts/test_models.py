"""What every model, learner and sampler must do, whatever it is. A new paper joins by one line in CASES."""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from cases import CASES, CONV, NOISE

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.spec import DataSpec
from gibbsian.mcmc.base import run as run_chain
from gibbsian.models import folder as model_folder
from gibbsian.models.capabilities import (
    Adjustable,
    Denoiser,
    Encoder,
    LevelEnergies,
    Measured,
    MultiLevel,
    Normalised,
    Scalable,
    Translator,
    classifier,
    offered,
)
from gibbsian.models.chain_sampler import ChainSampler
from gibbsian.models.learner import Learner
from gibbsian.models.model import EnergyModel
from gibbsian.models.papers import PAPERS
from gibbsian.models.sampler import Sampler
from gibbsian.models.samples import draw_samples, run_stages
from gibbsian.nets.frozen import frozen
from gibbsian.train.trainer import Trainer

METHODS = {
    EnergyModel: "conditioned energy neg_log_prob sample sampler save",
    Learner: "losses lr_multiplier milestones parameter_groups planned reset_training_state samplers setup "
    "transform_gradients",
    Sampler: "decode from_data stages",
}
"""The methods of each noun that others may call: one more is a decision."""

CAPABILITIES = {
    **{"Encoder": Encoder, "MultiLevel": MultiLevel, "Denoiser": Denoiser, "Translator": Translator},
    **{"Measured": Measured, "Adjustable": Adjustable, "Scalable": Scalable},
    **{"Normalised": Normalised, "LevelEnergies": LevelEnergies},
}
OFFERS = {
    "nce": "Measured Scalable",
    "snl": "Measured Normalised",
    "score_matching": "MultiLevel Denoiser Scalable",
    "noise_energy": "MultiLevel LevelEnergies Denoiser Measured Adjustable",
    "jem": "",
    "cebm": "Encoder",
    "vaebm": "Encoder Measured Adjustable",
    "gebm": "Measured Adjustable",
    "drl": "MultiLevel",
    "cfebm": "Translator",
}
"""What models of a paper can do besides; where it is not here, hand over their network."""

# configuration -> (temperature, claims_density) as the paper's numbers imply
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
    ("generative_convnet", {"reference_sigma": 1.0}, 5e-5, True),
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
    def learner(self) -> Learner:
        return self.trainer.learner

    @property
    def model(self) -> EnergyModel:
        return self.trainer.model

    @property
    def samplers(self) -> dict[str, Sampler]:
        """Those of the model, and of the learner where they need training state."""
        return {**self.model.samplers, **self.learner.samplers()}

    @property
    def moves_data(self) -> bool:
        found = offered(self.model, Adjustable)
        return found is None or found.section != "latent"


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
        for g, m in trainer.learner.parameter_groups().items()
    }
    for _ in range(3):
        metrics = trainer.update()
    return Trained(request.param, trainer, before, metrics)


def data_rows(small_data, case: str) -> torch.Tensor:
    return small_data(CASES[case][1]).batch(torch.arange(6), 0.0, 1.0).x


def classes(model: EnergyModel, n: int) -> torch.Tensor | None:
    """Labels for `n` rows of a conditional model."""
    return torch.arange(n) % model.spec.num_classes if model.spec.num_classes else None


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def assert_same(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert torch.equal(value, right[key]), key


# -- the nouns -------------------------------------------------------------------------------------------


def test_every_paper_has_a_case() -> None:
    assert {system for system, *_ in CASES.values()} == set(PAPERS)


@pytest.mark.parametrize("noun", METHODS)
def test_the_public_methods_of_a_noun_are_few(noun: type) -> None:
    found = {name for name, value in vars(noun).items() if inspect.isfunction(value) and name[0] != "_"}
    found -= {"forward"}  # of every torch module
    assert found == set(METHODS[noun].split())
    assert all(getattr(noun, name).__doc__ for name in found)


def test_learners_and_models_are_final(trained) -> None:
    for part, noun in ((trained.learner, Learner), (trained.model, EnergyModel)):
        assert type(part).__bases__ == (noun,), (
            f"{type(part).__name__} extends another: hold its parts instead"
        )
        for name in METHODS[noun].split():
            own, base = (inspect.signature(getattr(of, name)) for of in (type(part), noun))
            assert list(own.parameters) == list(base.parameters), f"{type(part).__name__}.{name}"


def test_samplers_are_named_and_alike(trained) -> None:
    assert (
        "default" in trained.model.samplers and trained.model.sampler() is trained.model.samplers["default"]
    )
    for sampler in trained.samplers.values():
        assert isinstance(sampler, Sampler) and float(sampler.temperature) >= 0
        for name in METHODS[Sampler].split():
            own, base = (inspect.signature(getattr(of, name)) for of in (type(sampler), Sampler))
            assert list(own.parameters)[: len(base.parameters)] == list(base.parameters)
    with pytest.raises(UsageError, match="did you mean 'default'"):
        trained.model.sampler("defualt")


def test_the_spec_is_that_of_data_and_settings(trained, small_data) -> None:
    config, shape = trained.learner.config, small_data(CASES[trained.case][1]).event_shape
    assert trained.model.spec == DataSpec(shape, config.pixels.low, config.pixels.high, config.net.classes)
    assert isinstance(trained.model.temperature, float)


def test_the_settings_say_whether_a_density_is_claimed(trained) -> None:
    """The property that `gibbsian list presets` shows is what a trained model carries."""
    claims = getattr(trained.learner.config, "claims_density", False)
    assert isinstance(claims, bool) and trained.model.claims_density is claims


# -- training --------------------------------------------------------------------------------------------


def test_every_group_gets_gradients_and_moves(trained) -> None:
    assert all(math.isfinite(v) for v in trained.metrics.values())
    for group, module in trained.learner.parameter_groups().items():
        for name, p in module.named_parameters():
            assert p.grad is not None, f"{group}.{name} has no gradient"
            if p.dim() > 1:
                assert not torch.equal(p, trained.before[group][name]), f"{group}.{name} did not move"


def test_training_is_repeatable_and_leaves_the_global_stream(trained, run) -> None:
    """Another state of the global stream changes nothing, another seed of the run does."""
    torch.manual_seed(6)
    before = torch.get_rng_state()
    second = run(trained.case).trainer
    for _ in range(3):
        second.update()
    second.model.sample(2)
    assert torch.equal(before, torch.get_rng_state())
    found = state(trained.learner)
    assert_same(found, state(second.learner))
    other = run(trained.case, {"train.seed": 1}).trainer
    other.update()
    assert any(not torch.equal(v, other.learner.state_dict()[k]) for k, v in found.items())


@each
def test_bfloat16_runs_and_keeps_positions_in_full_precision(case, run) -> None:
    trainer = run(case, {"train.precision": "bf16"}).trainer
    trainer.update()
    drawn = trainer.model.sample(2, options=trainer.learner.options)
    assert trainer.learner.options.precision == "bf16"
    assert drawn.x.dtype == torch.float32 and torch.isfinite(drawn.x).all()
    assert all(p.dtype == torch.float32 for p in trainer.learner.parameters())


# -- energies --------------------------------------------------------------------------------------------


def test_energies_are_one_number_a_point_and_keep_their_graph(trained, small_data) -> None:
    x, model = data_rows(small_data, trained.case).requires_grad_(), trained.model.eval()
    y = classes(model, 6)
    for of in (model.energy, model.neg_log_prob) if y is None else (model.neg_log_prob,):
        found = of(x)
        assert found.shape == (6,) and torch.isfinite(found).all()
        assert torch.autograd.grad(found.sum(), x)[0].abs().sum() > 0
    if y is not None:
        assert model.energy(x, y).shape == model.neg_log_prob(x, y).shape == (6,)
        torch.testing.assert_close(model.conditioned(y)(x), model.energy(x, y))


def test_labels_are_checked(trained, small_data) -> None:
    model, x = trained.model, data_rows(small_data, trained.case)[:2]
    if not model.spec.num_classes:
        for ask in (lambda: model.sample(2, y=1), lambda: model.neg_log_prob(x, torch.tensor([0, 1]))):
            with pytest.raises(UsageError, match="no labels"):
                ask()
        return
    assert model.sample(3, y=7).y.tolist() == [7, 7, 7]
    with pytest.raises(UsageError, match="class 10 is unknown"):
        model.sample(2, y=10)
    with pytest.raises(UsageError, match="class -1 is unknown"):
        model.sample(2, y=torch.tensor([3, -1]))


# -- samplers --------------------------------------------------------------------------------------------


def test_every_sampler_draws_finite_data(trained, small_data) -> None:
    for name, sampler in trained.samplers.items():
        drawn = trained.model.sample(5, seed=3, chunk=2, sampler=sampler)
        assert drawn.x.shape == (5, *small_data(CASES[trained.case][1]).event_shape), name
        assert drawn.energy.shape == (5,)
        assert torch.isfinite(drawn.x).all() and torch.isfinite(drawn.energy).all(), name
        assert not drawn.x.requires_grad
        assert (drawn.y is not None) == bool(trained.model.spec.num_classes)


def test_same_seed_same_samples_and_another_seed_others(trained) -> None:
    first, same, other = (trained.model.sample(4, seed=seed).x for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_chains_touch_nothing_and_restore_modes(trained) -> None:
    """torchebm and ebmkit sample in train mode with live parameter gradients and moving spectral norms."""
    learner = trained.learner.train()
    first = next(learner.parameters())
    wanted = first.requires_grad
    first.requires_grad_(False)
    try:
        flags = [p.requires_grad for p in learner.parameters()]
        before, modes = state(learner), [m.training for m in learner.modules()]
        for sampler in trained.samplers.values():
            trained.model.sample(4, sampler=sampler)
        assert_same(before, state(learner))
        assert [m.training for m in learner.modules()] == modes and all(modes)
        assert [p.requires_grad for p in learner.parameters()] == flags
    finally:
        first.requires_grad_(wanted)


def test_chains_run_in_eval_mode_without_parameter_gradients(trained) -> None:
    model, seen = trained.learner.train().model, []

    def observe(step, state, info):
        seen.append((model.training, any(p.requires_grad for p in model.parameters())))

    draw_samples(model, model.sampler(), 2, rng=generator(0), observe=observe)
    assert seen and set(seen) == {(False, False)}


def test_chains_from_data_are_those_of_the_model(trained, small_data) -> None:
    """They begin at the data and leave them of the same shape; exp(-energy / T) at the temperature T of the
    sampler is the density that a model claims."""
    model, x = trained.model.eval(), data_rows(small_data, trained.case)
    y = classes(model, 6)
    if not trained.moves_data:
        with pytest.raises(UsageError, match="none can begin at data"):
            model.sampler().from_data(x, generator(0))
        return
    chain = model.sampler().from_data(x, generator(0), y)
    ladder = chain.remaining is not None
    assert ladder or torch.equal(chain.position, x)
    with frozen(model):
        end = run_chain(chain.kernel, chain.energy, chain.position, steps=2, rng=generator(1)).position
        if ladder:
            end = run_stages(chain.remaining(end), generator(2))[-1].position
        assert end.shape == x.shape and torch.isfinite(model.sampler().decode(end)).all()
        if model.claims_density:
            apart = chain.energy(x) / model.sampler().temperature - model.neg_log_prob(x, y)
            torch.testing.assert_close(apart, apart[:1].expand(6), rtol=1e-4, atol=1e-3)


def test_a_chain_has_the_temperature_of_its_sampler(trained) -> None:
    """Where one chain draws the samples: with a base it moves on E/T + base at 1, else on E at T. The plain
    game of `acd` has no temperature, energy matching has one that rises."""
    for sampler in trained.samplers.values():
        if type(sampler) is ChainSampler and sampler.temperature:
            stage = next(sampler.stages(2, generator(0), y=classes(trained.model, 2)))
            assert stage.kernel.at(0).temperature == pytest.approx(sampler.temperature)


# -- what some can do besides ----------------------------------------------------------------------------


def test_a_paper_offers_what_it_can_and_nothing_else(trained) -> None:
    found = {name for name, capability in CAPABILITIES.items() if offered(trained.model, capability)}
    assert found == set(OFFERS.get(CASES[trained.case][0], "Scalable").split())


def test_capabilities_do_what_they_say(trained, small_data) -> None:
    model, x = trained.model.eval(), data_rows(small_data, trained.case)
    if ladder := offered(model, MultiLevel):
        if ladder.levels:
            assert ladder.level_terms(x, generator(0)).shape == (6, ladder.levels)
            assert ladder.noised(x, ladder.levels - 1, generator(0)).shape == x.shape
    if denoiser := offered(model, Denoiser):
        assert denoiser.noisy_score(x, 0.5).shape == x.shape
    if encoder := offered(model, Encoder):
        assert encoder.latents(x).shape[0] == 6 and encoder.latents(x).dim() == 2
    if measured := offered(model, Measured):
        found = measured.extra_metrics(x, generator(0))
        assert found and all(math.isfinite(v) for v in found.values())
    if settings := offered(model, Adjustable):
        other = replace(getattr(settings, settings.section), steps=3)
        drawn = model.sample(3, sampler=settings.sampler_with(other))
        assert drawn.x.shape == (3, *x.shape[1:])
        assert settings.sampler_with(other) is not model.sampler()
    if translator := offered(model, Translator):
        assert model.sample(6, sampler=translator.translation(x, steps=2)).x.shape == x.shape


def test_labels_make_a_classifier(trained, small_data) -> None:
    model, x = trained.model.eval(), data_rows(small_data, trained.case)
    if not model.spec.num_classes:
        with pytest.raises(UsageError, match="no label head"):
            classifier(model)
        return
    scores = classifier(model).logits(x)
    energies = torch.stack([model.energy(x, torch.full((6,), c)) for c in range(model.spec.num_classes)], 1)
    torch.testing.assert_close(scores, -energies)
    assert classifier(model).joint == (CASES[trained.case][0] == "jem")
    if model.joint:
        torch.testing.assert_close(model.energy(x), -scores.logsumexp(1))


# -- folders ---------------------------------------------------------------------------------------------


def test_a_model_folder_holds_the_model_and_nothing_of_training(trained, small_data, tmp_path: Path) -> None:
    model = trained.model.eval()
    model.save(tmp_path / "model", data="tiny")
    about, weights = model_folder.read(tmp_path / "model")
    assert weights.keys() == model.state_dict().keys()
    assert {f"model.{k}" for k in weights} == {
        k for k in trained.learner.state_dict() if k.startswith("model.")
    }
    assert not any(k.startswith(("buffer", "critic", "steepness", "width", "seen")) for k in weights)
    assert json.loads(json.dumps(about)) == about and about["data"] == "tiny"
    other = gb.load(tmp_path / "model")
    assert_same(state(model), state(other))
    x = data_rows(small_data, trained.case)
    assert torch.equal(model.neg_log_prob(x), other.neg_log_prob(x))
    assert other.samplers.keys() == model.samplers.keys()
    for name in model.samplers:
        assert torch.equal(model.sample(3, sampler=name).x, other.sample(3, sampler=name).x)
    for name in ("temperature", "claims_density", "spec"):
        assert getattr(model, name) == getattr(other, name), name
    assert other.record == replace(model.record, data="tiny") and not other.training


def test_frozen_restores_after_an_error(trained) -> None:
    learner = trained.learner.train()
    before, wanted = state(learner), [p.requires_grad for p in learner.parameters()]
    with pytest.raises(RuntimeError, match="boom"), frozen(learner), frozen(learner):
        raise RuntimeError("boom")
    assert learner.training and [p.requires_grad for p in learner.parameters()] == wanted
    assert all(p.requires_grad for p in trained.model.net.parameters())
    assert_same(before, state(learner))


# -- temperatures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "changes", "temperature", "claims"), TEMPERATURES)
def test_temperature_and_claim_follow_the_configuration(name, changes, temperature, claims, tiny_run) -> None:
    model = tiny_run(
        name, "digits", {**CONV, **(NOISE if name == "short_run" else {}), **changes}
    ).trainer.model
    assert model.temperature == pytest.approx(temperature)
    assert model.claims_density is claims
    chain = 1.0 if changes.get("reference_sigma") else temperature
    assert model.sampler().temperature == pytest.approx(chain)
