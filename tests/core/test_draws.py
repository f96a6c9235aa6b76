"""Numbers drawn at once, noted or beforehand: one stream, one order."""

from __future__ import annotations

import pytest
import torch

from gibbsian.core.draws import Recorder, Replay, Request, draw, draw_steps, normal, uniform
from gibbsian.core.errors import UsageError
from gibbsian.core.position import rand_chains, randn_like
from gibbsian.core.random import generator

PAIR = (torch.zeros(5, 2, 3, dtype=torch.float64), torch.zeros(5, 7))


def asked(rng):
    """What a step may ask for: a pair of two types, a number a chain, a scalar, nothing at all."""
    noise = randn_like(PAIR, rng)
    more = (rand_chains(PAIR, rng), normal(torch.zeros(()), rng), uniform(torch.zeros(0, 4), rng))
    return [*noise, *more]


def test_a_generator_gives_what_torch_gives():
    rng, same = generator(0), generator(0)
    for like in PAIR:
        expected = torch.randn(like.shape, generator=same, dtype=like.dtype)
        assert torch.equal(normal(like, rng), expected)
        expected = torch.rand(like.shape, generator=same, dtype=like.dtype)
        assert torch.equal(uniform(like, rng), expected)


def test_recorded_and_replayed_numbers_are_those_of_the_generator():
    rngs = [generator(3) for _ in range(3)]
    direct = asked(rngs[0])
    recorder = Recorder(rngs[1])
    noted = asked(recorder)
    replay = Replay(draw(recorder.requests, rngs[2]))
    again = asked(replay)
    replay.finish()
    for a, b, c in zip(direct, noted, again, strict=True):
        assert a.shape == b.shape == c.shape and a.dtype == b.dtype == c.dtype
        assert torch.equal(a, b) and torch.equal(a, c)
    assert all(torch.equal(rngs[0].get_state(), other.get_state()) for other in rngs[1:])


def test_requests_say_kind_shape_type_and_device():
    recorder = Recorder(generator(0))
    asked(recorder)
    cpu = torch.device("cpu")
    assert recorder.requests[:3] == [
        Request(True, torch.Size([5, 2, 3]), torch.float64, cpu),
        Request(True, torch.Size([5, 7]), torch.float32, cpu),
        Request(False, torch.Size([5]), torch.float64, cpu),
    ]


def test_two_steps_drawn_together_are_two_steps():
    recorder = Recorder(generator(0))
    first, second = asked(recorder), asked(recorder)
    half = len(recorder.requests) // 2
    rng = generator(0)
    numbers = draw(recorder.requests[:half], rng) + draw(recorder.requests[:half], rng)
    assert all(torch.equal(a, b) for a, b in zip(first + second, numbers, strict=True))


def test_uniform_is_in_the_unit_interval_and_normal_is_not():
    like = torch.zeros(1000)
    u, n = uniform(like, generator(0)), normal(like, generator(0))
    assert (u >= 0).all() and (u < 1).all() and (n < 0).any() and (n > 1).any()


@pytest.mark.parametrize(
    "like", [torch.zeros(5, 3), torch.zeros(5, 2, dtype=torch.float64)], ids=["shape", "type"]
)
def test_a_replay_refuses_what_was_not_drawn(like):
    with pytest.raises(UsageError, match="draw alike"):
        normal(like, Replay([torch.zeros(5, 2)]))


def test_a_replay_refuses_too_many_and_too_few():
    replay = Replay([torch.zeros(5), torch.zeros(5)])
    normal(torch.zeros(5), replay)
    with pytest.raises(UsageError, match="1 of 2"):
        replay.finish()
    normal(torch.zeros(5), replay)
    replay.finish()
    with pytest.raises(UsageError, match="not drawn"):
        normal(torch.zeros(5), replay)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shapes", [[(4, 4)], [(5, 3)], [(64, 2)], [(16,), (16,)], [(3, 1, 28, 28)]])
def test_steps_drawn_at_once_are_steps_drawn_one_by_one(shapes, dtype):
    """Whatever part of sixteen a step asks for, and the generator ends where it would have."""
    requests = [Request(k == 0, torch.Size(s), dtype, torch.device("cpu")) for k, s in enumerate(shapes)]
    one, other = generator(3), generator(3)
    together = draw_steps(requests, one, 7)
    for numbers in together:
        for a, b in zip(numbers, draw(requests, other), strict=True):
            assert torch.equal(a, b)
    assert len(together) == 7 and torch.equal(one.get_state(), other.get_state())
