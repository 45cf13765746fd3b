"""The list of contents of a page, read off the page itself, so that it names what is there and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Part:
    """A part of a page: its `id`, the `question` that it answers, and (id, heading) of its sections."""

    id: str
    question: str = ""
    sections: list[tuple[str, str]] = field(default_factory=list)


def list_contents(html: str) -> list[Part]:
    """The parts of a page, each with its sections.

    A part is a `div` of class ``part``, with its question in a `p` of class ``question``; a section has an id and a
    heading `h2`. A part without a section is left out.
    """
    reader = _Reader()
    reader.feed(html)
    return [part for part in reader.parts if part.sections]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Part] = []
        self._section = ""
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "div" and values.get("class") == "part":
            self.parts.append(Part(values["id"]))
        elif tag == "section" and self.parts:
            self._section = values.get("id", "")
        elif (tag == "p" and values.get("class") == "question") or (tag == "h2" and self._section):
            self._text = []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if self._text is None or tag not in ("p", "h2"):
            return
        text = " ".join("".join(self._text).split())
        self._text = None
        if tag == "p":
            self.parts[-1].question = text
        else:
            self.parts[-1].sections.append((self._section, text))
            self._section = ""
