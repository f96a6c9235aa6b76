"""A small run that goes on with whatever its folder holds: `python run_to_kill.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from gibbsian.core.config import override
from gibbsian.data.load import load
from gibbsian.recipes.igebm import IGEBMConfig
from gibbsian.systems.registry import make
from gibbsian.train.fit import fit

sys.path.insert(0, str(Path(__file__).parents[1]))
from cases import KILLED  # noqa: E402

STEPS = 120


def main(out: str) -> None:
    torch.set_num_threads(1)
    system = make("igebm", override(IGEBMConfig(), KILLED), (2,))
    fit(
        system,
        load("toy:ring").take(512),
        steps=STEPS,
        out=out,
        resume="auto",
        progress=False,
        train__batch_size=16,
        train__lr=1e-3,
        train__save_every=5,
        train__log_every=1,
        train__average=0.99,
        train__sample_every=0,
        train__keep=2,
    )


if __name__ == "__main__":
    main(sys.argv[1])
