"""One page on one model: samples, measures, what ails it, chains, energies, training, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ...core.errors import UsageError
from ...core.files import own_path, write_whole
from ...core.plain import json_text
from ...core.random import derive
from ...data.own import Given
from ...models.model import EnergyModel
from ...models.sampler import RunOptions, Sampler
from ...report.charts import training_curves
from ...report.html import Html, columns, element, joined, lines, page, section, table, tiles
from ...report.tables import cell
from ...train.load import load, trained_on
from ..evaluate import evaluate
from ..parts import part_of
from ..quality import SHOWN, Report
from .about import About, about_model, about_run, card, duration, said
from .meanings import MEANINGS, chains_in_words
from .views import DRAWN, energies_part, neighbours_part, samples_part, strip_part, view

FIRST = ("feature_distance", "kl_forward", "precision", "mode_recall", "sliced_w2")
"""Measures that stand at the top, the first two that there are."""


class Remark(Protocol):
    """One thing worth saying of a run, as `gibbsian doctor` does."""

    @property
    def grade(self) -> Any:
        """good, watch or bad."""

    @property
    def what(self) -> str:
        """What is so, and how it shows."""

    @property
    def remedy(self) -> str:
        """What to try; empty where nothing need be done."""


def report_page(
    about: About,
    model: EnergyModel,
    report: Report,
    data: Given,
    *,
    command: str = "",
    remarks: Sequence[Remark] = (),
    cut: str = "",
    sampler: Sampler | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> str:
    """The page of an evaluation, in one file that asks nobody for anything.

    Args:
        about: what is known of the run.
        model, sampler, options: the model, and how it is drawn from, as they were evaluated.
        report: the measures; data: what the model is held against, as `evaluate` took it.
        command: what repeats the evaluation.
        remarks: what is to be said of how the run fares.
        cut: how training was cut short, if it was.
    """
    progress("drawing the pictures of the page")
    held = part_of(data, "test", model.spec, data_dir=data_dir)
    n = min(DRAWN, max(report.n, 64))
    seed = derive(report.seed, "page")
    found = view(model, held, n=n, seed=seed, sampler=sampler, options=options)
    curves = training_curves({about.title: about.lines})
    energies = energies_part(found)
    sections = [
        section("Samples", *samples_part(found, held.classes)),
        _measures(report),
        *([section("How the run fares", _remarks(remarks))] if remarks else []),
        section("Chains", *_chains(report), *strip_part(found)),
        *([section("Energies", columns(*energies))] if energies else []),
        _training(about, curves),
        *neighbours_part(report.neighbours),
        _card(about, model),
        _repeat(about, command),
    ]
    foot = f"{report!r}".partition("\n")[0] + f". Intervals are of 95 %, {report.intervals}; of one training."
    return page(about.title, _head(about, model, report, cut), sections, foot)


def write_report(
    model: EnergyModel | str | Path,
    folder: str | Path,
    data: Given | None = None,
    *,
    n: int = 2000,
    draws: int = 5,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
    **more: Any,
) -> Path:
    """Evaluate a model, or the run or model folder at a path, into `folder`/report.html, .json and .txt.

    The page holds samples, measures, chains, energies, training curves and a card, all in the one file; its
    path is returned. `data` are those of training by default; `more` is for `gibbsian.evaluate`.

    Raises `UsageError` where nobody says what data to hold it against, and as `gibbsian.evaluate` does.
    """
    stored = isinstance(model, (str, Path))
    about = about_run(model) if isinstance(model, (str, Path)) else about_model(model)
    found = (load(model) if isinstance(model, (str, Path)) else model).inner
    if data is None:
        data = trained_on(own_path(about.path)) if stored else about.data
    if isinstance(data, str) and not data:
        raise UsageError("this model does not say what it was trained on: give data")
    report = evaluate(found, data, n=n, draws=draws, seed=seed, data_dir=data_dir, progress=progress, **more)
    words = f"{about.path or 'model'!r}, {str(folder)!r}, n={n}, draws={draws}, seed={seed}"
    call = f"gibbsian.write_report({words})"
    text = report_page(about, found, report, data, command=call, data_dir=data_dir, progress=progress)
    return save_report(own_path(folder), report.to_dict(), report.text(), text)


def save_report(folder: Path, values: Mapping[str, Any], text: str, page_text: str = "") -> Path:
    """Write report.json, report.txt and, if there is one, report.html; returns the path of the last of them.

    Raises `UsageError` where that fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "report.json", json_text(values))
        write_whole(folder / "report.txt", text + "\n")
        if page_text:
            write_whole(folder / "report.html", page_text)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}; choose another folder") from error
    return folder / ("report.html" if page_text else "report.txt")


def _head(about: About, model: EnergyModel, report: Report, cut: str) -> list[Html]:
    """The lines under the title, and the figures to look at first."""
    measured = [k for k in FIRST if k in report.model][:2]
    facts = [(k.replace("_", " "), cell(report.model[k])) for k in measured]
    facts += [("updates", f"{about.updates:,}")] if about.updates is not None and not about.exported else []
    facts += [("training", duration(about.seconds[0]))] if about.seconds else []
    facts += [
        ("parameters", f"{sum(p.numel() for p in model.parameters()):,}"),
        ("claims a density", "yes" if model.claims_density else "no"),
    ]
    lead = f"{report.drawn} of {report.n:,} samples, held against {report.record.get('against')} data"
    told = [element("p", f"{lead} of {report.data}.", class_="lead")]
    told += [element("p", f"Training was cut short: {cut}.", class_="watch")] if cut else []
    if about.record.get("state") == "diverged":
        told.append(element("p", "This run diverged; its last checkpoint is shown.", class_="bad"))
    return [*told, tiles(facts)]


def _measures(report: Report) -> Html:
    """A row a measure, a column for the model and for each baseline."""
    head = ["measure", *report.rows]
    body = []
    for name in (key for _, keys in report.groups() for key in keys):
        meant = element("span", MEANINGS[name], class_="soft") if name in MEANINGS else Html()
        title = joined([element("code", name), *([element("br"), meant] if meant else [])])
        body.append([title, *(cell(row.get(name)) for row in report.rows.values())])
    space = f"features {report.record['features']}; " if "features" in report.record else ""
    seen = f"{space}{report.record.get('held_out')} held-out rows ({report.record.get('against')}); ± 95 %"
    parts = [table(head, body, seen, "told"), *(element("p", line, class_="soft") for line in report.trend())]
    if report.own:
        own = [[name, cell(value)] for name, value in report.own.items()]
        parts.append(table(["of itself on held-out data", "value"], own, "what the model measures of itself"))
    if 0 < len(report.classes) <= SHOWN:
        titles = list(next(iter(report.classes.values())))
        rows = [[name, *(cell(row.get(k)) for k in titles)] for name, row in report.classes.items()]
        inside = table(["class", *titles], rows, "shares judged as each class", "plain")
        parts.append(element("details", element("summary", "By class"), inside))
    return section("Measures", *parts, *([lines(report.notes)] if report.notes else []))


def _remarks(remarks: Sequence[Remark]) -> Html:
    items = []
    for one in remarks:
        remedy = [element("br"), element("span", f"Try: {one.remedy}", class_="soft")] if one.remedy else []
        items.append(
            element("li", element("span", one.grade, class_=f"grade {one.grade}"), one.what, *remedy)
        )
    return element("ul", *items)


def _chains(report: Report) -> list[Html]:
    rows = [[element("code", name), cell(value)] for name, value in report.chains.items()]
    numbers = table(["diagnostic", "value"], rows, "of the model's own chains from noise; ± 95 %", "plain")
    words = lines(chains_in_words(report.chains))
    return [words, element("details", element("summary", "The numbers"), numbers)]


def _training(about: About, curves: Sequence[Html]) -> Html:
    if curves:
        return section("Training", columns(*curves))
    why = "an exported model keeps no log" if about.exported else "the log holds fewer than two lines"
    return section("Training", element("p", f"No curves: {why}.", class_="soft"))


def _card(about: About, model: EnergyModel) -> Html:
    """What the model is, and the settings that are not its preset's."""
    rows: list[list[object]] = [list(row) for row in card(about, model)]
    if paper := about.paper:
        link = element("a", paper.title, href=paper.url) if paper.url.startswith("https://") else paper.title
        rows.insert(1, ["paper", joined([f"{paper.authors} ({paper.year}), ", link, f", {paper.venue}"])])
    free = [[name, element("span", value, class_="free")] for name, value in rows]
    changed = [
        [element("code", name), said(value), said(usual)] for name, (usual, value) in about.changed().items()
    ]
    parts = [_facts(free)]
    if changed:
        parts.append(
            table(["setting", "here", "preset"], changed, "settings that are not the preset's", "plain")
        )
    every = [[element("code", name), said(value)] for name, value in about.settings.items()]
    inside = table(["setting", "value"], every, "as stored", "plain")
    parts += [element("details", element("summary", f"All {len(every)} settings"), inside)] if every else []
    return section("Card", *parts)


def _facts(rows: Sequence[Sequence[object]]) -> Html:
    """Names and values, the values as long as they like."""
    body = [
        element("tr", element("th", name, scope="row"), element("td", value, class_="free"))
        for name, value in rows
    ]
    return element("table", element("tbody", *body), class_="plain")


def _repeat(about: About, command: str) -> Html:
    """The commands that train and measure the same again."""
    asked = [
        (what, words) for what, words in (("Training", about.training_command()), ("This page", command))
    ]
    parts = [part for what, words in asked if words for part in (element("h3", what), element("pre", words))]
    return section("Repeat it", *parts)
