"""All systems on densities of the plane at one budget of gradients: docs/ladders.md.

python -m experiments.plane table [--budget 5e6] [--systems a,b] [--data ring,moons] [--sharpness S] [--out F]

The budget counts points at which a network of the system is evaluated for a gradient, by position or by
weights, over the whole training, chains included. Presets `toy` are used, their numbers of updates (and of
the stages of training) scaled to the budget; nothing else is changed. Results are kept in F.json as they
come, and rows that are there already are not made again. Slightly longer than other files, for the table and
its budget read best together.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

import gibbsian as gb
from experiments.grid import Grid
from gibbsian.core.config import step_counted
from gibbsian.core.errors import GibbsianError
from gibbsian.data.load import load
from gibbsian.data.toy import toy
from gibbsian.models.model import EnergyModel
from gibbsian.models.samples import draw_samples
from gibbsian.nets.frozen import frozen
from gibbsian.report.tables import over, table
from gibbsian.tasks.evaluator import evaluator_for
from gibbsian.train.budget import scaled
from gibbsian.train.fit import finished, prepare
from gibbsian.train.recipes import RunConfig, presets, resolve

DATA = ("checkerboard", "ring", "moons")
SYSTEMS = (
    "igebm generative_convnet short_run icd drl energy_matching score_matching nce "
    "coopnets acd gebm vaebm cebm"
).split()
IN_LATENTS = {"gebm", "vaebm", "coopnets", "acd"}
"""Their energy is relative to a generator, or was not meant as the density."""
N, DRAWS, PROBE = 4000, 3, 25


class Meter:
    """Counts rows that outermost modules evaluate where a gradient may follow."""

    def __init__(self) -> None:
        self.rows, self._depth = 0, 0

    def before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Called before every module's forward."""
        if not self._depth and torch.is_grad_enabled():
            self.rows += _rows(inputs)
        self._depth += 1

    def after(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """Called after it."""
        self._depth -= 1


@contextmanager
def metered() -> Iterator[Meter]:
    """A meter that sees every module in here."""
    meter = Meter()
    handles = [
        hooks.register_module_forward_pre_hook(meter.before),
        hooks.register_module_forward_hook(meter.after, always_call=True),
    ]
    try:
        yield meter
    finally:
        for handle in handles:
            handle.remove()


def _rows(inputs: tuple[Any, ...]) -> int:
    first = inputs[0] if inputs else None
    first = first[0] if isinstance(first, tuple) else first
    return len(first) if isinstance(first, Tensor) and first.dim() else 0


def sized(system: str, data: str, budget: float, sharpness: float | None = None) -> RunConfig:
    """The toy preset with as many updates as `budget` pays for; with another `sharpness` if one is given."""
    fixed: dict[str, Any] = {"train.sample_every": 0}
    if sharpness is not None:
        fixed["net.sharpness"] = sharpness
    plain = resolve(system, data=data, changes=fixed)
    spent = total_cost(plain, data)
    share = budget / spent
    changes: dict[str, Any] = {"train.steps": max(round(plain.train.steps * share), 20)}
    changes |= scaled(step_counted(plain.model), share)
    return resolve(system, data=data, changes={**fixed, **changes})


def total_cost(config: RunConfig, data: str) -> float:
    """Gradient rows of the whole preset, from a few updates of each of its stages."""
    trainer = prepare(config, load(data)).trainer
    marks = [0, *(s for s in trainer.learner.milestones() if s < config.train.steps), config.train.steps]
    total = 0.0
    for start, end in zip(marks[:-1], marks[1:], strict=True):
        trainer.step = start
        with metered() as meter:
            for _ in range(PROBE):
                trainer.update()
        total += meter.rows / PROBE * (end - start)
    return total


def trained(config: RunConfig, data: str) -> tuple[EnergyModel, float, int]:
    """The model, seconds of training, gradient rows spent."""
    trainer = prepare(config, load(data)).trainer
    begun = time.monotonic()
    with metered() as meter:
        trainer.fit(progress=False)
    return finished(trainer), time.monotonic() - begun, meter.rows


def measured(model: EnergyModel, name: str, data: str) -> dict[str, Any]:
    """Both divergences, modes found, and that of exp(-E/T) on the grid where a density is claimed."""
    evaluator, rng = evaluator_for(data, N, gb.generator(1)), gb.generator(0)
    draws = [
        evaluator.measure(draw_samples(model, model.sampler(), N, rng=rng, chunk=N).x) for _ in range(DRAWS)
    ]
    told: dict[str, Any] = {}
    for key in draws[0]:
        found = over([d[key] for d in draws])
        told[key] = [found.estimate, found.half_width]
    if model.claims_density and name not in IN_LATENTS:
        told["grid_kl"] = grid_kl(model, data)
    return told


def grid_kl(model: EnergyModel, data: str) -> float:
    """KL(truth || exp(-E/T)) in nats on [-4, 4]^2; the truth is the data, with denoising's noise on them."""
    density, grid = toy(data.removeprefix("toy:")), Grid(-4, 4, 200)

    def learnt(x: Any) -> Tensor:
        return model.neg_log_prob(x.float())

    def truth(x: Any) -> Tensor:
        return -density.log_density(x.double())

    with frozen(model), torch.no_grad():
        log_q = grid.log_density(learnt)
    p = grid.log_density(truth).exp()
    p = blurred(p, blur_of(model) / (8 / 199))
    mass = grid.log_weights().exp() * p
    mass = mass / mass.sum()
    log_p = (mass.log() - grid.log_weights()).double()
    return float(torch.where(mass > 0, mass * (log_p - log_q), 0.0).sum())


def blur_of(model: EnergyModel) -> float:
    """The noise that denoising score matching learnt with its data, else 0."""
    matching = getattr(model.record.config, "matching", None) if model.record else None
    return float(matching.sigma_min) if matching and matching.method == "denoising" else 0.0


def blurred(p: Tensor, cells: float) -> Tensor:
    """A density on a square grid with Gaussian noise of so many cells."""
    if not cells:
        return p
    reach = torch.arange(-50, 51, dtype=p.dtype)
    kernel = torch.exp(-(reach**2) / (2 * cells**2))
    kernel = (kernel / kernel.sum()).reshape(1, 1, -1, 1)
    once = torch.nn.functional.conv2d(p[None, None], kernel, padding=(50, 0))
    return torch.nn.functional.conv2d(once, kernel.mT, padding=(0, 50))[0, 0]


def one(name: str, data: str, budget: float, sharpness: float | None) -> dict[str, Any]:
    """A row of the table: or the reason why there is none."""
    try:
        config = sized(name, data, budget, sharpness)
        model, seconds, rows = trained(config, data)
    except GibbsianError as error:
        return {"failed": str(error)}
    return {
        "updates": config.train.steps,
        "seconds": round(seconds, 1),
        "rows": rows,
        "matched": model.claims_density,
        **measured(model, name, data),
    }


def exact(data: str) -> dict[str, Any]:
    """What exact draws score."""
    evaluator, density, rng = (
        evaluator_for(data, N, gb.generator(1)),
        toy(data.removeprefix("toy:")),
        gb.generator(2),
    )
    draws = [evaluator.measure(density.draw(N, rng)) for _ in range(DRAWS)]
    found = {k: over([d[k] for d in draws]) for k in draws[0]}
    return {k: [v.estimate, v.half_width] for k, v in found.items()}


def show(results: dict[str, Any]) -> str:
    """A Markdown table for every density."""
    parts = []
    for data, rows in results["data"].items():
        head = [
            "",
            "updates",
            "s",
            "KL(data, samples)",
            "KL(samples, data)",
            "modes",
            "near a mode",
            "KL on the grid",
        ]
        body = [line(name, rows[name]) for name in sorted(rows, key=rank)]
        parts.append(f"**{data}**\n\n" + table(head, body, markdown=True))
    return "\n\n".join(parts)


def rank(name: str) -> int:
    """Place in the table: exact draws, then the systems in their order."""
    return SYSTEMS.index(name) if name in SYSTEMS else -1


def line(name: str, row: dict[str, Any]) -> list[str]:
    """One row; a dash where there is no such number."""
    if "failed" in row:
        return [name, *["-"] * 6, row["failed"]]
    cells = [pair(row.get(k)) for k in ("kl_forward", "kl_reverse", "mode_recall", "mode_quality")]
    grid = f"{row['grid_kl']:.3g}" if "grid_kl" in row else "-"
    return [name, str(row.get("updates", "-")), f"{row.get('seconds', 0):.0f}", *cells, grid]


def pair(value: list[float] | None) -> str:
    """Estimate and half-width."""
    return "-" if value is None else f"{value[0]:.3g} ± {value[1]:.2g}"


def run_table(args: argparse.Namespace) -> None:
    """Fill the table, a row at a time."""
    path = Path(args.out)
    results = json.loads(path.read_text()) if path.exists() else {"budget": args.budget, "data": {}}
    for data in (f"toy:{d}" for d in args.data.split(",")):
        rows = results["data"].setdefault(data, {})
        rows.setdefault("exact draws", exact(data))
        for name in args.systems.split(","):
            if name not in rows and "toy" in presets(name):
                rows[name] = one(name, data, args.budget, args.sharpness)
                path.write_text(json.dumps(results, indent=1) + "\n")
                print(data, name, json.dumps(rows[name]), flush=True)
    print(show(results))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["table"])
    parser.add_argument("--budget", type=float, default=5e6)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--data", default=",".join(DATA))
    parser.add_argument("--sharpness", type=float, help="net.sharpness of all; else the presets' own")
    parser.add_argument("--out", default="runs/plane.json")
    run_table(parser.parse_args())


if __name__ == "__main__":
    main()
