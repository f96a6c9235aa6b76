"""The reservoir: an even sample of all that was written, disjoint draws, no poison, exact resume."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.starts.noise import UniformNoise
from gibbsian.starts.reservoir import ReservoirBuffer

NOISE = UniformNoise((2,), 0.0, 1.0)


def make(capacity=20, **options):
    return ReservoirBuffer(NOISE, capacity, generator(0), **{"reinit": 0.0, **options})


def fill(buffer, ends, rng, size=5):
    """Write the numbers 100, 101, ... as chain ends, `size` at a time."""
    for first in range(0, ends, size):
        n = min(size, ends - first)
        drawn = buffer.draw(n, rng)
        buffer.write(drawn, (100.0 + first + torch.arange(n))[:, None].expand(n, 2))
    return buffer


def test_begins_empty_and_fills_in_order():
    buffer, rng = make(10), generator(1)
    drawn = buffer.draw(4, rng)
    assert buffer.filled == 0 and drawn.restarted.all() and (drawn.position < 1).all()
    buffer.release(drawn)
    fill(buffer, 8, rng)
    assert buffer.filled == 8 and buffer.stored[:8, 0].tolist() == [100.0 + i for i in range(8)]
    drawn = buffer.draw(10, rng)
    assert int(drawn.restarted.sum()) == 2 and sorted(drawn.position[~drawn.restarted][:, 0].tolist()) == [
        100.0 + i for i in range(8)
    ]


def test_every_end_is_kept_equally_often():
    # 300 runs of 80 ends into 20 rows: each end is held with probability 1/4, whenever it was written.
    runs, ends, capacity = 300, 80, 20
    kept, rng = torch.zeros(ends), generator(2)
    for _ in range(runs):
        buffer = fill(make(capacity), ends, rng, size=20)
        kept[(buffer.stored[:, 0] - 100).long()] += 1
    assert int(kept.sum()) == runs * capacity  # no end twice, no row empty
    p = capacity / ends
    z = (kept - runs * p) / (runs * p * (1 - p)) ** 0.5
    assert z.abs().max() < 5.2  # false alarm 80 * 2e-7
    # Early and late ends alike: a slip in the order of a batch would tilt the whole. False alarm 6e-7.
    slope = (z * torch.linspace(-1, 1, ends)).sum() / torch.linspace(-1, 1, ends).square().sum() ** 0.5
    assert abs(float(slope)) < 5


def test_a_batch_enters_as_one_end_after_the_other():
    """The rows after one write of many are those of Vitter's loop on the same lots."""
    buffer, rng = fill(make(7), 7, generator(3)), generator(4)
    rows, count = buffer.stored[:, 0].tolist(), int(buffer.written)
    for first in range(0, 60, 6):
        drawn = buffer.draw(6, rng)
        ends = 1000.0 + first + torch.arange(6)
        for lot, end in zip(buffer.lot[drawn.slots].tolist(), ends.tolist(), strict=True):
            place = lot % (count + 1)
            if place < 7:
                rows[place] = end
            count += 1
        buffer.write(drawn, ends[:, None].expand(6, 2))
        assert buffer.stored[:, 0].tolist() == rows and int(buffer.written) == count
    assert max(rows) >= 1000


@settings(max_examples=40, deadline=None)
@given(
    capacity=st.integers(1, 30),
    sizes=st.lists(st.integers(1, 12), max_size=10),
    together=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_draws_are_distinct_and_disjoint(capacity, sizes, together, seed):
    buffer, rng, draws = make(capacity), generator(seed), []
    for size in sizes:
        if size > capacity - sum(len(t.slots) for t in draws):
            with pytest.raises(UsageError, match="free rows"):
                buffer.draw(size, rng)
        else:
            draws.append(buffer.draw(size, rng))
        held = torch.cat([t.slots for t in draws]).tolist() if draws else []
        assert len(set(held)) == len(held) == int(buffer.held.sum())
        if len(draws) == together:
            for t in draws:
                buffer.write(t, t.position)
            draws = []
    for t in draws:
        buffer.release(t)
    assert not buffer.held.any() and buffer.filled == min(int(buffer.written), capacity)


def test_restarts_are_true_noise_at_the_stated_rate():
    buffer, rng, restarted = fill(make(200, reinit=0.05), 200, generator(5)), generator(6), 0
    for _ in range(100):
        drawn = buffer.draw(100, rng)
        restarted += int(drawn.restarted.sum())
        assert (drawn.position < 1).all(1).equal(drawn.restarted)
        buffer.release(drawn)
    assert abs(restarted - 500) <= 5 * (10_000 * 0.05 * 0.95) ** 0.5  # false alarm 6e-7


def test_non_finite_ends_never_enter():
    buffer, rng = make(4), generator(0)
    drawn = buffer.draw(4, rng)
    x = torch.tensor([[1.0, 2.0], [torch.nan, 0.0], [3.0, -torch.inf], [5.0, 6.0]])
    buffer.write(drawn, x)
    assert (int(buffer.written), int(buffer.rejected), buffer.filled) == (2, 2, 2)
    assert buffer.stored[:2].tolist() == [[1.0, 2.0], [5.0, 6.0]]
    assert torch.isfinite(buffer.draw(4, rng).position).all()


def test_rows_are_distinct_stored_ends():
    buffer, rng = fill(make(20), 8, generator(1)), generator(2)
    some = buffer.rows(5, rng)[:, 0].tolist()
    assert len(set(some)) == 5 and set(some) <= {100.0 + i for i in range(8)}
    assert len(buffer.rows(50, rng)) == 8 and not buffer.held.any()


def test_state_carries_on_bit_for_bit_and_closes_draws():
    buffer = fill(make(20, reinit=0.3), 55, generator(7))
    other = make(20, reinit=0.3)
    stale = other.draw(20, generator(0))
    other.load_state_dict(copy.deepcopy(buffer.state_dict()))
    one, two = generator(8), generator(8)
    for _ in range(4):
        for b, rng in ((buffer, one), (other, two)):
            drawn = b.draw(8, rng)
            b.write(drawn, drawn.position + 1)
        assert torch.equal(buffer.stored, other.stored) and torch.equal(buffer.written, other.written)
    with pytest.raises(UsageError, match="not open"):
        other.write(stale, stale.position)


def test_conversions_keep_integers_and_the_global_stream_is_left_alone():
    before = torch.get_rng_state()
    buffer = fill(make(6).half().double(), 30, generator(0))
    assert buffer.stored.dtype == torch.float64 and buffer.lot.dtype == torch.int64
    assert {k for k, v in buffer.state_dict().items() if v.dtype == torch.int64} == {"written", "rejected"}
    assert torch.equal(torch.get_rng_state(), before)


def test_misuse_is_one_line():
    buffer = make(6)
    drawn = buffer.draw(3, generator(0))
    for wrong, line in [
        (lambda: buffer.write(drawn, drawn.position[:2]), "in its order"),
        (lambda: buffer.write(drawn, (drawn.position,)), "one tensor"),
        (lambda: buffer.draw(4, generator(0)), "3 free rows"),
        (lambda: buffer.draw(1, generator(0), y=torch.tensor([0])), "no labels"),
        (lambda: make(0), "capacity"),
        (lambda: make(reinit=1.5), "probability"),
    ]:
        with pytest.raises(UsageError, match=line) as caught:
            wrong()
        assert "\n" not in str(caught.value)
    buffer.release(drawn)
    with pytest.raises(UsageError, match="not open"):
        buffer.release(drawn)
