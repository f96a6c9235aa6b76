"""`gibbsian infer`: which concept explains several views."""

from __future__ import annotations

from typing import Annotated

from ..core.errors import UsageError, require_some
from .attributes import require_apart
from .options import Arg
from .result import Result
from .results import finished, opened
from .runs import Device, Run, Which


def infer(
    run: Run,
    *,
    images: Annotated[str | None, Arg("views: an image file, or a folder of them", "DIR|FILE")] = None,
    concept: Annotated[str, Arg("class, or of sprites shape, scale, position or rotation", "NAME")] = "class",
    candidates: Annotated[int | None, Arg("values of it to choose from, along each axis", "N")] = None,
    fit: Annotated[bool, Arg("crop, resample and colour the views as the model needs")] = False,
    out: Annotated[str | None, Arg("folder; RUN/infer, or infer for an exported model", "DIR")] = None,
    which: Which = "newest",
    device: Device = "cpu",
) -> Result:
    """Say which value of a concept explains all views best: the c of least sum of E(x_n | c).

    Models with classes choose among these; models of p(x | c) trained on sprites with
    --net.condition_dropout among values of an attribute, the others not being given. Energies of different c
    compare as far as Z(c) is the same for all. Writes infer.json, infer.txt, views.png, and a plot.
    """
    from ..data.given import given_images
    from ..models.model import device_of
    from ..report.pictures import sheet
    from ..tasks.infer import infer as find

    require_some({"--candidates": candidates})
    if images is None:
        raise UsageError("say what is seen: --images DIR or a file")
    job = opened(run, "infer", out=out, data=None, which=which, device=device, needs_data=False)
    spec = job.model.spec
    names: tuple[str, ...] = ()
    c = None
    if concept != "class" or not spec.num_classes:
        from ..data import attributes

        if spec.num_classes:
            raise UsageError(f"--concept is '{concept}', but {run} knows classes alone: leave it out")
        blocks = attributes.blocks_of(job.data, run)
        names, c = attributes.candidates(concept, blocks, candidates)
        require_apart(run, job.model, blocks)
    x, views = given_images(images, spec.event_shape, low=spec.low, high=spec.high, fit=fit, like=job.data)
    found = find(job.model, x.to(device_of(job.model)), c, names=names, concept=concept, views=views)
    pictures = {"views": sheet(x, spec.low, spec.high)}
    return finished(run, found, "infer", job.folder, pictures=pictures, which=which)
