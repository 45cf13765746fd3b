from __future__ import annotations

from typing import Any

import pytest

from photograft.reporting.advice import MOST, advise
from photograft.values import Issue, Photo

from .examples import make_report

CONFLICT = Issue("label_conflict", ("a/1.jpg", "b/1.jpg"), "the same picture under different labels")
BAD = Photo("a/bad.jpg", label="a", verdict="truncated", reason="cut off")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issues": [CONFLICT]}, "Settle 1 set of photos"),
        ({"leaked": 3}, "Move 3 photos that have duplicates (or other photos of their group) in another part"),
        ({"empty": 2}, "Add photos of “c”"),
        ({"n": 90}, "Collect more photos of “a”, “b” and “c”"),
        ({"n": 90}, "Test on more photos"),
        ({"test_openings": 7}, "this one has been opened 7 times"),
        ({"rejected": [BAD] * 200}, "Replace or delete 200 files that could not be used"),
        ({"quality": "fast"}, "--quality good"),
    ],
)
def test_a_rule_speaks_when_it_applies_and_only_then(changes: dict[str, Any], said: str) -> None:
    def says(**arguments: Any) -> bool:
        return any(said in step for step in advise(make_report(("a", "b", "c"), **arguments)))

    assert says(**({"n": 2000} | changes))
    assert not says(n=2000)


def test_the_list_is_short() -> None:
    report = make_report(
        ("a", "b", "c", "d"),
        60,
        empty=3,
        issues=[CONFLICT],
        leaked=2,
        test_openings=9,
        rejected=[BAD] * 9,
        quality="fast",
    )
    steps = advise(report)
    assert len(steps) == MOST
    assert steps[0].startswith("Settle")


def test_weak_classes_pairs_and_calibration_are_named() -> None:
    report = make_report(("a", "b", "c"), 300)
    evaluation = report["evaluations"][0]
    evaluation["scores"]["ece"] = 0.12
    evaluation["confused_pairs"] = [
        {"label": "a", "predicted": "b", "n": 30},
        {"label": "b", "predicted": "a", "n": 20},
    ]
    evaluation["mistakes"] = evaluation["mistakes"][:1] * 60
    for row in evaluation["per_class"]:
        row["recall"] = 0.7
    steps = " ".join(advise(report))
    assert "“a” and “b” side by side: 50 of 60 mistakes" in steps
    assert "3 classes with recall below 80\u00a0%" in steps
    assert "it is 12 points off on average" in steps


def test_where_most_classes_are_meant_none_is_picked_out() -> None:
    classes = tuple(f"꽃 {i:03}" for i in range(120))
    steps = " ".join(advise(make_report(classes, 960)))
    assert "every class has fewer than 50" in steps
    assert "“꽃" not in steps.partition("Look at photos of")[0] and "more" not in steps.replace(
        "Collect more photos", ""
    )
    report = make_report(classes, 960)
    report["classes"][0]["photos"] = 80
    assert "119 of the 120 classes have fewer than 50" in " ".join(advise(report))
    for row in report["classes"]:
        row["photos"] = 80
    for row in report["evaluations"][0]["per_class"]:
        row["recall"] = 0.5
    assert "120 of the 120 classes have recall below" in " ".join(advise(report))


def test_one_damaged_file_among_many_is_told_beside_the_photos_alone() -> None:
    assert not [step for step in advise(make_report(("a", "b"), 2000, rejected=[BAD])) if "could not be used" in step]


def test_findings_of_other_sections_become_steps() -> None:
    effect = {"strength": 2, "drop": 0.12, "low": 0.07, "high": 0.17, "accuracy": 0.8}
    less = {"drop": 0.05, "low": 0.01}
    sections = {
        "label_doubts": {"n": 2000, "doubted": 30, "missed": 100, "in_test": 0, "first": []},
        "robustness": {"corruptions": [{"kind": "motion", **effect}, {"kind": "jpeg", **effect, **less}]},
        "decisions": {"unsure": None, "unfamiliar": {"auroc": 0.78}},
    }
    labels, *others = advise(make_report(("a", "b", "c"), 2000) | sections)
    assert labels.startswith("Look at the 30 labels that are probably wrong") and "photograft review RUN" in labels
    worse, strangers = [step for step in others if step.startswith("If")]
    assert worse.startswith("If photos with motion blur will come") and "12 points of accuracy (7 to 17)" in worse
    assert strangers.endswith("in only 78 of 100 pairs.")
    weak = make_report(("a", "b", "c"), 2000) | sections
    weak["evaluations"][0]["scores"]["accuracy"] = 0.7
    assert "pairs" not in " ".join(advise(weak))
    sections["label_doubts"]["missed"] = 500
    sections["robustness"] = {"n": 0, "left_out": "photos", "enough_for": 3}
    sections["decisions"]["unfamiliar"] = None
    steps = " ".join(advise(make_report(("a", "b", "c"), 2000) | sections))
    assert "Look at the first of the 30 labels" in steps and "will come" not in steps and "pairs" not in steps
