"""`gibbsian continual`: what it writes at toy size, how it goes on, and one line for what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

TINY = "continual --data digits --seeds 2 --rows 24 --batch-size 8 --tasks 2"


def test_writes_records_text_and_picture(cli, tmp_path):
    ran = cli(f"{TINY} --methods finetune,lwf,replay --out {tmp_path} --json")
    assert ran.code == 0, ran.err
    assert list(ran.json["methods"]) == ["finetune", "lwf", "replay"] and ran.json["tasks"][1][0] == "5"
    written = {p.name for p in tmp_path.iterdir()}
    assert written == {"continual.json", "continual.txt", "continual-accuracy.png", "seeds"}
    assert json.loads((tmp_path / "continual.json").read_text())["methods"] == ran.json["methods"]
    with Image.open(tmp_path / "continual-accuracy.png") as picture:
        assert picture.size[0] > 800
    assert len(list((tmp_path / "seeds").iterdir())) == 6
    low, high = ran.json["methods"]["replay"]["accuracy"]["interval"]
    assert low <= ran.json["methods"]["replay"]["accuracy"]["value"] <= high


def test_the_discriminative_protocol_and_its_negatives(cli, tmp_path):
    words = f"{TINY} --protocol discriminative --methods energy --steps 3 --out {tmp_path}/o"
    one, two = cli(f"{words} --json"), cli(f"{words} --negative all")
    assert one.code == two.code == 0 and one.json["protocol"] == "discriminative"
    assert "negative labels are all classes" in two.out and "protocol discriminative" in two.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--data {tmp}/x.npy", "no labels"),
        ("--data nowhere", "nowhere"),
        ("--methods vea", "did you mean 'vae'"),
        ("--tasks 11", "tasks is 11: digits has 10 classes"),
        ("--protocol both", "both"),
        ("--protocol discriminative --tasks 10", "single class"),
        ("--negative all", "of the discriminative protocol"),
        ("--seeds 0", "seeds is 0"),
        ("--validation 100000", "100000 rows"),
        ("--out /proc/none", "/proc/none"),
    ],
)
def test_wrong_words_are_one_line(words, said, cli, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 2)))
    ran = cli(f"continual --data digits --out {tmp_path} {words.format(tmp=tmp_path)}")
    assert ran.code in (1, 2) and said in ran.err and ran.err.count("\n") == 1, ran.err


def test_ctrl_c_keeps_what_was_finished(tmp_path):
    words = f"{TINY} --methods finetune,energy --seeds 1 --rows 500 --out {tmp_path}".split()
    running = subprocess.Popen([sys.executable, "-m", "gibbsian", *words], stderr=subprocess.PIPE, text=True)
    record = tmp_path / "seeds" / "generative-finetune-0.json"
    until = time.monotonic() + 60
    while not record.is_file() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=60)
    last = err.strip().splitlines()[-1]
    assert (
        running.returncode == 130 and "finished seeds are in" in last and "the same command goes on" in last
    )
    assert [p.name for p in record.parent.iterdir()] == [record.name]
