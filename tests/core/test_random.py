"""Named streams from one seed, and initialisation that leaves torch's own stream alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gibbsian.core.errors import UsageError
from gibbsian.core.random import NAMES, Streams, as_generator, as_stream, derive, generator, seeded_init


def test_streams_are_stable_and_unrelated() -> None:
    seeds = {derive(s, n, r) for s in range(3) for n in NAMES for r in range(2)}
    assert len(seeds) == 3 * len(NAMES) * 2
    assert derive(0, "data") == 2740297886984710817, "a change here breaks every stored run"


def test_init_is_the_same_on_every_rank_and_the_rest_is_not() -> None:
    def draws(rank):
        streams = Streams(0, rank)
        return {n: float(torch.rand((), generator=getattr(streams, n))) for n in NAMES}

    a, b = draws(0), draws(1)
    assert {n for n in NAMES if a[n] == b[n]} == {"init"}


def test_state_round_trip() -> None:
    first, second = Streams(0), Streams(1)
    torch.rand(5, generator=first.chain)
    second.load_state_dict(first.state_dict())
    for name in NAMES:
        draws = [torch.rand(3, generator=getattr(s, name)) for s in (first, second)]
        assert torch.equal(*draws)


def test_seeded_init_restores_torch_also_after_an_error() -> None:
    torch.manual_seed(9)
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), seeded_init(generator(1)):
        nn.Linear(3, 3)
        raise RuntimeError
    assert torch.equal(before, torch.get_rng_state())


def test_seeded_init_depends_on_its_stream_alone() -> None:
    def weight(seed, outside):
        torch.manual_seed(outside)
        with seeded_init(generator(seed)):
            return nn.Linear(3, 3).weight.detach()

    assert torch.equal(weight(1, 2), weight(1, 3))
    assert not torch.equal(weight(1, 2), weight(2, 2))


def test_a_generator_a_seed_or_nothing() -> None:
    own = generator(3)
    assert as_generator(own) is own and as_generator(own, "cpu") is own
    assert torch.equal(as_generator(3).get_state(), own.get_state())
    assert as_generator(None) is torch.default_generator
    for bad in (True, 1.5, "0"):
        with pytest.raises(UsageError, match="rng is"):
            as_generator(bad)
    with pytest.raises(UsageError, match="generator on cpu for draws on cuda"):
        as_generator(own, "cuda")


def test_what_is_called_again_and_again_takes_no_seed() -> None:
    own = generator(3)
    assert as_stream(own) is own and as_stream(None) is torch.default_generator
    with pytest.raises(UsageError, match="would draw the same"):
        as_stream(3)


def test_initialisation_takes_a_seed() -> None:
    def weight(rng):
        with seeded_init(rng):
            return nn.Linear(2, 1).weight

    assert torch.equal(weight(3), weight(generator(3)))


@pytest.mark.parametrize("seed", [0, 7, -1, np.int64(7), np.uint8(7), 2**64 - 1])
def test_whole_numbers_of_every_kind_are_seeds(seed) -> None:
    drawn = torch.rand(3, generator=as_generator(seed))
    assert torch.equal(drawn, torch.rand(3, generator=as_generator(int(seed))))
    assert derive(seed, "data") == derive(int(seed), "data")


@pytest.mark.parametrize(
    "seed", ["0", 1.5, True, 2**64, torch.tensor(3), generator(0), np.random.default_rng(0)]
)
def test_what_is_no_seed_is_one_line(seed) -> None:
    with pytest.raises(UsageError, match="seed is .*whole number of 64 bits") as error:
        derive(seed, "data")
    assert "\n" not in str(error.value)
    if not isinstance(seed, torch.Generator):
        with pytest.raises(UsageError, match="rng is .*whole number"):
            as_generator(seed)
