"""The state of compiled chains: graphs, the noise that steps ask for, failures, steps made without a graph.

The package says how it all fits together.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from ...core.draws import Request
from .graph_key import Key
from .graphs import Compiler, Graphs, compile_block
from .packages import Packages

log = logging.getLogger("gibbsian")
NO_COMPILER = ("InvalidCxxCompiler", "TritonMissing")


@dataclass(eq=False)
class Engine:
    """What is known of compiled chains; safe to share between threads.

    `blocks` counts those made so far; `absent` has keys whose package was not there, `trusted` those whose
    steps repeat what was traced; `reasons` says why some failed.

    Args:
        longest: steps in one graph, at most.
        fewest: gradients of a run from which tracing it pays, where packages are used: that takes as long as
            one or two, of small networks as five.
        held: keys whose graphs are held, at most; those used last stay.
        well_used: calls after which it was right to compile a handful of graphs for one key.
        auto_after: steps that chains of a key make without a graph before "auto" compiles them.
        compiler: makes the compiled form of a function for a device; None is `compile_block`, and packages on
            CPUs.
        packages: steps that were built, of this process and of the user's folder.
    """

    longest: int = 10
    fewest: int = 10
    held: int = 64
    well_used: int = 100
    auto_after: int = 30_000
    compiler: Compiler | None = None
    packages: Packages = field(default_factory=Packages)
    blocks: int = field(default=0, init=False)
    graphs: dict[Key, Graphs] = field(default_factory=dict, init=False, repr=False)
    absent: set[Key] = field(default_factory=set, init=False, repr=False)
    trusted: set[Key] = field(default_factory=set, init=False, repr=False)
    reasons: list[str] = field(default_factory=list, init=False, repr=False)
    failed: set[Key] = field(default_factory=set, init=False, repr=False)
    no_compiler: bool = field(default=False, init=False)
    _requests: dict[Key, list[Request] | None] = field(default_factory=dict, init=False, repr=False)
    _eager: Counter[Key] = field(default_factory=Counter, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def graphs_for(self, key: Key, device: torch.device) -> Graphs:
        """The graphs of `key`, which are made when called."""
        with self._lock:
            # Put back at the end: the order of the dictionary is that of the last use.
            graphs = self.graphs.pop(key, None) or Graphs(
                device, self.compiler or compile_block, self.well_used
            )
            self.graphs[key] = graphs
            while len(self.graphs) > self.held:
                del self.graphs[next(iter(self.graphs))]
        return graphs

    def requests_for(
        self, key: Key, find: Callable[[], list[Request] | None], *, anew: bool
    ) -> list[Request] | None:
        """The noise that a step asks for, None if the next steps may ask for other noise.

        `find` finds out, where it is not known yet or `anew` says that it may have changed.
        """
        if anew or key not in self._requests:
            self._requests[key] = find()
        return self._requests[key]

    def allows(self, key: Key) -> bool:
        """Whether neither chains of this key nor all chains have failed to compile."""
        return not self.no_compiler and key not in self.failed

    def give_up(self, key: Key, error: Exception) -> None:
        """Note that chains of this key cannot be compiled, or none can, and say so in the log."""
        met = _cause(error)
        if any(name in f"{type(met).__name__} {met}" for name in NO_COMPILER):
            self.no_compiler = True
        # By key, so that one energy that cannot be compiled does not slow the others down.
        self.failed.add(key)
        self.graphs.pop(key, None)
        self.reasons.append(_reason(met))
        log.warning("chains run without compilation: %s", self.reasons[-1])

    def forget_failures(self) -> None:
        """Try again to compile what could not be compiled so far, and say so again if it fails."""
        self.failed.clear()
        self.no_compiler = False

    def made_eagerly(self, key: Key) -> None:
        """Count a step without a graph, for "auto"."""
        self._eager[key] += 1

    def auto_is_due(self, key: Key) -> bool:
        """Whether "auto" compiles chains of this key from now on."""
        return self._eager[key] >= self.auto_after


def _cause(error: BaseException) -> BaseException:
    """What the compiler met, without the wrappers that it adds."""
    inner = getattr(error, "inner_exception", None)
    return _cause(inner) if isinstance(inner, BaseException) else error


def _reason(error: BaseException) -> str:
    """The first line that says something, and no stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"[:300]


ENGINE = Engine()
"""What compiled chains of this process share."""
