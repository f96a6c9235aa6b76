"""A budget keeps the shape of its recipe: whatever counts updates goes with their number."""

from __future__ import annotations

import dataclasses
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import gibbsian as gb
from gibbsian.core.config import dotted, step_counted
from gibbsian.models.papers import PAPERS
from gibbsian.train import budget, trainer
from gibbsian.train.budget import scaled
from gibbsian.train.fit import prepare
from gibbsian.train.recipes import presets, resolve, shaped, unlike_preset

STAGED = ("gebm", "cfebm", "energy_matching", "vaebm", "nce", "snl")
EXCUSED = {
    "train.steps": "the number itself",
    "train.log_every": "what is written, not what is learnt",
    "train.save_every": "what is written, not what is learnt",
    "train.sample_every": "what is written, not what is learnt",
    "train.validate_every": "what is written, not what is learnt",
    "monitor.patience": "updates in a row that are no accident, in a run of any length",
    "energy_steps": "of the energy for each of the base: a ratio",
    "energy_first": "until the energy of a period has followed its base, in a run of any length",
    "period": "beside energy_first, so that the ratio of the two stays",
    "balance.stay": "of one chain at the least noise, in a run of any length",
    "ensemble.every": "how far past copies lie apart, in a run of any length",
}
"""Settings whose words count updates, but that do not go with the number of them, and why."""


def described(config: Any, head: str = "") -> dict[str, tuple[type, str]]:
    """Class and words of every setting of numbers, by dotted names."""
    found: dict[str, tuple[type, str]] = {}
    source = Path(__import__("inspect").getfile(type(config))).read_text()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found |= described(value, f"{head}{field.name}.")
        elif isinstance(value, (int, tuple)) and not isinstance(value, bool):
            words = re.search(rf'^    {field.name}: .*\n    """((?:.|\n)*?)"""', source, re.MULTILINE)
            found[head + field.name] = (type(config), words[1] if words else "")
    return found


@pytest.mark.parametrize("system", sorted(PAPERS))
def test_every_setting_that_counts_updates_is_declared_or_excused(system: str) -> None:
    for preset in presets(system):
        config = resolve(system, preset=preset, data=presets(system)[preset].data)
        every = {"train.": config.train, "monitor.": config.monitor, "": config.model}
        for head, section in every.items():
            for name, (cls, words) in described(section, head).items():
                counts = bool(re.match(r"(Most )?(U|u)pdates?\b|.*\bupdates over\b", words))
                declared = name.rpartition(".")[2] in getattr(cls, "step_counted", ())
                assert declared or not counts or name in EXCUSED, f"{name}: {words}"
                assert not (declared and name in EXCUSED), name


def test_lists_are_scaled_entry_for_entry_and_nothing_falls_to_0() -> None:
    assert scaled({"a": (3, 1, 0), "b": 10}, 0.1) == {"a": (1, 1, 0), "b": 1}
    assert (
        budget.told({"a": (4, 8), "b": 10}, 0.5)
        == ", and so of what counts them: a [4, 8] -> [2, 4], b 10 -> 5"
    )


# -- a number of updates ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "changes", "want"),
    [
        ("gebm", {}, {"freeze_base_at": 2000}),
        ("gebm", {"freeze_base_at": 1000, "train.warmup": 1}, {"freeze_base_at": 1000}),
        ("vaebm", {"buffer.anneal": 7}, {"vae.steps": 600, "buffer.anneal": 7}),
        ("cfebm", {}, {"stages.fade": (30,), "stages.hold": (30,)}),
        ("energy_matching", {}, {"flow.updates": None}),
    ],
)
def test_a_number_of_updates_scales_what_was_not_given(system: str, changes: dict, want: dict) -> None:
    own = presets(system)["mnist"].train.steps
    changes = {**changes, "train.steps": own // 10}
    config, told = shaped(resolve(system, data="mnist", changes=changes), changes)
    found = step_counted(config.model)
    usual = step_counted(presets(system)["mnist"].model)
    for name, value in want.items():
        assert found[name] == (round(usual[name] / 10) if value is None else value)
        assert any(f"{name} " in text for text in told) == (name not in changes), told
    assert all(f"0.1 of the recipe's {own}" in text for text in told)


def test_without_another_number_nothing_is_scaled_or_told() -> None:
    for changes in ({}, {"train.steps": presets("gebm")["mnist"].train.steps}):
        config = resolve("gebm", data="mnist", changes=changes)
        assert shaped(config, changes) == (config, [])


def test_what_a_person_chose_is_known_from_the_settings_alone() -> None:
    assert not unlike_preset(resolve("vaebm", data="mnist"))
    assert unlike_preset(resolve("vaebm", data="mnist", changes={"vae.steps": 5})) == {"vae.steps"}
    changes = {"train.steps": 500}
    assert not unlike_preset(shaped(resolve("vaebm", data="mnist", changes=changes), changes)[0])


# -- a budget of time -------------------------------------------------------------------------------------


class Clock:
    """A clock that moves by what updates cost."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


TINY = {
    "chain.steps": 1,
    "generator.hidden": [8],
    "vae.hidden": [8],
    "latent.steps": 1,
    "contrast.steps": 1,
    "net.hidden": [8],
    "net.sharpness": 1.0,
    "train.batch_size": 8,
    "train.sample_every": 0,
}


@pytest.fixture
def timed(small_data, monkeypatch):
    """Train tiny networks of a system, by its preset's numbers, for a budget of time, where an update takes
    `cost(part)` seconds: the trainer, what was said, and part and names of the numbers of every update."""

    def run(system: str, minutes: float, cost, changes: dict | None = None, load=lambda now: 1.0, **more):
        data = "toy:ring" if system in ("nce", "snl", "vaebm", "energy_matching") else "mnist"
        preset, data = ("mnist", "digits") if data == "mnist" else (None, data)
        known = dotted(resolve(system, data=data, preset=preset).to_dict())
        small = {k: v for k, v in TINY.items() if k in known} | {"net.name": "mlp", "net.hidden": [8]}
        more_stages = {"stages.smallest": 2} if system == "cfebm" else {}
        config = resolve(
            system, preset=preset, data=data, changes={**small, **more_stages, **(changes or {})}
        )
        said: list[str] = []
        made = prepare(config, small_data(data), notify=said.append, **more).trainer
        clock, seen = Clock(), list[tuple[int, tuple[str, ...]]]()
        for module in (budget, trainer):
            monkeypatch.setattr(module, "time", clock)
        updater = made.updater

        def timed_update(batch, step):
            learner = updater.learner
            part = sum(m <= learner.planned(step.number) for m in learner.milestones())
            clock.now += cost(part) * load(clock.now)
            seen.append((part, tuple(sorted(found := updater(batch, step)))))
            return found

        made.updater = Timed(updater, timed_update)
        made.fit(minutes=minutes, progress=False)
        return made, said, seen

    return run


class Timed:
    """An updater that takes time."""

    def __init__(self, updater, call) -> None:
        self.__dict__.update(updater=updater, call=call)

    def __call__(self, batch, step):
        return self.call(batch, step)

    def __getattr__(self, name):
        return getattr(self.updater, name)

    def __setattr__(self, name, value) -> None:
        setattr(self.updater, name, value)


@pytest.mark.parametrize("system", STAGED)
@pytest.mark.parametrize(
    "load", [lambda now: 1.0, lambda now: 1.0 if now < 20 else 4.0], ids=["alone", "loaded"]
)
def test_a_budget_reaches_the_last_part_with_its_share(system: str, load, timed) -> None:
    """60 s where each part costs three times as much as the one before; also where other work slows all."""
    made, said, seen = timed(system, 1.0, lambda part: 0.2 * 3**part, load=load)
    parts = len(made.learner.milestones())
    assert seen[-1][0] == parts and made.schedule.position == pytest.approx(made.schedule.whole)
    marks = [0, *made.learner.milestones(), made.schedule.whole]
    lengths = [b - a for a, b in pairwise(marks)]
    last = sum(part == parts for part, _ in seen[-made.step :]) / made.step
    assert last == pytest.approx(lengths[-1] / made.schedule.whole, abs=0.35 if load(60) > 1 else 0.1)
    assert "of the recipe's" in said[0] and " -> " in said[0]


@pytest.mark.parametrize("system", ["vaebm", "energy_matching"])
@pytest.mark.parametrize(("slow", "times"), [(1.5, 20), (2, 100)], ids=["four", "one"])
def test_a_slow_beginning_does_not_cut_the_first_part(system: str, slow: float, times: float, timed) -> None:
    """The first updates wait for memory and files; the first part must not end by their pace."""
    cost, tried = [0.02, 0.2], 0.65  # three tries of both parts

    def load(now: float) -> float:
        return times if tried < now < tried + slow else 1.0

    made, _, seen = timed(system, 1.0, lambda part: cost[part], load=load)
    first = sum(part == 0 for part, _ in seen[-made.step :]) / made.step
    assert first == pytest.approx(made.learner.milestones()[0] / made.schedule.whole, abs=0.12)


def test_the_numbers_of_the_last_update_are_those_of_the_last_part(timed) -> None:
    for system, key in (("vaebm", "spectral"), ("energy_matching", "energy_neg"), ("gebm", "penalty")):
        _, _, seen = timed(system, 0.5, lambda part: 0.2, {"spectral": 0.1} if system == "vaebm" else None)
        assert any(key in name for name in seen[-1][1]), (system, seen[-1])


def test_what_is_given_is_not_scaled(timed) -> None:
    made, said, _ = timed("gebm", 0.2, lambda part: 0.2, given=["freeze_base_at"])
    assert (
        made.schedule.position == made.step
        and "what counts updates stays, as freeze_base_at was given" in said[0]
    )
    assert "before the part of training that begins at" in said[-1]


def test_a_budget_that_goes_on_keeps_the_plan(timed, tmp_path: Path) -> None:
    made, _, _ = timed("vaebm", 0.5, lambda part: 0.2, {"train.save_every": 1000}, out=tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["plan"] == {"recipe": 3000, "made": 3000, "parts": [1000]} and record["spent"]
    again, said, seen = timed("vaebm", 0.5, lambda part: 0.2, {}, out=tmp_path, resume="auto")
    assert again.step > 1.5 * made.step and {part for part, _ in seen[-50:]} == {1}
    assert again.schedule.position / again.step == pytest.approx(made.schedule.position / made.step)


def test_an_interrupted_plan_is_finished(tiny_run, tmp_path: Path) -> None:
    """Half of the recipe in one budget that was cut; the rest in as many updates as are asked for."""
    changes = {"net.name": "mlp", "net.hidden": [8], "vae.hidden": [8], "vae.steps": 6, "chain.steps": 1}
    made = tiny_run("vaebm", "toy:ring", {**changes, "train.steps": 20}, out=tmp_path).trainer
    made.total, made.schedule.fixed = 40, True
    for _ in range(20):
        made.update()
    made.save()
    again = tiny_run("vaebm", "toy:ring", {**changes, "train.steps": 20}, out=tmp_path, resume="auto").trainer
    assert (again.step, again.schedule.position) == (20, pytest.approx(10))
    again.fit(30, progress=False)
    assert (again.step, again.schedule.position) == (30, pytest.approx(20))


def test_a_state_without_a_schedule_is_at_its_step(tiny_run) -> None:
    """As states were before budgets stretched recipes."""
    changes = {"net.name": "mlp", "net.hidden": [8], "vae.hidden": [8], "vae.steps": 6, "chain.steps": 1}
    made = tiny_run("vaebm", "toy:ring", {**changes, "train.steps": 20}).trainer
    for _ in range(3):
        made.update()
    tree = {key: part for key, part in made.state_dict().items() if key != "schedule"}
    again = tiny_run("vaebm", "toy:ring", {**changes, "train.steps": 20}).trainer
    again.load_state_dict(tree)
    assert (again.step, again.schedule.position, again.schedule.whole) == (3, 3.0, 20.0)


def test_a_warm_up_goes_along_unless_given(tiny_run) -> None:
    for given, want in (((), 0.5), (("train.warmup",), 0.1)):
        changes = {"net.name": "mlp", "net.hidden": [8], "chain.steps": 1, "train.warmup": 10}
        made = tiny_run("short_run", "toy:ring", {**changes, "train.steps": 100}, given=given).trainer
        made.schedule.position, made.total = 4.0, 20  # of 100
        assert made.lr / made.config.lr == pytest.approx(want)


def test_fit_scales_too(capsys) -> None:
    model = gb.fit("snl", "toy:ring", steps=3, **{"proposal__hidden": (8,), "net__hidden": (8,)})
    assert "3 updates are 0.001 of the recipe's 3000, and so of what counts them: proposal.lead 300 -> 1" in (
        capsys.readouterr().err
    )
    assert model.record.config.proposal.lead == 1
