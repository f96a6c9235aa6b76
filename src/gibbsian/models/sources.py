"""Where a model comes from: papers, and the figures that they printed. No torch."""

from __future__ import annotations

from dataclasses import dataclass


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
