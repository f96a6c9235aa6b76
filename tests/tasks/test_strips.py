"""Chain strips: rows are chains, columns are times."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.strips import stage_strip, step_strip, strip
from gibbsian.core.errors import UsageError
from gibbsian.core.position import leaves
from gibbsian.core.random import generator
from gibbsian.mcmc.langevin import Langevin
from gibbsian.models.sampler import ChainStage, WrappedSampler
from gibbsian.models.samples import draw_samples
from gibbsian.report.pictures import LABEL, beside
from gibbsian.tasks.strips import Strip


def watched(model, n: int, times=None, steps: int | None = None, chunk: int = 512, draws: int = 5):
    seen = Strip(model.sampler(), n, times)
    drawn = draw_samples(model, seen, draws, rng=generator(0), steps=steps, chunk=chunk, observe=seen.observe)
    return seen, drawn


@pytest.mark.parametrize("pair", [False, True])
def test_images_are_a_row_a_chain_and_a_column_a_time(tilted, pair):
    picture = strip(tilted((1, 4, 4), pair), 3, (0, 2, 5), rng=generator(0))
    side = 6 * 11  # a frame around 4 pixels, enlarged 11 times
    assert picture.size == (3 * (side + 2) - 2, LABEL + 3 * (side + 2) - 2)
    pixels = np.asarray(picture)
    assert (pixels[:LABEL, : side + 2] < 255).any()  # a label above the first column
    columns = [pixels[LABEL:, k * (side + 2) : k * (side + 2) + side] for k in range(3)]
    assert not (columns[0] == columns[1]).all() and not (columns[1] == columns[2]).all()


def test_points_stand_on_their_energy_side_by_side(tilted):
    assert strip(tilted((2,)), 7, (0, 4), rng=generator(0)).size == (2 * 402 - 2, LABEL + 400)


def test_kept_positions_are_those_of_the_chain(tilted):
    model = tilted((2,), pair=True)
    seen, drawn = watched(model, 3, (0, 1, 6), steps=6)
    thinned = draw_samples(model, model.sampler(), 5, rng=generator(0), steps=6, thin=1).chains[0].trace
    for leaf, trace in enumerate(leaves(thinned)):
        assert torch.equal(seen.shown()[1][leaf], trace[0][:3])
        assert torch.equal(seen.shown()[6][leaf], drawn.chains[0].position[leaf][:3])
    assert list(seen.shown()) == [0, 1, 6]


@pytest.mark.parametrize(
    ("steps", "times"),
    [
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (10, [0, 2, 4, 6, 8, 10]),
        (100, [0, 20, 40, 60, 80, 100]),
        (1000, [0, 200, 400, 600, 800, 1000]),
    ],
)
def test_without_times_six_are_spread_from_start_to_end(tilted, steps, times):
    seen, drawn = watched(tilted((2,)), 2, steps=steps)
    assert list(seen.shown()) == times and len(seen.kept) <= 128
    assert torch.equal(seen.shown()[steps], drawn.chains[0].position[:2])


@pytest.mark.parametrize("steps", [7, 131, 977])
def test_odd_lengths_are_spread_nearly_evenly(tilted, steps):
    times = list(watched(tilted((2,)), 2, steps=steps)[0].shown())
    assert times[0] == 0 and times[-1] == steps and len(times) == 6
    assert all(abs(t - steps * k / 5) <= max(1, steps / 64) for k, t in enumerate(times))


def test_every_so_many_steps_start_and_end_included(tilted):
    model = tilted((1, 4, 4), steps=300)
    seen = Strip(model.sampler(), 2, every=2)
    draw_samples(model, seen, 2, rng=generator(0), observe=seen.observe)
    assert list(seen.shown()) == list(range(0, 301, 2)), "none is dropped, however many"
    picture = step_strip(model, 2, 4, rng=generator(0), steps=10)  # 0, 4, 8 and 10
    assert picture.size == (4 * 68 - 2, LABEL + 2 * 68 - 2)
    with pytest.raises(UsageError, match="every 0 steps"):
        step_strip(model, 2, 0, rng=generator(0))


def test_the_end_of_each_stage(tilted):
    """Two stages of one sampler: the second picture is that of the end."""
    model = tilted((1, 4, 4), steps=3)

    def twice(n, rng, *, y=None, steps=None):
        end = yield next(model.sampler().stages(n, rng))
        yield ChainStage(model.energy, Langevin(0.1), 2, end)

    both = WrappedSampler(model.sampler(), twice)

    picture = stage_strip(model, 2, rng=generator(0), sampler=both)
    assert picture.size == (2 * 68 - 2, LABEL + 2 * 68 - 2)
    ended = strip(model, 2, (3, 5), rng=generator(0), sampler=both)
    assert (np.asarray(picture)[LABEL:] == np.asarray(ended)[LABEL:]).all()
    assert stage_strip(tilted((2,)), 3, rng=generator(0)).size == (400, LABEL + 400)
    with pytest.raises(UsageError, match="a strip of 0 chains"):
        stage_strip(model, 0, rng=generator(0))


def test_a_chain_without_steps_is_one_column(tilted):
    model = tilted((1, 4, 4))
    seen = Strip(model.sampler("base"), 2)
    draw_samples(model, seen, 2, rng=generator(0), observe=seen.observe)
    assert list(seen.shown()) == [0] and seen.picture(model).size == (66, LABEL + 2 * 68 - 2)


def test_steps_are_counted_over_stages_and_only_in_the_first_chunk(tilted):
    model = tilted((2,))

    def stages(n, rng, *, y=None, steps=None):
        position = torch.randn(n, 2, generator=rng)
        for _ in range(3):
            position = yield ChainStage(model.energy, Langevin(0.1), 2, position)

    seen = Strip(WrappedSampler(model.sampler(), stages), 4)
    ends = draw_samples(model, seen, 4, rng=generator(0), chunk=2, observe=seen.observe).chains
    assert list(seen.shown()) == [0, 1, 2, 4, 5, 6]
    assert torch.equal(seen.shown()[6], ends[-1].position)


def test_other_samplers_can_be_shown(tilted):
    model = tilted((2,))
    with pytest.raises(UsageError, match="ended after 0 steps"):
        strip(model, 2, (0, 5), rng=generator(0), sampler=model.sampler("base"))
    assert strip(model, 2, (0,), rng=generator(0), sampler=model.sampler("base")).size == (400, LABEL + 400)


@pytest.mark.parametrize(("n", "times"), [(0, (0, 1)), (2, ()), (2, (0, 0)), (2, (3, 1)), (2, (-1, 4))])
def test_what_makes_no_strip_is_refused(tilted, n, times):
    with pytest.raises(UsageError, match="strip"):
        strip(tilted((2,)), n, times, rng=generator(0))


def test_what_has_no_picture_is_refused(tilted):
    with pytest.raises(UsageError, match="no picture"):
        strip(tilted((3,)), 2, (0, 1), rng=generator(0))


def test_titles_stand_above_their_pictures():
    picture = beside([Image.new("RGB", (50, 20), (9, 9, 9))] * 2, ["", "t = 1"])
    head = np.asarray(picture)[:LABEL]
    assert picture.size == (102, LABEL + 20) and (head[:, :50] == 255).all() and (head[:, 52:] < 255).any()
