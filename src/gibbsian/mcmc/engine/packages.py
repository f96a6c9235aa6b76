"""Built steps that are kept: in this process by their order, and in a folder for those that come after.

A package is a library of machine code, and to load it is to run it. So the folder must be the user's own, and
closed to others; a package is known by a hash of all that it was built from (the operations, the versions,
the features of the processor), and is loaded only if the seal beside it fits it byte for byte. What does not
fit is built again, with one line in the log. Building takes 10 to 60 seconds in a process of its own, as the
compiler alone takes seconds to import; loading takes milliseconds, by torch's C++ loader.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from ...core.device import cpuinfo
from .folder import BUILDING, HELD, NotBuilt, kept_folder, own_folder, owned, prune, removed, sweep

log = logging.getLogger("gibbsian")
PACKAGE, SEAL, ORDER, FAILED = "step.pt2", "seal.json", "order.json", "failed.txt"
CHILD = """
import json, sys
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from gibbsian.mcmc.engine.building import main
sys.exit(main(Path(sys.argv[2])))
"""
Built: TypeAlias = Callable[[list[Tensor]], list[Tensor]]


class Packages:
    """The packages of this process and of `folder` (by default `kept_folder()`, looked up when needed).

    `compared` has those that were seen to do here what the steps do. Safe to share between threads.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.given, self.process = folder, os.getpid()
        self.loaded: OrderedDict[str, Built] = OrderedDict()
        self.compared: set[str] = set()
        self.builders: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
        self.lock = threading.RLock()

    @property
    def folder(self) -> Path:
        """Where packages are kept; raises `NotBuilt` if others may write there."""
        self.given = self.given or kept_folder()  # wherever the process goes from here
        return own_folder(self.given)

    def find(self, name: str) -> Built | None:
        """The package of this name, if it was built; raises `NotBuilt` if that was tried in vain."""
        with self.lock:
            if name in self.loaded:
                self.loaded.move_to_end(name)
                return self.loaded[name]
            self._settle(name)
            found = None if name in self.builders else opened(self.folder / name)
            if found is not None:
                self.loaded[name] = found
                while len(self.loaded) > HELD:
                    self.loaded.popitem(last=False)
            return found

    def begin(self, name: str, text: str) -> None:
        """Build the order `text` in another process, if that has not begun."""
        with self.lock:
            if name not in self.loaded and name not in self.builders:
                sweep(self.folder)
                self.builders[name] = started(self.folder, text)

    def wait(self, name: str, text: str) -> Built:
        """The package of an order, when it is built; raises `NotBuilt`."""
        self.begin(name, text)
        if name in self.builders:
            process, room = self.builders[name]
            try:
                process.wait()
            except BaseException:  # an interrupt must not leave a compiler behind, or half of what it made
                process.kill()
                self.builders.pop(name, None)
                removed(room)
                raise
        found = self.find(name)
        if found is None:
            raise NotBuilt("a package was built, and cannot be opened")
        return found

    def _settle(self, name: str) -> None:
        """Take over what a builder has left, if it has ended; raises `NotBuilt` if it failed."""
        if self.process != os.getpid():  # a fork, whose parent waits for what it has begun
            self.process, self.builders = os.getpid(), {}
        process, room = self.builders.get(name, (None, Path()))
        if process is None or process.poll() is None:
            return
        del self.builders[name]
        try:
            if not (room / PACKAGE).is_file():
                raise NotBuilt(_reason(room, process.returncode))
            sealed(room, name)
            removed(self.folder / name)
            room.rename(self.folder / name)
            prune(self.folder)
        finally:
            removed(room)


def name_of(text: str) -> str:
    """The name of the package of an order on this machine."""
    return hashlib.sha256(f"{machine()}\n{text}".encode()).hexdigest()[:40]


@cache
def machine() -> str:
    """What a package depends on beside its order: versions, the processor, and how we build."""
    here = Path(__file__).parent
    how = b"".join((here / name).read_bytes() for name in ("building.py", "rewriting.py", "program.py"))
    return json.dumps(
        {
            "torch": torch.__version__,
            "system": platform.platform(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "features": hashlib.sha256(features().encode()).hexdigest()[:16],
            "how": hashlib.sha256(how).hexdigest()[:16],
        }
    )


def features() -> str:
    """The features of the processor, as the system tells them."""
    return " ".join(sorted(cpuinfo("flags", "features").split())) or platform.processor()


def opened(place: Path) -> Built | None:
    """The package in a folder; None, with a line in the log, if it is not there as it was built."""
    if not place.exists():
        return None
    try:
        # What others put there before the folder was closed to them is theirs still.
        if not owned(place.stat()) or not all(owned(p.stat(), 0) for p in place.iterdir()):
            raise ValueError("it is not the user's own, or open to others")
        if (place / SEAL).read_text() != seal(place, place.name):
            raise ValueError("it is not what was built here")
        load = torch._C._aoti.AOTIModelPackageLoader(str(place / PACKAGE), "model", False, 1, -1)
    except Exception as error:  # whatever is wrong with it, it can be built again
        log.warning("a kept package is built again: %s", str(error).splitlines()[0][:200])
        removed(place)
        return None
    with suppress(OSError):  # a cache that is only read
        os.utime(place)
    run: Built = load.boxed_run
    return run


def seal(place: Path, name: str) -> str:
    """What stands beside a package that was built here, under this name, on this machine."""
    whole = hashlib.sha256(f"{name}\n".encode() + (place / PACKAGE).read_bytes()).hexdigest()
    return json.dumps({"machine": machine(), "seal": whole})


def sealed(place: Path, name: str) -> None:
    """Put the seal beside a package."""
    (place / SEAL).write_text(seal(place, name))


def started(folder: Path, text: str) -> tuple[subprocess.Popen[bytes], Path]:
    """A process that builds the order `text`, and the folder where it does."""
    room = Path(tempfile.mkdtemp(prefix=BUILDING, dir=folder))
    (room / ORDER).write_text(text)
    # Isolated, in its own room: a file of the folder where somebody works must not be taken for a module.
    paths = [str(Path(__file__).parents[3]), *(p for p in sys.path if os.path.isabs(p))]
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", CHILD, json.dumps(paths), str(room)],
            cwd=room,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        removed(room)
        raise
    return process, room


def _reason(room: Path, code: int | None) -> str:
    try:
        return (room / FAILED).read_text().strip()[:300]
    except OSError:
        return f"the compiler ended with {code}"
