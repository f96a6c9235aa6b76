"""Tables of docs/results.md that one `gibbsian evaluate` does not make.

python -m experiments.results ensemble RUN  past weights in turn against the latest weights alone
python -m experiments.results seeds N       the digits recipe in N seeds: alarms of the monitor, distances
"""

from __future__ import annotations

import argparse
import sys

import gibbsian as gb
from gibbsian.core.errors import DivergedError
from gibbsian.core.random import Streams
from gibbsian.models.igebm.learner import PastWeights
from gibbsian.tasks.evaluate import Report, evaluate
from gibbsian.tasks.evaluator import evaluator_for
from gibbsian.train.fit import stored_config

SHOWN = ("feature_distance", "normalised", "confidence", "class_entropy", "nn_ratio", "asked_class")


def show(name: str, report: Report) -> None:
    """One row of the table."""
    cells = [f"{v.estimate:.3f} ± {v.half_width:.2g}" for k in SHOWN if (v := report.model.get(k))]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def ensemble(run: str, n: int) -> None:
    """The same run sampled three ways, n samples in five draws each."""
    data = stored_config(run).data
    averaged, raw = gb.load(run), gb.load(run, averaged=False)
    of_averaged, of_raw = averaged.sampler(), raw.sampler()
    assert isinstance(of_averaged, PastWeights) and isinstance(of_raw, PastWeights)
    print("| weights | " + " | ".join(SHOWN) + " |\n|" + " --- |" * (len(SHOWN) + 1))
    show("averaged", evaluate(averaged, data, n=n, sampler=of_averaged.latest))
    show("last", evaluate(raw, data, n=n, sampler=of_raw.latest))
    show(f"{len(of_raw.model.past)} past, in turn", evaluate(raw, data, n=n))


def seeds(first: int, count: int) -> None:
    """Train the digits recipe on its training part in `count` seeds; distances to 197 validation digits."""
    evaluator = evaluator_for("digits", 197, Streams(0).eval, against="validation", validation=197)
    train = gb.dataset("digits", "train", validation=197)
    for name, draw in evaluator.baselines().items():
        distances = [evaluator.measure(draw(400, gb.generator(k)))["feature_distance"] for k in range(5)]
        print(f"{name}: feature distance {sum(distances) / 5:.1f} (mean of 5 draws)", flush=True)
    alarms = 0
    for seed in range(first, first + count):
        try:
            model = gb.fit("short_run", train, train__seed=seed, progress=False)
            found = evaluator.measure(model.sample(400, seed=seed).x)
            print(f"seed {seed}: " + "  ".join(f"{k} {v:.3f}" for k, v in found.items()), flush=True)
        except DivergedError as error:
            alarms += 1
            print(f"seed {seed}: {error}", flush=True)
    print(f"{alarms} alarms in {count} seeds")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("ensemble")
    one.add_argument("run")
    one.add_argument("-n", type=int, default=2000)
    many = kinds.add_parser("seeds")
    many.add_argument("count", type=int)
    many.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    if args.kind == "ensemble":
        ensemble(args.run, args.n)
    else:
        seeds(args.first, args.count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
