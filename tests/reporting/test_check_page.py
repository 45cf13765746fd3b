from __future__ import annotations

import json

import numpy as np
import pytest

from photograft.reporting.check_document import thumbnail_names
from photograft.reporting.check_page import render_check
from photograft.reporting.thumbnails import make_thumbnail
from photograft.values import Issue, Photo

from .check_examples import find_conflicts, make_check, make_photos
from .pages import HOSTILE, Page, check_self_contained

PICTURE = make_thumbnail(np.full((32, 48, 3), 90, np.uint8))


def draw(document: dict[str, object]) -> str:
    return render_check(document, dict.fromkeys(thumbnail_names(document), PICTURE))


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("n", [0, 1, 500])
def test_the_page_is_whole_with_any_number_of_findings(n: int, language: str) -> None:
    dark = [Issue("dark", (f"장미/사진 {i % 60:03}.jpg",), f"case {i}", "Leave it out.") for i in range(n)]
    html = draw(make_check([*find_conflicts(n), *dark], language=language))
    check_self_contained(html)
    page = Page(html)
    sections = [name for name in page.ids if not name.startswith("finding-")]
    assert sections == [*(["urgent", "other"] if n else []), "classes", "files", "details"]
    assert page.elements[0] == ("html", {"lang": language})
    assert not [text for text in ("{n", "None", "nan", "Undefined") if text in page.text]
    assert len(html) < 500_000


def test_hostile_names_are_text_and_nothing_else() -> None:
    photos = [Photo(f"{name}/{name}.jpg", label=name, part="train") for name in HOSTILE]
    issues = [
        Issue("label_conflict", tuple(p.name for p in photos), f"{HOSTILE[0]}: same", HOSTILE[1], must_fix=True),
        Issue(HOSTILE[0], (photos[1].name,), HOSTILE[2], HOSTILE[3]),
        Issue("box", (), HOSTILE[1]),
    ]
    html = draw(make_check(issues, photos=photos, notes=HOSTILE, root="<script>x</script>"))
    check_self_contained(html)
    page = Page(html)
    page.check_harmless()
    assert [text for text in HOSTILE[:4] if text not in page.text] == []


def test_pictures_stand_side_by_side_with_name_and_label() -> None:
    page = Page(draw(make_check(find_conflicts(1, size=6))))
    assert [tag for tag, _ in page.elements].count("img") == 4
    assert "and 2 more" in page.text
    assert "장미/사진 003.jpg" in page.text
    assert page.text.count("민들레 ") >= 2


def test_a_group_without_pictures_is_told_in_words() -> None:
    document = make_check(find_conflicts(2))
    page = Page(render_check(document, {}))
    assert "img" not in {tag for tag, _ in page.elements}
    assert "case 1 (장미/사진 001.jpg, 장미/사진 002.jpg)" in page.text
    half = Page(render_check(document, {"장미/사진 000.jpg": PICTURE}))
    assert half.text.count("no picture") == 1


def test_a_gallery_shows_twelve_and_counts_the_rest() -> None:
    names = tuple(photo.name for photo in make_photos(60))
    page = Page(draw(make_check([Issue("tiny", names, "60 photos are small", "Use the originals.")])))
    assert [tag for tag, _ in page.elements].count("img") == 12
    assert "and 48 more" in page.text
    assert "thumbnails of the photos that were meant" in page.text


def test_unlisted_cases_are_counted() -> None:
    dark = [Issue("dark", (f"장미/사진 {i % 60:03}.jpg",), f"case number {i};") for i in range(500)]
    page = Page(render_check(make_check(dark), {}))
    assert "case number 19;" in page.text
    assert "case number 20;" not in page.text
    assert "and 480 more" in page.text


def test_the_page_needs_only_the_json_document() -> None:
    document = make_check(find_conflicts(3))
    again = json.loads(json.dumps(document, allow_nan=False))
    assert render_check(again, {}) == render_check(document, {})


def test_links_lead_to_findings_that_are_there() -> None:
    page = Page(draw(make_check([*find_conflicts(1), Issue("dark", (), "m"), Issue("a b", (), "m")])))
    links = [str(attributes["href"])[1:] for tag, attributes in page.elements if tag == "a"]
    assert len(links) == 3
    assert set(links) <= set(page.ids)
