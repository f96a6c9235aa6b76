"""The few-shot study of `tasks.fewshot` with its figures, as `gibbsian study` wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...report.plots import COLOURS, named, panels, whiskers
from ..fewshot import FewShot


@dataclass(frozen=True)
class FewShotStudy:
    """Accuracy on few labels, and AUROC of the neg_log_prob; see `tasks.fewshot`."""

    found: FewShot

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return self.found.to_dict()

    def text(self) -> str:
        """Both tables."""
        return self.found.text()

    def figures(self) -> dict[str, Any]:
        """Accuracy against labels a class."""
        figure, (panel,) = panels(1, 1, 5.2, 3.4)
        for (name, row), colour in zip(self.found.accuracy.items(), COLOURS, strict=False):
            known = {count: v for count, v in row.items() if count}
            whiskers(panel, list(known), list(known.values()), color=colour, label=name)
        panel.set_xscale("log")
        panel.set_xticks(list(known), [str(count) for count in known])
        panel.minorticks_off()
        named(panel, "Softmax regression on few labels", "labels a class", "test accuracy")
        panel.legend(fontsize=8, frameon=False)
        return {"accuracy": figure}
