"""Runs beside each other: the page with many classes, in two languages, and at the width of a phone."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest

from photograft.reporting.compare_document import compare_lines
from photograft.reporting.compare_page import render_compare
from photograft.reporting.run_names import name_runs
from photograft.reporting.thumbnails import make_thumbnail

from .compare_examples import make_compare
from .pages import HOSTILE, Page, check_self_contained
from .test_browser import CHROMIUM, FRAME, PHONE_PX, read_console, run_chromium

LONG = "a_very_long_class_name_without_any_space_in_it_at_all"
MANY = (*(f"아주 노란 튤립 {i:03}" for i in range(119)), LONG)
THREE = ("daisy", "노란 튤립", LONG)


def test_of_many_classes_those_are_shown_that_changed_most() -> None:
    document = make_compare(MANY, ["first", "두 번째"], n=20)
    page = render_compare(document)
    table, rest = page.split('<details class="unprinted">')
    shown = re.findall(
        r'<tr[^>]*><th scope="row">([^<]*)(?: <span class="(\w+)">(\w+)</span>)?</th><td class="n">', table
    )
    assert len(shown) == 12
    clear = {row["name"] for row in document["comparisons"][0]["classes"] if row["clear"]}
    assert clear
    assert {name for name, *mark in shown if mark[1]} == clear & {name for name, *_ in shown}
    assert "The 12 classes that changed most, of 120." in table
    assert all(name in rest for name in MANY)
    assert "Gained by more than chance: " in table


def test_few_classes_are_shown_at_once_and_unmarked_by_chance() -> None:
    page = render_compare(make_compare(THREE, ["a", "b"], n=8))
    assert "<details" not in page
    assert "No class gained or lost by more than chance." in page
    assert ">gained<" not in page and ">lost<" not in page


@pytest.mark.parametrize("language", ["en", "ko"])
def test_page_is_whole_and_harmless(language: str) -> None:
    page = render_compare(make_compare(HOSTILE, [*HOSTILE], n=12, language=language, shared=True))
    check_self_contained(page)
    Page(page).check_harmless()


def test_page_says_what_a_reader_must_know() -> None:
    page = render_compare(make_compare(THREE, ["a", "b", "c"], n=40, shared=True))
    text = " ".join(Page(page).text.split())
    assert "Against a: 2 better, 0 worse, 0 not distinguishable." in text
    assert "b judged 120 photos and a 120; not all of them are the same." in text
    assert "The test part was opened 5 times." in text
    assert "Holm’s correction" in text
    assert "the others are compared with this one" in text
    assert '<th scope="row">input.px</th><td>64</td><td>96</td><td>128</td>' in page
    assert "b, epoch 3: " in text
    single = " ".join(Page(render_compare(make_compare(THREE, ["a", "b"], n=40))).text.split())
    assert "b is better than a." in single and "b beats a by" in single
    assert "Holm" not in single


def test_terminal_names_every_run_and_what_differs() -> None:
    lines = compare_lines(make_compare(THREE, ["a", "두 번째"], n=120))
    assert lines[2].startswith("두 번째 ")
    assert "  input.px: 64, 96" in lines
    assert any(line.startswith("  두 번째 gains: ") for line in lines)


def test_runs_are_named_as_short_as_tells_them_apart() -> None:
    a, b = Path("runs/2026-11-22-꽃"), Path("runs/2026-11-23-꽃")
    assert name_runs([a, Path("runs/2026-11-22-b")]) == ["꽃", "b"]
    assert name_runs([a, b]) == ["2026-11-22-꽃", "2026-11-23-꽃"]
    assert name_runs([a, Path("other/2026-11-22-꽃")]) == ["runs/2026-11-22-꽃", "other/2026-11-22-꽃"]
    assert name_runs([Path("a\x01"), Path("a\x02")]) == ["a\ufffd (1)", "a\ufffd (2)"]


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
@pytest.mark.parametrize(("classes", "names"), [(THREE, ["a", LONG, "셋"]), (MANY, ["첫 번째", "b"])], ids=["3", "120"])
def test_the_page_fits_a_phone_and_nothing_is_refused(
    classes: tuple[str, ...], names: list[str], tmp_path: Path
) -> None:
    grey = make_thumbnail(np.full((64, 64, 3), 128, np.uint8))
    document = make_compare(classes, names, language="ko")
    drawn = render_compare(document, thumbnails={f"sha{i}#0": grey for i in range(12)})
    drawn = drawn.replace("<details", "<details open")
    frame, page = tmp_path / "frame.html", tmp_path / "비교 1.html"
    page.write_text(drawn, encoding="utf-8")
    frame.write_text(FRAME.format(width=PHONE_PX, page=html.escape(drawn)), encoding="utf-8")
    dom = run_chromium(frame, tmp_path / "profile", "--dump-dom")
    assert f'data-width="{PHONE_PX}"' in dom
    assert read_console(page, tmp_path / "profile") == []
