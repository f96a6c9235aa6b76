"""The few-shot study of `tasks.fewshot` with its figures, as `gibbsian study` wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..fewshot import FewShot


@dataclass(frozen=True)
class FewShotStudy:
    """Accuracy on few labels, and AUROC of the surprisal; see `tasks.fewshot`."""

    found: FewShot

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return self.found.to_dict()

    def text(self) -> str:
        """Both tables."""
        return self.found.text()

    def figures(self) -> dict[str, Any]:
        """Accuracy against labels a class."""
        from .show import fewshot_figures

        return fewshot_figures(self.found)
