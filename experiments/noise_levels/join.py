"""The energy's rows beside those of its rivals: a record of docs/noise-energy.md.

python -m experiments.noise_levels.join RIVALS.json LOGLIK.json RUN OUT.json

RIVALS is what `likelihood --record` wrote, LOGLIK what `gibbsian loglik RUN` did with the same noise.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROWS = {"with the least noise": "U less log Z", "its sampler, at least": "its sampler, at least"}


def joined(rivals: dict[str, Any], found: dict[str, Any], minutes: float) -> dict[str, Any]:
    """The record with the energy's rows first, and what is known of its log Z."""
    body = []
    for name, title in ROWS.items():
        if told := found["nats"].get(name):
            low, high = told["interval"]
            nats = f"{told['value']:.5g} ± {(high - low) / 2:.2g}"
            body.append(
                [
                    f"noise_energy, {title} ({minutes:.1f} minutes, n = {found['n']:,})",
                    nats,
                    f"{told['bits']:.3f}",
                ]
            )
    rest = rivals["table"]["body"]
    table = {"head": rivals["table"]["head"], "body": body + rest}
    command = f"{rivals['command']}; gibbsian loglik RUN -n {found['n']}"
    log_z = found["normalisation"]
    return rivals | {"command": command, "table": table, "normalisation": log_z, "refused": found["refused"]}


def main(rivals: Path, loglik: Path, run: Path, out: Path) -> None:
    """Read, join, write."""
    record = json.loads((run / "run.json").read_text())
    minutes = record["spent"][str(record["step"])][1] / 60
    told = joined(json.loads(rivals.read_text()), json.loads(loglik.read_text()), minutes)
    out.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
