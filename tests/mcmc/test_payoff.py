"""When compiling pays: the arithmetic, and the records on the disk."""

from __future__ import annotations

import json
import math
import threading

import pytest
import torch

from gibbsian.mcmc import payoff
from gibbsian.mcmc.payoff import ENOUGH, GUESS, KEPT, WORTH, Payoff, name_of, store_path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def with_eager(seconds: float, name: str = "a", steps: int = ENOUGH) -> Payoff:
    pay = Payoff(name)
    for _ in range(steps):
        pay.eager_step(seconds)
    return pay


def measured(eager: float, compiled: float, start: float) -> Payoff:
    """A new process that reads what an earlier one measured."""
    first = with_eager(eager)
    first.compiled_block(start, 10, started=True)
    first.compiled_block(10 * compiled, 10, started=False)
    return Payoff("a")


def test_nothing_is_decided_before_a_few_eager_steps():
    assert not Payoff("a").pays(10**9)
    assert not with_eager(1.0, steps=ENOUGH - 1).pays(10**9)
    assert with_eager(1.0).pays(10**9)


def test_an_unmeasured_kind_pays_by_the_guess():
    saved = (1 - GUESS.compiled) * 0.01
    enough = GUESS.start / saved
    assert not with_eager(0.01).pays(int(enough) - 1)
    assert with_eager(0.01).pays(int(enough) + 1)


@pytest.mark.parametrize("seconds", [0.0004, 0.02, 0.5])
def test_a_job_of_a_second_is_never_compiled(seconds):
    """Whatever the length of its steps, and however slow the first one of the process is."""
    pay, left = Payoff("a"), round(1 / seconds)
    pay.eager_step(3.0)
    for made in range(1, left):
        assert not pay.pays(left - made)
        pay.eager_step(seconds)


def test_break_even_is_where_savings_meet_the_start():
    pay = measured(eager=0.01, compiled=0.004, start=6.0)
    assert not pay.pays(999) and pay.pays(1001)


def test_steps_already_made_count_as_steps_to_come():
    pay = measured(eager=0.01, compiled=0.004, start=6.0)
    for _ in range(1001):
        assert not pay.pays(1) or pay.eager.steps > 1000
        pay.eager_step(0.01)
    assert pay.pays(1)


def test_a_graph_that_saves_little_is_not_used():
    assert not measured(0.01, 0.01 * WORTH * 1.01, 0.1).pays(10**9)
    assert measured(0.01, 0.01 * WORTH * 0.99, 0.1).pays(10**9)


def test_a_start_that_is_paid_for_serves_short_runs():
    pay = measured(0.01, 0.004, 6.0)
    assert not pay.pays(10)
    pay.compiled_block(6.0, 10, started=True)
    assert pay.pays(10) and pay.pays(1)


def test_a_graph_that_turns_out_slow_is_dropped():
    pay = with_eager(0.01)
    pay.compiled_block(6.0, 10, started=True)
    pay.compiled_block(0.2, 10, started=False)
    assert not pay.pays(10**9) and not Payoff("a").pays(10**9)


def test_starts_are_no_steps():
    """A kernel whose numbers change needs new graphs; their making does not pass for slow steps."""
    pay = with_eager(0.01)
    for _ in range(3):
        pay.compiled_block(6.0, 10, started=True)
        pay.compiled_block(0.04, 10, started=False)
    assert pay.record.compiled == pytest.approx(0.004) and pay.spent == 18.0


def test_starts_again_and_again_must_be_earned():
    pay = with_eager(0.01)
    for _ in range(2):
        pay.compiled_block(6.0, 10, started=True)
        pay.compiled_block(0.04, 10, started=False)
    assert not pay.pays(1990) and pay.pays(2010)
    for _ in range(2000):
        pay.eager_step(0.01)
    assert pay.pays(1)


def test_the_least_time_counts():
    pay = with_eager(0.01)
    pay.eager_step(5.0)
    assert pay.record.eager == 0.01
    pay.eager_step(0.008)
    assert pay.record.eager == 0.008


def test_records_outlive_the_process():
    pay = measured(0.01, 0.004, 6.0)
    assert (pay.record.eager, pay.record.compiled, pay.record.start) == (0.01, 0.004, 6.0)
    assert Payoff("b").record == payoff.Record()
    other = with_eager(0.5, "b")
    other.compiled_block(1.0, 5, started=True)
    other.compiled_block(1.0, 5, started=False)
    assert Payoff("a").record == pay.record and Payoff("b").record.compiled == 0.2


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "null", '{"a": 3}', '{"a": {"eager": "soon"}}', '{"a": {"speed": 1}}',
     '{"a": {"eager": NaN, "compiled": 1e-9, "start": -4}}', '{"a": {"eager": -1}}',
     b"\xff\xfe\x00"],
)  # fmt: skip
def test_a_corrupt_file_is_measured_again(text):
    store_path().parent.mkdir(parents=True)
    store_path().write_bytes(text if isinstance(text, bytes) else text.encode())
    assert Payoff("a").record == payoff.Record()
    assert not with_eager(0.01).pays(10)
    assert measured(0.01, 0.004, 6.0).record.compiled == 0.004


def test_a_place_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert measured(0.01, 0.004, 6.0).record == payoff.Record()
    assert blocked.read_text() == ""


def test_a_disk_that_refuses_is_no_error(monkeypatch):
    """A disk that refuses every change, the removal of a file included."""

    def refused(*args, **kwargs):
        raise PermissionError("read-only")

    for name in ("mkdir", "write_text", "replace", "unlink"):
        monkeypatch.setattr(f"pathlib.Path.{name}", refused)
    assert measured(0.01, 0.004, 6.0).record == payoff.Record()


def test_no_home_is_no_error(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert measured(0.01, 0.004, 6.0).record == payoff.Record()


def test_the_file_does_not_grow_without_bound(monkeypatch):
    monkeypatch.setattr(payoff, "KEPT", 3)
    assert KEPT > 3
    for name in "abcdb":
        pay = with_eager(1.0, name)
        pay.compiled_block(1.0, 1, started=False)
    assert list(json.loads(store_path().read_text())) == ["c", "d", "b"]


def test_writers_side_by_side_leave_a_whole_file():
    def write(name: str) -> None:
        pay = with_eager(1.0, name)
        for _ in range(20):
            payoff._store(name, pay.record)

    threads = [threading.Thread(target=write, args=(n,)) for n in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(json.loads(store_path().read_text())) <= set("abcd")
    assert [p.name for p in store_path().parent.iterdir()] == [store_path().name]


def test_names_tell_kinds_and_versions_apart(monkeypatch):
    name = name_of(("langevin", torch.Size([2]), 10))
    assert name == name_of(("langevin", torch.Size([2]), 10)) != name_of(("langevin", torch.Size([3]), 10))
    monkeypatch.setattr(torch, "__version__", "0.0")
    assert name != name_of(("langevin", torch.Size([2]), 10))
    assert math.isfinite(int(name, 16))
