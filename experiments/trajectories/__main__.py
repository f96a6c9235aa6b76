"""Energies of transitions beside regression and mixture-density networks: the tables of docs/trajectories.md.

python -m experiments.trajectories two_way [--seeds 3] [--steps 2000] [--out OUT.png]
python -m experiments.trajectories ring
python -m experiments.trajectories adroit [--actions] [--seeds 3] [--steps 800]
python -m experiments.trajectories decay [--seeds 3]        by which each method's weight decay was chosen

two_way and ring: KL(exact || histogram) of the place after one and after ten steps, in nats, of 20,000 paths
from 0, and held-out nats a step. adroit: rollouts of 50 steps from windows of the held-out demonstrations.
Intervals are of 95 % over seeds of training (Student's t).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .baselines import Fitting
from .hand import adroit, decays
from .masses import GRIDS, point_mass


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*GRIDS, "adroit", "decay"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--actions", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.what in ("adroit", "decay"):
        how = Fitting(asked.steps or 800, batch=128, decay=0.8, noise=0.1)
        found = decays(asked.seeds, how, (2, 5)) if asked.what == "decay" else None
        print(found or adroit(asked.seeds, how, asked.actions, (2, 5)))
    else:
        how = Fitting(asked.steps or 2000)
        print(point_mass(asked.what, asked.seeds, how, asked.out, (2, 8)))


if __name__ == "__main__":
    main()
