"""The words of the field: names of classes, functions, settings, flags and files, and two words of prose.

Each line of WORDS says what a name was and what it is; the test lists every place where one is still used.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from sources import ALL_FILES, HOME, nodes, none, shown, text

ANY = ("*",)
CONTRACTS = ("systems/*", "models/*")
RESTORE = ("*restore*",)
# names, places (patterns of paths), what to write
WORDS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("neg_x pos_x x_fake x_real fake_x real_x fake", ANY, "_pos and _neg for the two phases"),
    ("netD netG", ANY, "the names of the networks"),
    ("Leg Plan Planner", ANY, "ChainStage, Stages, Sampler"),
    ("walk advance", CONTRACTS, "run_stages, next_stage"),
    ("plan other_plans drawn_by", ANY, "sampler, samplers, sampler_with"),
    ("standing Standing handed Handed", ANY, "from_data, export_energy"),
    ("meet begin_anew own_measures", ANY, "setup, reset_training_state, extra_metrics"),
    ("rate", CONTRACTS, "lr_multiplier"),
    ("lr_scale", ANY, "lr_multiplier"),
    ("shape_gradients counted", ANY, "transform_gradients, step_counted"),
    ("matched additive", ANY, "claims_density, mean_reduced"),
    ("Move Later Fixed Unadjusted", ANY, "fields of Langevin, start_step"),
    ("Tally Verdict", ANY, "InfoAccumulator, Acceptance"),
    ("judge", ("mcmc/*",), "metropolis_test"),
    ("Ticket ticket", ANY, "BufferSample, drawn"),
    ("fresh", ("starts/*", *CONTRACTS), "init_noise"),
    ("phases positives paired", CONTRACTS, "contrastive, noised_data, energies_of_both"),
    ("Payoff payoff Patience Least", ANY, "compile timings"),
    ("rehearse Unread outline", ANY, "traced noise requests"),
    ("kinds", ("mcmc/*",), "graph key"),
    ("Yardstick yardstick stick", ANY, "SampleEvaluator, ReferenceSet"),
    ("kept keep fits", ("*/kept.py",), "cache, save_cached, is_current"),
    ("findings Findings", ("cli/*", "tasks/*"), "results"),
    ("How Job Gallery Beginnings", ANY, "RestoreConfig, RestoreTask, TrainingImages, Initialiser"),
    ("how job told", RESTORE, "config, task, labels"),
    ("way damage Damage Damaged", ANY, "method, corruption"),
    ("tether", RESTORE, "data_weight"),
    ("marks", RESTORE, "outlier_mask"),
    ("pool", RESTORE, "candidates"),
    ("beside", ("cli/*",), "runs"),
    (
        "Crowd crowd Ends Lab lab Stays stays Field ground entered Contender contenders offsets",
        ANY,
        "what it is",
    ),
    ("Tilt tilt c settle squash", ("*gebm*",), "log_partition, freeze_base_at, gradient_squash"),
    ("c_error", ANY, "log_partition_error"),
    ("max_c_error", ANY, "max_log_partition_error"),
    ("ours", ("recipes/*", "models/*"), "defaults"),
)
FLAGS = {
    "--tether": "--data-weight",
    "--way": "--method",
    "--marks": "--outlier-mask",
    "--from": "--start",
    "--pool": "--candidates",
    "--beside": "--runs",
}
PROSE = {"surprisal": "neg_log_prob", "law": "distribution, target, density"}


def names(path: Path) -> Iterator[tuple[str, str, int]]:
    """Word, kind and line of all that a file names: itself, classes, functions, parameters, fields."""
    yield path.stem, "file", 1
    yield path.parent.name, "folder", 1
    for node in nodes(path):
        if isinstance(node, ast.ClassDef):
            yield node.name, "class", node.lineno
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    yield field.target.id, "field", field.lineno
        elif isinstance(node, (ast.FunctionDef, ast.Lambda)):
            arguments = node.args
            for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                yield a.arg, "parameter", a.lineno
            if isinstance(node, ast.FunctionDef):
                yield node.name, "function", node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, "attribute", node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.col_offset == 0:
            yield node.id, "name", node.lineno  # of a module: types such as Plan = Generator[...]


def wrong_names(path: Path) -> Iterator[tuple[str, str]]:
    """Banned names with their places."""
    place = shown(path)
    for word, kind, line in names(path):
        for banned, places, better in WORDS:
            if word in banned.split() and any(fnmatchcase(place, p) for p in places):
                yield word, f"{place}:{line}: {kind} {word}: write {better}"


def wrong_text(path: Path) -> Iterator[tuple[str, str]]:
    """Banned flags and words of prose, in names too, with their places."""
    place = shown(path)
    for number, line in enumerate(text(path).splitlines(), 1):
        for flag, better in FLAGS.items():
            if re.search(rf"(?<![\w-]){flag}(?![\w-])", line):
                yield flag, f"{place}:{number}: {flag}: write {better}"
        for word, better in PROSE.items():
            if re.search(rf"(?<![a-z]){word}s?(?![a-z])", line, re.IGNORECASE):
                yield word, f"{place}:{number}: {word}: write {better}"


def test_words() -> None:
    pages = [HOME / "README.md", *sorted((HOME / "docs").rglob("*.md"))]
    found = [found for path in ALL_FILES for found in wrong_names(path)]
    found += [found for path in [*ALL_FILES, *pages] for found in wrong_text(path)]
    none(line for _, line in found)


def test_every_kind_of_name_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "recipes" / "phases.py"
    file.parent.mkdir()
    file.write_text(
        "Plan = int\nclass Leg:\n  matched: bool\n  def plan(self, ticket, *, job=1):\n    self.rate = 2\n"
    )
    assert {(kind, word) for word, kind, _ in names(file)} == {
        *(
            ("file", "phases"),
            ("folder", "recipes"),
            ("name", "Plan"),
            ("class", "Leg"),
            ("field", "matched"),
        ),
        *(("function", "plan"), ("parameter", "self"), ("parameter", "ticket"), ("parameter", "job")),
        ("attribute", "rate"),
    }
