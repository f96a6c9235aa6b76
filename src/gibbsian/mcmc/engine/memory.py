"""Memory that is free on a device."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import torch

UNKNOWN_MEMORY = 2**31
"""Bytes that are taken to be free where nobody tells."""
GROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
"""Files that tell what a control group, such as a container, may take and takes; of both versions."""


def free_bytes(device: torch.device, root: Path = Path("/")) -> int:
    """Memory that a computation on `device` can still get, in bytes; all of it where nobody tells what is
    free, and 2 GiB where nobody tells that.

    `root` is the folder of `proc` and `sys`, from which Linux tells of its memory.
    """
    told = told_bytes(device, root)
    if told is not None:
        return told
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return UNKNOWN_MEMORY


def told_bytes(device: torch.device, root: Path = Path("/")) -> int | None:
    """The same where the system tells what is free, else None."""
    if device.type == "cuda":
        # What torch holds and does not use is free to us, and not to the driver.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    found = []
    with suppress(OSError, KeyError, ValueError):
        lines = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text().splitlines())
        found.append(1024 * int(lines["MemAvailable"].split()[0]))
    for limit, used in GROUPS if found else ():
        group = root / "sys/fs/cgroup"
        with suppress(OSError, ValueError):
            found.append(int((group / limit).read_text()) - int((group / used).read_text()))
    return min(found, default=None)
