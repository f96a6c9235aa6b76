"""Combinations never seen: a sum of two energies beside supervised generators, by the share seen.

python -m experiments.sprites.generalise size|shape --regressor FILE --out FOLDER [--shares 0,.01,...]

The grid is every size (or shape) at every place. The energy of sizes learns from all sizes in the centre,
that of places from all places at the least size, each alone, by score matching with noise levels. Then their
sum is tuned on the cells seen: both axes, and a share of the others. A generator learns from conditions to
images on the same cells with as many updates. Errors are mean squares a pixel (white 1) on cells not seen,
with 95 % over cells; right is the share in which the regressor (one of --side 16) finds both attributes.
FOLDER keeps the runs, so that the command goes on where it was stopped, and results.json, curve.png, images.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

import gibbsian as gb
from experiments.sprites import regressor as regressing
from experiments.sprites.cells import SIDE, Cells, cells
from experiments.sprites.generators import GENERATORS, trained
from experiments.sprites.parts import Anywhere, Summed
from experiments.sprites.regressor import Errors, Regressor
from gibbsian.core.energy import score_function
from gibbsian.core.errors import UsageError
from gibbsian.core.random import derive, generator, seeded_init
from gibbsian.metrics.interval import Interval, mean_interval, share_interval
from gibbsian.models.sampler import RunOptions
from gibbsian.models.score_matching.config import MatchingConfig
from gibbsian.models.score_matching.told import at_level
from gibbsian.nets.autoencoder import Autoencoder
from gibbsian.nets.settings import AutoencoderConfig
from gibbsian.objectives.score_matching import tweedie
from gibbsian.report.pictures import save_image, sheet
from gibbsian.report.plots import beside_title, named, panels, whiskers
from gibbsian.report.tables import table

LADDER = MatchingConfig(levels=10, sigma_max=6.0)
SUM, APART, PLAIN = "sum of energies", "apart, right sum", "apart, plain sum"
SHOWN = 16


@dataclass(frozen=True)
class Budget:
    """Updates, on 64 images each, of the first attribute's energy, of the place's, and of their sum; steps of
    the chains; cells not seen that are measured; highest noises at which the place counts, and how strongly;
    1 to hold the first energy while the sum is tuned, since what is seen are mostly sprites of one kind."""

    first: int = 400
    place: int = 800
    tune: int = 200
    chain: int = 60
    measured: int = 160
    told: int = 6
    strength: float = 4.0
    hold: int = 1

    @property
    def updates(self) -> int:
        """All of them, which a generator gets too."""
        return self.first + self.place + self.tune


class Energies:
    """The energies of a grid, trained apart as they are first asked for, and their sums."""

    def __init__(self, grid: Cells, budget: Budget, seed: int, out: Path) -> None:
        self.grid, self.budget, self.seed, self.out = grid, budget, seed, out
        self.sizes = grid.of_first.shape[1], grid.of_place.shape[1], LADDER.levels
        self._parts: tuple[nn.Module, nn.Module] | None = None

    def apart(self) -> tuple[nn.Module, nn.Module]:
        """The network of the first attribute and that of the place."""
        if self._parts is None:
            first, place, levels = self.sizes
            with seeded_init(generator(derive(self.seed, "parts"))):
                nets = (
                    Anywhere(first, LADDER.sigmas),
                    Autoencoder((1, SIDE, SIDE), AutoencoderConfig(condition=(place + levels,))),
                )
            grid, budget = self.grid, self.budget
            self._fit("first", nets[0], grid.first_axis, grid.of_first, budget.first, dropout=0.5)
            self._fit("place", nets[1], grid.place_axis, grid.of_place, budget.place, dropout=0.5)
            self._parts = nets
        return self._parts

    def tuned(self, seen: Tensor | None, name: str, plain: bool = False) -> tuple[Summed, Any]:
        """The sum and its model, tuned on the cells `seen`, or as trained apart."""
        net = Summed(*deepcopy(self.apart()), self.sizes, self.budget.told, plain)
        net.first.requires_grad_(not self.budget.hold)
        if seen is None:
            return net, self._fit("", net, self.grid.place_axis, self.conditions, 0)
        return net, self._fit(name, net, seen, self.conditions, self.budget.tune)

    def images(self, asked: Tensor, seen: Tensor | None, name: str, plain: bool = False) -> Tensor:
        """Samples of the cells with numbers `asked`, from `tuned`."""
        net, model = self.tuned(seen, name, plain)
        net.strength = self.budget.strength
        y = self.conditions[asked]
        options = RunOptions(precision="bf16")
        x = model.sample(len(y), y=y, seed=self.seed, chunk=len(y), options=options).x
        with gb.frozen(model):
            score = cast(Tensor, score_function(at_level(model, -1, y), x))
        return (tweedie(x, LADDER.sigma_min, score)[:, 0] / model.spec.high).clamp(0, 1)

    @property
    def conditions(self) -> Tensor:
        """Both conditions of every cell, `(N, D)`."""
        return torch.cat([self.grid.of_first, self.grid.of_place], 1)

    def _fit(
        self, name: str, net: nn.Module, which: Tensor, c: Tensor, steps: int, dropout: float = 0.0
    ) -> Any:
        kept: dict[str, Any] = {"out": self.out / name, "resume": "auto"} if name else {}
        settings: dict[str, Any] = {
            "matching__levels": LADDER.levels, "matching__sigma_max": LADDER.sigma_max,
            "start__scale": LADDER.sigma_max, "chain__steps": self.budget.chain,
            "net__condition_dropout": dropout, "train__precision": "bf16", "train__save_every": 100_000,
            "train__lr": 2e-3 if dropout else 1e-3,
        }  # fmt: skip
        data = self.grid.dataset(which, c)
        return gb.fit(
            "score_matching", data, net=net, steps=steps, seed=self.seed, preset="sprites", progress=False,
            **kept, **settings,
        )  # fmt: skip


def measure(images: Tensor, grid: Cells, asked: Tensor, regressor: Regressor) -> dict[str, Any]:
    """Squared error and share right of images `(n, SIDE, SIDE)` of the cells `asked`."""
    errors = (images - grid.images[asked]).square().mean((1, 2))
    found = Errors.between(regressor.read(images), grid.sprites[asked])
    hits = found.right()
    first = hits["scale"] if len(grid.first.unique()) > 3 else hits["shape"]
    right = share_interval(int((first & hits["position"]).sum()), len(asked))
    return {
        "n": len(asked), "error": list(asdict(mean_interval(errors)).values()),
        "median": float(errors.median()), "right": list(asdict(right).values()),
        "scale": float(found.scale.median()), "pixels": float(found.position.median()) * SIDE / 32,
        "shape": float(found.shape.float().mean()),
    }  # fmt: skip


def at_share(share: float, energies: Energies, regressor: Regressor) -> tuple[dict[str, Any], Tensor]:
    """A row for every method at one share seen, and some of their images below what was asked for."""
    grid, budget, seed = energies.grid, energies.budget, energies.seed
    seen = grid.seen(share, seed)
    others, rng = (~seen).nonzero()[:, 0], generator(derive(seed, "measured"))
    asked = others[torch.randperm(len(others), generator=rng)[: budget.measured]]
    known = seen.nonzero()[:, 0]
    known = known[torch.randperm(len(known), generator=rng)[: budget.measured // 4]]
    both = torch.cat([asked, known])
    methods: dict[str, Callable[[], Tensor]] = {SUM: lambda: energies.images(both, seen, f"sum-{share:g}")}
    if share == 0:
        methods[APART] = lambda: energies.images(both, None, "apart")
        methods[PLAIN] = lambda: energies.images(both, None, "plain", plain=True)
    for name in GENERATORS:
        methods[name] = partial(_generated, name, energies, seen, both)
    methods |= {"blank": lambda: torch.zeros(len(both), SIDE, SIDE), "renders": lambda: grid.images[both]}
    rows: dict[str, Any] = {}
    tiles = [grid.images[asked][:SHOWN]]
    for name, make in methods.items():
        began = time.process_time()
        images, n = make(), len(asked)
        rows[name] = measure(images[:n], grid, asked, regressor)
        rows[name]["seen"] = float((images[n:] - grid.images[known]).square().mean())
        rows[name]["seconds"] = time.process_time() - began
        print(f"{share:g} seen, {name}: {_cell(rows[name])}, {rows[name]['seconds']:.0f} s", flush=True)
        tiles += [images[:SHOWN]] if name in (SUM, *GENERATORS) else []
    return rows, torch.cat(tiles)


def _generated(name: str, energies: Energies, seen: Tensor, asked: Tensor) -> Tensor:
    """What a generator that learnt on the cells `seen` makes of those `asked`."""
    grid, c = energies.grid, energies.conditions
    model = trained(name, c[seen], grid.images[seen], energies.budget.updates, energies.seed)
    with torch.no_grad():
        return cast(Tensor, model(c[asked])).clamp(0, 1)


def _cell(row: dict[str, Any]) -> str:
    error, low, high = (1000 * v for v in row["error"][:3])
    return f"{error:.2f} ({low:.2f} to {high:.2f}), {100 * row['right'][0]:.0f} % right"


def curve(found: dict[str, Any], path: Path) -> None:
    """Errors against the share seen."""
    figure, (panel,) = panels(1, 1)
    for k, name in enumerate((SUM, *GENERATORS, "blank")):
        rows = [(float(share), rows[name]) for share, rows in found.items() if name in rows]
        x = [100 * share + 0.3 * k for share, _ in rows]
        whiskers(panel, x, [Interval(*row["error"]) for _, row in rows], label=name)
    named(panel, "", "share of combinations seen, %", "squared error a pixel")
    beside_title(panel)
    panel.set(yscale="log")
    figure.savefig(path, dpi=110)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attribute", choices=("size", "shape"))
    parser.add_argument("--regressor", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shares", default="0,0.01,0.05,0.1,0.25,0.5")
    parser.add_argument("--seed", type=int, default=0)
    for name, value in asdict(Budget()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = parser.parse_args()
    budget = Budget(**{name: getattr(given, name) for name in asdict(Budget())})
    found = study(given.attribute, given.shares, given.regressor, given.out, budget, given.seed)
    names = dict.fromkeys(name for rows in found.values() for name in rows)
    head = ["1000 x squared error", *(f"{100 * float(share):g} % seen" for share in found)]
    print(table(head, [[n, *(_cell(r[n]) if n in r else "" for r in found.values())] for n in names]))


def study(
    attribute: str, shares: str, file: Path, out: Path, budget: Budget, seed: int = 0
) -> dict[str, Any]:
    """The rows by share, kept in `out`, where those that are there already are not made again."""
    out.mkdir(parents=True, exist_ok=True)
    energies = Energies(cells(attribute), budget, seed, out)
    regressor, results = regressing.load(file, SIDE), out / "results.json"
    about = {"attribute": attribute, "seed": seed, **asdict(budget)}
    kept = json.loads(results.read_text()) if results.is_file() else {}
    if kept and kept["about"] != about:
        raise UsageError(f"{out} holds results of other settings: give another folder with --out")
    found: dict[str, Any] = kept.get("rows", {})
    for share in shares.split(","):
        if share not in found:
            found[share], tiles = at_share(float(share), energies, regressor)
            results.write_text(json.dumps({"about": about, "rows": found}, indent=1))
            save_image(sheet(tiles[:, None], 0, 1, SHOWN), out / f"images-{share}.png")
            curve(found, out / "curve.png")
    return found


if __name__ == "__main__":
    main()
