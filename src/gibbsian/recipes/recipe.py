"""A recipe: everything that one training needs beside the data, with where its numbers come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .train import MonitorConfig, TrainConfig


@dataclass(frozen=True)
class Recipe:
    """A named setting of a system: `model` is the system's own config dataclass."""

    model: Any
    train: TrainConfig = field(default_factory=TrainConfig)
    monitor: MonitorConfig = field(default_factory=MonitorConfig)
    data: str = "digits"
    """Data set it was made for."""
    note: str = ""
    """Where the constants come from, and what differs from the source."""


@dataclass(frozen=True)
class Paper:
    """What `gibbsian cite` and `gibbsian list systems` print."""

    key: str
    authors: str
    year: int
    title: str
    venue: str
    url: str

    def bibtex(self) -> str:
        """A BibTeX entry."""
        body = {"author": self.authors, "title": self.title, "year": self.year, "booktitle": self.venue}
        lines = [f"  {k} = {{{v}}}," for k, v in {**body, "url": self.url}.items()]
        return "\n".join([f"@inproceedings{{{self.key},", *lines, "}"])


@dataclass(frozen=True)
class Published:
    """A figure printed in a paper, to stand beside ours."""

    setting: str
    measure: str
    value: str
