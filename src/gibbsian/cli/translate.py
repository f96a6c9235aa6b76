"""`gibbsian translate`: images of one domain moved into that of a trained energy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..core.errors import UsageError
from .options import Arg
from .result import Result
from .results import place, progress, write
from .runs import DataDir, Device, Run, Which, require_writable, trained_on

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.model import EnergyModel
    from ..tasks.film import Film


def translate(
    run: Run,
    *,
    images: Annotated[
        str | None,
        Arg("source: an image file, a folder of images, or a data set; the run's own by default", "IMAGES"),
    ] = None,
    to: Annotated[int | None, Arg("class to move to, of a conditional model", "Y")] = None,
    steps: Annotated[int | None, Arg("chain steps; the model's own number by default", "K")] = None,
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
    other energy on images can be tried; a conditional one moves to the class --to.
    """
    from ..train.load import load
    from .machine import usable

    if n < 2 or (steps is not None and steps < 1):
        raise UsageError(f"asked for -n {n} and --steps {steps}: at least 2 images and 1 step")
    usable(device)
    folder = Path(out) if out else place(run, "translate")
    require_writable(folder)
    model = load(run, which=which).to(device)
    job = (model, to, steps, seed)
    if images is not None and _is_path(images):
        return _files(run, images, fit, folder, *job)
    return _set(run, images, n, data_dir, folder, *job)


def _is_path(images: str) -> bool:
    """Whether `images` are files; `folder:DIR`, `FILE.npz` and `FILE.csv` are data sets."""
    if images.startswith("folder:") or images.endswith((".npz", ".csv")):
        return False
    return Path(images).expanduser().exists() or "/" in images


def _set(
    run: str,
    images: str | None,
    n: int,
    data_dir: str | None,
    folder: Path,
    model: EnergyModel,
    to: int | None,
    steps: int | None,
    seed: int,
) -> Result:
    """Test images of a data set: pictures and measures."""
    from ..report.pictures import pictured
    from ..tasks.film import frames
    from ..tasks.translate.measure import compare
    from ..tasks.translate.picture import sheet
    from ..tasks.translate.sets import source_images

    target = trained_on(run)
    if not target:
        raise UsageError(f"{run} does not say what it was trained on: give the run folder")
    source = source_images(model, target, images, n=n, seed=seed, to=to, data_dir=data_dir)
    low, high = model.spec.low, model.spec.high
    x = low + (source.x + 1) * (high - low) / 2
    moved, film = _moved(model, x, to, steps, seed)
    found = compare(
        source.domains,
        source.x,
        pictured(moved, low, high),
        source.held,
        seed=seed,
        steps=film.made,
        pairs=source.pairs,
    )
    pairs = None if source.pairs is None else low + (source.pairs + 1) * (high - low) / 2
    pictures = {"translate": sheet(model, x, moved, film, pairs)}
    written = write(found, "translate", folder, pictures=pictures, films={"translate": frames(model, film)})
    told = "\n".join([found.text(), "", *(f"wrote {path}" for path in written)])
    return Result({"run": run, **found.to_dict(), "written": [str(p) for p in written]}, told)


def _files(
    run: str,
    images: str,
    fit: bool,
    folder: Path,
    model: EnergyModel,
    to: int | None,
    steps: int | None,
    seed: int,
) -> Result:
    """Image files: pictures, one for each."""
    from PIL import Image

    from ..data.given import given_images
    from ..report.pictures import to_uint8
    from ..tasks.film import frames
    from ..tasks.translate.measure import Files
    from ..tasks.translate.picture import sheet

    low, high = model.spec.low, model.spec.high
    x, names = given_images(images, model.spec.event_shape, low=low, high=high, fit=fit)
    moved, film = _moved(model, x, to, steps, seed)
    found = Files(tuple(names), seed, film.made)
    pictures = {"translate": sheet(model, x, moved, film)} | {
        f"translated/{name}": Image.fromarray(pixels)
        for name, pixels in zip(names, to_uint8(moved, low, high), strict=True)
    }
    written = write(found, "translate", folder, pictures=pictures, films={"translate": frames(model, film)})
    told = "\n".join([found.text(), *(f"wrote {path}" for path in written)])
    return Result({"run": run, **found.to_dict(), "written": [str(p) for p in written]}, told)


def _moved(
    model: EnergyModel, x: Tensor, to: int | None, steps: int | None, seed: int
) -> tuple[Tensor, Film]:
    from ..core.random import Streams
    from ..models.model import device_of
    from ..tasks.translate.chain import translate as move

    device = device_of(model)
    rng = Streams(seed, device=device).eval
    with progress("translate") as bar:
        return move(
            model,
            x.to(device),
            rng=rng,
            to=to,
            steps=steps,
            progress=lambda done, total: bar(done, total, ""),
        )
