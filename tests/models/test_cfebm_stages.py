"""When which image size learns: a plain function of the settings and the update's number."""

from __future__ import annotations

import pytest

from gibbsian.core.errors import UsageError
from gibbsian.models.cfebm.config import CFEBMConfig, SourceConfig, StagesConfig
from gibbsian.nets.settings import ConvConfig
from gibbsian.train.recipes import presets


def test_the_ramp_of_alpha():
    stages = StagesConfig(fade=(4, 2), hold=(1, 3))
    turns = [stages.turn(k, 3) for k in range(14)]
    assert [t.stage for t in turns] == [0] * 5 + [1] * 5 + [2] * 4
    assert [t.alpha for t in turns] == [1.0] * 5 + [0.5, 1, 1, 1, 1] + [0.5, 1, 1, 1]
    assert stages.starts(3) == (0, 5, 10)
    assert stages.turn(10**6, 3) == (2, 1.0) and StagesConfig().turn(10**6, 1) == (0, 1.0)


def test_without_fading_a_stage_begins_whole():
    assert StagesConfig(fade=(0,), hold=(2,)).turn(2, 2) == (1, 1.0)


@pytest.mark.parametrize(
    ("shape", "settings", "sides"),
    [
        ((3, 512, 512), {"smallest": 8}, [8, 16, 32, 64, 128, 256, 512]),
        ((3, 32, 32), {"smallest": 8}, [8, 16, 32]),
        ((1, 28, 28), {}, [7, 14, 28]),
        ((1, 28, 28), {"count": 2}, [14, 28]),
        ((1, 8, 8), {}, [4, 8]),
        ((1, 9, 9), {}, [9]),
    ],
)
def test_sizes(shape, settings, sides):
    assert StagesConfig(**settings).sizes(shape) == tuple((n, n) for n in sides)


def test_oblong_images_halve_while_both_sides_do():
    assert StagesConfig(smallest=2).sizes((1, 12, 8)) == ((3, 2), (6, 4), (12, 8))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: StagesConfig().sizes((2,)), "cfebm needs images"),
        (lambda: StagesConfig(count=3).sizes((1, 8, 8)), "halve to only 2 sizes of 4 pixels or more"),
        (lambda: StagesConfig(fade=(1, 2, 3)).starts(2), "stages.fade has 3 entries for 2 image sizes"),
        (lambda: StagesConfig(fade=(0,), hold=(0,)).starts(2), "a stage has no update"),
        (lambda: StagesConfig(fade=()), "stages.fade is empty"),
        (lambda: StagesConfig(hold=(-1,)), "stages.hold is -1"),
        (lambda: StagesConfig(rates=(float("nan"),)), "stages.rates is nan"),
        (lambda: StagesConfig(shares=(0.0,)), "share of the batch"),
        (lambda: StagesConfig(smallest=0), "stages.smallest is 0"),
        (lambda: SourceConfig(steps=0), "source.steps is 0"),
        (lambda: SourceConfig(noise=-1.0), "source.noise is -1"),
        (lambda: CFEBMConfig(width=0), "width is 0"),
        (lambda: CFEBMConfig(net=ConvConfig(classes=10)), "unconditional"),
        (lambda: CFEBMConfig(mode="dream"), "unknown cfebm.mode 'dream'"),
    ],
)
def test_bad_settings_are_one_line(build, words):
    with pytest.raises(UsageError, match=words) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_the_papers_presets_end_with_their_last_phase():
    known = presets("cfebm")
    for name, sizes in (("cifar10-paper", 3), ("cfebm-512", 7)):
        recipe = known[name]
        stages = recipe.model.stages
        last = stages.starts(sizes)[-1] + stages.fade[-1] + stages.hold[-1]
        assert recipe.train.steps == last
        chain = recipe.model.chain
        assert (chain.steps, chain.step_size, chain.noise, chain.noise_end) == (15, 2.0, 0.015, 0.0)
    batches = [256 * known["cifar10-paper"].model.stages.share(s, 3) for s in range(3)]
    assert batches == [256, 128, 64]
    assert [1e-3 * known["cfebm-512"].model.stages.lr_multiplier(s, 7) for s in range(7)] == pytest.approx(
        [1e-3, 1e-3, 1e-3, 1.2e-3, 1.5e-3, 2e-3, 2e-3]
    )
