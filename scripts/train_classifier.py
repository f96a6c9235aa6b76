"""Train the small classifiers that are in the package: `python -m scripts.train_classifier NAME`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from gibbsian.data.load import load
from gibbsian.tasks.classifier import save_classifier
from gibbsian.tasks.features import ASSETS, ROLES, SHIPPED, asset, classifier_rng, train_classifier


def main(argv: list[str] | None = None) -> None:
    """Train the classifiers that are in the package and write their records beside them."""
    parser = argparse.ArgumentParser(prog="python -m scripts.train_classifier")
    parser.add_argument("name", choices=list(SHIPPED))
    parser.add_argument("--role", choices=ROLES, default="features")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, default=ASSETS)
    args = parser.parse_args(argv)
    start = time.monotonic()
    data, test = (load(args.name, split, data_dir=args.data_dir) for split in ("train", "test"))
    rng = classifier_rng(args.name, args.role)
    classifier = train_classifier(data, rng, epochs=args.epochs, role=args.role, test=test, progress=True)
    path = args.out / asset(args.name, args.role).name
    save_classifier(classifier, path)
    path.with_suffix(".json").write_text(json.dumps(classifier.record, indent=1) + "\n")
    print(
        f"{path}: accuracy {classifier.record['test_accuracy']}, {time.monotonic() - start:.0f} s",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
