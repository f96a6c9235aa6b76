"""The whole road in one command: train on the built-in digits, sample, look, measure.

Writes demo/: samples.png, chains.gif, energies.png, report.json and the run folder demo/run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import torch

import gibbsian as gb
from gibbsian.core.errors import GibbsianError
from gibbsian.data.load import load
from gibbsian.models.samples import draw_samples
from gibbsian.nets.frozen import frozen
from gibbsian.report.pictures import grid, save_gif, save_image, to_uint8
from gibbsian.tasks.evaluate import Report, evaluate
from gibbsian.tasks.film import Film, frames
from gibbsian.train.fit import finished, prepare
from gibbsian.train.recipes import resolve


def main() -> int:
    args = arguments()
    out = Path(args.out)
    begun = time.monotonic()
    try:
        model = train(out / "run", args.seed, args.steps, args.compile)
        say(f"trained in {time.monotonic() - begun:.0f} s; sampling")
        drawn = model.sample(100, seed=args.seed)
        low, high = model.spec.low, model.spec.high
        save_image(grid(to_uint8(drawn.x, low, high), columns=10), out / "samples.png")
        film(model, out / "chains.gif", args.seed)
        histogram(model, out / "energies.png", args.seed)
        report = evaluate(model, "digits", n=400, draws=5, seed=args.seed, progress=say)
    except GibbsianError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    (out / "report.json").write_text(json.dumps(report.to_dict(), indent=1))
    conclude(report, out, time.monotonic() - begun)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="demo", help="folder for pictures and the run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=None, help="weight updates (default: the preset's)")
    parser.add_argument("--compile", choices=("never", "auto", "always"), default="never")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr)


def train(folder: Path, seed: int, steps: int | None, compile: str) -> gb.EnergyModel:
    """The default recipe for digits, in a fresh run folder."""
    shutil.rmtree(folder, ignore_errors=True)
    config = resolve("short_run", data="digits", changes={"train.seed": seed, "train.compile": compile})
    say(f"training short_run on digits: {steps or config.train.steps} updates")
    prepared = prepare(config, load("digits"), out=folder, notify=say)
    prepared.trainer.fit(steps)
    return finished(prepared.trainer)


def film(model: gb.EnergyModel, path: Path, seed: int) -> None:
    """Sixteen chains from noise to sample."""
    watched = Film(model.sampler())
    draw_samples(model, watched, 16, rng=gb.generator(seed), chunk=16, observe=watched.observe)
    save_gif(frames(model, watched), path)


def histogram(model: gb.EnergyModel, path: Path, seed: int) -> None:
    """Energies of held-out data, of samples and of uniform noise."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    low, high = model.spec.low, model.spec.high
    test = load("digits", "test")
    rng = gb.generator(seed)
    sets = {
        "held-out digits": test.batch(torch.arange(len(test)), low, high).x,
        "samples": model.sample(400, seed=seed).x,
        "noise": low + (high - low) * torch.rand(400, *model.spec.event_shape, generator=rng),
    }
    with frozen(model), torch.no_grad():
        energies = {name: model.energy(x) for name, x in sets.items()}
    figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
    edges = torch.linspace(
        float(min(e.min() for e in energies.values())), float(max(e.max() for e in energies.values())), 60
    )
    for (name, e), colour in zip(energies.items(), ("#222222", "#e23d28", "#7d8ca3"), strict=True):
        axes.hist(e.numpy(), edges.tolist(), alpha=0.65, label=name, color=colour)
    axes.set(xlabel="energy E(x): low is likely", ylabel="images")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def conclude(report: Report, out: Path, seconds: float) -> None:
    """The summary on screen, with what to try next."""
    print(
        f"\nSamples from noise against {report.record['held_out']} held-out digits, "
        f"n = {report.n}, mean of {report.draws} draws, 95 % intervals:\n"
    )
    print(report.table())
    print(f"\n{seconds:.0f} s in all. Pictures: {out}/samples.png, {out}/chains.gif, {out}/energies.png")
    print(f"Next: .venv/bin/gibbsian sample {out}/run -n 64 --out grid.png")


if __name__ == "__main__":
    sys.exit(main())
