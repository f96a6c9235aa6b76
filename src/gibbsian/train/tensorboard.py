"""The log of a run in TensorBoard: `--log tensorboard`, then `tensorboard --logdir RUN`. An extra."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import UsageError


class TensorBoard:
    """Writes every number of a log line as a curve, in the folder `path`.

    Raises `UsageError` where TensorBoard is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "--log tensorboard needs TensorBoard: pip install 'gibbsian[tensorboard]'"
            ) from error
        self.writer: Any = SummaryWriter(str(path))

    def __call__(self, line: Mapping[str, Any]) -> None:
        """One log line with its `step`."""
        for name, value in line.items():
            if isinstance(value, (int, float)) and name != "step" and math.isfinite(value):
                self.writer.add_scalar(name, value, line["step"])
        self.writer.flush()
