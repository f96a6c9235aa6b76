"""The health of presets: what is run, what counts as an alarm, and the README's own classifier in full."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from experiments.health import CUT, Case, built_in, nearest, show, train, waited
from gibbsian.cli.main import main
from gibbsian.core.errors import UsageError
from gibbsian.train.monitor import BOUNDS


def test_presets_of_built_in_data_are_found() -> None:
    found = built_in()
    assert {"jem/digits", "igebm/toy", "gebm/table"} <= set(found) and "igebm/mnist" not in " ".join(found)
    assert built_in("jem/toy") == ["jem/toy"]
    with pytest.raises(UsageError, match="jem/digits"):
        built_in("jem/digts")


def test_long_runs_are_told_to_stop() -> None:
    waits = "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(130)); time.sleep(60)"
    assert waited(subprocess.Popen([sys.executable, "-S", "-c", waits]), limit=2) == CUT
    assert waited(subprocess.Popen([sys.executable, "-c", ""]), limit=30) == 0


def test_what_came_near_an_alarm_is_told(tmp_path) -> None:
    words = "train igebm --preset digits --steps 3 --train.log_every 1 --train.sample_every 0 --out"
    assert main([*words.split(), str(tmp_path / "run")]) == 0
    share, what = nearest(tmp_path / "run")
    assert 0 < share < 1 and what in BOUNDS
    line = {"preset": "a", "simd": "avx2", "nearest": share, "what": what, "seconds": 1.0, "rollbacks": 0}
    lines = [{**line, "key": str(code), "code": code} for code in (0, CUT, 4)]
    (tmp_path / "f.jsonl").write_text("\n".join(map(json.dumps, lines)))
    row = show(tmp_path / "f.jsonl").splitlines()[-1].split()
    assert row[:6] == ["a", "avx2", "3", "(1", "cut)", "1"]  # one alarm in three runs


@pytest.mark.slow
def test_the_classifier_of_digits_is_healthy_at_its_default_seed(tmp_path) -> None:
    told = train(Case("jem/digits", 0, "native"), tmp_path / "run", limit=None)
    assert told["code"] == 0 and told["rollbacks"] == 0 and told["nearest"] < 0.8
