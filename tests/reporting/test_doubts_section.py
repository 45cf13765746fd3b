from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tests.reporting.examples import make_report

from photograft.reporting.document import thumbnail_paths
from photograft.reporting.doubts import Doubt
from photograft.reporting.doubts_section import SHOWN, doubted_mistakes, doubts_document
from photograft.reporting.page import OPEN_TILES, render_html

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
    assert html.partition("<details")[0].count("<li>") == OPEN_TILES and f"{SHOWN - OPEN_TILES} more" in html
    assert "&lt;b&gt;rose" in html and "<b>rose" not in html
    assert "photograft review RUN" in html


def test_where_the_model_is_often_wrong_itself_the_sentence_is_careful() -> None:
    rows = [replace(doubt, score=0.6 if i < 30 else 0.1) for i, doubt in enumerate(doubts(100, 20))]
    assert "20 of the 100 labels (20.0 %) are doubted. The model names 30 % of all photos otherwise" in section(
        page(rows)
    )


def test_a_model_that_is_too_weak_judges_no_labels() -> None:
    for doubted, missed in ((25, 30), (5, 60)):
        rows = [replace(doubt, score=0.6 if i < missed else 0.1) for i, doubt in enumerate(doubts(100, doubted))]
        html = section(page([*rows, *doubts(10, 3, part="test")]))
        assert (
            f"names {missed} % of all photos otherwise than they are labelled and doubts {doubted} of the 100" in html
        )
        assert "too often wrong" in html and "<li>" not in html and "review" not in html and "test photos" not in html
        report = make_report(CLASSES, 2000, sections={"label_doubts": doubts_document(rows, several=False)})
        assert not [step for step in report["next_steps"] if "label" in step]
        assert doubted_mistakes(report) == frozenset()


def test_a_doubted_mistake_is_shown_once() -> None:
    report = make_report(CLASSES, 200, worst=3)
    mistakes = [mistake["path"] for mistake in report["evaluations"][0]["mistakes"]]
    paths = [*mistakes[:4], *map(str, range(396))]
    rows = [replace(doubt, path=path) for doubt, path in zip(doubts(400, 20), paths, strict=True)]
    report["label_doubts"] = doubts_document(rows, several=False)
    shown = [*thumbnail_paths(report)]
    assert sorted(shown[-3:]) == sorted(mistakes[:3]) and shown[0] == mistakes[3] and len(shown) == SHOWN + 3
    html = render_html(report, thumbnails=dict.fromkeys(shown, b"jpeg"))
    assert html.count('class="mark"') == 3
    labels = section(html)
    assert "3 of them are among the worst mistakes above" in labels and "Of the others the 12 most doubtful" in labels
    assert labels.count("<li>") == SHOWN and mistakes[0] not in labels
    report["label_doubts"] = doubts_document([*rows[:3], *rows[20:]], several=False)
    assert "They are all among the worst mistakes above" in section(render_html(report, thumbnails={}))


def test_nothing_doubted_is_said_in_one_sentence() -> None:
    html = section(page(doubts(100, 0)))
    assert "Are there wrong labels?" in html
    assert "None of the 100 labels stands out as wrong." in html and "review" not in html and "<li>" not in html


def test_test_photos_are_counted_but_not_shown() -> None:
    html = section(page([*doubts(100, 0), *doubts(10, 3, part="test")]))
    assert "3 test photos are doubted as well" in html and "<li>" not in html
    assert "None of the 100 labels" in html


def test_several_labels_are_told_as_names() -> None:
    rows = [Doubt("a.jpg", '["나무", "sea"]', "[]", 0.9, "train", True)]
    rows += [Doubt(f"{i}.jpg", "[]", "[]", 0.1, "train", False) for i in range(20)]
    html = section(page(rows, several=True))
    assert "나무, sea" in html and "no label" in html


def test_korean() -> None:
    html = section(page([*doubts(400, 20), *doubts(10, 1, part="test")], language="ko"))
    assert 'lang="ko"' in html and "레이블 400개 가운데 약 20개(5.0 %)" in html and "테스트 사진 1장" in html


def test_an_older_report_has_no_such_section_and_keeps_the_issue() -> None:
    html = render_html(make_report(CLASSES), thumbnails={})
    assert 'id="labels"' not in html
