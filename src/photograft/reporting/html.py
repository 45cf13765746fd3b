"""What every page is made with: the templates, and pictures that are part of the file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from photograft.reporting.clean import clean_text
from photograft.reporting.contents import list_contents
from photograft.reporting.texts import Texts
from photograft.reporting.translate import translate

PICTURE_BYTES = 3_000_000
"""Pictures of a page; a third more as base64, so that the file stays under 5 MB."""


class Pictures:
    """JPEG files as addresses that hold them, as many as a page has room for."""

    def __init__(self, limit_bytes: int = PICTURE_BYTES) -> None:
        self._left = limit_bytes

    def address(self, jpeg: bytes) -> str:
        """Return the picture as a `data:` address, empty where there is none or no room is left."""
        if not jpeg or len(jpeg) > self._left:
            return ""
        self._left -= len(jpeg)
        return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def render_template(name: str, *, texts: Texts, **values: Any) -> str:
    """Fill in a template of ``templates/`` and return the page, in which every value is text and never markup."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["percent"] = lambda share: "–" if share is None else texts.percent(share)
    environment.filters["whole_percent"] = lambda share: "–" if share is None else texts.percent(share, 0)
    environment.filters["plain"] = show_plain
    environment.filters["said"] = lambda text: translate(text, texts.language)
    environment.filters["contents"] = list_contents
    template = environment.get_template(name)
    css = Markup(_read("report.css"))
    return clean_text(template.render(t=texts.say, name=texts.name, texts=texts, css=css, **values))


def show_plain(value: Any) -> str:
    """Show a setting or fact: lists with commas, nothing as a dash."""
    if isinstance(value, list | tuple):
        return ", ".join(show_plain(item) for item in value) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {show_plain(item)}" for key, item in value.items()) or "–"
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def _read(name: str) -> str:
    return files("photograft.reporting").joinpath("templates", name).read_text(encoding="utf-8")
