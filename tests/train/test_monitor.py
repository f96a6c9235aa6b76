"""What counts as divergence, and when it is told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gibbsian.data.dataset import from_arrays
from gibbsian.train.monitor import Monitor, Scale, scale_of
from gibbsian.train.settings import MonitorConfig

HEALTHY = {
    "loss": 0.1,
    "energy_gap": -0.3,
    "grad_norm": 1.0,
    "drift": 0.7,
    "saturated": 0.4,
    "divergent": 0.0,
}
SCALE = Scale(span=16.0, border=0.58)


def alarms_at(key: str, value: float, config: MonitorConfig | None = None) -> int | None:
    """The number of updates until the alarm, None if there is none in 50."""
    monitor = Monitor(config or MonitorConfig(), SCALE)
    for k in range(1, 51):
        if monitor.check({**HEALTHY, key: value}):
            return k
    return None


def test_healthy_numbers_raise_no_alarm() -> None:
    assert alarms_at("loss", 0.0) is None


@pytest.mark.parametrize("key", HEALTHY)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_numbers_alarm_at_once(key: str, value: float) -> None:
    """A NaN is never masked: torchebm logs 0.1 instead, JEM's |L| > 1e8 is False for it."""
    reason = Monitor(MonitorConfig(), SCALE).check({**HEALTHY, key: value})
    assert reason is not None and key in reason


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("energy_gap", 999.0, 1001.0),
        ("energy_gap", -999.0, -1001.0),
        ("grad_norm", 0.99e5, 1.01e5),
        ("drift", 0.149 * 16, 0.151 * 16),
        ("saturated", 0.58 + 0.49 * 0.42, 0.58 + 0.51 * 0.42),
        ("divergent", 0.49, 0.51),
        ("log_partition_error", 2.9, 3.1),
        ("log_partition_error", -2.9, -3.1),
    ],
)
def test_bounds_must_be_broken_in_a_row(key: str, inside: float, outside: float) -> None:
    assert alarms_at(key, inside) is None
    assert alarms_at(key, outside) == 5
    monitor = Monitor(MonitorConfig(), SCALE)
    for k in range(40):  # four times beyond, once back
        assert monitor.check({**HEALTHY, key: inside if k % 5 == 4 else outside}) is None


@pytest.mark.parametrize(
    ("key", "value"), [("energy_gap", -1.1e5), ("grad_norm", 1.1e7), ("drift", 16 * 16.0)]
)
def test_a_hundredfold_excess_alarms_at_once(key: str, value: float) -> None:
    assert alarms_at(key, value) == 1


def test_black_backgrounds_do_not_count_as_saturation() -> None:
    """Chains with as many pixels at the border as the data are healthy, whatever that share is."""
    black = Monitor(MonitorConfig(), Scale(span=28.0, border=0.87))
    assert all(black.check({"saturated": 0.9}) is None for _ in range(20))
    grey = Monitor(MonitorConfig(), Scale(span=28.0, border=0.01))
    assert any(grey.check({"saturated": 0.9}) for _ in range(20))
    binary = Monitor(MonitorConfig(), Scale(span=28.0, border=1.0))
    assert all(binary.check({"saturated": 1.0}) is None for _ in range(20))


def test_numbers_of_another_group_do_not_reset_the_count() -> None:
    monitor = Monitor(MonitorConfig(), SCALE)
    reasons = []
    for _ in range(5):
        reasons += [monitor.check({"energy_gap": 2e3}), monitor.check({"loss": 0.0, "drift": 0.1})]
    assert any(reasons)


def test_state_goes_on() -> None:
    first, second = Monitor(MonitorConfig(), SCALE), Monitor(MonitorConfig(), SCALE)
    for _ in range(4):
        assert first.check({"energy_gap": 2e3}) is None
    assert not first.quiet and second.quiet
    second.load_state_dict(first.state_dict())
    assert second.check({"energy_gap": 2e3}) is not None
    second.reset()
    assert second.quiet and second.check({"energy_gap": 2e3}) is None


def test_scale_of_images_and_points() -> None:
    images = np.zeros((10, 2, 2), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = 255, 100
    found = scale_of(from_arrays(images), -1.0, 1.0)
    assert found.span == pytest.approx(4.0) and found.border == pytest.approx(0.75)
    assert scale_of(from_arrays(images), 0.0, 1.0).span == pytest.approx(2.0)
    points = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]], np.float32)
    assert scale_of(from_arrays(points), -10.0, 10.0) == Scale(span=5.0, border=0.0)


START = {"energy_pos": 0.1, "energy_neg": 0.2, "energy_gap": -0.1, "grad_norm": 1.0, "drift": 0.5}


def said(*updates: dict[str, float], scale: Scale = SCALE) -> str:
    """The reason that the last of some updates gives, all others being healthy."""
    monitor = Monitor(MonitorConfig(patience=1), scale)
    *healthy, last = [{**START, **update} for update in updates]
    assert all(monitor.check(update) is None for update in healthy)
    other = Monitor(MonitorConfig(patience=1), scale)
    other.load_state_dict(monitor.state_dict())
    assert other.check(last) == monitor.check(last)
    return monitor.check(last) or ""


@pytest.mark.parametrize(
    ("updates", "advice", "silent"),
    [
        (({"drift": 5.0},), "lower chain.step_size", "train.lr"),  # before any weight has moved
        (({}, {"drift": 5.0}), "weights have grown: lower train.lr", "step_size"),
        (({"drift": 2.0}, {"drift": 5.0}), "lower chain.step_size", "train.lr"),
        (({}, {"energy_gap": 2e3}), "lower train.lr", "step_size"),
        (({"drift": 2.0}, {"energy_gap": 2e3, "drift": 5.0}), "lower chain.step_size", "train.lr"),
        (({"energy_gap": 2e3, "energy_neg": 2e3},), "the untrained network reach 2e+03", "train.lr"),
        (({"drift": 5.0, "energy_pos": 1e9},), "the untrained network reach 1e+09", "step_size"),
        (({"loss": math.nan, "energy_pos": math.nan},), "the untrained network reach nan", "train.lr"),
        (({}, {"loss": math.nan, "drift": 5.0}), "weights have grown", "step_size"),
        (({}, {"loss": math.inf}), "train.lr or chain.step_size", "weights"),
    ],
)
def test_the_advice_follows_what_the_numbers_tell(updates, advice, silent) -> None:
    told = said(*updates)
    assert advice in told and silent not in told, told


@pytest.mark.parametrize("shape", [(50, 2), (50, 1, 8, 8), (50, 5)])
def test_data_that_do_not_vary_are_blamed(shape) -> None:
    data = from_arrays(np.full(shape, 0.5, np.float32))
    scale = scale_of(data, -1.0, 1.0)
    assert "every row of the data is the same" in said({"drift": 1e9}, scale=scale)
    assert scale_of(from_arrays(np.random.default_rng(0).random(shape, np.float32)), -1.0, 1.0).varies
