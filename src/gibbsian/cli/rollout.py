"""`gibbsian rollout`: many futures of one state, and how good they are."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from ..core.device import usable
from ..core.errors import UsageError
from .options import Arg
from .result import Result
from .results import place, say
from .runs import DataDir, Device, Run, Which, asked_data, cut_short, require_writable


def rollout(
    run: Run,
    *,
    start: Annotated[
        str, Arg("row of the held-out part, or a file of states, .npy or .csv", "ROW|FILE", "--start")
    ] = "0",
    n: Annotated[int, Arg("futures in the picture", "N", "-n")] = 64,
    horizon: Annotated[int, Arg("steps", "H")] = 50,
    joint: Annotated[bool, Arg("chains over whole paths, not one step after another")] = False,
    goal: Annotated[
        str | None, Arg("row or file of the last state: planning, with --joint", "ROW|FILE")
    ] = None,
    actions: Annotated[
        str | None, Arg("what is done, .npy or .csv; by default what was done after the row", "FILE")
    ] = None,
    steps: Annotated[int | None, Arg("of a chain; the model's own number, 200 of joint chains", "K")] = None,
    near: Annotated[float | None, Arg("begin chains at no step and so many deviations of noise", "S")] = None,
    within: Annotated[bool, Arg("take states beyond the training range back to its edge")] = False,
    windows: Annotated[int, Arg("held-out windows to measure on; 0 measures nothing", "N")] = 0,
    seed: Annotated[int, Arg("the same seed gives the same paths", "S")] = 0,
    data: Annotated[str | None, Arg("transitions; those of training by default", "NAME")] = None,
    out: Annotated[str | None, Arg("picture; RUN/rollout.png by default", "FILE.png")] = None,
    npz: Annotated[str | None, Arg("the paths, an array (n, H + 1, D)", "FILE.npz")] = None,
    which: Which = "newest",
    device: Device = "cpu",
    data_dir: DataDir = None,
) -> Result:
    """Draw many futures of one state by a model of p(s' | s), or of p(s' | s, a): data pointmass:two_way,
    adroit_door, episodes:FILE.

    With --windows also measures them on windows of held-out episodes: Frechet distance and energy score a
    step, the share out of the training range, held-out nats of normalised models (snl).
    """
    usable(device)
    name = asked_data(run, data)
    if not name:
        raise UsageError(f"{run} does not say what it was trained on: name its transitions with --data")
    if joint and windows:
        raise UsageError("--windows measures paths that are drawn step by step: leave out --joint")
    picture = Path(out) if out else place(run, "rollout.png")
    for path in (picture, *([Path(npz)] if npz else [])):
        require_writable(path.parent)
    from ..tasks.rollout.measure import measure_rollouts
    from ..tasks.rollout.rollout import rollout as draw
    from ..tasks.rollout.start import state_file
    from ..train.load import load

    model = load(run, which=which).to(device)
    end = None if goal is None else _row(goal)
    done = None if actions is None else state_file(actions)
    found = draw(
        model, name, start=_row(start), n=n, horizon=horizon, joint=joint, goal=end, actions=done,
        steps=steps, near=near, within=within, seed=seed, data_dir=data_dir,
    )  # fmt: skip
    values, lines = found.to_dict(), [found.text()]
    if windows:
        measured = measure_rollouts(
            model, name, n=windows, horizon=horizon, steps=steps, near=near, within=within, seed=seed,
            data_dir=data_dir,
        )  # fmt: skip
        values, lines = {**values, "measured": measured.to_dict()}, [*lines, "", measured.text()]
    written = []
    if npz:
        from ..report import arrays

        arrays.write(Path(npz), {"paths": found.paths.numpy()})
        written.append(npz)
    if find_spec("matplotlib") is None:
        say("no picture without matplotlib: pip install 'gibbsian[plot]'")
    else:
        try:
            found.figure().savefig(picture, dpi=110)
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot write {picture}: {error}; choose another --out") from error
        written.append(str(picture))
    if cut := cut_short(run, which):
        say(f"training was cut short: {cut}")
    lines += [f"wrote {path}" for path in written]
    return Result({"run": run, "data": name, **values, "written": written}, "\n".join(lines))


def _row(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text
