"""`gibbsian continual`: classes that come in sequence, and how much of the earlier ones is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from .options import Arg
from .result import Result
from .results import names, progress, write
from .runs import DataDir, require_writable


def continual(
    *,
    data: Annotated[str, Arg("labelled data: a name, folder of classes, or file", "NAME")] = "mnist",
    protocol: Annotated[
        Literal["generative", "discriminative"],
        Arg("every image seen once, own chains seen again; or a classifier E(x, y), 2,000 updates a task"),
    ] = "generative",
    methods: Annotated[
        str, Arg("all, or some of energy,finetune,ewc,si,lwf,vae,replay", "NAME,NAME")
    ] = "all",
    seeds: Annotated[int, Arg("how many, for intervals", "N")] = 10,
    tasks: Annotated[int | None, Arg("in how many parts the classes come; in pairs by default", "N")] = None,
    negative: Annotated[
        Literal["current", "all"], Arg("discriminative: another label of the task, or all labels at once")
    ] = "current",
    steps: Annotated[int | None, Arg("discriminative: updates a task, 2,000 by default", "N")] = None,
    passes: Annotated[int, Arg("generative: passes over the rows of a task", "N")] = 1,
    batch_size: Annotated[int | None, Arg("rows of an update; 64 or 128 by default", "N")] = None,
    rows: Annotated[int | None, Arg("training rows of a task at most, for a quick look", "N")] = None,
    validation: Annotated[
        int | None, Arg("judge by so many training rows, set aside, not by test rows: for tuning", "N")
    ] = None,
    out: Annotated[str, Arg("folder; the same command goes on with what is in it", "DIR")] = "continual",
    data_dir: DataDir = None,
) -> Result:
    """Learn classes a few at a time, and see what is left of the earlier ones: a single classifier over all
    classes seen, argmin E(x, y). Intervals are of 95 %, over seeds.

    Two published protocols, which do not compare. Generative: a single pass over each task, and of earlier
    classes only ends of the model's own chains. Discriminative: E(x, y) is pushed up at one other label of
    the present task, so that earlier classes are left alone. Beside: fine-tuning, EWC, SI, LwF, a VAE that
    sees its own samples again (generative), and replay of all real images, the ceiling.

    Writes continual.json, continual.txt, continual-accuracy.png (these need the extra plot), and a record of
    every finished seed in DIR/seeds, so that after an interruption the same command goes on.
    """
    from ..tasks.continual.run import continual as compare

    folder = Path(out)
    require_writable(folder)
    found = compare(
        data,
        protocol=protocol,
        methods=None if methods == "all" else names(methods),
        seeds=seeds,
        tasks=tasks,
        negative=negative,
        steps=steps,
        passes=passes,
        batch_size=batch_size,
        rows=rows,
        validation=validation,
        out=folder,
        data_dir=data_dir,
        bars=progress,
    )
    written = write(found, "continual", folder, prefix="continual-")
    lines = "\n".join(f"wrote {path}" for path in written)
    return Result({**found.to_dict(), "written": [str(p) for p in written]}, f"{found.text()}\n\n{lines}")
