from __future__ import annotations

import math
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from photograft.reporting.curves import curves_svg
from photograft.values import Record

from .training_examples import TRAIN_LOSS, make_records, make_refit

SVG = "{http://www.w3.org/2000/svg}"


def draw(records: Sequence[Record], best: float = 3.0, language: str = "en") -> ElementTree.Element:
    """The figure, every point of which lies inside it."""
    figure = ElementTree.fromstring(curves_svg(records, best=best, language=language))
    width, height = float(figure.attrib["width"]), float(figure.attrib["height"])
    for circle in figure.iter(f"{SVG}circle"):
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height
    for text in figure.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib["x"]) <= width
    return figure


def texts(figure: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in figure.iter(f"{SVG}text")]


def titles(figure: ElementTree.Element) -> list[str]:
    return [title.text or "" for title in figure.iter(f"{SVG}title")]


def test_every_point_is_titled_and_lower_losses_lie_lower() -> None:
    figure = draw(make_records())
    assert len(titles(figure)) == 3 * len(TRAIN_LOSS)
    assert "train part, epoch 3: validation loss 0.176" in titles(figure)
    assert "train part, epoch 3: validation accuracy 94.3\u00a0%" in titles(figure)
    points = {
        (group.findtext(f"{SVG}title") or ""): group.find(f"{SVG}circle") for group in figure.iter(f"{SVG}g")
    }  # fmt: skip
    heights = [
        float(point.attrib["cy"])
        for title, point in points.items()
        if "training loss" in title and point is not None
    ]  # fmt: skip
    assert heights == sorted(heights)
    assert heights[0] < heights[-1]


def test_the_best_epoch_is_marked() -> None:
    figure = draw(make_records(), best=3)
    assert "best: 3" in texts(figure)
    sizes = sorted(float(circle.attrib["r"]) for circle in figure.iter(f"{SVG}circle"))
    assert sizes[-2] > sizes[-3]  # one point of each validation curve
    assert "best: 99" not in texts(draw(make_records(), best=99))


def test_one_epoch_is_a_picture_too() -> None:
    figure = draw(make_records()[:1], best=1)
    assert len(list(figure.iter(f"{SVG}circle"))) == 3
    assert [text for text in texts(figure) if text.isdigit()] == ["1"]


def test_fits_are_told_apart_by_their_dashes() -> None:
    folds = [record for i in range(1, 6) for record in make_records(fit=f"fold {i}")]
    figure = draw([*folds, *make_refit()])
    assert {"fold 1", "fold 5", "train and validation (refit)"} <= set(texts(figure))
    dashes = re.findall(r'stroke-dasharray="([^"]+)"', ElementTree.tostring(figure, "unicode"))
    assert len(set(dashes) - {"3 4"}) == 5  # the first fold is solid, 3 4 marks the best epoch
    assert "train part" not in texts(figure)


def test_a_fit_without_validation_has_no_panel_for_accuracy() -> None:
    assert "accuracy" not in texts(draw(make_refit()))
    assert "accuracy" in texts(draw(make_records()))


def test_a_loss_that_ran_away_does_not_flatten_the_rest() -> None:
    figure = draw(make_records((0.5, 0.6, 3.0, 1e9, math.nan), (0.4, 0.4, math.inf, 50.0, 50.0)))
    numbers = [float(text) for text in texts(figure) if re.fullmatch(r"\d\.\d", text)]
    assert max(numbers) == 2.0


@pytest.mark.parametrize("records", [[], make_records((math.nan,), (None,))], ids=["none", "no number"])
def test_nothing_to_draw_is_still_a_picture(records: list[Record]) -> None:
    assert list(draw(records).iter(f"{SVG}circle")) == []


def test_long_trainings_have_few_ticks_and_no_crowd_of_dots() -> None:
    figure = draw(make_records([0.5] * 200, [0.3] * 200), best=150)
    assert len([text for text in texts(figure) if text.isdigit()]) <= 12
    assert len(titles(figure)) == 3  # the best epoch's
    assert len(titles(draw(make_records([0.0] * 3, [0.0] * 3, (1.0, 1.0, 1.0))))) == 9


def test_accuracy_ticks_are_distinct_and_never_above_one() -> None:
    for accuracy in ((0.0, 1.0), (1.0, 1.0), (0.0, 0.0), (0.9312, 0.9313), (0.5, 0.75)):
        shown = [text for text in texts(draw(make_records((0.2, 0.1), (0.2, 0.1), accuracy))) if "%" in text]
        assert len(shown) == len(set(shown)) >= 2
        assert all(0 <= float(text.split("\u00a0")[0]) <= 100 for text in shown)


def test_a_hostile_fit_name_is_text() -> None:
    figure = draw([*make_records(fit="<script>\x00"), *make_refit()])
    assert f"{SVG}script" not in {element.tag for element in figure.iter()}


def test_the_figure_speaks_korean() -> None:
    figure = draw(make_records(), language="ko")
    assert {"손실", "정확도", "에포크", "최고: 3"} <= set(texts(figure))
