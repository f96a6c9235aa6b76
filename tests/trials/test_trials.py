"""Every script beside this file exits with 0: each says on top what right is, and what was wrong once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPTS = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("test_"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_person_s_own_material(name, tmp_path):
    source = str(HERE.parents[1] / "src")
    ran = subprocess.run(
        [sys.executable, str(HERE / f"{name}.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]


def test_there_is_a_script_for_every_kind():
    assert len(SCRIPTS) == 18
