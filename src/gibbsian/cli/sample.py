"""`gibbsian sample`: draw from a trained system into pictures, arrays and animations."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..core.errors import UsageError, unknown
from .kernels import KERNELS, kernel_options, kernel_settings, with_kernel
from .latents import PREFIX, latent_plan, latent_settings
from .options import Arg, Given, Keys, Setting
from .outputs import Outputs
from .result import Result
from .runs import Compile, Device, Precision, Run, Which, exported

if TYPE_CHECKING:
    from torch import Tensor

    from ..mcmc.state import ChainInfo, ChainState
    from ..systems.base import Samples, System
    from ..tasks.film import Film
    from ..tasks.strips import Strip
    from .kernels import Planner

KernelName = Literal["langevin", "mala", "hmc", "underdamped"]
STRIP_CHAINS = 16


def sample(
    run: Run,
    *,
    n: Annotated[int, Arg("how many", "N", "-n")] = 64,
    out: Annotated[str | None, Arg("grid of images, or points on their energy", "GRID.png")] = None,
    npz: Annotated[
        str | None,
        Arg("arrays x (images uint8), energy and y", "FILE.npz"),
    ] = None,
    gif: Annotated[str | None, Arg("chains that move, with their mean energy", "CHAIN.gif")] = None,
    strip: Annotated[str | None, Arg("chains at six times, one a row (16 at most)", "STRIP.png")] = None,
    label: Annotated[int | None, Arg("class; all in turn by default", "Y")] = None,
    kernel: Annotated[KernelName | None, Arg("move by this kernel, see gibbsian list kernels")] = None,
    temperature: Annotated[float | None, Arg("T of exp(-E/T), with --kernel", "T")] = None,
    steps: Annotated[int | None, Arg("chain steps; the system's own number by default", "K")] = None,
    seed: Annotated[int, Arg("the same seed gives the same samples", "S")] = 0,
    start: Annotated[
        str, Arg("noise, buffer (stored chains), or a plan of the system, such as base", "START", "--from")
    ] = "noise",
    which: Which = "newest",
    columns: Annotated[int | None, Arg("of the grid", "N")] = None,
    device: Device = "cpu",
    precision: Precision = "fp32",
    compile: Compile = "never",
    settings: Annotated[Mapping[str, Any] | None, Keys(drawing_settings, "--kernel")] = None,
) -> Result:
    """Draw from a trained system by its own chain from noise, or by another kernel. Without --out, --npz,
    --gif or --strip a picture is written to samples.png, or arrays to samples.npz where nothing can be drawn.

    The array x is uint8 (N,H,W) or (N,H,W,C) for images, float32 otherwise; y for conditional models.

    mala, hmc and underdamped are exact at any step size: they begin where the system's own chain ends and
    move on E/T, so they ask for a system whose training chain samples exp(-E/T), or for --temperature.

    Systems with latents (gebm, vaebm) take --latent.beta, --latent.kernel and the like in place of their own.
    """
    if n < 1 or (steps is not None and steps < 1) or (columns is not None and columns < 1):
        raise UsageError(f"asked for -n {n}, --steps {steps}, --columns {columns}: each must be at least 1")
    if start != "noise" and any(k.startswith(PREFIX) for k in settings or {}):
        raise UsageError(f"--{PREFIX}* draws latents from noise: leave out --from {start}")
    if temperature is not None and kernel is None:
        raise UsageError(f"--temperature needs a kernel: add --kernel {' or '.join(KERNELS)}")
    given = settings or {}
    options = kernel_options(kernel, {k: v for k, v in given.items() if not k.startswith(PREFIX)})
    from ..train.load import load
    from .machine import usable, warn_if_emulated

    usable(device)
    warn_if_emulated(precision, device)
    system = load(run, which=which).to(device)
    system.precision, system.compiling = precision, compile
    plan = latent_plan(system, given) or planner(system, start, run)
    if kernel is not None:
        plan = with_kernel(system, plan, kernel, options, temperature)
    outputs = Outputs.chosen(system, out, npz, gif, strip)
    strips = _strip(plan, n) if outputs.strip else None
    y = labels(system, n, label, start)
    began = time.monotonic()
    chunk = n if start == "buffer" else 512
    drawn, film = _draw(system, n, plan, y, steps, seed, chunk, outputs.gif is not None, strips)
    seconds = time.monotonic() - began
    columns = columns or (system.config.net.classes if y is not None else None)
    outputs.write(system, drawn, film, strips, columns)
    return _result(run, n, kernel or "own", drawn, seconds, outputs)


def drawing_settings(given: Given) -> list[Setting]:
    """`--kernel.*` of the kernel on the command line, and `--latent.*`."""
    return [*kernel_settings(given), *latent_settings(given)]


def planner(system: System, start: str, run: str) -> Planner:
    """The system's plan from noise, one of its other plans, or the one from its replay buffer.

    Raises `UsageError` for one that it does not have.
    """
    from ..systems.base import Continuing

    plans = {"noise": system.plan, **system.other_plans()}
    if isinstance(system, Continuing):
        plans["buffer"] = system.continued
    if start in plans:
        return plans[start] if start != "buffer" else _stored(plans[start], run)
    if start == "buffer":
        names = " or --from ".join(plans)
        raise UsageError(f"this system does not go on from stored chains: use --from {names}")
    raise unknown("--from", start, plans)


def _stored(plan: Planner, run: str) -> Planner:
    """The plan from a replay buffer; raises `UsageError` for an exported model."""
    if exported(run):
        raise UsageError(
            f"{run} is an exported model, which holds no chains: give the run folder, or use --from noise"
        )
    return plan


def _strip(plan: Planner, n: int) -> Strip:
    from ..tasks.strips import Strip

    return Strip(plan, min(n, STRIP_CHAINS))


def labels(system: System, n: int, label: int | None, start: str) -> Tensor | None:
    """The class asked for, or every class in turn; none for an unconditional model or for stored chains."""
    import torch

    from ..train.draw import labels as checked

    device = next(system.parameters()).device
    classes = system.config.net.classes
    if label is not None or not classes or start == "buffer":
        return checked(system, n, label, device)
    return torch.arange(n, device=device) % classes


def _draw(
    system: System,
    n: int,
    plan: Planner,
    y: Tensor | None,
    steps: int | None,
    seed: int,
    chunk: int,
    keep: bool,
    strip: Strip | None,
) -> tuple[Samples, Film]:
    """Samples and what was filmed; stored chains are drawn in one chunk, so that none comes twice."""
    from tqdm import tqdm

    from ..core.random import Streams
    from ..systems.base import sample as draw
    from ..tasks.film import Film

    rng = Streams(seed, device=next(system.parameters()).device).eval
    with tqdm(desc="sample", unit="step", disable=None, leave=False) as bar:

        def progress(done: int, planned: int) -> None:
            bar.total = planned
            bar.update(done - bar.n)

        film = Film(strip.planned if strip else plan, keep=keep, progress=progress)

        def observe(step: int, state: ChainState, info: ChainInfo) -> None:
            film.observe(step, state, info)
            if strip:
                strip.observe(step, state, info)

        watch: dict[str, Any] = {"observe": observe} if keep or strip else {"progress": film.advanced}
        drawn = draw(system, n, rng=rng, y=y, steps=steps, chunk=chunk, plan=film.planned, **watch)
    return drawn, film


def _result(run: str, n: int, kernel: str, drawn: Samples, seconds: float, outputs: Outputs) -> Result:
    energy, info = drawn.energy, drawn.chains[-1].info
    bad = int((~energy.isfinite()).sum())
    if bad:
        print(f"{bad} of {n} chains ended at a non-finite energy: try a smaller step", file=sys.stderr)
    data: dict[str, Any] = {
        "run": run,
        "n": n,
        "kernel": kernel,
        "seconds": round(seconds, 3),
        "energy": float(energy.mean()),
        "energy_spread": float(energy.std()) if n > 1 else 0.0,
        "non_finite": bad,
        **outputs.named(),
    }
    if info.acceptance is not None:
        data["acceptance"] = float(info.acceptance.mean())
    if info.drift_noise is not None:
        data["drift_noise"] = float(info.drift_noise)
    files = ", ".join(outputs.named().values())
    accepted = f", acceptance {data['acceptance']:.2f}" if "acceptance" in data else ""
    return Result(
        data, f"{n} samples in {seconds:.1f} s, mean energy {data['energy']:+.3g}{accepted}: {files}"
    )
