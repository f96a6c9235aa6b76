"""`gibbsian compose`: draw from a product, a mixture or a negation of trained models."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..core.errors import UsageError, require_some
from .attributes import of_attributes, with_rendering
from .drawing import apart, moving_settings, redrawn
from .kernels import kernel_options, with_kernel
from .options import Arg, Keys
from .outputs import Outputs
from .result import Result
from .runs import Compile, Device, Precision
from .sample import KernelName, draw, result

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..models.sampler import Sampler

Operation = Literal["product", "mixture", "negation", "and", "or", "not"]
SAME = {"and": "product", "or": "mixture", "not": "negation"}


def compose(
    runs: Annotated[tuple[str, ...], Arg("run folders, checkpoints, or exported model folders", "RUN...")],
    *,
    op: Annotated[Operation, Arg("product, mixture or negation; and, or, not are the same")] = "product",
    classes: Annotated[str | None, Arg("one for each RUN (- for none), or several of one RUN", "3,7")] = None,
    given: Annotated[
        str | None, Arg("attributes, of models of sprites", "shape=heart,scale=0.8,x=0.3,y=0.6,rotation=40")
    ] = None,
    weights: Annotated[str | None, Arg("powers in a product, shares in a mixture", "W,W")] = None,
    alpha: Annotated[float, Arg("power of what is negated", "A")] = 0.1,
    ceiling: Annotated[float | None, Arg("bound on the -log p of what is negated", "E")] = None,
    plain: Annotated[bool, Arg("classes or attributes: the papers' sum, without -(n-1) E(x)")] = False,
    n: Annotated[int, Arg("how many", "N", "-n")] = 64,
    out: Annotated[
        str | None, Arg("grid of images, points on their energy; or rows, .csv, .tsv, .npy", "FILE.png")
    ] = None,
    npz: Annotated[str | None, Arg("arrays x (images uint8) and energy", "FILE.npz")] = None,
    gif: Annotated[str | None, Arg("chains that move, with their mean energy", "CHAIN.gif")] = None,
    kernel: Annotated[KernelName | None, Arg("move by this kernel, see gibbsian list kernels")] = None,
    temperature: Annotated[float | None, Arg("T, with --kernel; 1 is the density itself", "T")] = None,
    steps: Annotated[int | None, Arg("chain steps; those of the parts by default", "K")] = None,
    seed: Annotated[int, Arg("the same seed gives the same samples", "S")] = 0,
    columns: Annotated[int | None, Arg("of the grid", "N")] = None,
    device: Device = "cpu",
    precision: Precision = "fp32",
    compile: Compile = "never",
    settings: Annotated[Mapping[str, Any] | None, Keys(moving_settings, "--kernel")] = None,
) -> Result:
    """Draw from densities of trained models put together, each at its own temperature: p_1 p_2
    (product, "and"), w_1 p_1 + w_2 p_2 (mixture, "or"), p_1 / p_2^alpha (negation, "not").

    Several --classes of one RUN give p(x | c_1, ..., c_n) for causes that are independent given x,
    which takes E(x) away n - 1 times; --plain gives the product of its conditionals, as papers do.
    --given names attributes of sprites in the same way, of one RUN trained on sprites with
    --net.condition_dropout, or of one RUN an attribute (sprites:shape, ...); where it names all of them
    their rendering stands beside the samples.

    Chains are Langevin chains with the settings of the parts, level by level where those have a
    ladder. mala, hmc and underdamped are exact where every part claims to be a density; any kernel
    moves models whose own chains cannot be put together, from noise. Energies over noise levels
    (noise_energy) go down the levels together: give them --sampling.corrections, which sample the sum.
    """
    require_some({"-n": n, "--steps": steps, "--columns": columns})
    own, drawing = apart(settings)
    options = kernel_options(kernel, own)
    powers = tuple(_numbers("--weights", weights)) if weights else None
    from ..core.device import usable
    from ..report.pictures import save_image
    from .machine import computed

    usable(device)
    kind = SAME.get(op, op)
    models, sprite = _loaded(runs, device, drawing), None
    if given is None:
        model = _composed(models, kind, _classes(classes), powers, (alpha, ceiling), plain).inner
    elif kind != "product" or classes:
        raise UsageError("--given is a product of conditionals: leave out --op and --classes")
    else:
        model, sprite = of_attributes(runs, models, given, powers, plain)
    sampler = model.samplers.get("default")
    if kernel is not None:
        sampler = with_kernel(model, _from_noise(model, sampler), kernel, options, temperature)
    outputs = Outputs.chosen(model, out, npz, gif, None)
    began = time.monotonic()
    how = computed(model, precision, compile, n, sampler)
    drawn, film = draw(
        model, n, sampler or model.sampler(), None, steps, seed, 512, gif is not None, None, how
    )
    outputs.write(model, drawn, film, None, columns)
    if sprite is not None and outputs.out:
        save_image(with_rendering(drawn, sprite, columns), outputs.out)
    return result(
        f"{kind} of {', '.join(runs)}", n, kernel or "own", drawn, time.monotonic() - began, outputs
    )


def _loaded(runs: Sequence[str], device: str, drawing: Mapping[str, Any]) -> list[EnergyModel]:
    """The models, each drawn from as `drawing` says."""
    from ..train.load import load

    models = [load(run).to(device) for run in runs]
    for model in models:
        redrawn(model.inner, drawing)
    return models


def _composed(
    models: list[EnergyModel],
    kind: str,
    classes: list[int | None],
    weights: tuple[float, ...] | None,
    against: tuple[float, float | None],
    plain: bool,
) -> EnergyModel:
    """The model that the words ask for; raises `UsageError` where they do not go together."""
    from ..models import composed

    if len(models) == 1 and len(classes) > 1 and kind == "product" and not plain:
        return composed.conjunction(models[0], [c for c in classes if c is not None], weights)
    if len(models) == 1 and len(classes) < 2:
        raise UsageError("one RUN alone: give two or more, or several --classes of one")
    if len(models) == 1:
        models = models * len(classes)
    if classes and len(classes) != len(models):
        given = f"--classes names {len(classes)} for {len(models)} models"
        raise UsageError(f"{given}: give one each, - for none")
    pairs = zip(models, classes or [None] * len(models), strict=True)
    parts = [m if c is None else composed.conditional(m, c) for m, c in pairs]
    if kind == "product":
        return composed.product(*parts, weights=weights)
    if kind == "mixture":
        return composed.mixture(*parts, weights=weights)
    if len(parts) != 2 or weights:
        raise UsageError("a negation is of two models, the second with power --alpha: leave out --weights")
    return composed.negation(parts[0], parts[1], *against)


def _from_noise(model: EnergyModel, own: Sampler | None) -> Sampler:
    """Where a kernel begins: at the end of the parts' chains where these go together, else at noise."""
    from ..core.random import generator
    from ..mcmc.langevin import Langevin
    from ..models.chain_sampler import Unmoved
    from ..starts.noise import UniformNoise

    if own is not None:
        try:
            next(own.stages(2, generator(0), steps=1))
            return own
        except UsageError:
            pass
    spec = model.spec
    return Unmoved(model, Langevin(1.0), 0, UniformNoise(spec.event_shape, spec.low, spec.high))


def _numbers(flag: str, text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{flag} is '{text}': write numbers with commas, such as 1,0.5") from error


def _classes(text: str | None) -> list[int | None]:
    try:
        return [None if word.strip() == "-" else int(word) for word in (text or "").split(",") if text]
    except ValueError as error:
        raise UsageError(f"--classes is '{text}': write whole numbers with commas, such as 3,7") from error
