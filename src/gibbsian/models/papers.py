"""The papers by name: their settings, presets and builders, and the way in for papers of others. No torch.

    entry("igebm")             of this package
    entry("hinge")             joined by `register_paper`, or by an installed entry point `gibbsian.models`
    entry("my_file:PAPER")     an object of a module beside you, named by a person and never by a file

A paper of this package is a folder `models/<name>`: `config.py` (torch-free), `learner.py`, `presets.yaml`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import UsageError, unknown
from ..core.found import imported, require_trusted
from .presets import PresetFile, from_values, read
from .sources import Paper, Published

GROUP = "gibbsian.models"


@dataclass(frozen=True, eq=False)
class PaperEntry:
    """One paper, as the registry knows it.

    Attributes:
        name: a word without a colon.
        config: the frozen dataclass of its settings, or "module:Class".
        build: `build(config, event_shape, rng, net=None) -> Learner`, or "module:function".
        presets: presets by name, as in the YAML files of this package, or the path of such a file.
        about: one line for `gibbsian list systems`.
    """

    name: str
    config: type[Any] | str
    build: Callable[..., Any] | str
    presets: Mapping[str, Any] | Path | None = None
    about: str = ""

    def config_class(self) -> type[Any]:
        """The frozen dataclass of its settings."""
        found: type[Any] = _object(self.config)
        return found

    def builder(self) -> Callable[..., Any]:
        """What builds a learner; this imports torch."""
        found: Callable[..., Any] = _object(self.build)
        return found

    def file(self) -> PresetFile:
        """Its presets, papers and published figures; raises `UsageError` where they do not parse."""
        if isinstance(self.presets, Path):
            return read(self.presets)
        return from_values(self.name, {"presets": {"default": {}, **(self.presets or {})}})

    def papers(self) -> tuple[Paper, ...]:
        """Its papers, its own first."""
        return self.file().papers

    def published(self) -> tuple[Published, ...]:
        """Figures that they printed."""
        return self.file().published


def _of_ours(name: str, config: str, about: str) -> PaperEntry:
    home = f"{__package__}.{name}"
    presets = Path(__file__).parent / name / "presets.yaml"
    return PaperEntry(name, f"{home}.config:{config}", f"{home}.learner:build", presets, about)


_OURS = (
    ("igebm", "IGEBMConfig", "persistent chains from a replay buffer; conditional; past weights"),
    (
        "generative_convnet",
        "GenerativeConvNetConfig",
        "energy times a reference; persistent, contrastive-divergence or short-run chains",
    ),
    ("short_run", "ShortRunConfig", "the K-step chain from noise is the sampler"),
    ("jem", "JEMConfig", "a classifier whose logits are a joint energy: cross-entropy and chains"),
    ("gebm", "GEBMConfig", "a generator tilted by an energy, sampled in its latents; GAN and f-GAN beside"),
    ("vaebm", "VAEBMConfig", "a VAE tilted by an energy, chains on its noise; beta-TC and FactorVAE; (x, z)"),
    ("cebm", "CEBMConfig", "latents that integrate out exactly: a posterior of z in closed form"),
    ("drl", "DRLConfig", "a ladder of noise levels, each with a conditional that short chains can sample"),
    ("coopnets", "CoopNetsConfig", "a generator starts the chains, and learns from where they end"),
    ("acd", "ACDConfig", "an energy against a generator with an entropy term (VERA), or without"),
    (
        "energy_matching",
        "EnergyMatchingConfig",
        "a flow far from the data, an energy near them, in one potential",
    ),
    ("cfebm", "CFEBMConfig", "small images first: an energy for each size, faded in, one chain through all"),
    ("score_matching", "ScoreMatchingConfig", "no chains in training: denoising on a ladder, sliced, exact"),
    ("nce", "NCEConfig", "an energy and its log Z, told from noise of a known density"),
    ("icd", "ICDConfig", "contrastive divergence with the sampler's own gradient and an entropy"),
)
PAPERS: dict[str, PaperEntry] = {row[0]: _of_ours(*row) for row in _OURS}
"""The registry; `register_paper` adds to it, installed entry points join when the list is asked for."""


def register_paper(paper: PaperEntry) -> PaperEntry:
    """Let `paper.name` name it in `fit`, `load` and every command of this process; returns it.

    Raises `UsageError` where the name is not a word, or belongs to another paper.
    """
    if not paper.name.isidentifier():
        raise UsageError(f"paper '{paper.name}' cannot join: its name must be a word such as 'hinge'")
    known = PAPERS.get(paper.name)
    if known is not None and known.build is not paper.build:
        raise UsageError(f"paper '{paper.name}' cannot join: the name is taken")
    PAPERS[paper.name] = paper
    return paper


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
    if ":" in name:
        PAPERS[name] = _checked(imported(name, "paper"), name)
        return PAPERS[name]
    if name not in all_papers():
        raise unknown("system", name, PAPERS)
    return PAPERS[name]


def stored_entry(name: str, trust: bool = False) -> PaperEntry:
    """The paper that a file names: one that is known here, else refused unless `trust`.

    Raises `UsageError` for a `module:OBJECT`, which would run code of the file's choice.
    """
    if ":" in name and name not in PAPERS and not trust:
        remedy = "name it yourself by gibbsian.register_paper, or trust them by trust=True or --trust"
        require_trusted(name, "paper", remedy)
    return entry(name)


def _object(found: Any) -> Any:
    if not isinstance(found, str):
        return found
    module, _, name = found.partition(":")
    return getattr(importlib.import_module(module), name)


def _checked(found: Any, where: str) -> PaperEntry:
    if not isinstance(found, PaperEntry):
        raise UsageError(f"'{where}' is a {type(found).__name__}: a paper is a gibbsian.PaperEntry")
    return found
