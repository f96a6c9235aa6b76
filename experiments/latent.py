"""Plane figures and tables of docs/latent.md: a base, an energy that weighs it, chains between.

python -m experiments.latent weights [--out F.json]         mode weights that each kernel recovers
python -m experiments.latent switch [--out F.json]          mode switches a gradient, by kernel
python -m experiments.latent picture OUT.png                explicit EBM, GAN and GEBM on data along a line
python -m experiments.latent gradients --run RUN --run RUN  VAEBMs by 30 gradients of Langevin and of HMC
python -m experiments.latent stacked --run RUN --run RUN    modes and KL of Stacked MNIST models
python -m experiments.latent gans --run RUN --run RUN       GANs alone, by rejection and by latent chains
python -m experiments.latent strips OUT.png --run RUN       chains of a trained GEBM at t = 0, 20, ..., 100
python -m experiments.latent kernels OUT.png --run RUN      quality of its chains a gradient, by kernel

Models are trained where there are none yet, and kept in runs/. Longer than other files, because each part is
one table or figure of docs/latent.md and they share little.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gibbsian as gb
from experiments.strips import strip
from gibbsian.core.position import Position
from gibbsian.data.load import load
from gibbsian.data.toy import ToyDensity, toy
from gibbsian.mcmc.base import run
from gibbsian.mcmc.kernels import kernel_of
from gibbsian.mcmc.settings import LatentConfig
from gibbsian.metrics.interval import Interval, mean_interval
from gibbsian.models.gebm.model import TiltedGenerator
from gibbsian.models.model import EnergyModel
from gibbsian.models.sampler import Sampler
from gibbsian.models.samples import Samples, draw_samples
from gibbsian.nets.frozen import frozen
from gibbsian.report.pictures import beside, save_image
from gibbsian.tasks.evaluator import SampleEvaluator, evaluator_for
from gibbsian.train.fit import finished, prepare, stored_config
from gibbsian.train.load import load_samplers
from gibbsian.train.recipes import resolve

RUNS = Path("runs")
SMALL: dict[str, Any] = {"energy_steps": 2, "energy_first": 10}
BURN_IN, KEPT, APART, CHAINS = 500, 20, 20, 5_000
KERNELS = {
    "overdamped Langevin": LatentConfig("langevin", step_size=0.02),
    "MALA": LatentConfig("mala", step_size=0.3),
    "HMC": LatentConfig("hmc", step_size=0.2, leapfrogs=5),
    "kinetic (ABOBA)": LatentConfig("kinetic", step_size=0.1, friction=0.5),
    "kinetic (BAOAB)": LatentConfig("kinetic", step_size=0.1, friction=0.5, splitting="baoab"),
    "independent Metropolis": LatentConfig("independent"),
}
CHAINLESS = {
    "importance, 10 candidates": LatentConfig("importance", candidates=10),
}


def tilted() -> tuple[TiltedGenerator, ToyDensity]:
    """A base trained on four equal modes, then an energy alone on weights .1, .2, .3, .4."""
    even = trained("latent-even", "gebm", "toy:line_even", **{**SMALL, "train.steps": 3000})
    changes: dict[str, Any] = {"base": "frozen", "penalty": 0.005, "train.steps": 3000}
    model = trained("latent-line", "gebm", "toy:line", start=even, **changes)
    assert isinstance(model, TiltedGenerator)
    return model, toy("line")


def drawn(
    model: EnergyModel, n: int, rng: torch.Generator, sampler: Sampler | str = "default", chunk: int = 512
) -> Samples:
    """`n` samples by one of the model's samplers, or another one."""
    chosen = model.sampler(sampler) if isinstance(sampler, str) else sampler
    return draw_samples(model, chosen, n, rng=rng, chunk=chunk)


def trained(
    name: str, paper: str, data: str, start: EnergyModel | None = None, **changes: Any
) -> EnergyModel:
    """A model fitted to a toy density from its preset with `changes`, kept in RUNS."""
    folder = RUNS / name
    config = resolve(paper, data=data, changes={"train.sample_every": 0, **changes})
    made = prepare(config, load(data), out=folder, resume="auto")
    if start is not None and made.trainer.step == 0:
        made.trainer.model.load_state_dict(start.state_dict())
    made.trainer.fit()
    return finished(made.trainer)


def modes(model: TiltedGenerator, z: Tensor, density: ToyDensity) -> Tensor:
    """The nearest mode of G(z), shape of `z` without its last axis."""
    x = model.generated(z.reshape(-1, z.shape[-1])).double()
    return torch.cdist(x, density.modes).argmin(1).reshape(z.shape[:-1])


def shares(which: Tensor, k: int) -> Tensor:
    """Share of each of `k` modes."""
    return torch.bincount(which.flatten(), minlength=k) / which.numel()


def chains(
    model: TiltedGenerator,
    latent: LatentConfig,
    rng: torch.Generator,
    *,
    kept: int = KEPT,
    thin: int = APART,
    n: int = CHAINS,
) -> tuple[Tensor, Any]:
    """Latents `(kept, n, d)`, `thin` steps apart, after burn-in, and the summary of the chain."""
    with frozen(model):
        energy, kernel = model.potential(latent.beta), kernel_of(latent)
        start = run(kernel, energy, model.prior(n, rng), steps=BURN_IN, rng=rng, evaluate=False)
        chain = run(kernel, energy, start.state, steps=kept * thin, rng=rng, thin=thin, evaluate=False)
    trace: Position | None = chain.trace
    assert isinstance(trace, Tensor)
    return trace, chain.info


def weights() -> dict[str, Any]:
    """Mode weights by every kernel, 100,000 draws each, beside data and base; c beside A."""
    model, density = tilted()
    rng, k = gb.generator(0), len(density.modes)
    wanted = shares(density.draw_labelled(1_000_000, rng)[1], k)
    told: dict[str, Any] = {"data": wanted.tolist()}
    base = drawn(model, 100_000, rng, "base", chunk=20_000)
    told["base"] = row(torch.bincount(nearest(base.x, density), minlength=k) / 1e5, wanted)
    for name, latent in KERNELS.items():
        z, info = chains(model, latent, rng)
        told[name] = row(shares(modes(model, z, density), k), wanted)
        if info.acceptance is not None:
            told[name]["acceptance"] = round(float(info.acceptance.mean()), 3)
        print(name, told[name], flush=True)
    for name, latent in CHAINLESS.items():
        x = drawn(model, 100_000, rng, model.sampler_with(latent), chunk=20_000).x
        told[name] = row(torch.bincount(nearest(x, density), minlength=k) / 1e5, wanted)
    e = model.base_energies(200_000, rng).double()
    told["c"] = float(model.log_partition.detach())
    told["log mean exp(-E) of 200,000 base samples"] = float((-e).logsumexp(0) - math.log(len(e)))
    told["kale (test, nats)"] = model.extra_metrics(load("toy:line", "test").x, rng)["kale"]
    return told


def nearest(x: Tensor, density: ToyDensity) -> Tensor:
    """The nearest mode of each point."""
    return torch.cdist(x.double(), density.modes).argmin(1)


def row(found: Tensor, wanted: Tensor) -> dict[str, Any]:
    """Weights and their largest error."""
    return {
        "weights": [round(float(w), 4) for w in found],
        "worst": round(float((found - wanted).abs().max()), 4),
    }


STEPS: dict[Any, tuple[float, ...]] = {
    "langevin": (0.01, 0.02, 0.03, 0.05, 0.08),
    "kinetic": (0.1, 0.13, 0.16, 0.2, 0.25),
}
BIASES, CORE, REFRESH = (0.01, 0.02, 0.05), 0.15, 0.05


def switch() -> dict[str, Any]:
    """Mode switches in 1,000 gradients, each kernel at its best step of those within a bias, for BIASES.

    Bias: |mean U - exact mean U| / sd(U), the exact one by importance weights on 1,000,000 base draws.
    A chain switches when it comes within CORE (one deviation) of another mode's centre than the last one
    it was so near to: back and forth over a border does not count. Kinetic chains refresh a share REFRESH
    of their velocity a step.
    """
    model, density = tilted()
    rng = gb.generator(0)
    exact, spread = exact_potential(model, rng)
    told: dict[str, Any] = {"exact mean U": exact, "sd of U": spread}
    for name, steps in STEPS.items():
        rows = []
        for h in steps:
            latent = LatentConfig(name, step_size=h, friction=REFRESH / h, splitting="baoab")
            z, _ = chains(model, latent, rng, kept=400, thin=1, n=4000)
            u = potential(model, z[::10].reshape(-1, z.shape[-1]))
            rows.append(
                {
                    "step": h,
                    "bias": round(float(u.mean() - exact) / spread, 4),
                    "switches": round(1000 * switches(model, z, density), 2),
                }
            )
        told[name] = rows
    told["ratio"] = {str(bias): ratio(told, bias) for bias in BIASES}
    return told


def ratio(told: dict[str, Any], bias: float) -> dict[str, Any]:
    """The best of each kernel within a bias, and how much better kinetic chains do."""
    best: dict[str, Any] = {
        name: max(
            (r for r in told[name] if abs(r["bias"]) <= bias), key=lambda r: r["switches"], default=None
        )
        for name in STEPS
    }
    kinetic, overdamped = best["kinetic"], best["langevin"]
    both = kinetic and overdamped and overdamped["switches"]
    return {**best, "ratio": round(kinetic["switches"] / overdamped["switches"], 2) if both else None}


def switches(model: TiltedGenerator, z: Tensor, density: ToyDensity) -> float:
    """Switches a step of chains `(steps, chains, d)`, one step apart, from core to core."""
    x = model.generated(z.reshape(-1, z.shape[-1])).double()
    distance, which = torch.cdist(x, density.modes).min(1)
    visits = torch.where(distance < CORE, which, -1).reshape(z.shape[:2])
    last, made = visits[0], 0
    for now in visits[1:]:
        made += int(((now >= 0) & (last >= 0) & (now != last)).sum())
        last = torch.where(now >= 0, now, last)
    return made / visits[1:].numel()


def potential(model: TiltedGenerator, z: Tensor) -> Tensor:
    """U(z), in chunks."""
    with frozen(model), torch.no_grad():
        return torch.cat([model.potential()(part) for part in z.split(10_000)]).double()


def exact_potential(model: TiltedGenerator, rng: torch.Generator) -> tuple[float, float]:
    """Mean and sd of U under the model."""
    z = model.prior(1_000_000, rng)
    u = potential(model, z)
    w = torch.softmax(z.double().square().sum(1) / 2 - u, 0)
    mean = (w * u).sum()
    return float(mean), float((w * (u - mean) ** 2).sum().sqrt())


SMALLER = {"step_size": 0.003, "noise": 0.003**0.5}
EXPLICIT = {
    **{f"{chain}.{k}": v for chain in ("chain", "sample") for k, v in SMALLER.items()},
    **{"chain.steps": 60, "sample.steps": 2000, "pixels.noise": 0.1, "train.steps": 1500, "train.lr": 5e-4},
}
"""On bare data, 0.01 thick, it diverges; smoothed by noise of 0.1 and with shorter steps it does not."""


def picture(path: Path) -> None:
    """Data on a slanted line: explicit EBM, GAN, GEBM's base, its weights, its samples."""
    from matplotlib import pyplot as plt

    n, rng = 2000, gb.generator(0)
    data = load("toy:wire", "test").x[:n]
    explicit = trained("latent-explicit", "generative_convnet", "toy:wire", **EXPLICIT)
    gan = trained(
        "latent-gan", "gebm", "toy:wire", **{**SMALL, "divergence": "jensen_shannon", "train.steps": 6000}
    )
    gebm = trained(
        "latent-gebm",
        "gebm",
        "toy:wire",
        **{**SMALL, "freeze_base_at": 6000, "frozen_base_penalty": 0.001, "train.steps": 9000},
    )
    assert isinstance(gan, TiltedGenerator) and isinstance(gebm, TiltedGenerator)
    base = drawn(gebm, n, rng, "base").x
    with frozen(gebm), torch.no_grad():
        w = torch.softmax(-gebm.energy(base), 0) * n
    panels: dict[str, tuple[Tensor, Tensor | str]] = {
        "data": (data, "black"),
        "explicit EBM, Langevin in the plane": (drawn(explicit, n, rng).x, "black"),
        "GAN: its critic is thrown away": (
            drawn(gan, n, rng, "base").x,
            "black",
        ),
        "GEBM: base samples": (base, "black"),
        "the same, coloured by weight exp(-E - A)": (base, w.clamp(max=4)),
        "GEBM: base tilted by the energy, latent MALA": (
            drawn(gebm, n, rng, gebm.sampler_with(LatentConfig("mala", 300, 0.3))).x,
            "black",
        ),
    }
    density = toy("wire")
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.4), layout="constrained")
    for ax, (title, (x, colour)) in zip(axes.flat, panels.items(), strict=True):
        found = shares(nearest(x, density), 4) if isinstance(colour, str) else weighted(x, colour, density)
        told = ", ".join(f"{float(v):.2f}" for v in found)
        dots = ax.scatter(x[:, 0], x[:, 1], s=3, c=colour, cmap="plasma_r", linewidths=0)
        if not isinstance(colour, str):
            figure.colorbar(dots, ax=ax, label="weight (mean 1, shown up to 4)")
        ax.set(xlim=(-2, 2), ylim=(-1.3, 1.3), aspect="equal", xlabel="x₁", ylabel="x₂")
        ax.set_title(f"{title}\nmode weights {told}", fontsize=9)
    figure.suptitle("Four modes of weights .1, .2, .3, .4 on a line, 2,000 points each", fontsize=11)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def stick_for(model: EnergyModel, folder: str, n: int) -> SampleEvaluator:
    """Held-out test images of a run's data, `n` at most."""
    spec = model.spec
    return evaluator_for(stored_config(folder).data, n, gb.generator(0), low=spec.low, high=spec.high)


BUDGET = {
    "VAE alone": None,
    "30 Langevin steps": {"kernel": "langevin", "steps": 30, "step_size": 0.02},
    "6 HMC trajectories of 5": {"kernel": "hmc", "steps": 6, "leapfrogs": 5, "step_size": 0.1},
}


def gradients(runs: list[str], n: int = 2000, draws: int = 5) -> dict[str, Any]:
    """Test measures of each run's samples by each way of spending 30 gradients a chain."""
    from gibbsian.core.config import override
    from gibbsian.models.vaebm.model import TiltedVAE

    told: dict[str, Any] = {}
    for folder in runs:
        model = gb.load(folder)
        assert isinstance(model, TiltedVAE)
        evaluator = stick_for(model, folder, n)
        for name, changes in BUDGET.items():
            chosen = model.sampler_with(override(model.latent, changes)) if changes else model.sampler("vae")
            rng = gb.generator(1)
            found = [drawn(model, n, rng, chosen, chunk=n) for _ in range(draws)]
            sets = [evaluator.measure(d.x) for d in found]
            row = {k: mean_interval(torch.tensor([m[k] for m in sets])) for k in SHOWN}
            cells = {k: (round(v.estimate, 4), round(v.half_width, 4)) for k, v in row.items()}
            acceptance = found[0].chains[-1].info.acceptance
            if acceptance is not None:
                cells["acceptance"] = (round(float(acceptance.mean()), 3), 0.0)
            told[f"{Path(folder).name}, {name}"] = cells
            print(folder, name, cells, flush=True)
    return told


CRITIC = {
    "alone": LatentConfig("none"),
    "critic's rejection, gamma 0": LatentConfig("rejection"),
    "latent Langevin, beta 1": LatentConfig("langevin", 60, 0.1),
    "latent Langevin, beta 4": LatentConfig("langevin", 60, 0.05, beta=4.0),
}


def gans(runs: list[str], n: int = 1000, draws: int = 3) -> dict[str, Any]:
    """Test feature distance of generators alone and with their critics put to use; intervals over draws."""

    told: dict[str, Any] = {}
    for folder in runs:
        model = gb.load(folder)
        assert isinstance(model, TiltedGenerator)
        evaluator = stick_for(model, folder, n)
        for name, latent in CRITIC.items():
            rng, sampler = gb.generator(1), model.sampler_with(latent)
            sets = [evaluator.measure(drawn(model, n, rng, sampler).x) for _ in range(draws)]
            v = mean_interval(torch.tensor([m["feature_distance"] for m in sets]))
            told[f"{Path(folder).name}, {name}"] = (round(v.estimate, 2), round(v.half_width, 2))
            print(folder, name, told[f"{Path(folder).name}, {name}"], flush=True)
    return told


def stacked(runs: list[str], n: int = 5000, draws: int = 2) -> dict[str, Any]:
    """Modes of 1,000 and KL(samples | data) in nats of `n` samples, by an MNIST classifier a channel."""
    from gibbsian.metrics.modes import modes as found_modes
    from gibbsian.tasks.features import classifier_for

    data = load("stacked_mnist", "test")
    judge = classifier_for(load("stacked_mnist"))
    told: dict[str, Any] = {}

    def note(name: str, sets: list[Tensor]) -> None:
        every = [found_modes(judge.answers(x), 1000) for x in sets]
        told[name] = [(m.found, round(m.kl, 4)) for m in every]
        print(name, told[name], "floor of a perfect sampler", round(every[0].floor, 4), flush=True)

    note("test images", [data.batch(torch.arange(k * n, (k + 1) * n)).x for k in range(draws)])
    for folder in runs:
        (model, samplers), rng = load_samplers(folder), gb.generator(1)
        titles = {"default": "own chains", "buffer": "chains from the buffer"}
        for name in sorted(samplers, key=list(titles).__contains__):
            sets = [drawn(model, n, rng, samplers[name]).x for _ in range(draws)]
            note(f"{Path(folder).name}, {titles.get(name, name)}", sets)
    return told


SHOWN = ("feature_distance", "confidence", "precision", "recall")
STRIPS = {
    "overdamped Langevin, s = 0.05": LatentConfig("langevin", 100, 0.05),
    "kinetic, h = 0.2, friction 0.25": LatentConfig("kinetic", 100, 0.2, friction=0.25),
}


def strips(run: str, path: Path) -> None:
    """Eight chains of each kind from the same latents, one below another."""
    model = gb.load(run)
    assert isinstance(model, TiltedGenerator)
    samplers = [model.sampler_with(latent) for latent in STRIPS.values()]
    made = [strip(model, 8, rng=gb.generator(4), sampler=sampler) for sampler in samplers]
    save_image(beside(made, list(STRIPS)), path)


GRADIENTS = (0, 10, 25, 50, 100)
TRIED = {
    "overdamped Langevin": LatentConfig("langevin", step_size=0.1),
    "MALA": LatentConfig("mala", step_size=0.1),
    "HMC, 5 leapfrogs": LatentConfig("hmc", step_size=0.2, leapfrogs=5),
    "kinetic, friction x step .15": LatentConfig("kinetic", step_size=0.3, friction=0.5),
    "kinetic, friction x step 3": LatentConfig("kinetic", step_size=0.3, friction=10.0),
    "independent Metropolis": LatentConfig("independent"),
}
DRAWN = {
    "importance of 100": LatentConfig("importance"),
    "discriminator rejection": LatentConfig("rejection"),
}


def kernels(run: str, path: Path, n: int = 1000, draws: int = 3) -> dict[str, Any]:
    """Feature distance to test images after so many gradients (energies, for independent proposals)."""
    from dataclasses import replace

    from matplotlib import pyplot as plt

    model = gb.load(run)
    assert isinstance(model, TiltedGenerator)
    evaluator = stick_for(model, run, n)

    def measured(latent: LatentConfig) -> Interval:
        rng, sampler = gb.generator(1), model.sampler_with(latent)
        found = [evaluator.measure(drawn(model, n, rng, sampler).x)["feature_distance"] for _ in range(draws)]
        return mean_interval(torch.tensor(found, dtype=torch.float64))

    start = measured(LatentConfig("none"))
    curves = {}
    for name, latent in TRIED.items():
        cost = latent.leapfrogs if latent.kernel == "hmc" else 1
        steps = [g // cost for g in GRADIENTS[1:]]
        curves[name] = [start, *(measured(replace(latent, steps=k)) for k in steps)]
        print(name, [f"{v.estimate:.1f} ± {v.half_width:.1f}" for v in curves[name]], flush=True)
    figure, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
    for name, values in curves.items():
        ax.errorbar(
            GRADIENTS, [v.estimate for v in values], [v.half_width for v in values], label=name, capsize=2
        )
    ax.set(
        xlabel="gradients (energies, for independent proposals) a chain",
        ylabel=f"feature distance, n = {n:,}",
    )
    ax.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    chainless = {name: measured(latent) for name, latent in DRAWN.items()}
    told = {k: [(v.estimate, v.half_width) for v in values] for k, values in curves.items()}
    return {"gradients": GRADIENTS, **told, **{k: (v.estimate, v.half_width) for k, v in chainless.items()}}


def weighted(x: Tensor, w: Tensor, density: ToyDensity) -> Tensor:
    """Mode weights of weighted points."""
    total = torch.zeros(len(density.modes)).index_add_(0, nearest(x, density), w)
    return total / total.sum()


def main() -> None:
    """Run one part and print what it found as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "part", choices=("weights", "switch", "picture", "strips", "gradients", "gans", "stacked", "kernels")
    )
    parser.add_argument("target", nargs="?", type=Path, help="picture to write")
    parser.add_argument("--run", action="append", default=[], help="run folder of a trained system")
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    if given.part == "picture":
        picture(given.target or Path("latent.png"))
        return
    if given.part == "strips":
        strips(given.run[0], given.target or Path("strips.png"))
        return
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "gradients": lambda: gradients(given.run),
        "gans": lambda: gans(given.run),
        "stacked": lambda: stacked(given.run),
        "weights": weights,
        "switch": switch,
        "kernels": lambda: kernels(given.run[0], given.target),
    }
    text = json.dumps(parts[given.part](), indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
