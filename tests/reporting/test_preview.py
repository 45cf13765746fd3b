from __future__ import annotations

import re

import numpy as np
import pytest

from photograft.reporting.preview import PreviewRow, render_preview
from photograft.reporting.thumbnails import make_thumbnail

from .pages import HOSTILE, Page, check_self_contained

JPEG = make_thumbnail(np.full((32, 48, 3), 90, np.uint8))


def make_row(name: str = "장미/1.jpg", **values: object) -> PreviewRow:
    row = {"label": "장미", "box": (100, 50, 300, 150), "width": 400, "height": 200, "problem": ""}
    return PreviewRow(name=name, whole_jpeg=JPEG, crop_jpeg=JPEG, **row | values)  # type: ignore[arg-type]


def test_the_box_is_drawn_where_it_lies() -> None:
    html = render_preview([make_row()])
    assert "aspect-ratio:400/200;width:100%" in html
    assert "left:25.00%;top:25.00%;width:50.00%;height:50.00%" in html
    assert "box 100, 50 to 300, 150 (200 × 100 of 400 × 200 px)" in Page(html).text


def test_a_box_beyond_the_photo_stays_on_it() -> None:
    html = render_preview([make_row(box=(-40, 0, 500, 300), width=400, height=200)])
    assert "left:0.00%;top:0.00%;width:100.00%;height:100.00%" in html


def test_without_a_box_the_page_says_why() -> None:
    plain, wrong = make_row(box=None), make_row(box=None, problem="a.xml line 7: the box is empty")
    page = Page(render_preview([plain, wrong, make_row()]))
    assert "whole photo, 400 × 200 px" in page.text
    assert "whole photo: a.xml line 7: the box is empty" in page.text
    assert "1 of 3 photos shown" in page.text
    assert sum(tag == "i" for tag, _ in page.elements) == 1


@pytest.mark.parametrize("language", ["en", "ko"])
def test_hostile_names_are_text_and_nothing_else(language: str) -> None:
    rows = [make_row(f"{name}.jpg", label=name, problem=name, box=None) for name in HOSTILE]
    html = render_preview([*rows, make_row("x" * 3000)], language=language)
    check_self_contained(html)
    page = Page(html)
    page.check_harmless()
    assert [text for text in HOSTILE[:4] if text not in page.text] == []
    assert [tag for tag, _ in page.elements].count("img") == 12


def test_no_rows_no_size_and_too_many_pictures() -> None:
    assert "There is no photo to show." in Page(render_preview([])).text
    unknown = render_preview([make_row(width=0, height=0)])
    check_self_contained(unknown)
    assert "left:" not in re.sub("<style>.*?</style>", "", unknown, flags=re.DOTALL)
    heavy = [PreviewRow(f"{i}", "", None, 4, 4, "", bytes(400_000), bytes(400_000)) for i in range(10)]
    html = render_preview(heavy)
    assert len(html) < 5_000_000
    assert "no picture" in html
