from __future__ import annotations

from typing import Any

import pytest
from tests.reporting.pages import HOSTILE, Page, check_self_contained

from photograft.reporting.search_page import SearchPictures, render_answers
from photograft.reporting.search_texts import SEARCH_ENGLISH, SEARCH_KOREAN

SAME = {"prior": 0.5, "n_photos": 300, "n_queries": 300, "n_classes": 5, "precision_at_1": 0.843, "auroc": 0.74}


def match(path: str, **given: Any) -> dict[str, Any]:
    known = {"id": "0" * 16, "path": path, "source": "/shop", "label": "장미", "similarity": 0.44, "same": 0.96}
    return {**known, "kind": "", "others": [], **given}


def document(*matches: dict[str, Any], path: str = "customer.jpg", **given: Any) -> dict[str, Any]:
    photo = {"path": path, "status": "ok", "matches": list(matches)}
    known = {"index": "my/shop.index", "model": "flowers", "n": 300, "near_duplicates": False, "label": None}
    return {**known, "folder": None, "same_class": SAME, "photos": [photo], **given}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_photo_stands_beside_those_like_it(language: str) -> None:
    found = document(match("a.jpg", kind="the same file", others=["b.jpg"]), match("c.jpg", label=None, same=None))
    html = render_answers(found, [SearchPictures(b"asked", (b"first", b""))], language=language)
    check_self_contained(html)
    text = Page(html).text
    assert html.count("data:image/jpeg") == 2
    english = ("Photos like this one", "96\u00a0% same class", "the same file", "at 1 other path", "no label", "84.3")
    korean = ("이 사진과 비슷한 사진", "같은 클래스일 확률 96\u00a0%", "같은 파일", "다른 경로 1곳", "레이블 없음")
    for words in english if language == "en" else korean:
        assert words in text


def test_copies_filters_and_rejected_photos_are_said() -> None:
    rejected = {"path": "x.jpg", "status": "rejected", "reason": "empty: the file has no bytes", "matches": []}
    found = document(near_duplicates=True, label="장미", folder="red", same_class=None)
    found["photos"].append(rejected)
    text = Page(render_answers(found, [SearchPictures(b"asked"), SearchPictures()])).text
    for words in (
        "Copies of these 2 photos",
        "labelled “장미”",
        "in “red”",
        "holds no copy",
        "the file has no bytes",
        "too few",
    ):
        assert words in text


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_markup(name: str) -> None:
    found = document(match(name, label=name, others=[name]), path=name, label=name, folder=name, model=name, index=name)
    for language in ("en", "ko"):
        Page(render_answers(found, [SearchPictures(b"a", (b"b",))], language=language)).check_harmless()


def test_every_text_is_there_in_both_languages() -> None:
    assert set(SEARCH_ENGLISH) == set(SEARCH_KOREAN)
