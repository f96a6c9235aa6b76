"""Pages: what is put in is escaped, what they show is inside, and plots lie where their numbers say."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from pages import Page, sound_page
from PIL import Image

from gibbsian.core.errors import UsageError
from gibbsian.report import html
from gibbsian.report.charts import HEIGHT, LEFT, RIGHT, WIDTH, histograms, line_plot, ticks, training_curves

HOSTILE = "<script>alert(1)</script>\"'&"


def test_everything_is_escaped(tmp_path) -> None:
    picture = Image.new("RGB", (2, 2))
    parts = [
        html.figure(picture, HOSTILE, HOSTILE),
        html.table([HOSTILE], [[HOSTILE], [HOSTILE]], HOSTILE),
        html.lines([HOSTILE]),
        html.tiles([(HOSTILE, HOSTILE)]),
        *histograms(HOSTILE, {HOSTILE: np.arange(5.0), "b": np.arange(5.0)}, HOSTILE),
        line_plot(HOSTILE, {HOSTILE: np.array([[0, 1], [1, 2.0]])}, HOSTILE),
    ]
    text = html.page(HOSTILE, [html.element("p", HOSTILE)], [html.section(HOSTILE, *parts)], HOSTILE)
    html.save_page(text, tmp_path / "a" / "page.html")
    page = sound_page(tmp_path / "a" / "page.html")
    assert "<script" not in text and page.text.count("<script>alert(1)</script>\"'&") >= 12
    assert page.all("img")[0]["alt"] == HOSTILE


def test_html_is_not_escaped_twice() -> None:
    inner = html.element("b", "<")
    assert html.element("p", inner, " & ") == "<p><b>&lt;</b> &amp; </p>"


def test_pictures_are_inside_and_small() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (500, 500, 3), dtype=np.uint8)
    for picture, kind in ((Image.new("RGB", (9, 7), "red"), "png"), (Image.fromarray(noise), "jpeg")):
        (found,) = Page(html.image(picture, "x")).all("img")
        head, _, packed = found["src"].partition(",")
        assert head == f"data:image/{kind};base64"
        assert Image.open(io.BytesIO(base64.b64decode(packed))).size == picture.size
        assert (found["width"], found["height"]) == tuple(map(str, picture.size))


def test_a_page_that_cannot_be_written_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        html.save_page("", tmp_path / "file" / "page.html")


def corners(svg: str, tag: str) -> list[np.ndarray]:
    found = [attributes["points"] for attributes in Page(svg).all(tag)]
    return [np.array([list(map(float, p.split(","))) for p in points.split()]) for points in found]


def test_curves_go_from_the_first_update_to_the_last() -> None:
    lines = [{"step": k, "loss": float(k**2)} for k in range(0, 101, 10)]
    (plot,) = training_curves({"run": lines})
    (curve,) = corners(plot, "polyline")
    assert curve[0, 0] == LEFT and curve[-1, 0] == WIDTH - RIGHT
    assert (np.diff(curve[:, 1]) < 0).all()  # the loss rises, so its curve goes up
    part = (curve[:, 1] - curve[0, 1]) / (curve[-1, 1] - curve[0, 1])
    assert part == pytest.approx((curve[:, 0] - LEFT) ** 2 / (WIDTH - RIGHT - LEFT) ** 2, abs=2e-3)


def test_a_rollback_breaks_the_curve_and_is_marked() -> None:
    lines = [{"step": s, "loss": float(s)} for s in (10, 20, 30, 20, 30, 40)]
    (plot,) = training_curves({"run": lines})
    assert len(corners(plot, "polyline")) == 2
    assert sum(line.get("class") == "mark" for line in Page(plot).all("line")) == 1


def test_several_runs_are_laid_over_one_another() -> None:
    short, long = ([{"step": s, "loss": 1.0 + s, "energy_gap": 0.5} for s in range(n)] for n in (5, 9))
    plots = training_curves({"a": short, "b": long, "empty": []})
    assert len(plots) == 2
    a, b = corners(plots[0], "polyline")
    assert a[-1, 0] == pytest.approx(LEFT + (WIDTH - RIGHT - LEFT) / 2, abs=0.1) and b[-1, 0] == WIDTH - RIGHT
    assert "a" in Page(plots[0]).text and "empty" not in plots[0]


def test_a_run_has_its_colour_in_every_plot() -> None:
    only = [{"step": k, "energy_gap": float(k)} for k in (1, 2, 3)]
    both = [{**line, "loss": 1.0 / line["step"]} for line in only]
    plots = training_curves({"a": only, "b": both})
    loss = next(plot for plot in plots if "<h3>loss" in plot)
    assert html.SERIES[1] in loss and html.SERIES[0] not in loss and ">b<" in loss


def test_nothing_is_drawn_of_nothing() -> None:
    assert training_curves({"run": []}) == [] == histograms("x", {"a": np.full(3, np.nan)}, "x")
    assert line_plot("x", {"a": np.zeros((1, 2))}, "x") == ""


def test_bars_are_as_high_as_the_shares() -> None:
    values = np.concatenate([np.zeros(300), np.ones(100)])
    (plot,) = histograms("x", {"a": values, "b": values}, "x")
    first, _ = corners(plot, "polygon")
    heights = first[:, 1].max() - first[:, 1]
    tall = sorted(set(heights.round(1)))[-2:]
    assert tall[0] / tall[1] == pytest.approx(1 / 3, abs=0.01)
    assert first[:, 1].max() < HEIGHT


def test_a_far_set_gets_an_axis_of_its_own() -> None:
    near = np.random.default_rng(0).standard_normal(200)
    sets = {"data": near, "samples": near + 0.1, "noise": near + 1000}
    first, second = histograms("E", sets, "E")
    assert len(corners(first, "polygon")) == 2 and len(corners(second, "polygon")) == 3


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 5.6), (1e-7, 3e-7), (-4e5, 1.2e6), (0.99, 1.01)])
def test_ticks_are_round_and_inside(low, high) -> None:
    found = ticks(low, high, 5)
    assert 2 <= len(found) <= 11 and low - 1e-9 * abs(low) <= found[0] and found[-1] <= high * (1 + 1e-9)
    assert all(re.fullmatch(r"-?\d(\.\d{1,3})?e[+-]\d+", f"{v:.6g}") or float(f"{v:.4g}") == pytest.approx(v)
               for v in found)  # fmt: skip
