"""A small run that goes on with whatever its folder holds, in processes that can be killed.

`python run_to_kill.py` reads folders from its input. For each it forks a process that trains there, prints
that process's id, waits, and prints how it ended: all that importing costs is paid once.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import torch

from gibbsian.core.config import override
from gibbsian.data.load import load
from gibbsian.models.build import build
from gibbsian.models.igebm.config import IGEBMConfig
from gibbsian.train.fit import fit

sys.path.insert(0, str(Path(__file__).parents[1]))
from cases import KILLED  # noqa: E402

STEPS = 120


def main(out: str | None, steps: int = STEPS) -> None:
    """Train to the end, from the newest checkpoint of `out` on; without a folder nothing is kept."""
    torch.set_num_threads(1)
    learner = build("igebm", override(IGEBMConfig(), KILLED), (2,))
    fit(
        learner,
        load("toy:ring").take(512),
        steps=steps,
        out=out,
        resume="auto" if out else None,
        progress=False,
        train__batch_size=16,
        train__lr=1e-3,
        train__save_every=5,
        train__log_every=1,
        train__average=0.99,
        train__sample_every=0,
        train__keep=2,
    )


def serve() -> None:
    """A process for every folder that is named on the input."""
    main(None, steps=1)  # imports what training imports
    for line in sys.stdin:
        process = os.fork()
        if not process:
            run_and_leave(line.strip())
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)


def run_and_leave(out: str) -> None:
    """Train in a forked process, which must not go on with its parent's work."""
    code = 1
    try:
        main(out)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
