"""The commands of the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import __doc__ as about
from .blocks import PAGES, ROOT, built, stale
from .figures import strange, transcribe
from .measure import measure


def main() -> int:
    """Do what is asked; 1 if something is out of date."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawTextHelpFormatter)
    parts = parser.add_subparsers(dest="what", required=True)
    asked = parts.add_parser("measure")
    asked.add_argument("runs", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("-n", type=int, default=179)
    asked.add_argument("--draws", type=int, default=3)
    parts.add_parser("build")
    taken = parts.add_parser("transcribe")
    taken.add_argument("pages", nargs="*", type=Path)
    parts.add_parser("check")
    given = parser.parse_args()
    if given.what == "measure":
        measure(given.runs, given.out, given.n, given.draws)
    if given.what == "build":
        for page in PAGES:
            page.write_text(built(page.read_text()))
    if given.what == "transcribe":
        transcribe([path.resolve() for path in given.pages] or PAGES)
    if given.what == "check":
        wrong = [
            f"{page.relative_to(ROOT)}: {what}" for page in PAGES for what in (*stale(page), *strange(page))
        ]
        print("\n".join(wrong) or "every table is that of its record, every figure stands in one")
        return int(bool(wrong))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
