"""Reading pages of HTML in tests: what a browser would fetch, what a screen reader would be told."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

VOID = {"img", "br", "meta", "link"}


class Page(HTMLParser):
    """Tags with their attributes, and the text of a page; refuses tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def sound_page(path: Path, most: int = 3_000_000) -> Page:
    """The page at `path`, which needs nothing outside itself, runs nothing, and can be read aloud."""
    text = path.read_text()
    page = Page(text)
    assert len(text.encode()) < most
    assert not page.all("script") and not page.all("iframe") and not page.all("form")
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            value = attributes.get(name, "data:")
            outside = tag == "a" and value.startswith("https://")
            assert value.startswith("data:") or outside, (tag, value)
    assert "url(" not in text and "@import" not in text
    assert len(page.all("h1")) == 1 and page.all("html")[0]["lang"] == "en"
    assert all(image.get("alt") for image in page.all("img"))
    assert all(plot.get("aria-label") and plot["role"] == "img" for plot in page.all("svg"))
    assert "default-src 'none'" in page.all("meta")[2]["content"]
    assert "prefers-color-scheme:dark" in text and "@media print" in text
    return page
