"""`gibbsian translate`: images of one domain moved into that of a trained energy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..core.errors import UsageError, require_some
from ..data.recipe import FILES, DataRecipe
from .options import Arg
from .result import Result
from .results import finished, opened, progress, say
from .runs import DataDir, Device, Run, Which

if TYPE_CHECKING:
    from ..tasks.convert.translation import TranslatedFiles, Translation


def translate(
    run: Run,
    *,
    images: Annotated[
        str | None,
        Arg("source: an image file, a folder of images, or a data set; the run's own by default", "IMAGES"),
    ] = None,
    to: Annotated[int | None, Arg("class to move to, of a conditional model", "Y")] = None,
    steps: Annotated[int | None, Arg("chain steps; the model's own number by default", "K")] = None,
    noise: Annotated[
        float | None,
        Arg("begin at images with this Gaussian noise, in [0, 1]; for models with levels of noise", "SIGMA"),
    ] = None,
    n: Annotated[int, Arg("images of a data set's test part", "N", "-n")] = 64,
    fit: Annotated[bool, Arg("crop, resample and recolour image files to what the model takes")] = False,
    seed: Annotated[int, Arg("of the chains and of the choice of images", "S")] = 0,
    out: Annotated[str | None, Arg("folder; RUN/translate by default", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Move images of one domain into the domain that an energy was trained on, by a chain that begins at
    them. Writes translate.png (rows: source, translated, change along the chain), translate.gif and
    translate.json; for image files also a picture each, in translated/; for data sets also measures: did the
    domain change, is the content kept?

    Models made for it: gibbsian train cfebm --mode translate --data facades (or SOURCE:to:TARGET). Any
    other energy on images can be tried; a conditional one moves to the class --to. Models with levels of
    noise, such as noise_energy, can start at one: --noise .2 keeps what is coarse and draws the rest anew,
    also for edits of images that were painted on.
    """
    from ..data.given import changes, given_images
    from ..tasks.convert.translation import translate_data_set, translate_files

    require_some({"-n": n}, 2)
    require_some({"--steps": steps})
    job = opened(run, "translate", out=out, data=None, which=which, device=device, needs_data=False)
    found: Translation | TranslatedFiles
    if images is not None and _is_path(images):
        spec = job.model.spec
        fit = fit or DataRecipe.parse(job.data).size is not None
        if fit and spec.is_image and (change := changes(images, spec.event_shape)):
            say(change)
        x, names = given_images(
            images, spec.event_shape, low=spec.low, high=spec.high, fit=fit, like=job.data
        )
        with progress("translate") as bar:
            found = translate_files(
                job.model, x, names, to=to, steps=steps, noise=noise, seed=seed, progress=bar
            )
    elif not job.data:
        raise UsageError(f"{run} does not say what it was trained on: give the run folder")
    else:
        with progress("translate") as bar:
            found = translate_data_set(
                job.model, job.data, images, n=n, to=to, steps=steps, noise=noise, seed=seed,
                data_dir=data_dir, progress=bar,
            )  # fmt: skip
    return finished(
        run, found, "translate", job.folder, pictures=found.pictures, films=found.films, which=which
    )


def _is_path(images: str) -> bool:
    """Whether `images` are files; `folder:DIR`, `FILE.npz` and `FILE.csv` are data sets."""
    if images.startswith("folder:") or images.lower().endswith(FILES):
        return False
    return Path(images).expanduser().exists() or "/" in images
