"""What a run will take of the memory is told before it begins, and what does not fit is made smaller."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import gibbsian as gb
from gibbsian.core.errors import GibbsianError, UsageError, out_of_memory
from gibbsian.data.dataset import from_arrays
from gibbsian.train import memory
from gibbsian.train.fit import stored_config
from gibbsian.train.matching import resolved
from gibbsian.train.memory import GIB, Followed, needed, within_memory

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
DATA = from_arrays(IMAGES)


def config(system="igebm", **changes):
    return resolved(system, None, DATA, {"chain.steps": 1, **changes})[0]


def test_tensors_are_followed_while_they_live() -> None:
    kept = torch.zeros(10)
    with Followed() as followed:
        a = torch.zeros(1000)
        view = a[:10]
        b = a + 1
        size = len(view)
        del a, view
        c = torch.zeros(10)
        kept.add_(1)
    assert followed.peak == 8000, "a view, and what is changed in place, is not counted again"
    assert followed.now == 4040 and size + len(b) + len(c) == 1020


def test_what_backward_keeps_is_counted() -> None:
    x = torch.zeros(1000, requires_grad=True)
    with Followed() as followed:
        (x.sin().cos().sum()).backward()
    assert followed.peak >= 3 * 4000 and followed.now <= 4100


def test_needs_grow_with_the_batch_and_the_buffer() -> None:
    need = needed(config(), DATA)
    assert need is not None and need.row > 4 * 3 * 32 * 32
    assert need.slot == pytest.approx(6 * (4 * 3 * 32 * 32 + 9), rel=0.01), (
        "buffer, rollbacks and a checkpoint"
    )
    small, large = config(), config(**{"train.batch_size": 128, "start.capacity": 10_000})
    assert need.bytes(large) == pytest.approx(need.bytes(small) + 64 * need.row + 5000 * need.slot)


@pytest.mark.parametrize("system", ["short_run", "score_matching", "drl", "coopnets", "gebm", "jem"])
def test_every_system_can_be_tried(system) -> None:
    data = from_arrays(IMAGES, np.arange(12) % 3)
    found = needed(resolved(system, None, data, {})[0], data)
    assert found is not None and found.row > 0


def test_an_own_network_is_tried_as_a_copy() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3072, 8), nn.SiLU(), nn.Linear(8, 1))
    before = net[1].weight.detach().clone()
    model = gb.fit("short_run", IMAGES, net=net, steps=0, progress=False)
    assert torch.equal(net[1].weight, before) and model.spec.event_shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("free", "smaller"),
    [(100.0, []), (0.3, ["start.capacity"]), (0.03, ["start.capacity", "train.batch_size"])],
)
def test_batch_and_buffer_are_made_to_fit(free, smaller, monkeypatch) -> None:
    monkeypatch.setattr(memory, "told_bytes", lambda device: free * GIB)
    told: list[str] = []
    fits = within_memory(config(), DATA, None, "cpu", told.append)
    sizes, before = memory._sizes(fits), memory._sizes(config())
    assert sorted(k for k in sizes if sizes[k] < before[k]) == smaller
    assert "training takes about" in told[-1] and len(told) == 1 + bool(smaller)
    if smaller:
        assert f"{smaller[0]} is {sizes[smaller[0]]} instead of {before[smaller[0]]}" in told[0]


def test_what_was_decided_is_trained_and_stored(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setattr(memory, "told_bytes", lambda device: 0.03 * GIB)
    gb.fit("igebm", IMAGES, out=tmp_path / "run", steps=1, train__sample_every=0, chain__steps=1)
    told, stored = capsys.readouterr().err, stored_config(tmp_path / "run")
    assert f"train.batch_size is {stored.train.batch_size} instead of 64" in told
    assert f"start.capacity is {stored.model.start.capacity} instead of 5000" in told
    assert "as training would take about" in told and "MiB of 31 MiB that are free" in told


@pytest.mark.parametrize(
    ("changes", "free", "words"),
    [
        ({}, 1e-4, "at the least, and .* take smaller images"),
        ({"train.batch_size": 4096}, 0.06, "set train.batch_size to"),
        ({"start.capacity": 500_000}, 0.3, "set start.capacity to"),
    ],
)
def test_what_does_not_fit_is_one_line(changes, free, words, monkeypatch) -> None:
    monkeypatch.setattr(memory, "told_bytes", lambda device: free * GIB)
    with pytest.raises(UsageError, match=words) as caught:
        within_memory(config(**changes), DATA, None, "cpu", print)
    assert "\n" not in str(caught.value)


def test_small_data_are_not_tried(monkeypatch) -> None:
    monkeypatch.setattr(memory, "needed", lambda *rest: pytest.fail("tried"))
    plain = resolved("igebm", None, from_arrays(IMAGES[:, :8, :8, 0]), {})[0]
    assert within_memory(plain, from_arrays(IMAGES[:, :8, :8, 0]), None, "cpu", print) is plain


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: ..."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    ],
)
def test_memory_that_runs_out_in_a_run_is_one_line(error, monkeypatch, tmp_path) -> None:
    assert out_of_memory(error) and not out_of_memory(RuntimeError("shapes differ"))

    def update(self) -> None:
        raise error

    monkeypatch.setattr("gibbsian.train.trainer.Trainer.update", update)
    with pytest.raises(GibbsianError, match="out of memory at step 0: lower train.batch_size.*state saved"):
        gb.fit("igebm", IMAGES[:, :8, :8, 0], preset="digits", out=tmp_path / "run", steps=1, progress=False)
