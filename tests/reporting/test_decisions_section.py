"""What the report says about unsure and unfamiliar photos."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from photograft.evaluation.decisions import Answers, Unsure
from photograft.evaluation.unfamiliar import HeldOut, Unfamiliar, fit_familiar
from photograft.reporting.clean import clean_value
from photograft.reporting.decisions_section import (
    coverage_svg,
    decisions_document,
    say_answers,
    say_strangers,
    show_decisions,
)
from photograft.reporting.decisions_texts import decisions_texts_in

TESTED = Answers("test", 249, 215, 211)
CURVE = ((0.5, 1.0, 0.9), (0.86, 0.98, 0.76), (1.0, 0.93, 0.3))


def document(
    *,
    limit: float | None = 0.76,
    n: int = 1400,
    answers: Answers | None = TESTED,
    strangers: bool = True,
    worth: int | None = None,
) -> dict[str, Any]:
    unsure = Unsure(0.95, limit, n, n if worth is None else worth)
    rng = np.random.default_rng(0)
    familiar = fit_familiar(rng.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 2)
    held_out = (HeldOut("장미", 20, 0.74), HeldOut("b", 20, 0.84))
    unfamiliar = Unfamiliar(familiar, 3.0, 40, held_out, np.zeros(40)) if strangers else None
    section = decisions_document(unsure, answers, unfamiliar, curve=CURVE, flagged=0.05, familiar=(16, 249))
    cleaned: dict[str, Any] = clean_value(section)
    return cleaned


def test_the_sentence_says_how_many_are_answered_and_right() -> None:
    unsure = document()["unsure"]
    assert say_answers(unsure).startswith("It answers 86 of 100 photos and is right for 98.1 of 100 of these (249 test")
    other = document(answers=Answers("out-of-fold", 500, 400, 390))["unsure"]
    assert "(500 photos that it had not seen)" in say_answers(other)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"limit": 0.0, "answers": Answers("test", 300, 300, 297)}, "It answers every photo and is right for 99.0"),
        ({"limit": None, "answers": None, "n": 30}, "No photo is called unsure: on 30 photos"),
        ({"answers": Answers("test", 12, 9, 9)}, "Of 12 photos it answers 9 and is right for 9"),
        ({"answers": Answers("test", 40, 0, 0)}, "No answer is right"),
        ({"answers": Answers("test", 60, 60, 59)}, "It answered each of 60 photos"),
        ({"answers": None}, "No photo is called unsure"),
    ],
)
def test_what_cannot_be_promised_is_said(changed: dict[str, Any], said: str) -> None:
    assert say_answers(document(**changed)["unsure"]).startswith(said)


def test_small_numbers_are_said_in_words() -> None:
    def basis(**changed: Any) -> str:
        shown = show_decisions({"language": "en", "decisions": document(**changed)})
        assert shown is not None
        assert isinstance(shown["basis"], str)
        return shown["basis"]

    assert "at least 45 independent photos" in basis(limit=None, answers=None, n=30)
    assert "too often wrong" in basis(limit=None, answers=None)
    assert "few photos need a higher limit" in basis(n=150)
    assert basis().endswith("as these shall hold with 90\u00a0% confidence, more are usually right.")
    assert basis(answers=Answers("test", 249, 215, 200)).endswith("that were asked for.")
    assert basis(limit=0.0, answers=Answers("test", 300, 300, 297)) == ""
    assert "these count as 20" in basis(limit=None, answers=None, n=200, worth=20)


def test_strangers_are_two_sentences() -> None:
    said = say_strangers(document()["unfamiliar"])
    assert "79 of 100 pairs" in said and "by mistake, 16 of 249 test photos" in said
    untested = document()["unfamiliar"] | {"test": None}
    assert "about 5 of 100 known ones" in say_strangers(untested)
    nothing = document()["unfamiliar"] | {"classes": [], "auroc": None, "test": None}
    assert "could not be tried" in say_strangers(nothing)


def test_the_figure_is_well_formed_and_marks_the_limit() -> None:
    for changed in ({}, {"limit": None, "answers": None}, {"answers": Answers("test", 40, 30, 0)}):
        drawn = ElementTree.fromstring(coverage_svg(document(**changed)["unsure"], decisions_texts_in("en")))
        marks = [each for each in drawn.iter() if each.tag.endswith("circle")]
        assert len(marks) == (0 if changed.get("limit", 1) is None else 1)
        assert all(0 <= float(each.attrib["cy"]) <= float(drawn.attrib["height"]) for each in marks)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_language_says_it(language: str) -> None:
    shown = show_decisions({"language": language, "decisions": document()})
    assert shown is not None and shown["figure"] and shown["strangers"] and shown["sentence"]
    assert shown["texts"].language == language


def test_an_older_report_has_no_such_section() -> None:
    assert show_decisions({"language": "en"}) is None
    assert show_decisions({"language": "en", "decisions": {"unsure": None, "unfamiliar": None}}) is None
