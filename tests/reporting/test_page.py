from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from photograft.reporting.document import thumbnail_paths
from photograft.reporting.page import OPEN_TILES, render_html
from photograft.reporting.thumbnails import make_thumbnail
from photograft.values import Issue, Photo

from .examples import make_evaluation, make_report, make_slices
from .pages import HOSTILE, Page, check_self_contained

SECTIONS = (
    "use",
    "basis",
    "reliability",
    "fails",
    "classes",
    "confusion",
    "mistakes",
    "do",
    "next",
    "data",
    "made",
    "details",
)


def draw_thumbnail() -> bytes:
    return make_thumbnail(np.full((32, 32, 3), 90, np.uint8))


@pytest.mark.parametrize(
    ("classes", "n"),
    [
        (("good", "faulty"), 60),
        (("노란 튤립", "장미", "민들레"), 150),
        (HOSTILE, 200),
        (tuple(f"breed {i:03}" for i in range(120)), 600),
        (("cat", "dog"), 6),
    ],
    ids=["binary", "hangul", "hostile", "120 classes", "tiny"],
)
@pytest.mark.parametrize("what", ["test", "out-of-fold", "val"])
def test_every_section_is_there_in_order(classes: tuple[str, ...], n: int, what: str) -> None:
    page = Page(render_html(make_report(classes, n, what=what), thumbnails={}))
    assert page.open == []
    assert page.ids == list(SECTIONS)
    assert page.elements[0] == ("html", {"lang": "en"})
    assert not [text for text in ("{n", "{share", "None", "nan", "Undefined") if text in page.text.replace("{n} &", "")]


def test_names_are_text_and_nothing_else() -> None:
    rejected = [Photo("<b>x</b>.jpg", label=HOSTILE[0], verdict="corrupt", reason="<i>bad</i>")]
    issues = [Issue("<u>kind</u>", ("<s>p</s>",), "<em>message</em>", "<a href='http://x'>remedy</a>")]
    report = make_report(HOSTILE, 150, rejected=rejected, issues=issues, run="<h1>run</h1>", warnings=["<p>w</p>"])
    page = Page(render_html(report, thumbnails={path: draw_thumbnail() for path in thumbnail_paths(report)}))
    assert not {tag for tag, _ in page.elements} & {"u", "s", "em"}
    assert all(values["href"].startswith("#") for tag, values in page.elements if tag == "a")
    page.check_harmless()
    for text in (*HOSTILE[:4], "<b>x</b>.jpg", "<i>bad</i>", "<em>message</em>", "<h1>run</h1>", "<p>w</p>"):
        assert text in page.text


def test_nothing_is_fetched() -> None:
    report = make_report(("a", "b", "http://evil.example/x.png"), 120)
    html = render_html(report, thumbnails={path: draw_thumbnail() for path in thumbnail_paths(report)})
    assert "http://evil.example/x.png" in html  # as text
    check_self_contained(html)


def test_the_page_needs_only_the_json_document() -> None:
    report = make_report(("a", "b", "c"), 120)
    again = json.loads(json.dumps(report, allow_nan=False))
    assert again == report
    assert render_html(again, thumbnails={}) == render_html(report, thumbnails={})


def test_mistakes_are_pictures_where_there_are_some_and_a_table_otherwise() -> None:
    report = make_report(("a", "b", "c"), 150, worst=5)
    paths = thumbnail_paths(report)
    assert len(paths) == 5
    some = Page(render_html(report, thumbnails={path: draw_thumbnail() for path in paths[:3]}))
    assert sum(tag == "img" for tag, _ in some.elements) == 3
    assert some.text.count("no picture") == 2
    none = Page(render_html(report, thumbnails={}))
    assert not [tag for tag, _ in none.elements if tag == "img"]
    assert all(path in none.text for path in paths)


def test_thumbnails_never_make_the_page_larger_than_five_megabytes() -> None:
    report = make_report(("a", "b"), 150, worst=20)
    html = render_html(report, thumbnails=dict.fromkeys(thumbnail_paths(report), bytes(900_000)))
    assert 3_000_000 < len(html.encode()) < 5_000_000


def test_eight_mistakes_are_open_and_the_others_a_click_away() -> None:
    report = make_report(("a", "b", "c"), 600, worst=20)
    html = render_html(report, thumbnails={path: draw_thumbnail() for path in thumbnail_paths(report)})
    tiles = html.partition('<section id="mistakes">')[2].partition("</section>")[0]
    shown, _, folded = tiles.partition('<details class="folded"><summary>12 more')
    assert (shown.count("<img"), folded.count("<img")) == (OPEN_TILES, 12)


def test_notes_are_sentences_and_what_is_a_step_is_not_told_twice() -> None:
    notes = ("14 of 21 photos are used", "left out: 3 photos", "labels.csv: no name", "Done.")
    report = make_report(("a", "b"), 60, issues=[Issue("small_class", (), "2 classes have few", "Collect more.")])
    report["photos"]["notes"] = list(notes)
    text = Page(render_html(report, thumbnails={})).text
    assert all(f"\n{said}\n" in text for said in ("14 of 21 photos are used.", "Left out: 3 photos.", "Done."))
    assert "labels.csv: no name." in text and "2 classes have few" not in text
    imbalance = Issue("imbalance", (), "a has 100 photos, b only 2", "")
    text = Page(render_html(make_report(("a", "b"), 60, issues=[imbalance]), thumbnails={})).text
    assert "Classes of very different size" in text and "different size: 1" not in text


def test_an_empty_class_is_reported_not_judged() -> None:
    page = Page(render_html(make_report(("a", "b", "축구"), 90, empty=2), thumbnails={}))
    assert "no photos, not judged" in page.text
    assert "Add photos of “축구”" in page.text


def test_many_classes_scroll_and_the_most_confused_are_enlarged() -> None:
    report = make_report(tuple(f"breed {i:03}" for i in range(120)), 600)
    html = render_html(report, thumbnails={})
    rows = re.findall(r'<th scope="row">(breed \d+)</th><td class="n">[^<]*</td>\s*<td class="n">', html)
    f1 = {row["name"]: row["f1"] or 0.0 for row in report["evaluations"][0]["per_class"]}
    assert len(set(rows[:120])) == 120
    assert [f1[name] for name in rows[:120]] == sorted(f1.values())
    assert html.count('<svg xmlns="http://www.w3.org/2000/svg" class="pg-figure"') == 3
    assert "scroll tall" in html
    assert len(html.encode()) < 1_000_000


def test_a_report_without_any_score_is_still_a_page() -> None:
    page = Page(render_html(make_report(("a", "b"), 20, evaluations=[]), thumbnails={}))
    assert "there is no score" in page.text
    assert page.ids == ["use", "fails", "classes", "do", "next", "data", "made", "details"]


def test_two_evaluations_stand_side_by_side() -> None:
    classes = ("a", "b", "c")
    evaluations = [make_evaluation(classes, 150), make_evaluation(classes, 600, what="out-of-fold")]
    page = Page(render_html(make_report(classes, 150, evaluations=evaluations), thumbnails={}))
    assert "which agrees" in page.text
    assert "Cross-validation" in page.text


def find_issues(n: int) -> Sequence[Issue]:
    return [Issue("near_duplicate", ("a/1.jpg", "a/2.jpg"), f"case {i}", "Keep one.") for i in range(n)]


def test_issues_of_one_kind_are_gathered() -> None:
    conflict = Issue("label_conflict", ("a/1.jpg", "b/1.jpg"), "a/1.jpg, b/1.jpg: the same", "Decide which is right.")
    report = make_report(("a", "b"), 40, issues=[*find_issues(500), conflict])
    page = Page(render_html(report, thumbnails={}))
    assert page.text.index("1 set of photos with conflicting labels") < page.text.index("500 sets of photos")
    assert page.text.count("Keep one.") == 1
    assert "and 480 more" in page.text
    assert len(json.dumps(report)) < 200_000


def test_slices_are_a_table_per_column_and_the_worse_ones_are_marked() -> None:
    classes = ("a", "b", "c")
    evaluation = replace(make_evaluation(classes, 300), slices=make_slices(classes, 300))
    report = make_report(classes, 300, evaluations=[evaluation])
    html = render_html(report, thumbnails={})
    check_self_contained(html)
    page = Page(html)
    page.check_harmless()
    assert page.ids == [*SECTIONS[:5], "slices", *SECTIONS[5:]]
    accuracy = evaluation.scores["accuracy"]
    assert page.text.count("clearly lower") == sum(part.high < accuracy for part in evaluation.slices) >= 1
    assert page.text.index("낡은 카메라") < page.text.index("new <b>") < page.text.index("<script>place")
    assert "Add training photos with camera “낡은 카메라”" in page.text
    old = report["evaluations"][0]["slices"][0]
    assert old == {
        "column": "camera", "value": "낡은 카메라", "n": old["n"], "accuracy": old["accuracy"],
        "accuracy_low": old["accuracy_low"], "accuracy_high": old["accuracy_high"],
    }  # fmt: skip


def test_without_slices_or_repeats_nothing_is_said_of_them() -> None:
    report = make_report(("a", "b"), 60)
    assert "slices" not in report["evaluations"][0]
    text = Page(render_html(report, thumbnails={})).text
    assert "clearly lower" not in text
    assert "draws of the folds" not in text


def test_draws_of_the_folds_are_told_with_their_spread() -> None:
    report = make_report(("a", "b"), 60, repeats=[0.93, 0.91, 0.92])
    text = Page(render_html(report, thumbnails={})).text.replace("\u00a0", " ")
    assert "over 3 draws of the folds: 92.0 % on average, 91.0 % the smallest, 93.0 % the largest" in text


def test_a_report_of_an_earlier_release_is_still_drawn() -> None:
    report = make_report(("a", "b"), 60)
    del report["repeats"]
    assert "draws of the folds" not in render_html(report, thumbnails={})
