"""Chains on film."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.models.build import build
from gibbsian.models.samples import draw_samples
from gibbsian.report.pictures import save_gif
from gibbsian.tasks.film import Film, decoded, frames, painter
from gibbsian.train.recipes import resolve


def tiny(event_shape, **changes):
    changes = {"net.name": "mlp", "net.hidden": [4], "chain.steps": 3, "start.capacity": 8, **changes}
    config = resolve("igebm", preset="cifar10", changes=changes)
    return build("igebm", config.model, event_shape).model


def watched(model, n=4, **options):
    kept = Film(model.sampler(), **options)
    drawn = draw_samples(model, kept, n, rng=generator(0), observe=kept.observe)
    return kept, drawn


def test_every_position_from_start_to_end_is_kept_with_its_energy():
    kept, drawn = watched(tiny((1, 4, 4)))
    assert len(kept.positions) == len(kept.energies) == 4
    assert torch.equal(kept.positions[-1], drawn.x)
    assert kept.energies[-1] == pytest.approx(float(drawn.energy.mean()))


def test_stages_of_one_step_are_kept_too():
    assert len(watched(tiny((1, 4, 4), **{"ensemble.members": 2}))[0].positions) == 4


def test_watching_changes_nothing():
    model = tiny((1, 4, 4))
    assert torch.equal(watched(model)[1].x, draw_samples(model, model.sampler(), 4, rng=generator(0)).x)


def test_long_chains_are_thinned_evenly():
    model = tiny((1, 4, 4), **{"chain.steps": 400})
    kept, _ = watched(model)
    assert 32 < len(kept.positions) <= 64
    assert len(kept.energies) == len(kept.positions)


def film(model, n, path, *, rng, steps):
    """A GIF of `n` chains from noise to sample."""
    seen = Film(model.sampler())
    draw_samples(model, seen, n, rng=rng, steps=steps, chunk=n, observe=seen.observe)
    save_gif(frames(model, seen), path)


def test_steps_are_counted():
    seen = []
    watched(tiny((1, 4, 4)), keep=False, progress=lambda done, planned: seen.append((done, planned)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_film_is_written(tmp_path):
    film(tiny((2,)), 5, tmp_path / "c.gif", rng=generator(0), steps=6)
    with Image.open(tmp_path / "c.gif") as gif:
        assert gif.n_frames == 7


def test_frames_are_pictures_above_a_curve():
    model = tiny((1, 4, 4))
    made = frames(model, watched(model)[0], columns=2)
    side = 6 * 11 + 2  # a frame around 4 pixels, enlarged 11 times, and a gap
    assert {f.size for f in made} == {(2 * side - 2, 2 * side - 2 + 80)}


def test_what_has_no_picture_is_refused():
    with pytest.raises(UsageError, match="no picture"):
        painter(tiny((3,)), torch.zeros(2, 3))


def test_progress_counts_steps_over_stages_and_chunks_with_and_without_a_film():
    model = tiny((1, 4, 4), **{"ensemble.members": 2})
    told: list[list[tuple[int, int]]] = [[], []]
    for calls, keep in zip(told, (True, False), strict=True):
        seen = Film(
            model.sampler(), keep=keep, progress=lambda done, total, calls=calls: calls.append((done, total))
        )
        watch = {"observe": seen.observe} if keep else {"progress": seen.advanced}
        draw_samples(model, seen, 4, rng=generator(0), chunk=2, **watch)
    assert told[0] == told[1] and told[0][-1] == (6, 6)


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("event_shape", [(2,), (1, 4, 4)])
def test_latents_are_filmed_as_data(tilted, tmp_path, event_shape, pair):
    """A module in training mode must be decoded in eval mode, without a graph."""
    model = tilted(event_shape, pair)
    film(model, 5, tmp_path / "c.gif", rng=generator(0), steps=6)
    with Image.open(tmp_path / "c.gif") as gif:
        assert gif.n_frames == 7
    assert model.training


def test_a_chain_without_steps_is_one_frame(tilted, tmp_path):
    model = tilted((1, 4, 4), pair=True)
    kept = Film(model.sampler("base"))
    draw_samples(model, kept, 4, rng=generator(0), observe=kept.observe)
    made = frames(model, kept)
    assert len(made) == 1
    save_gif(made, tmp_path / "c.gif")
    assert (tmp_path / "c.gif").is_file()


def test_no_more_images_are_decoded_than_are_shown(tilted):
    assert [len(x) for x in decoded(tilted((1, 4, 4)), [torch.zeros(100, 1, 4, 4)], 64)] == [64]
