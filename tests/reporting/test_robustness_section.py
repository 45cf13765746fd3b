from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from photograft.data.corruptions import KINDS
from photograft.evaluation.robustness import OUTLINED, SHUFFLED, UNREAD, VARIANTS, judge_robustness
from photograft.reporting.page import render_html
from photograft.reporting.robustness_section import (
    EXAMPLES,
    left_out,
    robustness_csv,
    robustness_document,
    say_robustness,
    show_robustness,
)
from photograft.reporting.thumbnails import make_thumbnail

from .examples import make_report
from .pages import HOSTILE, Page, check_self_contained

N = 200


def make_section(wrong: Mapping[str, int] | None = None, *, n: int = N, **changes: Any) -> dict[str, Any]:
    """The section of `n` photos, all right unchanged; `wrong` says how many are wrong under some variants."""
    right_NV = np.ones((n, len(VARIANTS)), dtype=bool)
    for name, n_wrong in (wrong or {}).items():
        right_NV[:n_wrong, VARIANTS.index(name)] = False
    example = {
        "path": "꽃/a b.jpg",
        "label": "장미",
        "named": dict.fromkeys(EXAMPLES, "장미") | {"motion 2": "tulip"},
        "right": dict.fromkeys(EXAMPLES, True) | {"motion 2": False},
    }
    arguments: dict[str, Any] = {
        "what": "test",
        "seen": False,
        "of": n,
        "n_classes": 5,
        "turned": (20, 20),
        "example": example,
        "seconds": 28.04,
        **changes,
    }
    return robustness_document(judge_robustness(right_NV, np.arange(n)), **arguments)


def show(section: dict[str, Any], language: str = "en") -> dict[str, Any]:
    shown = show_robustness({"robustness": section, "language": language}, pictures={})
    assert shown is not None
    return shown


def test_the_weakest_point_comes_first_with_what_to_do() -> None:
    said, remedy = say_robustness(make_section({"motion 2": 24, "dark 2": 2, "noise 3": 90}))
    assert said == (
        "Motion blur costs 12 points of accuracy (7 to 17 with 95\u00a0% confidence); the others change little."
    )
    assert "photograft check" in remedy
    said, remedy = say_robustness(make_section({"dark 2": 60, "cast 2": 40, "fog 2": 20, "jpeg 2": 14}))
    assert said.startswith("Low light costs 30 points")
    assert said.endswith("a colour cast 20, haze 10; the others cost 7 at most.")
    assert "augment.brightness" in remedy


def test_what_chance_explains_is_not_called_a_weakness() -> None:
    said = say_robustness(make_section({"motion 2": 1, "jpeg 3": 2}))
    assert said == ["None of the eight changes costs accuracy that 200 photos can show."]
    few = say_robustness(make_section({"motion 2": 1}, n=25))
    assert few == ["None of the eight changes costs accuracy that 25 photos can show."]
    strong, _ = say_robustness(make_section({"small 3": 50, "motion 2": 1}))
    assert strong.startswith("At middle strength nothing costs much. At the strongest: Low resolution costs 25 points")


def test_what_was_left_out_is_said() -> None:
    assert say_robustness(left_out("photos", 12))[0].startswith("How the model does on worse photos was not tried: 12 ")
    assert "enough for 7 photos" in say_robustness(left_out("time", 7))[0]
    assert show(left_out("time", 7))["rows"] == []
    html = render_html({**make_report(("a", "b"), 60), "robustness": left_out("photos", 12)}, thumbnails={})
    assert "was not tried: 12 judged photos" in html


@pytest.mark.parametrize(
    ("wrong", "verdict"),
    [
        ({SHUFFLED: 10, OUTLINED: 150}, "Colour and texture alone carry most of it"),
        ({SHUFFLED: 150, OUTLINED: 60}, "Shape carries more"),
        ({SHUFFLED: 150, OUTLINED: 150}, "Neither alone is enough"),
        ({SHUFFLED: 30, OUTLINED: 30}, "these photos cannot tell"),
    ],
)
def test_texture_and_shape_are_weighed(wrong: dict[str, int], verdict: str) -> None:
    assert verdict in show(make_section(wrong))["lines"][0]


def test_turned_photos_are_told() -> None:
    assert (
        "all 20 photos tried give the same answer. Where the note is lost, a turn costs 30 points (23 to 36)."
        in (show(make_section({UNREAD: 60}))["lines"][1])
    )
    assert "a turn changes little (" in show(make_section({UNREAD: 2}))["lines"][1]
    assert "these photos cannot tell" in show(make_section({UNREAD: 2}, n=25))["lines"][1]
    assert "only 19 of 20 photos" in show(make_section(turned=(19, 20)))["lines"][1]
    assert show(make_section(turned=None))["lines"][1].startswith("Where the note is lost")


def test_cells_tell_loss_from_chance() -> None:
    shown = show(make_section({"noise 1": 2, "noise 2": 40, "noise 3": 120}))
    name, cells = shown["rows"][0]
    assert name == "Noise"
    assert [cell["text"] for cell in cells] == ["\u22121", "\u221220", "\u221260"]
    assert [cell["unsure"] for cell in cells] == [True, False, False]
    assert [cell["heat"] for cell in cells] == [0, 50, 100]
    assert len(shown["rows"]) == len(KINDS)


def test_what_it_rests_on_is_said() -> None:
    assert show(make_section(of=736))["basis"].startswith("200 of the 736 test photos, drawn evenly")
    seen = show(make_section(what="out-of-fold", seen=True))["basis"]
    assert seen.startswith("All 200 photos of the cross-validation")
    assert seen.endswith("The model has learnt from these photos, so only the loss counts here.")


def test_the_table_holds_every_change() -> None:
    rows = list(csv.DictReader(io.StringIO(robustness_csv(make_section({"motion 2": 24, "noise 1": -3})))))
    assert len(rows) == 1 + 24 + 3
    motion = next(row for row in rows if (row["change"], row["strength"]) == ("motion", "2"))
    assert (motion["photos"], motion["accuracy"], motion["lost"]) == ("200", "0.88", "0.12")
    assert float(next(row for row in rows if row["change"] == "patches")["lost_low"]) < 0


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_shows_it(language: str) -> None:
    section = json.loads(json.dumps(make_section({"motion 2": 24, "dark 3": 80, UNREAD: 30}, of=736)))
    report = {**make_report(("a", "b"), 60, language=language), "robustness": section}
    picture = make_thumbnail(np.full((40, 60, 3), 90, np.uint8))
    html = render_html(report, thumbnails={}, worse=dict.fromkeys(EXAMPLES, picture))
    check_self_contained(html)
    page = Page(html)
    assert page.open == []
    assert page.ids.count("robustness") == 1
    assert html.count("data:image/jpeg") == len(EXAMPLES)
    assert "tulip" in page.text
    assert not [text for text in ("{n", "{points", "None", "nan", "Undefined") if text in page.text]
    without = render_html(report, thumbnails={})
    assert "data:image" not in without
    assert "tulip" not in Page(without).text


def test_names_stay_text() -> None:
    for name in HOSTILE:
        section = make_section()
        section["example"] |= {"label": name, "named": dict.fromkeys(EXAMPLES, name)}
        report = {**make_report(("a", "b"), 60), "robustness": section}
        html = render_html(report, thumbnails={}, worse={"unchanged": make_thumbnail(np.zeros((9, 9, 3), np.uint8))})
        Page(html).check_harmless()
