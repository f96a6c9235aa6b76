"""Record the loss curve of every setting in this folder anew: `python tests/golden/record.py [NAME ...]`.

Do so only when numbers are meant to change, and say why in the commit.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from gibbsian.core.config import override
from gibbsian.data.load import load
from gibbsian.models.papers import entry
from gibbsian.train.fit import prepare
from gibbsian.train.recipes import RunConfig
from gibbsian.train.settings import MonitorConfig, TrainConfig

HERE = Path(__file__).parent
KEYS = ("loss", "energy_gap", "drift")


def curve(setting: dict[str, Any]) -> dict[str, list[float]]:
    """The numbers of 50 updates: losses of every group and KEYS, of those updates that log them."""
    torch.set_num_threads(1)
    model = override(entry(setting["system"]).config_class()(), setting["model"])
    train = override(TrainConfig(batch_size=16, lr=1e-3), setting.get("train", {}))
    config = RunConfig(setting["system"], "", setting["data"], model, train, MonitorConfig())
    trainer = prepare(config, load(setting["data"]).take(200)).trainer
    rows = [trainer.update() for _ in range(50)]
    keys = dict.fromkeys(k for row in rows for k in row if k in KEYS or k.endswith("_loss"))
    return {k: [round(row[k], 8) for row in rows if k in row] for k in keys}


def main(names: list[str]) -> None:
    for path in sorted(HERE.glob("*.json")):
        if not names or path.stem in names:
            setting = json.loads(path.read_text())
            setting["curve"] = curve(setting)
            path.write_text(json.dumps(setting, indent=1) + "\n")
            print(path.stem, {k: v[-1] for k, v in setting["curve"].items()})


if __name__ == "__main__":
    main(sys.argv[1:])
