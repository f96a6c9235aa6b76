"""What was meant by an option that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..core.errors import UsageError

MEANT = {
    **dict.fromkeys(("lr", "learning_rate"), "--train.lr"),
    **dict.fromkeys(("wd", "weight_decay"), "--train.weight_decay"),
    **dict.fromkeys(("bs", "batch_size", "batch"), "--train.batch_size"),
    **dict.fromkeys(("epochs", "iterations", "iters", "updates", "max_steps"), "--steps"),
    **dict.fromkeys(("gpu", "cuda", "gpus"), "--device cuda"),
    **dict.fromkeys(("o", "output", "outdir", "output_dir", "outfile", "save"), "--out"),
    **dict.fromkeys(("num", "samples", "num_samples", "n_samples", "number"), "-n"),
    **dict.fromkeys(("dataset", "input", "d"), "--data"),
    "sampler": "--start",
}
"""What people mean by flags of other tools."""


def unknown_flag(flag: str, flags: Iterable[str]) -> UsageError:
    """The error for an unknown `flag`, with the nearest of `flags`, or that which other tools call so."""
    known = {f"-{f.lstrip('-')}" if f == "-n" else f: _bare(f).rpartition(".")[2] for f in flags}
    known |= {"--json": "json", "--help": "help"}
    word = _bare(flag)
    meant = MEANT.get(word, "")
    parted = [f for f in known if _bare(f).replace(".", "_") == word]
    inside = [f for f, last in known.items() if last == word and "." in f]
    near = difflib.get_close_matches(word, [_bare(f) for f in known] + [*known.values()], n=1)
    alike = [f for f, last in known.items() if near and near[0] in (_bare(f), last)]
    if meant and (meant.partition(" ")[0] in known or meant.startswith("--train.")):
        return UsageError(f"unknown option '{flag}': did you mean '{meant}'?")
    found = parted or inside or sorted(alike, key=len)
    return UsageError(
        f"unknown option '{flag}': " + (f"did you mean '{found[0]}'?" if found else "see --help")
    )


def _bare(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")
