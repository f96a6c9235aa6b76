"""The commands of the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import __doc__ as about
from . import capture
from .blocks import built, stale
from .figures import strange
from .measure import measure
from .records import PAGES, ROOT
from .transcribe import transcribe


def main() -> int:
    """The command."""
    try:
        return done(parser().parse_args())
    except KeyError as error:
        raise SystemExit(error.args[0]) from error


def done(given: argparse.Namespace) -> int:
    """Do what is asked; 1 if something is out of date."""
    wrong = list[str]()
    if given.what == "measure":
        measure(given.runs, given.name, given.n, given.draws)
    if given.what == "report":
        capture.report(given.name, given.file, given.command, given.columns)
    if given.what == "run":
        capture.run(given.name, given.command, given.said)
    if given.what == "transcribe":
        wrong = [line for page in given.pages for line in transcribe(page.resolve(), given.again)]
        print("\n".join(wrong) or "taken over")
    if given.what == "build":
        for page in PAGES:
            page.write_text(built(page.read_text()))
    if given.what == "check":
        wrong = [f"{p.relative_to(ROOT)}: {line}" for p in PAGES for line in (*stale(p), *strange(p))]
        print("\n".join(wrong) or "every table is that of its record, every figure stands in one")
    return int(bool(wrong))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(description=about, formatter_class=argparse.RawTextHelpFormatter)
    parts = whole.add_subparsers(dest="what", required=True)
    one = parts.add_parser("measure")
    one.add_argument("runs", type=Path, help="a folder of run folders")
    one.add_argument("name", help="of the record")
    one.add_argument("-n", type=int, default=400, help="samples a draw")
    one.add_argument("--draws", type=int, default=3)
    two = parts.add_parser("report")
    two.add_argument("name", help="of the record")
    two.add_argument("file", type=Path, help="report.json")
    two.add_argument("--command", required=True, help="what wrote it")
    two.add_argument("--columns", nargs="+", default=[], help="measures to show (default: all)")
    three = parts.add_parser("run")
    three.add_argument("name", help="of the record")
    three.add_argument("--said", default="", help="what was done before, for the record")
    three.add_argument("command", nargs="+", help="behind --")
    four = parts.add_parser("transcribe")
    four.add_argument("pages", nargs="+", type=Path)
    four.add_argument(
        "--again", nargs="+", default=[], help="headings whose figures are taken over once more"
    )
    parts.add_parser("build")
    parts.add_parser("check")
    return whole


if __name__ == "__main__":
    raise SystemExit(main())
