"""Command line of the mutation test: `python -m scripts.mutate --help`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from .choose import STORED
from .draw import areas, drawn
from .lists import EQUIVALENT, SURVIVORS, kept, reasons
from .mutation import Mutation
from .results import GOAL, Result, Store, Summary, digest
from .run import Attempts

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".mutate" / "results.jsonl"


def main(words: list[str] | None = None) -> int:
    """Try the mutations and tell; 1 where fewer are killed than should be, 130 after Ctrl-C."""
    args = _parser().parse_args(words)
    if args.trace:
        from .trace import trace

        return trace(ROOT, STORED)
    wanted = _wanted(args)
    if args.list:
        print("\n".join(map(str, wanted)))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    store = Store(args.results, digest(ROOT), trust_kills=args.trust_kills)
    try:
        summary = _tried(wanted, store, args.jobs, args.limit)
    except KeyboardInterrupt:
        print(
            f"\nstopped: what was found is kept in {args.results}, the same command goes on", file=sys.stderr
        )
        return 130
    print(json.dumps(summary.record(), indent=1) if args.json else summary.table())
    return int(summary.share < GOAL)


def _wanted(args: argparse.Namespace) -> list[Mutation]:
    """The mutations that are kept and those that are drawn, without those that were not asked for."""
    found = {m.key: m for m in [*drawn(ROOT, args.drawn, args.seed), *kept(ROOT)]}
    return [m for m in found.values() if m.area in (args.only or [m.area]) and (args.match or "") in m.key]


def _tried(wanted: list[Mutation], store: Store, jobs: int, limit: float) -> Summary:
    """All of them with their results: known ones, those that change nothing, and new ones."""
    equivalent, survivors = reasons(EQUIVALENT, ROOT), reasons(SURVIVORS, ROOT)
    found = {key: Result(key, "equivalent", why=why) for key, why in equivalent.items()}
    new = [m for m in wanted if m.key not in found and m.key not in store.held]
    done = len(wanted) - len(new)

    def tell(mutation: Mutation, result: Result) -> None:
        nonlocal done
        done += 1
        place, by = f"{mutation.file}:{mutation.line}", f" by {result.by}" if result.by else ""
        print(
            f"[{done}/{len(wanted)}] {result.outcome}{by}: {place} ({result.cpu:.0f} s)",
            file=sys.stderr,
            flush=True,
        )

    Attempts(ROOT, store, limit, tell).run(new, jobs)
    results = {**store.held, **found}
    pairs = [(m, results[m.key]) for m in wanted]
    return Summary([(m, replace(r, why=r.why or survivors.get(m.key, ""))) for m, r in pairs])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.mutate", description="Does a test fail when a line is wrong?"
    )
    add = parser.add_argument
    add(
        "--only", action="append", metavar="AREA", help=f"only mutations of an area: {', '.join(areas(ROOT))}"
    )
    add("--match", metavar="TEXT", help="only mutations whose file, function or lines contain this")
    add("--drawn", type=int, default=100, metavar="N", help="mutations by chance, over all areas (100)")
    add("--seed", type=int, default=0, help="of those (0)")
    add("--jobs", type=int, default=1, help="runs at a time (1)")
    add(
        "--limit",
        type=float,
        default=240.0,
        metavar="SECONDS",
        help="of the processor for one run; longer counts as killed (240)",
    )
    add(
        "--trust-kills",
        action="store_true",
        help="do not try again what an earlier state of the tests killed",
    )
    add("--results", type=Path, default=RESULTS, metavar="FILE", help="where an interrupted run goes on")
    add("--json", action="store_true", help="print the results as JSON")
    add("--list", action="store_true", help="print the mutations and try none")
    add("--trace", action="store_true", help="run the suite, and store which tests call which functions")
    return parser


if __name__ == "__main__":
    sys.exit(main())
