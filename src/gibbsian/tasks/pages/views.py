"""What a page shows of a model: samples beside held-out rows, chains on their way, where energies lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...core.random import Streams, generator
from ...data.dataset import Dataset
from ...mcmc.reports import ChainInfo
from ...mcmc.state import ChainState
from ...models.model import EnergyModel, device_of
from ...models.sampler import RunOptions, Sampler
from ...models.samples import Samples, draw_samples
from ...nets.frozen import frozen
from ...report.charts import histograms, line_plot
from ...report.html import Html, columns, element, figure, image, scrolled, section, table
from ...report.pictures import beside, sheet
from ..chains import every_label, neg_log_probs
from ..film import Film, decoded, drawable, painter
from ..neighbours import Neighbours
from ..rows import named_rows
from ..strips import Strip

DRAWN, STRIPS, LEAST, WIDEST, PLANE = 256, 6, 16, 1440, 150
"""Samples, chains in the strip, the fewest images in a grid, pixels of a strip and of a plane in it."""
VALUES = 200_000
"""Values of all images in a grid at most, so that a page stays small."""
CLASSES, EACH, ROWS, PLOTTED = 20, 8, 10, 12
"""Classes and images of each, rows of a table, and columns that are plotted, at most."""


@dataclass(frozen=True, eq=False)
class View:
    """Samples of a model, how their chains went, and rows of data `(N, *event)` as the model sees them."""

    model: EnergyModel
    drawn: Samples
    film: Film
    strip: Strip | None
    data: Tensor
    labels: Tensor | None

    @property
    def x(self) -> Tensor:
        """The samples, on the CPU."""
        return self.drawn.x.cpu()


@torch.no_grad()
def view(
    model: EnergyModel,
    held: Dataset,
    *,
    n: int = DRAWN,
    seed: int = 0,
    sampler: Sampler | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
) -> View:
    """Draw `n` samples of a model, all classes in turn, and keep how the first chains went; at most `n` rows
    of `held` stand beside.
    """
    rng = Streams(seed, device=device_of(model)).eval
    own = sampler or model.sampler()
    strip = Strip(own, min(n, STRIPS)) if drawable(model.spec.event_shape) else None
    film = Film(strip or own)

    def observe(step: int, state: ChainState, info: ChainInfo) -> None:
        film.observe(step, state, info)
        if strip:
            strip.observe(step, state, info)

    y = every_label(model, n, rng)
    drawn = draw_samples(model, film, n, rng=rng, y=y, chunk=n, options=options, observe=observe)
    order = torch.randperm(len(held), generator=generator(seed))[:n]
    rows = held.batch(order, model.spec.low, model.spec.high)
    return View(
        model, drawn, film, strip, rows.x, rows.y if rows.y is not None and rows.y.dim() == 1 else None
    )


def samples_part(found: View, classes: Sequence[str]) -> list[Html]:
    """Pictures of samples beside those of data, by class where the model is one of classes; or rows."""
    y, shape = found.drawn.y, found.model.spec.event_shape
    if not drawable(shape):
        return _as_rows(found)
    if len(shape) > 1 and y is not None and not y.is_floating_point():
        return [_by_class(found, y.cpu(), classes)]
    many = max(LEAST, min(64, VALUES // int(np.prod(shape)))) if len(shape) > 1 else len(found.x)
    columns_of = int(min(8, many**0.5))
    paint = painter(found.model, found.data.to(found.drawn.x.device), columns_of if len(shape) > 1 else None)
    what = "points on the energy, dark where it is high" if shape == (2,) else "examples in a grid"
    return [
        columns(
            figure(paint(found.drawn.x[:many]), f"Samples of the model: {what}", "samples"),
            figure(paint(found.data[:many].to(found.drawn.x)), f"Held-out data: {what}", "held-out data"),
        )
    ]


def _by_class(found: View, y: Tensor, classes: Sequence[str]) -> Html:
    """A row of samples, and one of data, for each class."""
    spec, x = found.model.spec, found.x
    many, body = max(1, min(EACH, VALUES // int(np.prod(spec.event_shape)) // CLASSES)), []
    for c in y.unique().tolist()[:CLASSES]:
        name = classes[c] if c < len(classes) else str(c)
        cells: list[object] = [name, _strip_of(found, x[y == c][:many], f"samples drawn for {name}")]
        if found.labels is not None:
            cells.append(_strip_of(found, found.data[found.labels == c][:many], f"held-out rows of {name}"))
        body.append(cells)
    head = ["class", "samples drawn for it", *(["held-out data"] if found.labels is not None else [])]
    return table(head, body, f"{len(body)} of {spec.num_classes} classes, a row each")


def _strip_of(found: View, x: Tensor, alt: str) -> Html:
    spec = found.model.spec
    return image(sheet(x, spec.low, spec.high, len(x)), alt) if len(x) else Html("-")


def _as_rows(found: View) -> list[Html]:
    """Rows of samples and of data in the units of their table, and where the numbers of each column lie."""
    sampled, known = named_rows(found.model, found.x, found.drawn.y), named_rows(found.model, found.data)
    parts = []
    for what, rows in (("samples", sampled), ("held-out data", known)):
        body = [
            [str(i + 1), *(f"{v:.4g}" for v in row), *rows.y[i : i + 1]]
            for i, row in enumerate(rows.x[:ROWS].tolist())
        ]
        head = ["", *rows.names, *([rows.label] if rows.y else [])]
        parts.append(table(head, body, f"{what}: the first {len(body)}", "plain"))
    plots = []
    for i, name in enumerate(known.names[:PLOTTED]):
        columns_of = {"held-out data": known.x[:, i].numpy(), "samples": sampled.x[:, i].numpy()}
        plots += histograms(name, columns_of, name)[:1]
    return [columns(*parts), columns(*plots)]


def strip_part(found: View) -> list[Html]:
    """Chains at a few times from start to end, and their mean energy on the way; nothing without a chain."""
    parts = []
    if found.strip is not None and (picture := _strip_picture(found)) is not None:
        plane = len(found.model.spec.event_shape) == 1
        chains = f"{len(found.x)} chains" if plane else f"{found.strip.n} chains, one a row,"
        what = f"{chains} on their way, time to the right"
        drawn = image(picture, f"{what}, from where they start on the left to where they end")
        parts.append(element("figure", scrolled(drawn, what), element("figcaption", f"{what} (t: steps)")))
    single = sum(chain.info.steps > 0 for chain in found.drawn.chains) == 1
    if single and len(found.film.energies) > 2:
        steps = np.linspace(0, found.film.made, len(found.film.energies))
        way = np.stack([steps, np.array(found.film.energies)], 1)
        if np.isfinite(way).all():
            told = f"mean energy of {len(found.x)} chains"
            parts.append(columns(line_plot(told, {told: way}, "steps of the chain")))
    return parts


def _strip_picture(found: View) -> Image.Image | None:
    """The strip of samplers that move, no wider than `WIDEST`; None where chains moved something else first,
    of another shape."""
    assert found.strip is not None
    shown, shape = found.strip.shown(), found.model.spec.event_shape
    kept = decoded(found.model, list(shown.values()), found.strip.n)
    if len(shown) < 2 or any(x.shape[1:] != shape for x in kept):
        return None
    if len(shape) == 1:
        return _plane(found)
    picture = found.strip.picture(found.model)
    width = min(picture.width, WIDEST)
    return (
        picture
        if width == picture.width
        else picture.resize((width, picture.height * width // picture.width))
    )


def _plane(found: View) -> Image.Image:
    """All points at the times of the strip, on one energy."""
    model, film = found.model, found.film
    kept = decoded(model, [film.positions[k] for k in _even(len(film.positions))], len(found.x))
    times = [round(k * film.made / max(len(film.positions) - 1, 1)) for k in _even(len(film.positions))]
    paint = painter(model, torch.cat([kept[0], kept[-1]]))
    return beside([paint(x).resize((PLANE, PLANE)) for x in kept], [f"t = {t}" for t in times])


def _even(n: int) -> list[int]:
    return sorted({round(k * (n - 1) / 5) for k in range(6)})


def energies_part(found: View, seed: int = 0) -> list[Html]:
    """Histograms of the energy, or of -log p where it is one, at held-out data, samples and noise; nothing of
    p(x | c).
    """
    model, spec = found.model, found.model.spec
    if spec.condition:
        return []
    device = device_of(model)
    noise = torch.rand(found.data.shape, generator=generator(seed))
    low, high = found.data.amin(0), found.data.amax(0)
    sets = {"held-out data": found.data, "samples": found.x, "uniform noise": low + (high - low) * noise}
    labels = found.labels if spec.num_classes and not model.joint else None
    given = {"held-out data": labels, "samples": found.drawn.y if labels is not None else None}
    given["uniform noise"] = labels
    if spec.num_classes and not model.knows_marginal and labels is None:
        return []
    values = {}
    with frozen(model):
        for name, x in sets.items():
            y = given[name]
            values[name] = (
                neg_log_probs(model, x.to(device), None if y is None else y.to(device)).cpu().numpy()
            )
    what = "-log p(x) up to a constant" if model.claims_density else "E(x)"
    what = what if labels is None else f"{what}, at the class of each"
    unit = 1.0 if model.claims_density else model.temperature or 1.0
    return histograms("data, samples and noise", {name: unit * of for name, of in values.items()}, what)


def neighbours_part(found: Neighbours | None) -> list[Html]:
    """The samples nearest to training rows beside these: a picture, or a table of few numbers."""
    if found is None:
        return []
    title, drawn, text = "Nearest training rows", found.picture(), found.text()
    if drawn is not None:
        what = "samples nearest to the training set, each beside its nearest images of it"
        return [section(title, figure(drawn, what, f"{what}; ratio: distance over that of held-out ones"))]
    return [section(title, element("pre", text))] if text else []
