"""Memory that is free on a device."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

UNKNOWN_MEMORY = 2**31
"""Bytes that are taken to be free where nobody tells."""


def free_bytes(device: torch.device, root: Path = Path("/")) -> int:
    """Memory that a computation on `device` can still get, in bytes; 2 GiB where nobody tells.

    `root` is the folder of `proc` and `sys`, from which Linux tells of its memory.
    """
    if device.type == "cuda":
        # What torch holds and does not use is free to us, and not to the driver.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    try:
        lines = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text().splitlines())
        return min(1024 * int(lines["MemAvailable"].split()[0]), _allowed(root))
    except (OSError, KeyError, ValueError):
        return _physical()


def _allowed(root: Path) -> int:
    """What a container may still take; very much without a limit."""
    group = root / "sys/fs/cgroup"
    try:
        return int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return sys.maxsize


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return UNKNOWN_MEMORY
