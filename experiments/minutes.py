"""Quality against minutes of training: the plot, tables and grids of docs/ladders.md.

python -m experiments.minutes train DATA [--minutes 10] [--systems a,b] [--runs DIR]  every system, its preset
python -m experiments.minutes measure F.json RUN [RUN@SAMPLER ...] [-n 2000]          checkpoints of the runs
python -m experiments.minutes table F.json                                            the last one of each
python -m experiments.minutes plot F.json OUT.png                                     distance against minutes
python -m experiments.minutes grids OUT.png RUN [RUN@SAMPLER ...]                     samples, two rows

Each run has one thread. Minutes are those from the start of a run to the writing of a checkpoint, so runs
must not have been interrupted. Distances are to held-out test images and, to choose by, to 5,000 images set
aside from the training part, which the runs themselves have seen. RUN@SAMPLER measures another sampler of
the model, such as RUN@vae or RUN@base.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import gibbsian as gb
from gibbsian.core.random import Streams
from gibbsian.models.model import EnergyModel
from gibbsian.models.samples import draw_samples
from gibbsian.report.pictures import grid, save_image, to_uint8
from gibbsian.report.tables import over, table
from gibbsian.tasks.chains import every_label
from gibbsian.tasks.evaluator import SampleEvaluator, evaluator_for
from gibbsian.train.checkpoint import step_of
from gibbsian.train.fit import stored_config
from gibbsian.train.folder import RunFolder

SYSTEMS = (
    "igebm generative_convnet short_run icd drl energy_matching score_matching nce cfebm "
    "coopnets acd gebm vaebm cebm jem noise_energy"
).split()
CHECKPOINTS, DRAWS, ASIDE, ROW = 4, 3, 5000, 20
KEYS = ("feature_distance", "confidence", "recall", "diversity", "near_copies")
COLOURS = (
    "#2a6f97 #e09f3e #9e2a2b #6a994e #7b5ea7 #495057 #00a6a6 #d1495b #8d6a2b #5e60ce #43aa8b #f3722c "
    "#577590 #b56576 #000000 #a44a3f #3d5a80"
).split()


def train(data: str, minutes: float, systems: list[str], runs: Path) -> None:
    """Every system for so many minutes, some four checkpoints kept; a run that exists is left as it is.

    The pace is that of the first part: a system with later, slower ones keeps fewer.
    """
    for system in systems:
        out = runs / f"{data}-{system}"
        if (out / "run.json").exists():
            continue
        every = max(probe(system, data) * minutes * 60 / CHECKPOINTS, 1)
        words = [*f"train {system} --data {data} --minutes {minutes} --out {out} --train.keep 99".split()]
        words += ["--train.sample_every", "0", "--train.save_every", str(round(every))]
        subprocess.run([sys.executable, "-m", "gibbsian", *words], check=False)


def probe(system: str, data: str, seconds: float = 20.0) -> float:
    """Updates a second, from a run that is thrown away."""
    import time

    from gibbsian.data.load import load
    from gibbsian.train.fit import prepare
    from gibbsian.train.recipes import resolve

    trainer = prepare(resolve(system, data=data), load(data)).trainer
    for _ in range(5):
        trainer.update()
    begun, made = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        trainer.update()
        made += 1
    return made / (time.monotonic() - begun)


def minute(run: Path, checkpoint: Path) -> float:
    """When a checkpoint was written, in minutes after the start of its run."""
    return ((checkpoint / "state.json").stat().st_mtime - (run / "config.yaml").stat().st_mtime) / 60


def spent(run: Path, checkpoint: Path) -> dict[str, float]:
    """Updates at a checkpoint, and the minutes of a processor that they took, if known."""
    step = step_of(checkpoint)
    known = RunFolder(run).record().get("spent", {}).get(str(step))
    return {"updates": step} | ({"processor": known[1] / 60} if known else {})


def measure(path: Path, runs: list[str], n: int) -> None:
    """Fill `path` with the measures of all checkpoints; those there already, in these features, stay."""
    told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in runs:
        folder, _, sampler = name.partition("@")
        run, rows = Path(folder), told.setdefault(name, {})
        features = held_out(stored_config(run).data, n, "test", -1.0, 1.0).record["features"]
        for checkpoint, draws in spread(run):
            if rows.get(checkpoint.name, {}).get("features") != features:
                found = distances(gb.load(checkpoint), stored_config(run).data, n, sampler, draws)
                rows[checkpoint.name] = {
                    "minutes": minute(run, checkpoint),
                    "features": features,
                    **spent(run, checkpoint),
                    **found,
                }
                path.write_text(json.dumps(told, indent=1) + "\n")
                print(name, checkpoint.name, json.dumps(rows[checkpoint.name]), flush=True)


def spread(run: Path) -> list[tuple[Path, int]]:
    """At most `CHECKPOINTS` checkpoints of a run, one draw of each, and the last one with `DRAWS`."""
    every = sorted((run / "checkpoints").glob("step-*"))
    last, stride = len(every) - 1, max(1, -(-len(every) // CHECKPOINTS))
    return [(every[k], DRAWS if k == last else 1) for k in range(last % stride, last + 1, stride)]


def distances(model: EnergyModel, data: str, n: int, name: str, draws: int) -> dict[str, Any]:
    """Measures against both held-out parts: estimate, and half-width where there are draws for one."""
    rng, sets = Streams(0).eval, list[dict[str, dict[str, float]]]()
    sampler, low, high = model.sampler(name or "default"), model.spec.low, model.spec.high
    for _ in range(draws):
        x = draw_samples(model, sampler, n, rng=rng, y=every_label(model, n, rng)).x
        sets.append({part: held_out(data, n, part, low, high).measure(x) for part in ("test", "validation")})
    out = {}
    for part in ("test", "validation"):
        for key in KEYS:
            values = [s[part][key] for s in sets]
            found = over(values) if draws > 1 else None
            out[f"{part}_{key}"] = [found.estimate, found.half_width] if found else values
    return out | {"held_near_copies": held_out(data, n, "test", low, high).of_held()["near_copies"]}


@cache
def held_out(data: str, n: int, part: str, low: float, high: float) -> SampleEvaluator:
    """The evaluator of one held-out part."""
    aside = ASIDE if part == "validation" else None
    return evaluator_for(data, n, Streams(0).data, low=low, high=high, against=part, validation=aside)


def show(path: Path) -> str:
    """A Markdown table of the last checkpoints, best first by the images set aside."""
    told = json.loads(path.read_text())
    last = {name: max(rows.values(), key=lambda r: r["minutes"]) for name, rows in told.items() if rows}
    ranked = sorted(last.items(), key=lambda item: item[1]["validation_feature_distance"][0])
    head = ["", "minutes", "of a processor", "updates", "test distance", "set aside"]
    head += [key.replace("_", " ") for key in KEYS[1:]]
    if ranked and (held := ranked[0][1].get("held_near_copies")) is not None:
        head[-1] += f" (held-out {held:.3g})"
    keys = ("test_feature_distance", "validation_feature_distance", *(f"test_{key}" for key in KEYS[1:]))
    cells = {
        name: [" ± ".join(f"{v:.3g}" for v in row.get(k, [])) or "-" for k in keys] for name, row in ranked
    }
    body = [[label(name), *times(last[name]), *cells[name]] for name in cells]
    return table(head, body, markdown=True)


def times(row: dict[str, Any]) -> list[str]:
    """Minutes by the wall clock and of a processor, and updates; - where they are not known."""
    processor = f"{row['processor']:.1f}" if "processor" in row else "-"
    return [f"{row['minutes']:.1f}", processor, f"{row['updates']:,}" if "updates" in row else "-"]


def label(name: str) -> str:
    """The paper of a run; its name where that says something else, and the sampler if not the default."""
    folder, _, sampler = name.partition("@")
    system, run = stored_config(folder).system, Path(folder).name
    return system + ("" if run.endswith(system) else f" [{run}]") + (f" ({sampler})" if sampler else "")


def plot(path: Path, out: Path) -> None:
    """Distance to test images against minutes, on two logarithmic axes."""
    from matplotlib.figure import Figure

    told = json.loads(path.read_text())
    figure = Figure(figsize=(8.6, 5.2), layout="constrained")
    panel = figure.subplots()
    ranked = sorted(told, key=lambda k: min(r["test_feature_distance"][0] for r in told[k].values()))
    for k, name in enumerate(ranked):
        rows = sorted(told[name].values(), key=lambda r: r["minutes"])
        x, y = [r["minutes"] for r in rows], [r["test_feature_distance"][0] for r in rows]
        style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "ls": ("-", "--", ":")[k // 8 % 3]}
        panel.plot(x, y, marker="o", ms=3, lw=1.4, label=f"{label(name)}  {y[-1]:.3g}", **style)
    panel.set(xscale="log", yscale="log", xlabel="minutes of training, one core", ylabel="feature distance")
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, which="both", lw=0.5)
    panel.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(out, dpi=120)


def grids(out: Path, runs: list[str]) -> None:
    """Two rows of samples of every run, in order."""
    import numpy as np

    rows = []
    for name in runs:
        folder, _, sampler = name.partition("@")
        model, rng = gb.load(folder), Streams(7).eval
        y = every_label(model, 2 * ROW, rng)
        x = draw_samples(model, model.sampler(sampler or "default"), 2 * ROW, rng=rng, y=y).x
        rows.append(to_uint8(x, model.spec.low, model.spec.high))
        print(label(name), flush=True)
    save_image(grid(np.concatenate(rows), ROW, scale=1), out)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("train")
    one.add_argument("data")
    one.add_argument("--minutes", type=float, default=10)
    one.add_argument("--systems", default=",".join(SYSTEMS))
    one.add_argument("--runs", type=Path, default=Path("runs/minutes"))
    two = kinds.add_parser("measure")
    two.add_argument("file", type=Path)
    two.add_argument("run", nargs="+")
    two.add_argument("-n", type=int, default=2000)
    kinds.add_parser("table").add_argument("file", type=Path)
    four = kinds.add_parser("plot")
    four.add_argument("file", type=Path)
    four.add_argument("out", type=Path)
    five = kinds.add_parser("grids")
    five.add_argument("out", type=Path)
    five.add_argument("run", nargs="+")
    args = parser.parse_args()
    if args.kind == "train":
        train(args.data, args.minutes, args.systems.split(","), args.runs)
    elif args.kind == "measure":
        measure(args.file, args.run, args.n)
    elif args.kind == "table":
        print(show(args.file))
    elif args.kind == "plot":
        plot(args.file, args.out)
    else:
        grids(args.out, args.run)


if __name__ == "__main__":
    main()
