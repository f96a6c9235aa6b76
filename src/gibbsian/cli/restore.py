"""`gibbsian restore`: fill hidden pixels, take noise away, by a chain on the energy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..core.errors import DataError, UsageError
from ..data.recipe import DataRecipe
from .drawing import drawing_settings, redrawn
from .options import Arg, Keys
from .result import Result
from .results import finished, opened, progress, say
from .runs import DataDir, Device, Run, Which

if TYPE_CHECKING:
    from ..models.model import EnergyModel
    from ..tasks.restore.corruption import Corruption

Task = Literal["inpaint", "denoise"]
Method = Literal["chain", "anneal", "latent", "tweedie"]
Start = Literal["noise", "mean", "nearest", "samples", "median", "given"]
OutlierMask = Literal["none", "extremes", "outliers"]
MASK, NOISE = "bottom", "gaussian:0.3"


def restore(
    run: Run,
    *,
    task: Annotated[Task, Arg("fill hidden pixels, or take noise away")] = "inpaint",
    mask: Annotated[
        str | None,
        Arg(
            "inpaint: bottom (the default), rows, rows:A,B, rectangle:X,Y,W,H, random:SHARE, a picture whose "
            "white is unknown, or alpha: where --image is transparent",
            "MASK",
        ),
    ] = None,
    noise: Annotated[
        str | None,
        Arg("denoise: gaussian:SIGMA (default 0.3) or salt_pepper:SHARE[,DARK,BRIGHT], on [0, 1]", "N"),
    ] = None,
    n: Annotated[int | None, Arg("test images; 64 by default, or all of fewer", "N", "-n")] = None,
    completions: Annotated[int, Arg("chains an image", "M")] = 3,
    average: Annotated[bool, Arg("the result is the mean of the completions")] = False,
    method: Annotated[
        Method | None,
        Arg(
            "one chain on data, anneal from noise (ladders), chain on latents, or one move of tweedie; what "
            "fits the model and the corruption by default"
        ),
    ] = None,
    steps: Annotated[int | None, Arg("of a chain; the model's own number by default", "K")] = None,
    step_factor: Annotated[float, Arg("multiplies the step size", "F")] = 1.0,
    data_weight: Annotated[
        float, Arg("multiplies the pull to the noisy image; 1 is the likelihood of the noise", "F")
    ] = 1.0,
    start: Annotated[
        Start | None, Arg("what unknown pixels begin as; noise, or the median of suspected ones")
    ] = None,
    candidates: Annotated[int, Arg("samples of the model to look among for --start samples", "N")] = 1024,
    outlier_mask: Annotated[OutlierMask, Arg("salt_pepper: pixels that count as unknown")] = "outliers",
    label: Annotated[
        str, Arg("conditional models: none, true (of the data) or a class that chains are told", "Y")
    ] = "none",
    tune: Annotated[bool, Arg("choose steps, step factor and data weight on validation images")] = False,
    image: Annotated[
        str | None, Arg("your images instead of test images: a file or a folder", "FILE|DIR")
    ] = None,
    clean: Annotated[bool, Arg("--image are whole: damage them first, and measure")] = False,
    fit: Annotated[bool, Arg("crop, resample and recolour --image, resample a mask of another size")] = False,
    seed: Annotated[int, Arg("of the corruption and the chains", "S")] = 0,
    data: Annotated[str | None, Arg("data set; the one of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("folder; RUN/restore, or restore for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
    settings: Annotated[Mapping[str, Any] | None, Keys(drawing_settings, "a run")] = None,
) -> Result:
    """Restore corrupted images, and write restore.json, restore.txt, a picture of before and after, restored
    images, and a film of the chains. Intervals are of 95 % over images.

    Test images are corrupted first, so that the result can be measured: PSNR, SSIM, what an independent
    classifier says, how far completions differ, beside baselines that are chosen on validation images.
    Images of yours are taken as they came: corrupted; where the run was trained at a size, they are brought
    to it. A mask has the size of the run's images or of yours. Known pixels are kept bit for bit.
    Energies over noise levels (noise_energy) restore better with --sampling.corrections.
    """
    from ..data.given import changes, given_images, image_paths
    from ..tasks.restore.run import restore as of_test_images
    from ..tasks.restore.run import restore_images
    from ..tasks.restore.task import RestoreConfig

    _require_heard(task, noise, outlier_mask, data_weight, method)
    photos = () if image is None or clean else tuple(image_paths(image))
    corruption = corruption_of(task, mask, noise, outlier_mask, fit, photos)
    config = RestoreConfig(
        method, steps, step_factor, data_weight, start, completions, average, candidates=candidates
    )
    if n is not None and image is not None:
        raise UsageError(f"-n {n} counts test images, and --image brings its own: leave one out")
    if clean and image is None:
        raise UsageError("--clean speaks of --image; test images are corrupted and measured anyway")
    job = opened(run, "restore", out=out, data=data, which=which, device=device, needs_data=image is None)
    model, known = redrawn(job.model, settings), job.data
    with progress("restore") as advance:
        if image is None:
            found = of_test_images(
                model, known, corruption, config, n=n, label=label, tune=tune,
                seed=seed, data_dir=data_dir, progress=advance,
            )  # fmt: skip
        else:
            low, high = model.spec.low, model.spec.high
            fit = fit or DataRecipe.parse(known).size is not None
            if fit and model.spec.is_image and (change := changes(image, model.spec.event_shape)):
                say(change)
            x, names = given_images(image, model.spec.event_shape, low=low, high=high, fit=fit, like=known)
            known = known if data or not known else _at_hand(model, known, data_dir)
            found = restore_images(
                model, x, names, corruption, config, clean=clean, data=known, label=label, tune=tune,
                seed=seed, data_dir=data_dir, progress=advance,
            )  # fmt: skip
    shown, films = found.pictures, found.films
    return finished(run, found, "restore", job.folder, pictures=shown, films=films, task=task, which=which)


def _require_heard(
    task: Task, noise: str | None, outlier_mask: OutlierMask, data_weight: float, method: Method | None
) -> None:
    """Raise `UsageError` for options that this task would not hear."""
    salted = task == "denoise" and (noise or NOISE).startswith("salt_pepper")
    if outlier_mask != "outliers" and not salted:
        raise UsageError(f"--outlier-mask {outlier_mask} is for --noise salt_pepper:SHARE: leave it out")
    if data_weight != 1 and method != "latent" and task == "inpaint":
        raise UsageError(
            f"--data-weight {data_weight:g} pulls to a noisy image, and inpainting has none: leave it out"
        )


def corruption_of(
    task: Task,
    mask: str | None,
    noise: str | None,
    outlier_mask: OutlierMask,
    fit: bool,
    photos: tuple[Path, ...] = (),
) -> Corruption:
    """What was done to the images; raises `UsageError` for a mask with denoise, or noise with inpaint."""
    from ..tasks.restore.corruption import HiddenPixels, noise_of

    wrong = {"inpaint": ("--noise", noise, "denoise"), "denoise": ("--mask", mask, "inpaint")}[task]
    if wrong[1] is not None:
        raise UsageError(f"{wrong[0]} is for --task {wrong[2]}, and this is {task}: leave one out")
    return (
        HiddenPixels(mask or MASK, fit, photos)
        if task == "inpaint"
        else noise_of(noise or NOISE, outlier_mask)
    )


def _at_hand(model: EnergyModel, data: str, data_dir: str | None) -> str:
    """`data`, or "" where its training images cannot be had: files are then restored without them."""
    from ..tasks.parts import images_of

    try:
        images_of(model, data, "train", data_dir)
    except (DataError, UsageError) as error:
        say(f"no training images to compare with: {error}")
        return ""
    return data
