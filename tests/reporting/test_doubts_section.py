from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tests.reporting.examples import make_report

from photograft.reporting.document import thumbnail_paths
from photograft.reporting.doubts import Doubt
from photograft.reporting.doubts_section import SHOWN, doubts_document
from photograft.reporting.page import render_html

CLASSES = ("노란 튤립", "<b>rose")


def doubts(n: int, doubted: int, *, part: str = "train") -> list[Doubt]:
    """The first are doubted; the others agree."""
    return [
        Doubt(f"{CLASSES[0]}/{i}.jpg", CLASSES[0], CLASSES[1], 0.9 if i < doubted else 0.1, part, i < doubted)
        for i in range(n)
    ]


def page(rows: Sequence[Doubt], *, several: bool = False, language: str = "en") -> str:
    report = make_report(CLASSES, language=language, sections={"label_doubts": doubts_document(rows, several=several)})
    return render_html(report, thumbnails=dict.fromkeys(thumbnail_paths(report)[:5], b"jpeg"))


def section(html: str) -> str:
    return re.sub(r"\s+", " ", html.partition('<section id="labels"')[2].partition("</section>")[0]).replace(
        "\xa0", " "
    )


def test_one_sentence_twelve_photos_and_the_command() -> None:
    html = section(page(doubts(400, 20)))
    assert "About 20 of the 400 labels (5.0 %) are probably wrong." in html
    assert "The 12 most doubtful ones:" in html
    assert html.count("<li>") == SHOWN and html.count("data:image/jpeg") == 5
    assert "&lt;b&gt;rose" in html and "<b>rose" not in html
    assert "photograft review RUN" in html


def test_where_the_model_is_often_wrong_itself_the_sentence_is_careful() -> None:
    rows = [replace(doubt, score=0.6 if i < 30 else 0.1) for i, doubt in enumerate(doubts(100, 20))]
    assert "20 of the 100 labels (20.0 %) are doubted. The model names 30 % of all photos otherwise" in section(
        page(rows)
    )


def test_nothing_doubted_is_said_in_one_sentence() -> None:
    html = section(page(doubts(100, 0)))
    assert "None of the 100 labels stands out as wrong." in html and "review" not in html and "<li>" not in html


def test_test_photos_are_counted_but_not_shown() -> None:
    html = section(page([*doubts(100, 0), *doubts(10, 3, part="test")]))
    assert "3 test photos are doubted as well" in html and "<li>" not in html
    assert "None of the 100 labels" in html


def test_several_labels_are_told_as_names() -> None:
    rows = [Doubt("a.jpg", '["나무", "sea"]', "[]", 0.9, "train", True)]
    html = section(page(rows, several=True))
    assert "나무, sea" in html and "no label" in html


def test_korean() -> None:
    html = section(page([*doubts(400, 20), *doubts(10, 1, part="test")], language="ko"))
    assert 'lang="ko"' in html and "라벨 400개 가운데 약 20개(5.0 %)" in html and "테스트 사진 1장" in html


def test_an_older_report_has_no_such_section_and_keeps_the_issue() -> None:
    html = render_html(make_report(CLASSES), thumbnails={})
    assert 'id="labels"' not in html
