"""`gibbsian export`."""

from __future__ import annotations

import torch

import gibbsian


def test_an_exported_model_gives_the_same_energies(cli, runs, tmp_path):
    ran = cli("export", str(runs["igebm"]), "--out", str(tmp_path / "m"), "--json")
    assert ran.code == 0 and ran.json["out"] == str(tmp_path / "m")
    here, there = gibbsian.load(runs["igebm"]), gibbsian.load(tmp_path / "m")
    x = torch.rand(4, 1, 8, 8, generator=gibbsian.generator(0))
    assert torch.equal(here.neg_log_prob(x), there.neg_log_prob(x))


def test_a_run_folder_is_not_overwritten(cli, runs):
    ran = cli("export", str(runs["igebm"]), "--out", str(runs["short_run"]))
    assert ran.code == 2 and "run folder" in ran.err


def test_out_is_required(cli, runs):
    ran = cli("export", str(runs["igebm"]))
    assert ran.code == 2 and "--out is missing" in ran.err


def test_a_checkpoint_is_not_written_over(cli, runs):
    path = runs["short_run"] / "checkpoints/step-000003"
    before = (path / "model.safetensors").read_bytes()
    ran = cli("export", str(runs["short_run"]), "--out", str(path))
    assert ran.code == 2 and "is a checkpoint" in ran.err
    assert (path / "model.safetensors").read_bytes() == before
