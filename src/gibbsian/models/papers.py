"""The papers by name: their settings, presets and builders, and the way in for papers of others. No torch.

    entry("igebm")             of this package
    entry("hinge")             joined by `register_paper`, or by an installed entry point `gibbsian.models`
    entry("my_file:PAPER")     an object of a module beside you, named by a person and never by a file; a loss
                               as a plain function will do (see `own_loss`)

A paper of this package is a folder `models/<name>`: `config.py` (torch-free, its class called `CONFIG` too),
`learner.py` with `build`, `presets.yaml`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

from ..core.errors import UsageError, did_you_mean, unknown
from ..core.found import imported, require_trusted
from .presets import PresetFile, from_values, read
from .sources import Paper, Published

GROUP = "gibbsian.models"


@dataclass(frozen=True, eq=False)
class PaperEntry:
    """One paper, as the registry knows it.

    Attributes:
        name: a word without a colon.
        config: the frozen dataclass of its settings, every field with a default; or "module:Class".
        build: `build(config, event_shape, rng, net=None) -> Learner`, or "module:function".
        presets: presets by name, as in the YAML files of this package, or the path of such a file.
        about: one line for `gibbsian list systems`; of a file of presets, what it says itself.
    """

    name: str
    config: type[Any] | str
    build: Callable[..., Any] | str
    presets: Mapping[str, Any] | Path | None = None
    about: str = ""

    def config_class(self) -> type[Any]:
        """The frozen dataclass of its settings; raises `UsageError` for anything else."""
        found: type[Any] = _object(self.config)
        if not (isinstance(found, type) and is_dataclass(found)):
            kind = getattr(found, "__name__", found)
            raise UsageError(f"config of paper '{self.name}', {kind}, is no dataclass: make it one")
        return found

    def builder(self) -> Callable[..., Any]:
        """What builds a learner; this imports torch. Raises `UsageError` where it cannot be called so."""
        found: Callable[..., Any] = _object(self.build)
        what = f"the build of paper '{self.name}'"
        _require_call(what, found, "build", "config", "event_shape", "rng", "net")
        return found

    def file(self) -> PresetFile:
        """Its presets, papers and published figures; raises `UsageError` where they do not parse."""
        if isinstance(self.presets, Path):
            return read(self.presets)
        return from_values(self.name, {"presets": {"default": {}, **(self.presets or {})}})

    def line(self) -> str:
        """What it is, in one line."""
        return self.about or self.file().about

    def papers(self) -> tuple[Paper, ...]:
        """The publications to cite: the one that it is of, then those that it builds on."""
        return self.file().papers

    def published(self) -> tuple[Published, ...]:
        """Figures printed in them."""
        return self.file().published


AnyPaper: TypeAlias = PaperEntry | Callable[..., Any] | str
"""A paper of others: its entry, a loss, or the `FILE.py:OBJECT` of either."""


def _of_ours(name: str) -> PaperEntry:
    home, presets = f"{__package__}.{name}", Path(__file__).parent / name / "presets.yaml"
    return PaperEntry(name, f"{home}.config:CONFIG", f"{home}.learner:build", presets)


PAPERS: dict[str, PaperEntry] = {
    folder.parent.name: _of_ours(folder.parent.name)
    for folder in sorted(Path(__file__).parent.glob("*/presets.yaml"))
}
"""The registry: the folders beside this file. `register_paper` adds to it; entry points join later."""


OURS = frozenset(PAPERS)
GIVEN: dict[str, PaperEntry] = {}
"""Papers of others that a person names beside a run, `--paper FILE.py:OBJECT`, by these words."""


def of_loss(loss: Callable[..., Any]) -> PaperEntry:
    """The paper of a loss of one's own, `loss(model, batch, rng)`; this imports torch.

    Raises `UsageError` where it cannot be called so.
    """
    from .own_loss import PRESETS, OwnLossConfig, builder, named

    name = named(loss)
    _require_call(f"the loss '{name}'", loss, name, "model", "batch", "rng")
    about = (inspect.getdoc(loss) or "a loss of one's own").splitlines()[0]
    return PaperEntry(name, OwnLossConfig, builder(loss), PRESETS, about)


def register_paper(paper: PaperEntry | Callable[..., Any]) -> PaperEntry:
    """Let its name, that of a loss being the function's, name it in `fit`, `load` and every command of this
    process, in place of an earlier one of others; returns its entry.

    Raises `UsageError` where the name is not a word, or belongs to a paper of this package.
    """
    paper = _checked(paper, "paper")
    if not paper.name.isidentifier():
        raise UsageError(f"paper '{paper.name}' cannot join: its name must be a word such as 'hinge'")
    if paper.name in OURS and PAPERS[paper.name] is not paper:
        raise UsageError(f"paper '{paper.name}' cannot join: the name is one of this package's, take another")
    PAPERS[paper.name] = paper
    return paper


def stand_for(name: str, paper: AnyPaper) -> PaperEntry:
    """Let a paper of others be what files call `name` in this process; returns its entry.

    Raises `UsageError` where that is a paper of this package.
    """
    if name in OURS:
        raise UsageError(
            f"paper is given, but what is stored is of {name}, one of this package's: leave it out"
        )
    PAPERS[name] = entry(paper) if isinstance(paper, str) else _checked(paper, "paper")
    return PAPERS[name]


def same_name(one: str, other: str) -> bool:
    """Whether two words mean objects or papers of one name: `smoothed`, `my_file.py:smoothed`."""
    return one.rpartition(":")[2] == other.rpartition(":")[2]


def _given(name: str) -> PaperEntry | None:
    """The paper that a person gave for `name`: the one of that name, if there is one."""
    return next((p for words, p in GIVEN.items() if same_name(words, name) or p.name == name), None)


def all_papers() -> dict[str, PaperEntry]:
    """Every paper by name: registered ones, then those of installed packages."""
    from importlib import metadata  # 60 ms that --help need not wait for

    for point in metadata.entry_points(group=GROUP):
        if point.name not in PAPERS:
            register_paper(_checked(point.load(), f"{point.name} of {point.value}"))
    return PAPERS


def entry(name: str) -> PaperEntry:
    """The paper of a name, or of `module:OBJECT` and `FILE.py:OBJECT`, which are imported.

    Raises `UsageError` naming the nearest for an unknown one.
    """
    if name in PAPERS:
        return PAPERS[name]
    if (given := _given(name)) is not None:
        return stand_for(name, given)
    if ":" in name:
        PAPERS[name] = _checked(imported(name, "paper"), name)
        return PAPERS[name]
    if name.endswith(".py"):
        raise UsageError(f"'{name}' is a file: name the paper or the loss in it, as in {name}:PAPER")
    if name not in all_papers():
        raise unknown("system", name, PAPERS)
    return PAPERS[name]


def stored_entry(name: str, trust: bool = False) -> PaperEntry:
    """The paper that a file names: one that is known here, or the one that a person gave, whatever its name;
    else refused unless `trust`.

    Raises `UsageError` for a `module:OBJECT`, which would run code of the file's choice.
    """
    known = name in PAPERS or (":" not in name and name in all_papers())
    given = None if name in OURS else _given(name)
    if given is None and not known and len(GIVEN) == 1:
        given = next(iter(GIVEN.values()))
    if given is not None:
        return stand_for(name, given)
    if not known:
        remedy = "give it yourself, by paper= in Python or --paper FILE.py:OBJECT on the command line"
        if ":" not in name:
            remedy = f"where it is of others, {remedy}, or install its package"
            raise UsageError(f"unknown system '{name}': {did_you_mean(name, PAPERS)}; {remedy}")
        if not trust:
            require_trusted(name, "paper", f"{remedy}, or trust the file by trust=True or --trust")
    return entry(name)


def _require_call(what: str, function: Callable[..., Any], name: str, *arguments: str) -> None:
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} cannot be called as {name}({', '.join(arguments)}): {error}") from error


def _object(found: Any) -> Any:
    if not isinstance(found, str):
        return found
    module, _, name = found.partition(":")
    return getattr(importlib.import_module(module), name)


def is_loss(found: object) -> TypeGuard[Callable[..., Any]]:
    """Whether it may be a loss of one's own: something to call that is no class, network or learner."""
    return callable(found) and not isinstance(found, type) and not getattr(found, "parameters", None)


def _checked(found: Any, where: str) -> PaperEntry:
    if is_loss(found):
        return of_loss(found)
    if not isinstance(found, PaperEntry):
        what = "give a gibbsian.models.PaperEntry, or a loss as a function of (model, batch, rng)"
        raise UsageError(f"'{where}' is a {type(found).__name__}: {what}")
    return found
