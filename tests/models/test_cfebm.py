"""What is particular to the coarse-to-fine EBM."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from experiments.strips import stage_strip, step_strip
from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.data.settings import PixelConfig
from gibbsian.mcmc.base import run
from gibbsian.mcmc.settings import ChainConfig
from gibbsian.models.build import build as build_named
from gibbsian.models.cfebm import learner as module
from gibbsian.models.cfebm.config import CFEBMConfig, SourceConfig, StagesConfig
from gibbsian.models.cfebm.learner import CFEBM, build
from gibbsian.models.cfebm.model import PyramidEnergy
from gibbsian.models.sampler import next_stage
from gibbsian.models.samples import draw_samples
from gibbsian.nets.settings import MLPConfig
from gibbsian.report.pictures import LABEL
from gibbsian.tasks.film import Film, frames
from gibbsian.train.load import load

MLP = {"net.hidden": [8], "chain.steps": 3}
STAGES = StagesConfig(smallest=4, fade=(2,), hold=(2,))
IMAGE_MIB = 150
"""What a gradient at 512x512 may take for one image; 109 to 115 were measured."""


def make(side: int = 16, channels: int = 1, **settings) -> CFEBM:
    settings = {"net": MLPConfig(hidden=(8,), activation="swish"), "stages": STAGES, **settings}
    return build(CFEBMConfig(**settings), (channels, side, side), generator(0)).eval()


def reached(learner: CFEBM, update: int) -> PyramidEnergy:
    """Its model at an update of training."""
    learner.model.latest.fill_(update)
    return learner.model


def stages_of(model: PyramidEnergy, n: int = 3, **options):
    """The stages of samples, each ended far outside of the data's range."""
    stages = model.sampler().stages(n, generator(1), **options)
    stage, found = next(stages), []
    while stage is not None:
        found.append(stage)
        stage = next_stage(stages, 2 * stage.position - 0.5)
    return found


@pytest.mark.parametrize(
    ("update", "sides"), [(0, [4]), (3, [4]), (4, [4, 8]), (8, [4, 8, 16]), (99, [4, 8, 16])]
)
def test_stages_go_through_the_sizes_reached(update, sides):
    stages = stages_of(reached(make(), update))
    assert [stage.position.shape[-1] for stage in stages] == sides and all(
        stage.steps == 15 for stage in stages
    )
    for below, above in zip(stages, stages[1:], strict=False):
        ended = (2 * below.position - 0.5).clamp(-1, 1)
        assert torch.equal(above.position, F.interpolate(ended, scale_factor=2.0, mode="nearest"))
    first = stages[0].position
    assert (first.abs() <= 1).all() and first.min() < -0.5 and first.max() > 0.5


def test_alpha_belongs_to_the_stage_that_learns():
    alphas = [
        [None if (a := stage.energy.alpha) is None else float(a) for stage in stages_of(reached(make(), k))]
        for k in (0, 4, 5, 8, 9)
    ]
    assert alphas == [[None], [None, 0.5], [None, None], [None, None, 0.5], [None, None, None]]


def test_noise_falls_linearly_over_all_sizes():
    """sigma_k = .015 (1 - k / 44), k = 0 .. 44, is sqrt(s T) of step k; none of the steps clamps."""
    chain = ChainConfig(steps=15, step_size=2.0, noise=0.015, noise_end=0.0)
    stages = stages_of(reached(make(chain=chain), 99))
    moves = [stage.kernel.at(k) for stage in stages for k in range(stage.steps)]
    found = [math.sqrt(m.step_size * m.temperature) for m in moves]
    assert found == pytest.approx([0.015 * (1 - k / 44) for k in range(45)], abs=1e-12)
    assert all(m.step_size == 2.0 for m in moves) and all(stage.kernel.clamp is None for stage in stages)


def test_constant_noise_and_clamping_at_every_step():
    chain = ChainConfig(steps=2, noise=0.005, clamp=True)
    kernels = [stage.kernel for stage in stages_of(reached(make(chain=chain), 99))]
    assert {kernel.clamp for kernel in kernels} == {(-1.0, 1.0)}
    assert all(kernel.at(1).temperature == pytest.approx(0.005**2 / 2) for kernel in kernels)


@pytest.mark.parametrize(("asked", "counts"), [(None, [15, 15, 15]), (50, [16, 17, 17]), (2, [0, 1, 1])])
def test_steps_asked_for_are_shared_out(asked, counts):
    assert [stage.steps for stage in stages_of(reached(make(), 99), steps=asked)] == counts


def test_k_gradients_for_each_size_in_training_and_after(tiny_run, monkeypatch):
    changes = {**MLP, "stages.fade": [2], "stages.hold": [0]}
    trainer = tiny_run("cfebm", "digits", changes).trainer
    made: list[tuple[int, int]] = []

    def counted(kernel, energy, x, **options):
        chain = run(kernel, energy, x, **options)
        made.append((x.shape[-1], chain.info.gradients))
        return chain

    monkeypatch.setattr("gibbsian.models.cfebm.learner.run", counted)
    monkeypatch.setattr("gibbsian.models.contrastive.run", counted)
    trainer.update(), trainer.update()
    assert made == [(4, 3), (4, 3)]
    trainer.update()
    assert made[2:] == [(4, 3), (8, 3)]
    drawn = trainer.model.sample(2, rng=generator(0))
    assert [chain.info.gradients for chain in drawn.chains] == [3, 3]


def test_a_stage_begins_with_the_weights_below_and_leaves_them_behind(tiny_run):
    changes = {**MLP, "stages.fade": [2], "stages.hold": [1], "train.steps": 12}
    trainer = tiny_run("cfebm", "digits", changes).trainer
    low, high = trainer.model.net
    for _ in range(3):
        metrics = trainer.update()
    assert (metrics["size"], metrics["alpha"]) == (4, 1) and "stage4_loss" in metrics
    settled = [p.detach().clone() for p in low.parameters()]
    x = trainer.data.batch(torch.arange(5), -1, 1).x
    with torch.no_grad():
        assert torch.equal(high.eval()(x, torch.tensor(0.0)), low.eval()(F.avg_pool2d(x, 2)))
    assert not trainer.updater.optimizers["stage8"].state, "moments of a stage begin at zero"
    metrics = trainer.update()
    assert (metrics["size"], metrics["alpha"]) == (8, 0.5) and "stage8_loss" in metrics
    trainer.update()
    assert all(torch.equal(a, b) for a, b in zip(settled, low.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(settled, high.old.parameters(), strict=True))


def test_averages_of_a_stage_begin_at_those_of_the_one_below(tiny_run):
    changes = {**MLP, "stages.fade": [2], "stages.hold": [2], "train.average": 0.9}
    trainer = tiny_run("cfebm", "digits", changes).trainer
    for _ in range(4):
        trainer.update()
    weights = trainer.average.weights
    shared = [key for key in weights if key.startswith("stage8.old.")]
    assert len(shared) == 4
    for key in shared:
        below = key.replace("stage8.old.", "stage4.entry.")
        torch.testing.assert_close(weights[key], weights[below])
    key = "stage4.entry.layers.0.weight"
    assert not torch.equal(weights[key], trainer.average.live[key]), "an average lags behind"


def test_data_are_pooled_then_noised(tiny_run, monkeypatch):
    seen = {}

    def watched(energy, x_pos, x_neg, **options):
        seen.update(x_pos=x_pos, x_neg=x_neg)
        return energy(x_pos), energy(x_neg)

    monkeypatch.setattr(module, "energies_of_both", watched)
    learner = make(8, pixels=PixelConfig(noise=0.0), chain=ChainConfig(steps=1, step_size=1.0, noise=3.0))
    x = torch.rand(6, 1, 8, 8, generator=generator(2)) * 2 - 1
    next(learner.losses(Batch(x), 0, generator(3)))
    assert torch.equal(seen["x_pos"], F.avg_pool2d(x, 2))
    assert seen["x_neg"].abs().max() == 1.0, "negatives are clamped, however wild their last step"
    noisy = make(8, pixels=PixelConfig(noise=0.5))
    next(noisy.losses(Batch(x), 0, generator(3)))
    # 96 draws of N(0, .5^2): the root mean square is .5 (1 +- 5 / sqrt(192)); false alarms 6e-7
    spread = (seen["x_pos"] - F.avg_pool2d(x, 2)).square().mean().sqrt()
    assert 0.5 * (1 - 0.36) < float(spread) < 0.5 * (1 + 0.36)


def test_each_stage_uses_its_share_of_the_batch_and_its_rate():
    stages = StagesConfig(smallest=4, fade=(1,), hold=(0,), rates=(1.0, 0.5), shares=(1.0, 0.25))
    learner, seen = make(8, stages=stages), []
    learner._ends = lambda stages, n, rng: seen.append(n) or CFEBM._ends(learner, stages, n, rng)
    batch = Batch(torch.zeros(10, 1, 8, 8))
    for step in range(2):
        next(learner.losses(batch, step, generator(0)))
    assert seen == [10, 3]
    assert [learner.lr_multiplier("stage8", k) for k in range(2)] == [1.0, 0.5]


def test_positions_of_every_size_decode_to_data():
    sampler = make(channels=3).model.sampler()
    for side in (4, 8, 16):
        x = torch.full((2, 3, side, side), 1.5)
        assert torch.equal(sampler.decode(x), torch.ones(2, 3, 16, 16))


def test_energy_is_that_of_the_stage_reached():
    learner, x = make(), torch.rand(4, 1, 16, 16, generator=generator(0))
    nets = learner.model.net
    assert torch.equal(learner.model.neg_log_prob(x), nets[0](F.avg_pool2d(x, 4)))
    half = 0.5 * nets[1](F.avg_pool2d(x, 2)) + 0.5 * nets[2](x)
    assert torch.allclose(reached(learner, 8).energy(x), half, atol=1e-6)
    assert torch.equal(reached(learner, 99).energy(x), nets[2](x))


def test_a_model_folder_keeps_the_stage(tmp_path):
    config = CFEBMConfig(net=MLPConfig(hidden=(8,), activation="swish"), stages=STAGES)
    model = reached(build_named("cfebm", replace(config, family="conv", width=2), (1, 16, 16)), 8)
    model.save(tmp_path / "m")
    assert tuple(load(tmp_path / "m").turn) == (2, 0.5)


# -- translation ------------------------------------------------------------------------------------


def test_translation_starts_at_the_images_and_is_still():
    model = reached(make(source=SourceConfig(noise=0.0)), 99)
    x = torch.rand(5, 1, 16, 16, generator=generator(0)) * 2 - 1
    stage = next(model.translation(x).stages(5, generator(1)))
    assert torch.equal(stage.position, x) and stage.steps == 64
    assert [stage.kernel.at(k).temperature for k in (0, 63)] == [0, 0] and stage.kernel.clamp == (-1.0, 1.0)
    drawn = model.sample(5, rng=generator(1), sampler=model.translation(x, steps=3))
    again = model.sample(5, rng=generator(2), sampler=model.translation(x, steps=3))
    assert drawn.chains[0].info.steps == 3 and torch.equal(drawn.x, again.x)


def test_source_images_are_noised():
    """1,280 draws of N(0, .1^2): within 5 sigma of .1, .1 (1 +- 5 / sqrt(2560)); false alarms 6e-7."""
    model = reached(make(source=SourceConfig(noise=0.1)), 99)
    stage = next(model.translation(torch.zeros(5, 1, 16, 16)).stages(5, generator(1)))
    assert 0.09 < float(stage.position.square().mean().sqrt()) < 0.11


def test_translation_trains_from_paired_images(tiny_run):
    trainer = tiny_run(
        "cfebm", "digits", {**MLP, "mode": "translate", "stages.fade": [1], "stages.hold": [0]}
    ).trainer
    learner, steps = trainer.learner.train(), []
    rng = generator(0)
    batch = Batch(torch.zeros(6, 1, 8, 8), cond=torch.ones(6, 1, 8, 8))
    learner._ends = lambda stages, n, rng: (
        steps.append(found := CFEBM._ends(learner, stages, n, rng)) or found
    )
    for step, name in enumerate(("stage4", "stage8")):
        ((group, loss),) = learner.losses(batch, step, rng)
        assert group == name and torch.isfinite(loss.value)
        assert steps[-1].chain.info.gradients == 3 and float(steps[-1].x.mean()) > 0.5
    with pytest.raises(UsageError, match="translation needs pairs of domains"):
        trainer.update()
    assert learner.model.sample(14, rng=rng).x.shape == (14, 1, 8, 8)


def test_a_translating_model_shows_images_that_it_has_met():
    learner = make(mode="translate")
    with pytest.raises(UsageError, match="has met no images"):
        learner.model.sample(2, rng=generator(0))
    learner.seen.keep(torch.full((2, 1, 16, 16), 0.5))
    assert float((next(learner.model.sampler().stages(3, generator(0))).position - 0.5).abs().max()) < 0.1
    assert any(k.startswith("seen.") for k in learner.state_dict())


def test_wrong_images_to_translate_are_refused():
    model = make().model
    with pytest.raises(UsageError, match=r"takes \(N, 1, 16, 16\)"):
        model.translation(torch.zeros(2, 1, 8, 8))
    with pytest.raises(UsageError, match="3 chains from 2 images"):
        next(model.translation(torch.zeros(2, 1, 16, 16)).stages(3, generator(0)))


def test_points_are_refused():
    with pytest.raises(UsageError, match="cfebm needs images"):
        build(CFEBMConfig(), (2,), generator(0))


def test_temperature_is_that_of_the_first_step():
    assert make().model.temperature == pytest.approx(0.015**2 / 2) and not make().model.claims_density


# -- pictures ---------------------------------------------------------------------------------------


def test_strips_and_films_show_every_size():
    model = reached(make(chain=ChainConfig(steps=4, noise_end=0.0)), 99)
    tile = 16 * 4 + 2
    assert stage_strip(model, 2, rng=generator(0)).size == (3 * tile - 2, LABEL + 2 * tile - 2)
    columns = 1 + 12 // 5 + 1  # the start, steps 5 and 10, the end
    assert step_strip(model, 2, 5, rng=generator(0)).size == (columns * tile - 2, LABEL + 2 * tile - 2)
    watched = Film(model.sampler())
    draw_samples(model, watched, 4, rng=generator(0), observe=watched.observe)
    assert len({frame.size for frame in frames(model, watched)}) == 1 and len(watched.positions) == 13


# -- memory -----------------------------------------------------------------------------------------


def added(what: str, images: int) -> float:
    """MiB that a gradient of so many images of 512x512 adds, in a process of its own."""
    command = [sys.executable, "-m", "tests.models.largest_stage", what, str(images)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=True)
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_512_preset_fits_in_150_mib_an_image():
    """A chain's gradient of 1 and of 2 images, and an update's of 2 pairs, half faded in. So 16 images take
    less than 2.4 GiB in a chain step and 4.8 GiB in an update, beside weights and optimiser."""
    one, two = added("chain", 1), added("chain", 2)
    assert 12 < one < IMAGE_MIB, "less than its first maps, 6 x 512 x 512 numbers twice, was not measured"
    assert one + 12 < two < 2 * IMAGE_MIB
    assert two < added("loss", 2) < 4 * IMAGE_MIB
