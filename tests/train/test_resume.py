"""N + N updates are 2N bit for bit: weights, averages, chains, streams, log."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from cases import RESUME, RESUME_CONV, RESUME_MLP, RESUME_TRAIN, resumed

from gibbsian.core.errors import CheckpointError, Interrupted, UsageError
from gibbsian.train import checkpoint


def flat(tree: dict, path: str = "") -> dict:
    out = {}
    for key, value in tree.items():
        out |= flat(value, f"{path}/{key}") if isinstance(value, dict) else {f"{path}/{key}": value}
    return out


def assert_same_run(left: Path, right: Path) -> None:
    """Newest checkpoints and logs are equal bit for bit."""
    a, b = (checkpoint.listed(p / "checkpoints")[-1] for p in (left, right))
    assert a.name == b.name
    x, y = flat(checkpoint.load(a)), flat(checkpoint.load(b))
    assert x.keys() == y.keys()
    for key, value in x.items():
        same = torch.equal(value, y[key]) if isinstance(value, torch.Tensor) else value == y[key]
        assert same, key
    assert (left / "metrics.jsonl").read_text() == (right / "metrics.jsonl").read_text()


class Raise:
    """An observer that sends this process a signal at one step."""

    def __init__(self, step: int, number: int) -> None:
        self.step, self.number = step, number

    def __call__(self, trainer) -> None:
        if trainer.step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("case", RESUME)
def test_interrupted_and_resumed_equals_uninterrupted(case, tiny_run, tmp_path: Path) -> None:
    system, data, changes = resumed(case)
    tiny_run(system, data, changes, out=tmp_path / "one").trainer.fit(progress=False)
    # the signal comes at a step that is no multiple of save_every
    observed = {**changes, "train.sample_every": 1}
    broken = tiny_run(system, data, observed, out=tmp_path / "two").trainer
    broken.observers = [Raise(5, signal.SIGTERM)]
    with pytest.raises(Interrupted, match="SIGTERM at step 5: state saved in .*--resume auto"):
        broken.fit(progress=False)
    torch.manual_seed(17)
    again = tiny_run(system, data, changes, out=tmp_path / "two", resume="auto").trainer
    assert (again.step, again.total) == (5, 8)
    outcome = again.fit(progress=False)
    assert (outcome.step, outcome.state) == (8, "done")
    assert_same_run(tmp_path / "one", tmp_path / "two")


def test_n_and_n_equals_2n(tiny_run, tmp_path: Path) -> None:
    system, data, changes = RESUME["igebm-labels"]
    tiny_run(system, data, changes, out=tmp_path / "one").trainer.fit(8, progress=False)
    tiny_run(system, data, changes, out=tmp_path / "two").trainer.fit(4, progress=False)
    tiny_run(system, data, changes, out=tmp_path / "two", resume="auto").trainer.fit(8, progress=False)
    assert_same_run(tmp_path / "one", tmp_path / "two")


def test_n_and_n_equals_2n_with_replayed_chains_of_images(tiny_run, tmp_path: Path) -> None:
    """Ten gradients and more are replayed in other layouts, which round in another way than calls do."""
    changes = {**RESUME_CONV, "train.average": 0.9, "chain.steps": 14, "chain.step_size": 1e-3}
    for folder, parts in (("one", (8,)), ("two", (3, 8))):
        for k, steps in enumerate(parts):
            resume = "auto" if k else None
            tiny_run("igebm", "digits", changes, out=tmp_path / folder, resume=resume).trainer.fit(
                steps, progress=False
            )
    assert_same_run(tmp_path / "one", tmp_path / "two")


def test_resume_from_an_earlier_checkpoint_rewrites_the_log(tiny_run, tmp_path: Path) -> None:
    system, data, changes = RESUME["short_run"]
    changes = {**changes, **RESUME_TRAIN, "train.keep": 5}
    tiny_run(system, data, changes, out=tmp_path / "one").trainer.fit(progress=False)
    before = (tmp_path / "one" / "metrics.jsonl").read_text()
    old = tmp_path / "one" / "checkpoints" / "step-000003"
    tiny_run(system, data, changes, out=tmp_path / "one", resume=str(old)).trainer.fit(progress=False)
    assert (tmp_path / "one" / "metrics.jsonl").read_text() == before


def test_resume_of_another_folders_checkpoint_makes_a_whole_run(tiny_run, tmp_path: Path) -> None:
    from gibbsian.train.load import load

    system, data, changes = RESUME["short_run"]
    tiny_run(system, data, changes, out=tmp_path / "one").trainer.fit(3, progress=False)
    two = tiny_run(system, data, changes, out=tmp_path / "two", resume=str(tmp_path / "one")).trainer
    assert two.step == 3
    two.fit(5, progress=False)
    assert load(tmp_path / "two").record.config == two.learner.config


def test_a_finished_run_resumes_to_nothing(tiny_run, tmp_path: Path) -> None:
    system, data, changes = RESUME["short_run"]
    tiny_run(system, data, changes, out=tmp_path).trainer.fit(3, progress=False)
    before = (tmp_path / "metrics.jsonl").read_text()
    outcome = tiny_run(system, data, changes, out=tmp_path, resume="auto").trainer.fit(progress=False)
    assert outcome.step == 3 and (tmp_path / "metrics.jsonl").read_text() == before


def test_resume_auto_starts_anew_without_a_checkpoint(tiny_run, tmp_path: Path) -> None:
    """A run that was killed before its first checkpoint leaves a log behind, which must not stay."""
    system, data, changes = RESUME["short_run"]
    prepared = tiny_run(system, data, changes, out=tmp_path, resume="auto")
    prepared.trainer.folder.log({"step": 1, "stale": True})
    trainer = tiny_run(system, data, changes, out=tmp_path, resume="auto").trainer
    trainer.fit(2, progress=False)
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2]


def test_a_used_folder_is_not_overwritten(tiny_run, tmp_path: Path) -> None:
    system, data, changes = RESUME["short_run"]
    tiny_run(system, data, changes, out=tmp_path).trainer.fit(1, progress=False)
    with pytest.raises(UsageError, match="already holds a run: --resume auto"):
        tiny_run(system, data, changes, out=tmp_path)


def test_resume_and_init_from_exclude_each_other(tiny_run, tmp_path: Path) -> None:
    system, data, changes = RESUME["short_run"]
    with pytest.raises(UsageError, match="give one of them"):
        tiny_run(system, data, changes, out=tmp_path, resume="auto", init_from=tmp_path)
    with pytest.raises(UsageError, match="needs a run folder"):
        tiny_run(system, data, changes, resume="auto")


def test_init_from_takes_weights_and_nothing_else(tiny_run, tmp_path: Path) -> None:
    system, data, changes = RESUME["igebm-labels"]
    first = tiny_run(system, data, changes, out=tmp_path / "one").trainer
    first.fit(3, progress=False)
    second = tiny_run(system, data, changes, init_from=tmp_path / "one").trainer
    assert second.step == 0
    for name, p in first.model.net.named_parameters():
        assert torch.equal(p, dict(second.model.net.named_parameters())[name])
    assert not torch.equal(first.learner.buffer.stored, second.learner.buffer.stored)


ELSEWHERE = {
    "generative_convnet": {"chain.noise": 0.5},
    "score_matching": {"matching.levels": 3, "matching.sigma_min": 0.1, "matching.sigma_max": 1.0},
    "nce": {"noise_is_base": False, "noise.updates": 1},
    "nce-uniform": {"noise.distribution": "uniform", "noise.widen": 1.0},
    "energy_matching": {"contrast.epsilon": 0.2, "flow.updates": 1, "contrast.steps": 1},
    "acd": {"entropy_weight": 0.3, "generator.hidden": [8], "generator.latent": 2},
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_init_from_another_paper_hands_over_the_density(name: str, tiny_run, tmp_path: Path) -> None:
    """-log p stays what it was at the temperature of the model that begins with it."""
    net = {"net.name": "mlp", "net.hidden": [16], "net.activation": "swish"}
    first = tiny_run(name.split("-")[0], "toy:ring", {**net, **ELSEWHERE[name]}, out=tmp_path / "one").trainer
    first.fit(2, progress=False)
    begun = {**net, "chain.noise": 0.1, "start.capacity": 64, "pixels.low": -1.0}
    second = tiny_run("igebm", "toy:ring", begun, init_from=tmp_path / "one").trainer.model
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    given = first.model.energy(x) / first.model.temperature
    torch.testing.assert_close(second.energy(x) / second.temperature, given, rtol=1e-4, atol=1e-4)
    with pytest.raises(CheckpointError, match="of another network"):
        tiny_run("igebm", "toy:ring", {**begun, "net.hidden": [9]}, init_from=tmp_path / "one")


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("nce", {"noise_is_base": True, "noise.updates": 1}, "a base measure is not the distribution"),
        ("gebm", {"generator.hidden": [8], "generator.latent": 2, "energy_first": 0}, "not one network of x"),
        ("generative_convnet", {"reference_sigma": 2.0}, "not the distribution of its network alone"),
        ("generative_convnet", {"chain.noise": 0.0}, "not the distribution of its network alone"),
        ("generative_convnet", {"pixels.low": -9.0}, "learnt data in"),
    ],
)
def test_energies_without_a_density_of_their_own_are_not_handed_over(
    name, changes, words, tiny_run, tmp_path: Path
) -> None:
    net = {"net.name": "mlp", "net.hidden": [16], "net.activation": "swish"}
    tiny_run(name, "toy:ring", {**net, **changes}, out=tmp_path / "one").trainer.fit(1, progress=False)
    with pytest.raises(CheckpointError, match=words):
        tiny_run("igebm", "toy:ring", {**net, "start.capacity": 64}, init_from=tmp_path / "one")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (("igebm", "digits", {**RESUME_CONV, "net.channels": [4, 16]}), "has shape"),
        (("igebm", "digits", {**RESUME_CONV, "net.classes": 10}), "it has no"),
        (("short_run", "digits", {**RESUME_CONV, "start.kind": "noise"}), "has no place here"),
        (("igebm", "digits", {**RESUME_CONV, "start.capacity": 40}), "has shape"),
        (("igebm", "toy:ring", RESUME_MLP), "trained on other data"),
    ],
)
def test_a_checkpoint_of_something_else_is_one_clear_line(other, reason, tiny_run, tmp_path: Path) -> None:
    tiny_run("igebm", "digits", RESUME_CONV, out=tmp_path).trainer.fit(1, progress=False)
    system, data, changes = other
    with pytest.raises(CheckpointError, match=reason) as caught:
        tiny_run(system, data, changes, out=tmp_path, resume="auto")
    assert "\n" not in str(caught.value) and "step-000001" in str(caught.value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_say_how_to_go_on(number, tiny_run, tmp_path: Path) -> None:
    before = signal.getsignal(number)
    trainer = tiny_run(
        "short_run", "toy:ring", {**RESUME_MLP, "start.kind": "noise", "train.sample_every": 1}, out=tmp_path
    ).trainer
    trainer.observers = [Raise(2, number)]
    with pytest.raises(Interrupted) as caught:
        trainer.fit(progress=False)
    assert caught.value.exit_code == 130
    assert signal.getsignal(number) is before
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "stopped"
    assert trainer.folder.newest().name == "step-000002"


def test_a_signal_without_a_folder_says_that_nothing_is_saved(tiny_run) -> None:
    trainer = tiny_run(
        "short_run", "toy:ring", {**RESUME_MLP, "start.kind": "noise", "train.sample_every": 1}
    ).trainer
    trainer.observers = [Raise(1, signal.SIGINT)]
    with pytest.raises(Interrupted, match="SIGINT at step 1: nothing saved"):
        trainer.fit(progress=False)


def test_a_second_signal_is_immediate(tiny_run) -> None:
    trainer = tiny_run(
        "short_run", "toy:ring", {**RESUME_MLP, "start.kind": "noise", "train.sample_every": 1}
    ).trainer
    trainer.observers = [Raise(1, signal.SIGINT), Raise(1, signal.SIGINT)]
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False)
