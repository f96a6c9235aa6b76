"""What the chains across classes did: tables, pictures, a map of the pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor

from ...core.show import one_line, tables
from ...metrics.interval import Interval
from ...report.pictures import beside, grid, to_uint8
from ...report.plots import numbered, panels
from ...report.tables import cell, plain, table


@dataclass(frozen=True, eq=False)
class Pairs:
    """What became of `n` source images under each of `targets`.

    `matrix` `(classes, targets)` are shares judged as the target; `x` `(targets, N, C, H, W)` in [0, 1].
    """

    targets: Sequence[int]
    n: int
    measures: dict[str, Interval]
    matrix: Tensor
    x: Tensor

    __repr__ = one_line


@dataclass(frozen=True)
class CrossClass:
    """Chains across classes of a conditional model.

    `per_class` test images each; `names` of the classes; `judge` and `features` name the classifiers;
    `source` `(classes, C, H, W)`, in [0, 1], are the images of the picture.
    """

    data: str
    per_class: int
    seed: int
    steps: int
    judge: str
    features: str
    names: Sequence[str]
    pairs: Pairs
    source: Tensor = field(repr=False)

    __repr__ = tables

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "data": self.data,
            "per_class": self.per_class,
            "seed": self.seed,
            "steps": self.steps,
            "judge": self.judge,
            "features": self.features,
            "pairs": {
                "n": self.pairs.n,
                "targets": list(self.pairs.targets),
                "reached_by_pair": self.pairs.matrix.tolist(),
                **{key: plain(v) for key, v in self.pairs.measures.items()},
            },
        }

    def text(self) -> str:
        """Both tables."""
        head = (
            f"{self.data}: {self.per_class} test images a class, chains of {self.steps} steps, "
            f"seed {self.seed}, judged by {self.judge}, distances in {self.features}"
        )
        return "\n\n".join([head, self._pairs(), self._matrix()])

    def _pairs(self) -> str:
        rows = [[key, cell(v)] for key, v in self.pairs.measures.items()]
        return table([f"under another class ({self.pairs.n} images)", "mean"], rows)

    def _matrix(self) -> str:
        head = ["judged as asked, %", *(self.names[t][:8] for t in self.pairs.targets)]
        rows = [
            [self.names[a], *(f"{100 * float(share):.0f}" for share in row)]
            for a, row in enumerate(self.pairs.matrix)
        ]
        return table(head, rows)

    @property
    def pictures(self) -> dict[str, Image.Image]:
        """Sources by targets."""
        columns = {"source": self.source} | {
            self.names[t]: self.pairs.x[k][:: self.per_class] for k, t in enumerate(self.pairs.targets)
        }
        return {"crossclass": image_columns(columns)}

    def figures(self) -> dict[str, Any]:
        """A map of the shares judged as the class asked for."""
        figure, (panel,) = panels(1, 1, width=5.0, height=4.4)
        cells = 100 * self.pairs.matrix.numpy()
        numbered(panel, cells, 60)
        image = panel.imshow(cells, vmin=0, vmax=100, cmap="magma")
        panel.set_xticks(
            range(len(self.pairs.targets)), [self.names[t] for t in self.pairs.targets], rotation=90
        )
        panel.set_yticks(range(len(self.names)), self.names)
        panel.set_xlabel("class of the chain")
        panel.set_ylabel("class of the source")
        figure.colorbar(image, ax=panel, label="judged as asked, %")
        return {"pairs": figure}


def image_columns(columns: Mapping[str, Tensor]) -> Image.Image:
    """Images `(N, C, H, W)` in [0, 1] by title, a column each."""
    return beside([grid(to_uint8(x, 0.0, 1.0), 1) for x in columns.values()], [t[:9] for t in columns])
