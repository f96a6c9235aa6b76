"""`gibbsian list` and `gibbsian cite`: what there is, and whose it is. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from ..core.errors import UsageError
from ..data.names import DATA_NAMES
from ..models.papers import Paper, all_papers, entry
from ..train.recipes import Recipe, presets
from .kernels import KERNELS
from .options import Arg
from .result import Result, table

Rows = list[dict[str, Any]]


def show(
    what: Annotated[Literal["systems", "presets", "data", "kernels"], Arg("what to list")],
    system: Annotated[str | None, Arg("whose presets, a name or FILE.py:OBJECT; all by default")] = None,
) -> Result:
    """List systems, their presets, data sets, or kernels for sampling."""
    if system and what != "presets":
        raise UsageError(f"list {what} takes no system: write gibbsian list presets {system}")
    rows = _presets(system) if system else LISTS[what]()
    return Result({what: rows}, table([[_cell(k, v) for k, v in row.items()] for row in rows]))


def cite(system: Annotated[str, Arg("a system, see gibbsian list systems")]) -> Result:
    """BibTeX of the papers behind a system, and the figures that they printed, to stand beside one's own."""
    papers, published = entry(system).papers(), entry(system).published()
    figures = [{"setting": p.setting, "measure": p.measure, "value": p.value} for p in published]
    text = "\n\n".join(p.bibtex() for p in papers) or f"{system} names no publication"
    if figures:
        text += "\n\npublished figures:\n" + table(
            [[f"  {f['setting']}", f["measure"], f["value"]] for f in figures]
        )
    about = {"system": system, "papers": [_about(p) for p in papers], "published": figures}
    return Result(about, text)


def _systems() -> Rows:
    return [
        {"name": name, "about": found.line(), "paper": "".join(_lead(paper) for paper in found.papers()[:1])}
        for name, found in all_papers().items()
    ]


def _presets(system: str | None = None) -> Rows:
    names = [system] if system else all_papers()
    return [_preset(name, *found) for name in names for found in presets(name).items()]


def _preset(system: str, name: str, recipe: Recipe) -> dict[str, Any]:
    claims = bool(getattr(recipe.model, "claims_density", False))
    return {"system": system, "preset": name, "data": recipe.data, "density": claims, "note": recipe.note}


def _data() -> Rows:
    return [
        {"name": d.name, "shape": list(d.shape), "classes": d.classes, "what": d.what, "credit": d.credit}
        for d in DATA_NAMES
    ]


def _kernels() -> Rows:
    return [{"name": name, "exact": k.exact, "about": k.about} for name, k in KERNELS.items()]


LISTS: dict[str, Callable[[], Rows]] = {
    "systems": _systems,
    "presets": _presets,
    "data": _data,
    "kernels": _kernels,
}


def _about(paper: Paper) -> dict[str, Any]:
    return {**vars(paper), "bibtex": paper.bibtex()}


def _lead(paper: Paper) -> str:
    """Authors and year as one cites them in a sentence."""
    names = [a.split()[-1] for a in paper.authors.split(" and ")]
    who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
    return f"{who} {paper.year}"


WORDS = {"exact": ("biased by its step", "exact"), "density": ("no density", "a density")}


def _cell(key: str, value: Any) -> str:
    if key in WORDS:
        return WORDS[key][value]
    if isinstance(value, list):
        return " x ".join(map(str, value)) or "any"
    return f"{value} classes" if isinstance(value, int) and value else "" if value == 0 else str(value)
