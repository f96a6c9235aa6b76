"""Settings that change where a run goes on act, or are refused: none is only written down."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from cases import RESUME_MLP

import gibbsian as gb
from gibbsian.core.errors import UsageError
from gibbsian.train import checkpoint
from gibbsian.train.load import load
from gibbsian.train.resume import require_same

COOP = {"generator.hidden": [8], "generator.latent": 2, **{k: v for k, v in RESUME_MLP.items() if "net" in k}}


def groups(folder: Path) -> list[dict]:
    """The settings of every optimiser in the newest checkpoint."""
    newest = checkpoint.listed(folder / "checkpoints")[-1]
    plain = json.loads((newest / "state.json").read_text())["plain"]
    return [dict(tree["groups"][0]) for tree in plain["optimizer"].values()]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"train.beta1": 0.3}),
        ({}, {"train.beta2": 0.5, "train.beta1": 0.0}),
        ({"train.weight_decay": 0.1}, {"train.weight_decay": 0.0}),
        ({}, {"train.weight_decay": 0.2}),
        ({"train.weight_decay": 0.1}, {"train.weight_decay": 0.3, "train.lr": 1e-2}),
    ],
)
def test_settings_of_the_optimiser_act(before, after, tiny_run, tmp_path: Path) -> None:
    tiny_run("igebm", "toy:ring", {**RESUME_MLP, **before}, out=tmp_path).trainer.fit(2, progress=False)
    again = tiny_run(
        "igebm", "toy:ring", {**RESUME_MLP, **before, **after}, out=tmp_path, resume="auto"
    ).trainer
    again.fit(4, progress=False)
    config, used = again.config, groups(tmp_path)[0]
    assert tuple(used["betas"]) == (config.beta1, config.beta2)
    assert (used["weight_decay"], used["lr"]) == (config.weight_decay, config.lr)
    assert used.get("decoupled_weight_decay", bool(config.weight_decay)) == bool(config.weight_decay)


def test_weight_decay_from_a_resume_on_is_decoupled(tiny_run, tmp_path: Path) -> None:
    """With no gradient to speak of, weights shrink by lr times decay."""
    tiny_run("igebm", "toy:ring", RESUME_MLP, out=tmp_path).trainer.fit(1, progress=False)
    changes = {**RESUME_MLP, "train.weight_decay": 0.5, "train.lr": 1e-2}
    trainer = tiny_run("igebm", "toy:ring", changes, out=tmp_path, resume="auto").trainer
    optimizer = trainer.updater.optimizers["energy"]
    weight = next(p for p in optimizer.param_groups[0]["params"] if p.dim() > 1)
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.zeros_like(p)
        optimizer.state[p]["exp_avg"].zero_()
    for group in optimizer.param_groups:
        group["lr"] = 1e-2
    was = weight.detach().clone()
    optimizer.step()
    assert torch.allclose(weight, was * (1 - 0.5 * 1e-2), atol=1e-7)


def test_every_group_takes_them(tiny_run, tmp_path: Path) -> None:
    tiny_run("coopnets", "toy:ring", COOP, out=tmp_path).trainer.fit(1, progress=False)
    changed = {**COOP, "train.beta1": 0.2}
    tiny_run("coopnets", "toy:ring", changed, out=tmp_path, resume="auto").trainer.fit(2, progress=False)
    assert [group["betas"][0] for group in groups(tmp_path)] == [0.2, 0.2]


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.9), (0.9, 0.0), (0.5, 0.9), (0.0, 0.0)])
def test_averaging_is_turned_on_and_off(before, after, tiny_run, tmp_path: Path) -> None:
    said: list[str] = []
    first = tiny_run("igebm", "toy:ring", {**RESUME_MLP, "train.average": before}, out=tmp_path).trainer
    first.fit(3, progress=False)
    changes = {**RESUME_MLP, "train.average": after}
    second = tiny_run("igebm", "toy:ring", changes, out=tmp_path, resume="auto", notify=said.append).trainer
    begins = "averages begin at the weights of step 3"
    assert (begins in said) == (not before and bool(after))
    if begins in said:
        assert all(torch.equal(w, second.average.live[k]) for k, w in second.average.weights.items())
    second.fit(5, progress=False)
    third = tiny_run("igebm", "toy:ring", changes, out=tmp_path, resume="auto", notify=said.append).trainer
    assert said.count(begins) == (not before and bool(after))
    kept = load(tmp_path).net.state_dict()
    live = third.average.weights or {f"energy.{k}": v for k, v in third.model.net.named_parameters()}
    assert all(torch.equal(v, live[f"energy.{k}"]) for k, v in kept.items() if f"energy.{k}" in live)


@pytest.mark.parametrize("key", ["low", "high"])
def test_another_range_of_the_data_is_refused(key, tiny_run, tmp_path: Path) -> None:
    tiny_run("igebm", "toy:ring", RESUME_MLP, out=tmp_path).trainer.fit(1, progress=False)
    value = {"low": -9.0, "high": 9.0}[key]
    with pytest.raises(UsageError, match=f"pixels.{key} is {value:g}, but this run") as error:
        tiny_run("igebm", "toy:ring", {**RESUME_MLP, f"pixels.{key}": value}, out=tmp_path, resume="auto")
    assert "\n" not in str(error.value)


def test_more_steps_as_a_setting_are_made(tmp_path: Path, capsys) -> None:
    small = {"out": tmp_path, "train__batch_size": 8, "train__sample_every": 0, "chain__steps": 2}
    gb.fit("igebm", "toy:ring", progress=False, train__steps=2, **small)
    gb.fit("igebm", "toy:ring", resume="auto", train__steps=3, train__beta1=0.5, **small)
    assert checkpoint.listed(tmp_path / "checkpoints")[-1].name == "step-000003"
    assert "settings changed: train.beta1 0.5" in capsys.readouterr().err
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["train"]["steps"] == 3


@pytest.mark.parametrize(
    ("stored", "name", "refused"),
    [
        ("mine:Net", "mlp", True),
        ("mlp", "mine:Net", True),
        ("mine:Net", "yours:Net", False),
        ("mlp", "mlp", False),
    ],
)
def test_a_network_of_ones_own_is_asked_for_again(tiny_config, stored, name, refused):
    config = tiny_config("igebm", "toy:ring", {"net.name": name})
    before = {"train": None, "net": {"name": stored}, "pixels": []}  # as a hand may have left the file
    if not refused:
        return require_same(before, config)
    with pytest.raises(UsageError, match="this run trains the network"):
        require_same(before, config)


def test_a_run_without_checkpoints_begins_anew_and_says_so(tiny_run, tmp_path: Path) -> None:
    tiny_run("igebm", "toy:ring", RESUME_MLP, out=tmp_path).trainer.fit(1, progress=False)
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe")
    (tmp_path / "checkpoints" / "step-000009").write_text("no folder")
    again = tiny_run("igebm", "toy:ring", RESUME_MLP, out=tmp_path, resume="auto")
    assert again.trainer.step == 1
    shutil.rmtree(tmp_path / "checkpoints")
    told: list[str] = []
    tiny_run("igebm", "toy:ring", RESUME_MLP, out=tmp_path, resume="auto", notify=told.append)
    assert told == [f"{tmp_path} holds no checkpoint: begun anew"]


def test_a_device_that_is_not_here_is_one_line(tiny_run) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(UsageError, match="device 'cuda' is not on this machine: use cpu"):
        tiny_run("igebm", "toy:ring", RESUME_MLP, device="cuda")
