"""What a browser would make of a page, and what no page may do."""

from __future__ import annotations

import re
from html.parser import HTMLParser

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "{n} &amp; %s", "a\x01b\u202ec")
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """What a browser would make of a page: its elements, their attributes, its text outside of style."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]

    def check_harmless(self) -> None:
        """Fail where a name has become markup, or holds characters that deceive."""
        tags = {tag for tag, _ in self.elements}
        assert not tags & {"script", "b>", "i>", "iframe", "object", "link", "foreignobject"}
        assert not [name for _, attributes in self.elements for name in attributes if name.startswith("on")]
        assert not re.search("[\x00-\x08\u202a-\u202e]", self.text)


def check_self_contained(html: str) -> None:
    """Fail where a page is not well-formed or would ask the network or a disk for anything."""
    page = Page(html)
    assert page.open == []
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            address = attributes.get(name) or "#"
            assert address.startswith(("data:image/jpeg;base64,", "#"))
    style = re.search("<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert "@import" not in style.group(1)
    assert "url(" not in html
    assert "default-src 'none'" in html
