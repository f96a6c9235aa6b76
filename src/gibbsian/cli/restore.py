"""`gibbsian restore`: fill hidden pixels, take noise away, by a chain on the energy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from ..core.errors import DataError, UsageError
from .findings import place, progress, say, write
from .options import Arg
from .result import Result
from .runs import DataDir, Device, Run, Which, require_writable, trained_on

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..tasks.restore.damage import Damage
    from ..tasks.restore.how import How
    from ..tasks.restore.record import Restored

Task = Literal["inpaint", "denoise"]
Way = Literal["chain", "anneal", "latent", "tweedie"]
Start = Literal["noise", "mean", "nearest", "samples", "median", "given"]
Marks = Literal["none", "extremes", "outliers"]
MASK, NOISE, TEST = "bottom", "gaussian:0.3", 64


def restore(
    run: Run,
    *,
    task: Annotated[Task, Arg("fill hidden pixels, or take noise away")] = "inpaint",
    mask: Annotated[
        str | None,
        Arg(
            "inpaint: bottom (the default), rows, rows:A,B, rectangle:X,Y,W,H, random:SHARE, or a picture "
            "whose white is unknown",
            "MASK",
        ),
    ] = None,
    noise: Annotated[
        str | None,
        Arg("denoise: gaussian:SIGMA (default 0.3) or salt_pepper:SHARE[,DARK,BRIGHT], on [0, 1]", "N"),
    ] = None,
    n: Annotated[int | None, Arg("test images; 64 by default", "N", "-n")] = None,
    completions: Annotated[int, Arg("chains an image", "M")] = 3,
    average: Annotated[bool, Arg("the result is the mean of the completions")] = False,
    way: Annotated[
        Way | None,
        Arg(
            "one chain on data, anneal from noise (ladders), chain on latents, or one move of tweedie; what "
            "fits the model and the damage by default"
        ),
    ] = None,
    steps: Annotated[int | None, Arg("of a chain; the model's own number by default", "K")] = None,
    step_factor: Annotated[float, Arg("multiplies the step size", "F")] = 1.0,
    tether: Annotated[float, Arg("multiplies the pull to the noisy image; 1 is the law", "F")] = 1.0,
    start: Annotated[
        Start | None, Arg("what unknown pixels begin as; noise, or the median of suspected ones")
    ] = None,
    pool: Annotated[int, Arg("samples of the model to look among for --start samples", "N")] = 1024,
    marks: Annotated[Marks, Arg("salt_pepper: pixels that count as unknown")] = "outliers",
    label: Annotated[
        str, Arg("conditional models: none, true (of the data) or a class that chains are told", "Y")
    ] = "none",
    tune: Annotated[bool, Arg("choose steps, step factor and tether on validation images")] = False,
    image: Annotated[
        str | None, Arg("your images instead of test images: a file or a folder", "FILE|DIR")
    ] = None,
    clean: Annotated[bool, Arg("--image are whole: damage them first, and measure")] = False,
    fit: Annotated[bool, Arg("crop, resample and recolour --image, resample a mask of another size")] = False,
    seed: Annotated[int, Arg("of the damage and the chains", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/restore, or restore for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Restore damaged images, and write restore.json, restore.txt, a picture of before and after, restored
    images, and a film of the chains. Intervals are of 95 % over images.

    Test images are damaged first, so that the result can be measured: PSNR, SSIM, what an independent
    classifier says, how far completions differ, beside baselines that are chosen on validation images.
    Images of yours are taken as they came: damaged. Known pixels are kept bit for bit.
    """
    from ..tasks.restore.how import How
    from ..train.load import load
    from .machine import usable

    usable(device)
    _require_heard(task, noise, marks, tether, way)
    damage = damage_of(task, mask, noise, marks, fit)
    how = How(way, steps, step_factor, tether, start, completions, average, pool=pool)
    if n is not None and image is not None:
        raise UsageError(f"-n {n} counts test images, and --image brings its own: leave one out")
    if clean and image is None:
        raise UsageError("--clean speaks of --image; test images are damaged and measured anyway")
    folder, name = Path(out) if out else place(run, "restore"), data or trained_on(run)
    if not name and image is None:
        raise UsageError(f"{run} does not say what it was trained on: name a data set with --data")
    require_writable(folder)
    model = load(run, which=which).to(device)
    with progress("restore") as advance:
        more = {"label": label, "tune": tune, "seed": seed, "data_dir": data_dir, "progress": advance}
        found = _restored(
            model, name, image, damage, how, TEST if n is None else n, clean, fit, data is not None, more
        )
    written = write(found, "restore", folder, prefix="restore-", pictures=found.pictures, films=found.films)
    shown = [path for path in written if path.parent == folder]
    told = "\n".join([found.text(), "", *(f"wrote {path}" for path in shown)])
    return Result({"run": run, "task": task, **found.to_dict(), "written": [str(p) for p in written]}, told)


def _require_heard(task: Task, noise: str | None, marks: Marks, tether: float, way: Way | None) -> None:
    """Raise `UsageError` for options that this task would not hear."""
    if marks != "outliers" and not (task == "denoise" and (noise or NOISE).startswith("salt_pepper")):
        raise UsageError(f"--marks {marks} is for --noise salt_pepper:SHARE: leave it out")
    if tether != 1 and way != "latent" and task == "inpaint":
        raise UsageError(f"--tether {tether:g} pulls to a noisy image, and inpainting has none: leave it out")


def damage_of(task: Task, mask: str | None, noise: str | None, marks: Marks, fit: bool) -> Damage:
    """What was done to the images; raises `UsageError` for a mask with denoise, or noise with inpaint."""
    from ..tasks.restore.damage import Hidden, noise_of

    wrong = {"inpaint": ("--noise", noise, "denoise"), "denoise": ("--mask", mask, "inpaint")}[task]
    if wrong[1] is not None:
        raise UsageError(f"{wrong[0]} is for --task {wrong[2]}, and this is {task}: leave one out")
    return Hidden(mask or MASK, fit) if task == "inpaint" else noise_of(noise or NOISE, marks)


def _restored(
    model: EnergyModel,
    data: str,
    image: str | None,
    damage: Damage,
    how: How,
    n: int,
    clean: bool,
    fit: bool,
    named: bool,
    more: dict,
) -> Restored:
    """Test images of `data`, or the files at `image`: then `data` may be missing unless it was `named`."""
    from ..data.given import given_images
    from ..tasks.restore.run import restore as restored
    from ..tasks.restore.run import restore_images

    if image is None:
        return restored(model, data, damage, how, n=n, **more)
    low, high = model.spec.low, model.spec.high
    x, names = given_images(image, model.spec.event_shape, low=low, high=high, fit=fit)
    beside = data if named or not data else _at_hand(model, data, more["data_dir"])
    return restore_images(model, x, names, damage, how, clean=clean, data=beside, **more)


def _at_hand(model: EnergyModel, data: str, data_dir: str | None) -> str:
    """`data`, or "" where its training images cannot be had: files are then restored without them."""
    from ..tasks.restore.job import images

    try:
        images(model, data, "train", data_dir)
    except (DataError, UsageError) as error:
        say(f"no training images to compare with: {error}")
        return ""
    return data
