"""`gibbsian train`."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml

from gibbsian.cli.train import free_folder, run_name
from gibbsian.tasks import evaluate
from gibbsian.train.recipes import resolve


def test_a_run_is_one_json_object_and_a_folder(cli, tiny, runs, tmp_path):
    ran = cli(*tiny("short_run", tmp_path / "a", "--steps", "2", "--json"))
    assert ran.code == 0 and ran.json["state"] == "done" and ran.json["steps"] == 2
    assert (tmp_path / "a/checkpoints/step-000002").is_dir()
    assert yaml.safe_load((tmp_path / "a/config.yaml").read_text())["train"]["steps"] == 2


def test_text_says_how_it_ended(cli, tiny, tmp_path):
    ran = cli(*tiny("short_run", tmp_path / "a", "--steps", "1"))
    assert (
        ran.out.startswith("done: 1 updates") and str(tmp_path / "a") in ran.out and ran.out.count("\n") == 1
    )


def test_resume_auto_starts_anew_and_then_goes_on(cli, tiny, tmp_path):
    out = tmp_path / "a"
    assert cli(*tiny("short_run", out, "--steps", "2", "--resume", "auto", "--json")).json["steps"] == 2
    again = cli("train", "short_run", "--out", str(out), "--resume", "auto", "--steps", "4", "--json")
    assert again.code == 0 and again.json["steps"] == 4 and "at step 2" in again.err
    whole = cli(*tiny("short_run", tmp_path / "b", "--steps", "4", "--json")).json
    assert again.json["metrics"] == whole["metrics"]


def test_resume_from_a_path_goes_on_in_that_run(cli, tiny, tmp_path):
    cli(*tiny("short_run", tmp_path / "a", "--steps", "2"))
    for path in (tmp_path / "a", tmp_path / "a/checkpoints/step-000002"):
        ran = cli("train", "short_run", "--resume", str(path), "--train.steps", "3", "--json")
        assert ran.code == 0 and ran.json["out"] == str(tmp_path / "a") and ran.json["steps"] == 3
        shutil.rmtree(tmp_path / "a/checkpoints/step-000003")


def test_init_from_takes_the_weights_only(cli, tiny, runs, tmp_path):
    ran = cli(
        *tiny("short_run", tmp_path / "a", "--init-from", str(runs["short_run"]), "--steps", "0", "--json")
    )
    assert ran.code == 0 and ran.json["steps"] == 0


def test_shorthands_are_settings(cli):
    words = (
        "train short_run --data digits --steps 7 --seed 3 --net mlp --precision bf16 --print_config --json"
    )
    config = cli(words).json
    assert (config["train"]["steps"], config["train"]["seed"]) == (7, 3)
    assert (config["net"]["name"], config["train"]["precision"]) == ("mlp", "bf16")


def test_printed_config_is_read_back(cli, tmp_path):
    words = ["train", "igebm", "--preset", "cifar10", "--chain.steps", "9", "--print_config"]
    file = tmp_path / "f.yaml"
    file.write_text(cli(*words).out)
    again = cli(
        "train", "igebm", "--config", str(file), "--train.lr", "1e-3", "--print_config", "--json"
    ).json
    assert again["chain"]["steps"] == 9 and again["train"]["lr"] == 1e-3 and again["preset"] == "cifar10"


def test_own_network(cli, tiny, tmp_path, monkeypatch):
    (tmp_path / "mynet.py").write_text(
        "from torch import nn\n"
        "class Flat(nn.Module):\n"
        "    def __init__(self, event_shape, config):\n"
        "        super().__init__()\n"
        "        self.last = nn.Linear(64, config.options['width'])\n"
        "    def forward(self, x):\n"
        "        return self.last(x.flatten(1)).sum(1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = (
        "train short_run --data digits --chain.steps 2 --train.batch_size 16 --train.sample_every 0".split()
    )
    own = ["--net", "mynet:Flat", "--net.options.width", "3", "--out", str(tmp_path / "a"), "--steps", "1"]
    ran = cli(*words, *own)
    assert ran.code == 0, ran.err
    ran = cli(*words, *own, "--net.hidden", "[3]")
    assert ran.code == 2 and "'net.hidden' is no setting of 'mynet:Flat', but of mlp" in ran.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            "--net.name mlp --net.channels [3]",
            "'net.channels' is no setting of 'mlp', but of autoencoder, conv, conv1d, gated, igebm",
        ),
        ("--net mlp --net.channels [3]", "'net.channels' is no setting of 'mlp', but of autoencoder, conv"),
        ("--net.hidden [3]", "'net.hidden' is no setting of 'conv', but of mlp"),
        ("--net.name mpl", "unknown network 'mpl': did you mean 'mlp'"),
        ("--net.hiden [3]", "unknown option '--net.hiden': did you mean '--net.hidden'"),
        ("--net.name :Own", "network ':Own' names no class"),
    ],
)
def test_settings_of_another_network_are_one_line(cli, words, error):
    ran = cli(*"train short_run --preset cifar10 --print_config".split(), *words.split())
    assert ran.code == 2 and error in ran.err and ran.err.count("\n") == 1


def test_another_network_keeps_what_both_have_and_help_lists_its_settings(cli):
    words = "train igebm --data mnist-conditional --preset mnist-conditional --net.name conv".split()
    net = cli(*words, "--net.strides", "[2]", "--print_config", "--json").json["net"]
    assert (net["name"], net["classes"], net["head"], net["strides"]) == ("conv", 10, "logits", [2])
    assert "hidden" not in net and net["kernels"] == [3]
    text = cli(*words, "--help").out
    assert "--net.kernels" in text and "--net.hidden" not in text
    assert "--net.name autoencoder|conv|conv1d|gated|igebm|levels|mlp|residual_mlp|unet|wide = conv" in text


BAD = [
    ("train", 2, "SYSTEM is missing"),
    ("train --data mnist", 2, "the best samples of ours there: gibbsian train"),
    ("train --data folder:x", 2, "say: gibbsian train short_run --data folder:x;"),
    ("train igebn", 2, "did you mean 'igebm'?"),
    ("train igebm --preset cifar", 2, "did you mean 'cifar10'?"),
    ("train short_run --data digist", 2, "did you mean 'digits'?"),
    ("train short_run --data digits --preset digits --train.lrr 1", 2, "did you mean '--train.lr'?"),
    ("train short_run --data digits --stpes 1", 2, "did you mean '--steps'?"),
    ("train short_run --data digits --steps -4", 2, "train.steps is -4"),
    ("train short_run --data digits --chain.step_size -2", 2, "chain.step_size is -2"),
    ("train short_run --data digits --chain.steps many", 2, "chain.steps is 'many'"),
    ("train short_run --data digits --config nowhere.yaml", 2, "cannot read configuration nowhere.yaml"),
    ("train short_run --data digits --resume auto --init-from x", 2, "give one of them"),
    (
        "train short_run --data digits --resume nowhere",
        1,
        "no checkpoint in nowhere: there is no such folder",
    ),
    ("train short_run --data nowhere.npz", 1, "nowhere.npz"),
    ("train short_run --data digits --device warp", 2, "unknown device 'warp'"),
    ("train short_run --data digits --minutes 0", 2, "--minutes is 0"),
    ("train short_run --data digits --precision fp16", 2, "--precision is 'fp16'"),
    ("train short_run --data digits --init-from nowhere", 1, "no checkpoint in nowhere"),
]


def test_resuming_without_a_system_tells_which_it_was(cli, runs):
    ran = cli("train", "--resume", str(runs["short_run"]))
    assert ran.code == 2 and ran.err.count("\n") == 1
    assert "SYSTEM is missing: gibbsian train short_run --data" in ran.err
    assert f"--resume {runs['short_run']}" in ran.err


@pytest.mark.parametrize(("words", "code", "part"), BAD)
def test_mistakes_are_one_line(cli, monkeypatch, tmp_path, words, code, part):
    monkeypatch.chdir(tmp_path)
    ran = cli(words)
    assert (ran.code, ran.out) == (code, ""), ran.err
    last = ran.err.splitlines()[-1]
    assert last.startswith("gibbsian: ") and part in last


def test_bad_yaml(cli, tmp_path):
    for text in ("chain: [1", "- 1\n- 2", "chain: {stepz: 3}", "chain: 3", "system: igebm"):
        (tmp_path / "f.yaml").write_text(text)
        ran = cli("train", "short_run", "--data", "digits", "--config", str(tmp_path / "f.yaml"))
        assert ran.code == 2 and ran.err.count("\n") == 1, (text, ran.err)


def test_a_taken_folder_is_refused(cli, tiny, runs):
    ran = cli(*tiny("short_run", runs["short_run"], "--steps", "1"))
    assert ran.code == 2 and "already holds a run" in ran.err


def test_a_run_of_another_system_is_refused(cli, runs):
    for words in (["--out", str(runs["igebm"]), "--resume", "auto"], ["--resume", str(runs["igebm"])]):
        ran = cli("train", "short_run", "--data", "digits", *words)
        assert ran.code == 1 and "a run of igebm, not short_run" in ran.err


def test_weights_of_another_network_are_refused(cli, tiny, runs, tmp_path):
    words = tiny("short_run", tmp_path / "a", "--net.hidden", "[9]", "--init-from", str(runs["short_run"]))
    ran = cli(*words)
    assert ran.code == 1 and "shape" in ran.err.splitlines()[-1]


def test_resume_elsewhere_is_refused(cli, runs, tmp_path):
    ran = cli("train", "short_run", "--resume", str(runs["short_run"]), "--out", str(tmp_path / "other"))
    assert ran.code == 2 and "leave out --out" in ran.err


def test_a_truncated_checkpoint_is_named(cli, runs, tmp_path):
    shutil.copytree(runs["short_run"], tmp_path / "a")
    (weights,) = (tmp_path / "a/checkpoints/step-000003").glob("model.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    ran = cli("train", "short_run", "--resume", str(tmp_path / "a"), "--steps", "5")
    assert ran.code == 1 and "damaged" in ran.err.splitlines()[-1]


def test_divergence_is_exit_code_4(cli, tiny, tmp_path):
    words = tiny(
        "short_run", tmp_path / "a", "--steps", "9", "--monitor.max_grad", "1e-9", "--monitor.patience", "1"
    )
    ran = cli(*words, "--json")
    assert ran.code == 4 and ran.json["exit_code"] == 4 and "diverged" in ran.json["error"]
    assert json.loads((tmp_path / "a/run.json").read_text())["state"] == "diverged"


def test_folders_are_numbered_where_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = resolve("igebm", preset="cifar10", data="toy:ring")
    assert str(free_folder(config)) == "runs/igebm-toy-ring"
    (tmp_path / "runs/igebm-toy-ring").mkdir(parents=True)
    assert str(free_folder(config)) == "runs/igebm-toy-ring-2"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("digits", "jem-digits"),
        ("toy:ring", "jem-toy-ring"),
        ("folder:/a/cats/", "jem-cats"),
        ("x/y.npz", "jem-y"),
    ],
)
def test_run_names(data, name):
    assert run_name("jem", data) == name


def test_validation_chooses_the_best_checkpoint(cli, tiny, tmp_path, monkeypatch):
    asked = []

    def validator(data, n=500, *, validation=None, data_dir=None):
        asked.append((data, n, validation))
        return lambda system, rng: 0.5

    monkeypatch.setattr(evaluate, "validator", validator)
    ran = cli(*tiny("short_run", tmp_path / "a", "--steps", "2", "--train.validate_every", "1", "--json"))
    assert ran.code == 0 and ran.json["best"] == 0.5 and asked == [("digits", 279, 279)]
    assert (tmp_path / "a/checkpoints/best").is_dir()
    record = json.loads((tmp_path / "a/run.json").read_text())
    assert record["data"]["n"] == 1397 - 279  # what validates is not trained on


def test_validation_of_what_cannot_be_measured_is_refused(cli, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((40, 8, 8), np.uint8))
    words = f"train short_run --data {tmp_path}/x.npz --train.validate_every 1 --out {tmp_path}/a"
    ran = cli(words)
    assert ran.code == 2 and "validate_every" in ran.err.splitlines()[-1]
    assert not (tmp_path / "a").exists()


def test_going_back_leaves_later_checkpoints_behind(cli, tiny, tmp_path):
    out = tmp_path / "a"
    cli(*tiny("short_run", out, "--steps", "6", "--train.save_every", "2", "--train.keep", "2"))
    (out / "samples/step-000006.png").touch()
    ran = cli("train", "short_run", "--resume", str(out / "checkpoints/step-000004"), "--steps", "5")
    assert ran.code == 0 and "left-*: step-000006" in ran.err
    names = sorted(p.name for p in (out / "checkpoints").iterdir())
    assert names == ["left-step-000006", "step-000004", "step-000005"]
    assert not list((out / "samples").iterdir())
    assert cli("export", str(out / "checkpoints/left-step-000006"), "--out", str(tmp_path / "m")).code == 0


def test_files_of_other_origin_are_kept(cli, tiny, tmp_path):
    (tmp_path / "a/samples").mkdir(parents=True)
    mine, other = tmp_path / "a/samples/mine.txt", tmp_path / "b/config.yaml"
    mine.write_text("mine")
    assert cli(*tiny("short_run", tmp_path / "a", "--steps", "1")).code == 0 and mine.read_text() == "mine"
    other.parent.mkdir()
    other.write_text("my: 1")
    ran = cli(*tiny("short_run", tmp_path / "b", "--steps", "1"))
    assert ran.code == 2 and "of something else" in ran.err and other.read_text() == "my: 1"


def test_resume_auto_finds_the_folder_of_the_presets_data(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "train short_run --preset toy --net.hidden [8] --chain.steps 1 --train.sample_every 0"
    assert cli(f"{words} --steps 1").code == 0
    ran = cli(f"{words} --steps 2 --resume auto --json")
    assert ran.json["out"] == "runs/short_run-toy-ring" and "at step 1" in ran.err


def test_settings_changed_on_resume_are_kept(cli, tiny, tmp_path):
    out = tmp_path / "a"
    cli(*tiny("short_run", out, "--steps", "2"))
    words = ("train", "short_run", "--out", str(out), "--resume", "auto")
    assert cli(*words, "--steps", "3").code == 0
    assert "changed" not in json.loads((out / "run.json").read_text())
    assert "chain.steps 1" in cli(*words, "--steps", "4", "--chain.steps", "1").err
    stored = yaml.safe_load((out / "config.yaml").read_text())
    assert (stored["chain"]["steps"], stored["train"]["steps"]) == (1, 4)
    noted = json.loads((out / "run.json").read_text())["changed"]
    assert noted == [{"step": 3, "settings": {"chain.steps": 1}}]


@pytest.mark.parametrize(("more", "part"), [("--seed 7", "of seed 0"), ("--preset mnist", "preset 'digits'")])
def test_what_a_resumed_run_cannot_change_is_refused(cli, tiny, tmp_path, more, part):
    out = tmp_path / "a"
    cli(*tiny("short_run", out, "--steps", "2"))
    ran = cli("train", "short_run", "--out", str(out), "--resume", "auto", "--steps", "3", *more.split())
    assert ran.code == 2 and part in ran.err


def test_minutes_go_on_with_a_finished_run(cli, tiny, tmp_path):
    cli(*tiny("short_run", tmp_path / "a", "--steps", "2", "--train.lr", "1e-6"))
    words = ("train", "short_run", "--out", str(tmp_path / "a"), "--resume", "auto", "--json")
    assert cli(*words, "--minutes", "0.01").json["steps"] >= 12


@pytest.mark.parametrize("text", ["data: 5", "preset: [a]", "system: {a: 1}"])
def test_names_in_a_file_are_names(cli, tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    ran = cli("train", "short_run", "--config", str(tmp_path / "c.yaml"))
    assert ran.code == 2 and "must be a name" in ran.err


@pytest.mark.parametrize(
    ("words", "part"),
    [("--minutes inf", "above 0"), ("--device meta", "not supported"), ("--print_config=no", "is a switch")],
)
def test_values_that_make_no_sense(cli, tmp_path, monkeypatch, words, part):
    monkeypatch.chdir(tmp_path)
    ran = cli(f"train short_run {words}")
    assert ran.code == 2 and part in ran.err and not list(tmp_path.iterdir())


def test_an_empty_value_is_none(cli):
    ran = cli("train", "short_run", "--data", "")
    assert ran.code == 2 and "--data is empty" in ran.err


def test_data_of_ones_own_decide_what_was_left_open(cli, tmp_path):
    rows = ["a,b,label", *(f"{k % 7},{k % 5},{k % 2}" for k in range(40))]
    (tmp_path / "own.csv").write_text("\n".join(rows))
    ran = cli(f"train jem --data {tmp_path}/own.csv --steps 1 --out {tmp_path}/run")
    assert ran.code == 0 and "net.classes is 2" in ran.err
    stored = (tmp_path / "run" / "config.yaml").read_text()
    assert "classes: 2" in stored
    refused = cli(f"train jem --data {tmp_path}/own.csv --net.classes 5 --out {tmp_path}/other")
    assert refused.code == 2 and "net.classes is 5" in refused.err


def test_a_setting_without_its_section_is_named(cli):
    assert "did you mean '--train.lr'?" in cli("train short_run --data digits --lr 1").err
    assert "did you mean '--start'?" in cli("sample RUN --sampler buffer").err
