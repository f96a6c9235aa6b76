"""`gibbsian sample`: draw from a trained model into pictures, arrays and animations."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..core.device import usable
from ..core.errors import UsageError, require_some, unknown
from .drawing import apart, drawing_sampler, moving_settings
from .kernels import KERNELS, kernel_options, with_kernel
from .options import Arg, Keys
from .outputs import Outputs
from .result import Result
from .results import progress, say
from .runs import Compile, Device, Precision, Run, Which, cut_short, exported

if TYPE_CHECKING:
    from torch import Tensor

    from ..mcmc.reports import ChainInfo
    from ..mcmc.state import ChainState
    from ..models.model import EnergyModel
    from ..models.sampler import RunOptions, Sampler
    from ..models.samples import Samples
    from ..tasks.film import Film
    from ..tasks.strips import Strip

KernelName = Literal["langevin", "mala", "hmc", "nuts", "underdamped"]
STRIP_CHAINS = 16


def sample(
    run: Run,
    *,
    n: Annotated[int, Arg("how many", "N", "-n")] = 64,
    out: Annotated[
        str | None, Arg("grid of images, points on their energy; or rows, .csv, .tsv, .npy", "FILE.png")
    ] = None,
    npz: Annotated[
        str | None,
        Arg("arrays x (images uint8), energy and y", "FILE.npz"),
    ] = None,
    gif: Annotated[str | None, Arg("chains that move, with their mean energy", "CHAIN.gif")] = None,
    strip: Annotated[str | None, Arg("chains at six times, one a row (16 at most)", "STRIP.png")] = None,
    label: Annotated[int | None, Arg("class; all in turn by default", "Y")] = None,
    condition: Annotated[str | None, Arg("c of p(x | c); those of training by default", "C,C")] = None,
    kernel: Annotated[KernelName | None, Arg("move by this kernel, see gibbsian list kernels")] = None,
    temperature: Annotated[float | None, Arg("T of exp(-E/T), with --kernel", "T")] = None,
    steps: Annotated[int | None, Arg("chain steps; the model's own number by default", "K")] = None,
    seed: Annotated[int, Arg("the same seed gives the same samples", "S")] = 0,
    start: Annotated[
        str,
        Arg("noise, buffer (stored chains), or another sampler of the model, such as base", "START"),
    ] = "noise",
    which: Which = "newest",
    columns: Annotated[int | None, Arg("of the grid", "N")] = None,
    device: Device = "cpu",
    precision: Precision = "fp32",
    compile: Compile = "never",
    settings: Annotated[Mapping[str, Any] | None, Keys(moving_settings, "--kernel")] = None,
) -> Result:
    """Draw from a trained model by its own chain from noise, or by another kernel. Without --out, --npz,
    --gif or --strip a picture is written to samples.png, else rows of a table to samples.csv, or arrays to
    samples.npz.

    The array x is uint8 (N,H,W) or (N,H,W,C) for images, float32 otherwise; y for conditional models.

    mala, hmc and underdamped are exact at any step size: they begin where the model's own chain ends and
    move on E/T, so they ask for a model whose training chain samples exp(-E/T), or for --temperature.

    Systems with latents (gebm, vaebm) take --latent.beta, --latent.kernel and the like in place of their own,
    energies over noise levels (noise_energy) --sampling.steps, --sampling.corrections and the like.
    """
    require_some({"-n": n, "--steps": steps, "--columns": columns})
    own, drawing = apart(settings)
    if start != "noise" and drawing:
        raise UsageError(f"--{next(iter(drawing))} is for samples from noise: leave out --start {start}")
    if temperature is not None and kernel is None:
        raise UsageError(f"--temperature needs a kernel: add --kernel {' or '.join(KERNELS)}")
    options = kernel_options(kernel, own)
    from ..models.composed import conditional
    from ..train.load import load_samplers
    from .machine import computed

    usable(device)
    model, samplers = load_samplers(run, which=which, device=device)
    if condition is not None:
        model = conditional(model, read_condition(condition))
        samplers = model.samplers
    sampler = drawing_sampler(model, drawing) or chosen_sampler(samplers, start, run)
    if kernel is not None:
        sampler = with_kernel(model, sampler, kernel, options, temperature)
    outputs = Outputs.chosen(model, out, npz, gif, strip)
    strips = _strip(sampler, n) if outputs.strip else None
    y = labels(model, n, label, start, seed)
    how = computed(model, precision, compile, n, sampler)
    began = time.monotonic()
    chunk = n if start == "buffer" else 512
    keep = outputs.gif is not None
    drawn, film = draw(model, n, sampler, y, steps, seed, chunk, keep, strips, how)
    seconds = time.monotonic() - began
    columns = columns or (model.spec.num_classes if y is not None else 0) or None
    outputs.write(model, drawn, film, strips, columns)
    if cut := cut_short(run, which):
        say(f"training was cut short: {cut}")
    return result(run, n, kernel or "own", drawn, seconds, outputs)


def chosen_sampler(samplers: Mapping[str, Sampler], start: str, run: str) -> Sampler:
    """The model's own sampler from noise, another one of its own, or the one from its replay buffer.

    Raises `UsageError` for one that it does not have.
    """
    named = {"noise" if name == "default" else name: sampler for name, sampler in samplers.items()}
    if start in named:
        return named[start]
    if start != "buffer":
        raise unknown("--start", start, named)
    if exported(run):
        raise UsageError(
            f"{run} is an exported model, which holds no chains: give the run folder, or use --start noise"
        )
    names = " or --start ".join(named)
    raise UsageError(f"this model does not go on from stored chains: use --start {names}")


def _strip(sampler: Sampler, n: int) -> Strip:
    from ..tasks.strips import Strip

    return Strip(sampler, min(n, STRIP_CHAINS))


def read_condition(text: str) -> Tensor:
    """A condition from numbers between commas; raises `UsageError` for others."""
    import torch

    try:
        return torch.tensor([float(number) for number in text.split(",")])
    except ValueError as error:
        raise UsageError(f"--condition is '{text}': write its numbers, such as 0.5,-1") from error


def labels(model: EnergyModel, n: int, label: int | None, start: str, seed: int) -> Tensor | None:
    """The class asked for, or every class in turn, or conditions of training; none for other models or for
    stored chains.
    """
    from ..core.random import derive, generator
    from ..models.labels import checked_labels
    from ..models.model import device_of
    from ..tasks.chains import every_label

    if label is not None or start == "buffer":
        return checked_labels(model, n, label)
    return every_label(model, n, generator(derive(seed, "labels"), device_of(model)))


def draw(
    model: EnergyModel,
    n: int,
    sampler: Sampler,
    y: Tensor | None,
    steps: int | None,
    seed: int,
    chunk: int,
    keep: bool,
    strip: Strip | None,
    options: RunOptions,
) -> tuple[Samples, Film]:
    """Samples and what was filmed; stored chains are drawn in one chunk, so that none comes twice."""
    from ..core.random import Streams
    from ..models.model import device_of
    from ..models.samples import draw_samples
    from ..tasks.film import Film

    rng = Streams(seed, device=device_of(model)).eval
    with progress("sample") as advance:
        film = Film(strip or sampler, keep=keep, progress=advance)

        def observe(step: int, state: ChainState, info: ChainInfo) -> None:
            film.observe(step, state, info)
            if strip:
                strip.observe(step, state, info)

        watch: dict[str, Any] = {"observe": observe} if keep or strip else {"progress": film.advanced}
        drawn = draw_samples(model, film, n, rng=rng, y=y, steps=steps, chunk=chunk, options=options, **watch)
    return drawn, film


def result(run: str, n: int, kernel: str, drawn: Samples, seconds: float, outputs: Outputs) -> Result:
    """What was drawn from `run`, in numbers and a line."""
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
