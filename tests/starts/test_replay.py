"""Persistent chains: what is drawn is what was written, and nothing is lost, doubled or poisoned."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gibbsian.core.errors import UsageError
from gibbsian.core.random import generator
from gibbsian.core.records import Batch
from gibbsian.starts.noise import GaussianNoise, UniformNoise
from gibbsian.starts.replay import ReplayBuffer

NOISE = UniformNoise((2,), 0.0, 1.0)


def make(capacity=20, **options):
    return ReplayBuffer(NOISE, capacity, generator(0), **{"reinit": 0.0, **options})


def named(buffer):
    """Give each slot a position equal to its number."""
    buffer.stored.copy_(torch.arange(buffer.capacity)[:, None].expand(-1, 2).float())
    return buffer


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.integers(1, 40),
    sizes=st.lists(st.integers(1, 15), max_size=12),
    together=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_draws_are_distinct_disjoint_and_return_to_their_slots(capacity, sizes, together, seed):
    buffer, rng = named(make(capacity)), generator(seed)
    model, draws = torch.arange(capacity).float(), []
    for size in sizes:
        free = capacity - sum(len(t.slots) for t in draws)
        if size > free:
            with pytest.raises(UsageError, match="free slots"):
                buffer.draw(size, rng)
        else:
            draws.append(buffer.draw(size, rng))
            assert torch.equal(draws[-1].position[:, 0], model[draws[-1].slots])
        open_slots = torch.cat([t.slots for t in draws]).tolist() if draws else []
        assert len(set(open_slots)) == len(open_slots) == int(buffer.held.sum())
        if len(draws) == together:
            for t in draws:
                buffer.write(t, t.position + 100)
                model[t.slots] += 100
            draws = []
    for t in draws:
        buffer.release(t)
    assert torch.equal(buffer.stored[:, 0], model) and not buffer.held.any()
    assert torch.equal(buffer.age, (model // 100).long())


@settings(max_examples=60, deadline=None)
@given(
    classes=st.integers(1, 5),
    wanted=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=8), max_size=6),
    reinit=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**31),
)
def test_labels_asked_for_meet_their_own_chains_or_fresh_ones(classes, wanted, reinit, seed):
    buffer, rng = named(make(10, classes=classes, reinit=reinit)), generator(seed)
    for labels in wanted:
        y = torch.tensor(labels) % classes
        held, drawn = buffer.label.clone(), buffer.draw(len(y), rng, y=y)
        assert torch.equal(drawn.y, y) and len(set(drawn.slots.tolist())) == len(y)
        goes_on = ~drawn.restarted
        assert torch.equal(held[drawn.slots][goes_on], y[goes_on])
        buffer.write(drawn, drawn.position)
        assert torch.equal(buffer.label[drawn.slots], y)


def test_a_class_that_runs_out_restarts_chains_of_others():
    buffer = named(make(9, classes=3))
    drawn = buffer.draw(5, generator(0), y=torch.full((5,), 2))
    assert int(drawn.restarted.sum()) == 2
    assert sorted(drawn.position[~drawn.restarted][:, 0].tolist()) == [2, 5, 8]
    assert (drawn.position[drawn.restarted] < 1).all()
    buffer.write(drawn, drawn.position)
    assert torch.bincount(buffer.label, minlength=3)[2] == 5


def test_stored_labels_come_back_with_their_chains():
    buffer = named(make(12, classes=4))
    drawn = buffer.draw(12, generator(0))
    assert torch.equal(drawn.y, drawn.position[:, 0].long() % 4)


def test_contents_are_copies():
    buffer = make(classes=3)
    x, y = buffer.contents()
    x += 1
    y += 1
    assert buffer.stored.max() <= 1 and buffer.label.tolist() == [k % 3 for k in range(20)]


def test_batch_labels_meet_any_chain():
    buffer = named(make(12, classes=4, labels="batch"))
    y = torch.full((12,), 3)
    drawn = buffer.draw(12, generator(0), batch=Batch(torch.zeros(12, 2), y))
    assert torch.equal(drawn.y, y) and "label" not in buffer.state_dict() and not drawn.restarted.any()
    buffer.release(drawn)
    assert set(buffer.draw(12, generator(0)).y.tolist()) <= {0, 1, 2, 3}


def test_every_slot_is_reached_equally_often():
    # peers' slip: the tail of the buffer never drawn, or slots drawn twice in one batch
    buffer, rng, rounds = make(100), generator(1), 400
    seen = torch.zeros(100)
    for _ in range(rounds):
        drawn = buffer.draw(60, rng)
        seen[drawn.slots] += 1
        buffer.release(drawn)
    z = (seen - 0.6 * rounds) / (0.6 * 0.4 * rounds) ** 0.5
    assert z.abs().max() < 5.5  # false alarm 100 * 4e-8


@pytest.mark.parametrize("reinit", [0.0, 0.05, 1.0])
def test_restarts_are_true_noise_at_the_stated_rate(reinit):
    # peers' slip: a share of "new" samples that were old chains plus a little noise
    buffer = make(2000, reinit=reinit)
    buffer.stored.fill_(7.0)
    rng, restarted = generator(2), 0
    for _ in range(10):
        drawn = buffer.draw(1000, rng)
        restarted += int(drawn.restarted.sum())
        assert ((drawn.position >= 0) & (drawn.position < 1)).all(1).equal(drawn.restarted)
        assert (drawn.position[~drawn.restarted] == 7.0).all()
        buffer.release(drawn)
    assert abs(restarted - 10_000 * reinit) <= 5 * (10_000 * reinit * (1 - reinit)) ** 0.5  # false alarm 6e-7


def test_non_finite_chains_never_enter_and_restart():
    # peers' slip: NaN negatives stored for good
    buffer = named(make(4, classes=2))
    drawn = buffer.draw(4, generator(0))
    x = drawn.position.clone() + 50
    x[0, 0], x[1, 1] = torch.nan, -torch.inf
    buffer.write(drawn, x)
    assert torch.isfinite(buffer.stored).all() and int(buffer.rejected) == 2
    assert buffer.age[drawn.slots].tolist() == [0, 0, 1, 1]
    again = buffer.draw(4, generator(1))
    restarted = set(again.slots[again.restarted].tolist())
    assert restarted == set(drawn.slots[:2].tolist()) and (again.position[again.restarted] < 1).all()
    buffer.write(again, again.position)
    assert not buffer.due.any()


def test_ages_count_writes_since_the_restart():
    buffer, rng = make(5), generator(0)
    for _ in range(12):
        drawn = buffer.draw(5, rng)
        buffer.write(drawn, drawn.position)
    buffer.age[0] = 3
    assert buffer.age.tolist() == [3, 12, 12, 12, 12]
    buffer.reinit = 1.0
    drawn = buffer.draw(3, rng)
    buffer.write(drawn, drawn.position)
    assert (buffer.age[drawn.slots] == 1).all()
    assert make(5).age.tolist() == [0] * 5


@settings(max_examples=30, deadline=None)
@given(low=st.floats(-2, 1), width=st.floats(0.5, 4), seed=st.integers(0, 2**31))
def test_uint8_keeps_its_bin_and_adds_noise_inside_it(low, width, seed):
    bounds = (low, low + width)
    noise = UniformNoise((8,), *bounds)
    buffer = ReplayBuffer(noise, 16, generator(seed), reinit=0.0, uint8=True, bounds=bounds)
    before, rng = buffer.stored.clone(), generator(seed + 1)
    drawn = buffer.draw(16, rng)
    bin_of = (drawn.position.double() - low) / width * 256
    inside = bin_of - before[drawn.slots].double()
    assert inside.min() > -1e-3 and inside.max() < 1 + 1e-3
    buffer.write(drawn, drawn.position)
    assert (buffer.stored.int() - before.int()).abs().max() <= 1
    assert (buffer.stored != before).double().mean() < 0.02
    centres, _ = buffer.contents()
    assert centres.min() > low - 1e-4 and centres.max() < low + width + 1e-4


def test_uint8_dequantises_uniformly_and_clamps():
    noise = UniformNoise((64,), 0.0, 1.0)
    buffer = ReplayBuffer(noise, 500, generator(0), reinit=0.0, uint8=True)
    drawn = buffer.draw(500, generator(1))
    within = drawn.position.double() * 256 - buffer.stored[drawn.slots].double()
    n = within.numel()
    assert abs(within.mean().item() - 0.5) < 5 * (1 / 12 / n) ** 0.5  # false alarm 6e-7 each
    assert abs(within.var().item() - 1 / 12) < 5 * (1 / 180 / n) ** 0.5
    buffer.write(drawn, torch.full((500, 64), 3.0))
    assert (buffer.stored == 255).all()


@pytest.mark.parametrize("uint8", [False, True])
def test_conversions_keep_integer_buffers(uint8):
    buffer = make(6, uint8=uint8, classes=2)
    integers = {k: v.dtype for k, v in buffer.state_dict().items() if not v.is_floating_point()}
    for move in (lambda b: b.to(torch.float64), lambda b: b.half(), lambda b: b.float()):
        move(buffer)
        state = buffer.state_dict()
        assert {k: state[k].dtype for k in integers} == integers
    assert integers.get("stored") == (torch.uint8 if uint8 else None)


def test_state_carries_on_bit_for_bit_and_closes_draws():
    buffer, rng = make(20, reinit=0.3, classes=2), generator(5)
    for _ in range(3):
        drawn = buffer.draw(8, rng)
        buffer.write(drawn, drawn.position + 1)
    other = ReplayBuffer(NOISE, 20, generator(99), reinit=0.3, classes=2)
    stale = other.draw(20, generator(0))
    other.load_state_dict(copy.deepcopy(buffer.state_dict()))
    first, second = buffer.draw(8, generator(1)), other.draw(8, generator(1))
    assert torch.equal(first.position, second.position) and torch.equal(first.y, second.y)
    other.release(second)
    with pytest.raises(UsageError, match="not open"):
        other.write(stale, stale.position)


def test_starts_filled_with_noise_and_draws_only_from_the_given_stream():
    before = torch.get_rng_state()
    buffer = ReplayBuffer(GaussianNoise((50,), std=2.0), 400, generator(0))
    x, y = buffer.contents()
    assert y is None and abs(x.std().item() / 2 - 1) < 5 * (0.5 / x.numel()) ** 0.5
    drawn = buffer.draw(10, generator(1))
    buffer.write(drawn, drawn.position)
    assert torch.equal(torch.get_rng_state(), before)


def test_written_chains_keep_the_buffers_type_and_no_graph():
    buffer = make(4)
    drawn = buffer.draw(4, generator(0))
    buffer.write(drawn, drawn.position.double().requires_grad_() * 2)
    assert buffer.stored.dtype == torch.float32
    assert not buffer.stored.requires_grad and not buffer.draw(4, generator(0)).position.requires_grad


def test_misuse_is_one_line():
    buffer = make(6, classes=2)
    drawn = buffer.draw(3, generator(0))
    for wrong, line in [
        (lambda: buffer.write(drawn, drawn.position[:2]), "in its order"),
        (lambda: buffer.write(drawn, (drawn.position,)), "one tensor"),
        (lambda: buffer.draw(4, generator(0)), "3 free slots"),
        (lambda: buffer.draw(1, generator(0), y=torch.tensor([2])), "use 0 to 1"),
        (lambda: buffer.draw(2, generator(0), y=torch.tensor([1])), "1 labels"),
        (lambda: buffer.draw(1, generator(0), y=torch.ones(1, 2)), "class numbers"),
        (lambda: make(4).draw(1, generator(0), y=torch.tensor([0])), "without classes"),
        (lambda: make(0), "capacity"),
        (lambda: make(reinit=1.5), "probability"),
        (lambda: make(labels="kept"), "label policy"),
        (lambda: make(bounds=(1.0, 0.0)), "width_of_bounds"),
    ]:
        with pytest.raises(UsageError, match=line) as caught:
            wrong()
        assert "\n" not in str(caught.value)
    buffer.write(drawn, drawn.position)
    with pytest.raises(UsageError, match="not open"):
        buffer.write(drawn, drawn.position)
