"""No verb is silent for long where its output is no terminal."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sample RUN -n 2", "sample: 1 of 2 steps"),
        ("evaluate RUN -n 16 --draws 2", "(1 of 2): 1 of 2 steps"),
        ("crossclass RUN -n 2 --to 1", "crossclass: 20 of 40 steps"),
        ("study longrun RUN -n 40 --draws 2 --steps 0,2", "chains to step 2: 1 of 2 steps"),
        ("study modes RUN -n 40 --draws 2 --steps 1", "model: 1 of 2 steps"),
        ("restore RUN -n 2", "restore: "),
    ],
)
def test_verbs_say_how_far_they_are(cli, runs, tmp_path, monkeypatch, words, told):
    monkeypatch.setattr("gibbsian.core.pace.EVERY", 0.0)
    monkeypatch.chdir(tmp_path)
    ran = cli(*words.replace("RUN", str(runs["igebm"])).split(), "--out", str(tmp_path / "out.png"))
    assert ran.code == 0 and told in ran.err, ran.err
