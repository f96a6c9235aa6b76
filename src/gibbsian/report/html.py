"""Pages of one file: HTML with everything inside, which asks nobody for anything and runs no code.

Whatever is put into an `element` is escaped, unless it is `Html` that another one made: names of
classes, files and settings are of strangers. Pictures are data: addresses, plots SVG, and colours follow the
reader's theme.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from ..core.errors import UsageError
from ..core.files import write_whole

HEAVY, QUALITY = 300_000, 88
"""Bytes of a PNG above which a picture is a JPEG, and the quality of that."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#22262b;--soft:#5b646d;--line:#dfdcd5;
--s0:#1f6391;--s1:#c4552d;--s2:#4f7d3a;--s3:#76559c;--s4:#a3740f;--s5:#4b535b;
--good:#2f6f3a;--watch:#8a5a00;--bad:#a4262c;--link:#1f6391}
@media (prefers-color-scheme:dark){:root{--paper:#15181c;--card:#1d2126;--ink:#e6e4df;--soft:#a3abb3;
--line:#353b42;--s0:#6db3e4;--s1:#f08a62;--s2:#8cc774;--s3:#b79be0;--s4:#e0b35a;--s5:#a9b2bb;
--good:#7fcf8c;--watch:#e9b85c;--bad:#ff8b87;--link:#8cc4ee}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 3rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .35rem;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .75rem}
h3{font-size:.95rem;margin:1.25rem 0 .4rem}
p{margin:.4rem 0;overflow-wrap:anywhere}
a{color:var(--link)}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1.1rem 1.25rem;
margin-top:1.1rem}
.lead,.soft,figcaption,caption{color:var(--soft)}
figcaption,caption,.soft{font-size:.85rem}
caption{text-align:left;padding-bottom:.4rem}
figure{margin:0;min-width:0}
figure>img{display:block;max-width:100%;height:auto;background:#fff;border-radius:.3rem}
figcaption{margin-top:.4rem}
.columns{display:grid;gap:1.1rem 1.5rem;grid-template-columns:repeat(auto-fill,minmax(min(19rem,100%),1fr))}
.columns+.columns,.wide+h3{margin-top:1.1rem}
.many{grid-template-columns:repeat(auto-fill,minmax(min(13rem,100%),1fr))}
.chart{max-width:34rem}.chart h3{margin-top:0}figure{margin-top:.8rem}.columns>figure{margin-top:0}
.wide{overflow-x:auto}
.wide:focus-visible{outline:2px solid var(--link)}
.wide>img{max-width:none}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line)}
thead th{font-weight:600;border-bottom-width:2px;white-space:nowrap}
tbody th{font-weight:500}
td{white-space:nowrap}
td.free,th.free{white-space:normal;overflow-wrap:anywhere;min-width:5rem}
.told th.free{min-width:11rem}.told td{font-size:.82rem}
tr:last-child>*{border-bottom:0}
td:nth-child(2){font-weight:600}
.plain td:nth-child(2){font-weight:400}
td img{display:block;background:#fff;max-width:none;height:2.5rem;width:auto}
ul{margin:.4rem 0;padding:0;list-style:none}
li{margin:.45rem 0;padding-left:5.2rem;position:relative;overflow-wrap:anywhere}
li.told{padding-left:1rem}
li.told::before{content:"\\2013";position:absolute;left:0;color:var(--soft)}
.grade{position:absolute;left:0;top:.2rem;font-size:.68rem;font-weight:700;letter-spacing:.04em;
text-transform:uppercase;border:1px solid currentColor;border-radius:1rem;white-space:nowrap;width:4.4rem;
text-align:center}
.good{color:var(--good)}.watch{color:var(--watch)}.bad{color:var(--bad)}
.tiles{display:grid;gap:.6rem;grid-template-columns:repeat(auto-fit,minmax(min(8.5rem,45%),1fr));margin-top:1rem}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.55rem .8rem;
overflow-wrap:anywhere}
.tiles b{display:block;font-size:1.05rem}
.tiles span{color:var(--soft);font-size:.8rem}
pre{margin:.4rem 0;padding:.7rem .9rem;background:var(--paper);border:1px solid var(--line);
border-radius:.4rem;white-space:pre-wrap;overflow-wrap:anywhere;
font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
summary{cursor:pointer}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--soft);font-size:11px;font-family:inherit}
svg .grid{stroke:var(--line);stroke-width:1}
svg .mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}
svg .line{fill:none;stroke-width:1.6;stroke-linejoin:round}
svg .area{stroke-width:1.3;fill-opacity:.22}
.key{display:inline-block;margin-right:1rem}
.key i{display:inline-block;width:.75rem;height:.75rem;border-radius:.15rem;margin-right:.35rem;
vertical-align:-.06rem}
footer{margin-top:1.4rem;color:var(--soft);font-size:.85rem}
@media (max-width:34rem){main{padding:1.25rem .8rem 2rem}section{padding:.9rem .85rem}h1{font-size:1.4rem}}
@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb}
main{max-width:none;padding:0}section{border:0;border-top:1px solid #bbb;border-radius:0;padding:.8rem 0}
figure,tr,.tiles,.chart{break-inside:avoid}h2{break-after:avoid}.wide{overflow:visible}
.wide>img{max-width:100%}table{font-size:.72rem}td,thead th{white-space:normal;padding-right:.6rem}
.told th.free{min-width:9rem}details:not([open]){display:none}}
"""
SERIES = tuple(f"var(--s{i})" for i in range(6))
"""Colours of curves and sets, which the theme sets."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(value: object) -> Html:
    """A value as text of a page; `Html` as it is."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def joined(parts: Iterable[object]) -> Html:
    """Parts one after another, each escaped."""
    return Html("".join(map(escaped, parts)))


def element(tag: str, *children: object, **attributes: object) -> Html:
    """`<tag name="value">children</tag>`, with `class_` and `stroke_width` for class and stroke-width."""
    named = {k.rstrip("_").replace("_", "-"): escaped(v) for k, v in attributes.items()}
    opened = "".join(f' {k}="{v}"' for k, v in named.items())
    if tag in ("img", "br", "meta", "link"):
        return Html(f"<{tag}{opened}>")
    return Html(f"<{tag}{opened}>{joined(children)}</{tag}>")


def image(picture: Image.Image, alt: str) -> Html:
    """A picture inside the page, with what it shows in words for whoever does not see it."""
    kind, packed = _packed(picture)
    source = f"data:image/{kind};base64,{base64.b64encode(packed).decode()}"
    return element("img", src=source, alt=alt, width=picture.width, height=picture.height)


def _packed(picture: Image.Image) -> tuple[str, bytes]:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    if len(png := file.getvalue()) <= HEAVY:
        return "png", png
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=QUALITY)
    return min(("png", png), ("jpeg", file.getvalue()), key=lambda found: len(found[1]))


def figure(picture: Image.Image, alt: str, caption: object = "") -> Html:
    """A picture with a caption."""
    below = [element("figcaption", caption)] if caption else []
    return element("figure", image(picture, alt), *below)


def scrolled(inside: Html, what: str) -> Html:
    """What may be wider than a small screen, and then scrolls; `what` it is, in words."""
    return element("div", inside, class_="wide", tabindex=0, role="region", aria_label=what)


def table(head: Sequence[object], body: Iterable[Sequence[object]], caption: str, kind: str = "") -> Html:
    """Rows of cells under a head, the first of each being its heading."""
    titles = element("tr", *(element("th", cell, scope="col") for cell in head))
    rows = [
        element("tr", element("th", row[0], scope="row", class_="free"), *(element("td", c) for c in row[1:]))
        for row in body
    ]
    parts = element("caption", caption), element("thead", titles), element("tbody", *rows)
    return scrolled(element("table", *parts, class_=kind), caption)


def tiles(facts: Iterable[tuple[str, str]]) -> Html:
    """Names with values, the values large."""
    return element(
        "div", *(element("div", element("b", v), element("span", k)) for k, v in facts), class_="tiles"
    )


def lines(texts: Iterable[str]) -> Html:
    """Texts as a list."""
    return element("ul", *(element("li", text, class_="told") for text in texts))


def columns(*parts: object, kind: str = "") -> Html:
    """Parts beside one another where there is room; of the `kind` "many" they are narrower."""
    return element("div", *parts, class_=f"columns {kind}".strip())


def section(title: str, *parts: object) -> Html:
    """A part of a page under its title."""
    return element("section", element("h2", title), *parts)


def page(title: str, head: Iterable[object], sections: Iterable[object], foot: str) -> str:
    """A whole page: what stands under its title, sections, and a last line."""
    metas = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    body = element("header", element("h1", title), *head), *sections, element("footer", foot)
    inside = element("head", *metas), element("body", element("main", *body))
    return f"<!doctype html>\n{element('html', *inside, lang='en')}\n"


def save_page(text: str, path: Path) -> None:
    """Write a page whole; raises `UsageError` where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another folder") from error
