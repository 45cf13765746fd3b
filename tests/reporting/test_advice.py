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
        ({"rejected": [BAD]}, "Replace or delete 1 file that could not be used"),
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
        ("a", "b", "c", "d"), 60, empty=3, issues=[CONFLICT], leaked=2, test_openings=9, rejected=[BAD], quality="fast"
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
