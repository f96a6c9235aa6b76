"""Damaged, hostile and unwritable checkpoints: one clear line, nothing half done, nothing executed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from cases import SMALL

import gibbsian as gb
from gibbsian.core.errors import CheckpointError, UsageError
from gibbsian.train import checkpoint

TREE = {
    "model": {
        "w": torch.arange(6.0).reshape(2, 3),
        "deep": {"n": torch.tensor(3)},
        "b": torch.tensor([True]),
    },
    "loop": {"step": 7, "best": None, "rate": 1e-300, "list": [1, 2.5, "x"], "nan": float("inf")},
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    checkpoint.save(TREE, tmp_path / "step-000007")
    return tmp_path / "step-000007"


def refused(path: Path, words: str) -> None:
    with pytest.raises(CheckpointError, match=words) as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)


def rewrite(path: Path, change) -> None:
    state = json.loads((path / "state.json").read_text())
    change(state)
    (path / "state.json").write_text(json.dumps(state))


def test_round_trip_is_exact(saved: Path) -> None:
    tree = checkpoint.load(saved)
    assert tree["loop"] == TREE["loop"]
    assert torch.equal(tree["model"]["w"], TREE["model"]["w"])
    assert tree["model"]["deep"]["n"].shape == () and tree["model"]["b"].dtype == torch.bool
    assert not list(saved.glob("*.pt")) and not list(saved.glob("*.pkl"))


def test_truncated(saved: Path) -> None:
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    refused(saved, "model.safetensors has .* bytes of")


def test_flipped_byte(saved: Path) -> None:
    file = saved / "model.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    refused(saved, "fails its SHA-256")


def test_missing_tensor_file(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    refused(saved, "model.safetensors is missing")


def test_missing_state(saved: Path) -> None:
    (saved / "state.json").unlink()
    refused(saved, "no state.json")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema": "x"}', '{"schema": 1}', "[" * 100_000, "\x00\xff"]
)
def test_unreadable_state(text: str, saved: Path) -> None:
    (saved / "state.json").write_text(text)
    refused(saved, "state.json")


def test_state_of_the_wrong_kind(saved: Path) -> None:
    rewrite(saved, lambda state: state.update(files=["model.safetensors"]))
    refused(saved, "no checkpoint's")


def test_newer_schema(saved: Path) -> None:
    rewrite(saved, lambda state: state.update(schema=checkpoint.SCHEMA + 1))
    refused(saved, "schema 2: this version reads up to 1; upgrade")


def test_a_pickle_is_not_opened(saved: Path, tmp_path: Path) -> None:
    """A pickle with a matching size and hash, named as tensors: refused, never executed."""
    bait = tmp_path / "executed"

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(bait),))

    raw = pickle.dumps(Bomb())
    (saved / "model.safetensors").write_bytes(raw)
    record = {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    rewrite(saved, lambda state: state["files"].update({"model.safetensors": record}))
    refused(saved, "holds no tensors")
    assert not bait.exists()


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "..", "state.json", ""]
)
def test_names_that_lead_elsewhere(name: str, saved: Path, tmp_path: Path) -> None:
    shutil.copy(saved / "model.safetensors", tmp_path / "secret.safetensors")

    def change(state):
        state["files"] = {name: state["files"]["model.safetensors"]}

    rewrite(saved, change)
    refused(saved, "no name of a tensor file")


def test_a_record_of_the_wrong_kind(saved: Path) -> None:
    rewrite(saved, lambda state: state["files"].update({"model.safetensors": 5}))
    refused(saved, "no name of a tensor file")
    rewrite(saved, lambda state: state["files"].update({"model.safetensors": {}}))
    refused(saved, "bytes of None")


def test_tensors_that_clash_with_plain_values(saved: Path) -> None:
    rewrite(saved, lambda state: state["plain"].update(model=[1]))
    refused(saved, "holds no tensors")


def fail_save_file(monkeypatch) -> None:
    def full(tensors, path):
        Path(path).write_bytes(b"part")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "save_file", full)


def fail_fsync(monkeypatch) -> None:
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)


def fail_rename(monkeypatch) -> None:
    real = Path.rename

    def full(self, target):
        if self.name.endswith(".tmp"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", full)


@pytest.mark.parametrize("fault", [fail_save_file, fail_fsync, fail_rename])
def test_a_full_disk_leaves_the_earlier_checkpoint_whole(fault, saved: Path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        fault(patch)
        with pytest.raises(CheckpointError, match="No space left on device; free some space"):
            checkpoint.save({**TREE, "loop": {"step": 8}}, saved)
        with pytest.raises(CheckpointError, match="cannot write checkpoint"):
            checkpoint.save(TREE, saved.with_name("step-000008"))
    assert [p.name for p in saved.parent.iterdir()] == ["step-000007"]
    assert checkpoint.load(saved)["loop"]["step"] == 7


def test_a_full_disk_in_training_is_one_line(tiny_run, tmp_path: Path, monkeypatch) -> None:
    trainer = tiny_run("igebm", "toy:ring", {**SMALL, "train.save_every": 2}, out=tmp_path).trainer
    trainer.fit(2, progress=False)
    fail_save_file(monkeypatch)
    with pytest.raises(CheckpointError, match="free some space") as caught:
        trainer.fit(6, progress=False)
    assert "\n" not in str(caught.value)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-000002"]
    assert checkpoint.load(tmp_path / "checkpoints" / "step-000002")["loop"]["step"] == 2


def test_a_full_disk_at_the_log_is_one_line(tiny_run, tmp_path: Path, monkeypatch) -> None:
    trainer = tiny_run("igebm", "toy:ring", SMALL, out=tmp_path).trainer
    trainer.folder.metrics = Path("/dev/full")
    with pytest.raises(CheckpointError, match="cannot write /dev/full: No space left"):
        trainer.fit(2, progress=False)


def test_newest_damaged_names_the_step_and_the_earlier_still_loads(tiny_run, tmp_path: Path) -> None:
    tiny_run("igebm", "toy:ring", {**SMALL, "train.save_every": 2}, out=tmp_path).trainer.fit(
        4, progress=False
    )
    (tmp_path / "checkpoints" / "step-000004" / "model.safetensors").unlink()
    with pytest.raises(
        CheckpointError, match="step-000004 is damaged.*use an earlier one, such as .*step-000002"
    ):
        gb.load(tmp_path)
    gb.load(tmp_path / "checkpoints" / "step-000002")


# -- run folders and model folders ---------------------------------------------------------------------


@pytest.fixture
def trained(tiny_run, tmp_path: Path) -> Path:
    trainer = tiny_run("igebm", "toy:ring", SMALL, out=tmp_path / "run").trainer
    trainer.fit(1, progress=False)
    trainer.model.save(tmp_path / "model")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("config.yaml", None, "no run folder"),
        ("config.yaml", "", "damaged"),
        ("config.yaml", "a: [", "does not parse"),
        ("config.yaml", "data: digits", "names no system"),
        ("config.yaml", "system: igebn", "did you mean 'igebm'"),
        ("config.yaml", "system: igebm\nchian: {}", "did you mean 'chain'"),
        ("run.json", None, "run.json is missing or damaged"),
        ("run.json", "[1]", "run.json is missing or damaged"),
        ("run.json", '{"data": {"event_shape": "x"}}', "run.json is missing or damaged"),
        ("run.json", '{"data": {"event_shape": [3]}}', "of another network"),
    ],
)
def test_damaged_run_folders(file, text, words, trained: Path) -> None:
    path = trained / "run" / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises((CheckpointError, UsageError), match=words) as caught:
        gb.load(trained / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "raw", "words"),
    [
        ("config.json", b"{", "is damaged"),
        ("config.json", b"[]", "describes no model"),
        ("config.json", b"{}", "describes no model"),
        ("config.json", b'{"system": "nope", "config": {}, "event_shape": [2]}', "describes no model"),
        ("config.json", b'{"system": "igebm", "config": {"a": 1}, "event_shape": [2]}', "describes no model"),
        ("config.json", b'{"system": "igebm", "config": {}, "event_shape": [2, 8, 8]}', "'temperature'"),
        (
            "config.json",
            b'{"system": "igebm", "config": {"net": {"name": "mlp"}}, "event_shape": [2], "temperature": 1, '
            b'"claims_density": true}',
            "another",
        ),
        ("model.safetensors", b"", "is damaged"),
        ("model.safetensors", b"\x80\x04K\x01.", "is damaged"),
    ],
)
def test_damaged_model_folders(file, raw, words, trained: Path) -> None:
    (trained / "model" / file).write_bytes(raw)
    with pytest.raises(CheckpointError, match=words) as caught:
        gb.load(trained / "model")
    assert "\n" not in str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint in .*no such folder"):
        gb.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="no checkpoint in .*give a run folder"):
        gb.load(tmp_path)
    with pytest.raises(CheckpointError, match="no best checkpoint"):
        gb.load(tmp_path, which="best")


def test_folders_that_cannot_be_written(trained: Path, tiny_run) -> None:
    blocked = trained / "file"
    blocked.write_text("in the way")
    with pytest.raises(UsageError, match="cannot make run folder"):
        tiny_run("igebm", "toy:ring", SMALL, out=blocked)
    with pytest.raises(UsageError, match="cannot write model folder"):
        gb.load(trained / "model").save(blocked)
