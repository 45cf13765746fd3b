from __future__ import annotations

from photograft.reporting.sentences import describe_basis, describe_reliability, describe_result
from photograft.reporting.texts import texts_in
from photograft.reporting.training import Training

from .examples import make_report
from .training_examples import make_records, make_training


def test_a_test_part_is_called_photos_never_seen() -> None:
    first, second = describe_result(make_report(("a", "b", "c"), 300))
    assert first.startswith("On 300 photos it had never seen, this model named the class correctly for ")
    assert "of 100 photos (" in first
    assert "with 95\u00a0% confidence" in first
    assert second.startswith("It is weakest at “")


def test_folds_are_not_called_photos_never_seen() -> None:
    report = make_report(("a", "b", "c"), 300, what="out-of-fold")
    assert "never seen" not in " ".join(describe_result(report))
    assert describe_result(report)[0].startswith("In cross-validation, where every photo is judged by a model trained")
    assert "No separate test part was held back" in dict(describe_basis(report))["Photos judged"]
    assert "Test part opened" not in dict(describe_basis(report))


def test_few_photos_are_counted_not_turned_into_percent() -> None:
    report = make_report(("a", "b"), 12)
    correct = sum(row["correct"] for row in report["evaluations"][0]["per_class"])
    first, second, _ = describe_result(report)
    assert first == f"Of only 12 photos it had never seen, this model named the class of {correct} correctly."
    assert second.startswith("That is too few to tell")


def test_the_weakest_class_is_the_one_that_leads_the_table() -> None:
    report = make_report(tuple("abcdefgh"), 400)
    worst = min(report["evaluations"][0]["per_class"], key=lambda row: row["f1"])
    assert f"weakest at “{worst['name']}”" in describe_result(report)[1]


def test_where_several_classes_were_never_found_none_is_the_weakest() -> None:
    report = make_report(tuple("abcdefgh"), 400)
    rows = report["evaluations"][0]["per_class"]
    for n, said in ((2, "It never recognised “a” and “b”."), (5, "It never recognised 5 of the 8 classes.")):
        for row in rows[:n]:
            row["correct"] = 0
        assert describe_result(report)[1] == said


def test_guessing_names_a_class_only_where_one_is_the_most_frequent() -> None:
    report = make_report(("a", "b", "c", "d"), 400)
    assert dict(describe_basis(report))["Compared with guessing"].endswith("would be right for at most 25.0\u00a0%.")
    report["evaluations"][0]["per_class"][2]["support"] += 10
    assert "“c”, the most frequent class" in dict(describe_basis(report))["Compared with guessing"]


def test_no_mistake_is_said_so() -> None:
    report = make_report(("a", "b"), 40)
    evaluation = report["evaluations"][0]
    evaluation["confusion"] = [[20, 0], [0, 20]]
    for row in evaluation["per_class"]:
        row.update(support=20, predicted=20, correct=20, f1=1.0)
    assert describe_result(report)[-1] == "It made no mistake on any class."


def test_many_openings_of_the_test_part_are_a_warning() -> None:
    basis = dict(describe_basis(make_report(("a", "b"), 300, test_openings=9)))
    assert basis["Test part opened"].startswith("9 times so far")
    assert "flatter" in basis["Test part opened"]


def test_reliability_says_which_way_the_probabilities_err() -> None:
    def describe(confidence: float, accuracy: float, n: int = 500) -> str:
        part = {"low": 0.9, "high": 1.0, "n": n, "confidence": confidence, "accuracy": accuracy}
        return describe_reliability({"scores": {}, "reliability": [part]}, "en")

    assert describe(0.95, 0.94).startswith("Yes")
    assert "claims 15.0 points more" in describe(0.95, 0.80)
    assert "15.0 points more often than it claims" in describe(0.80, 0.95)
    assert "no more than chance explains" in describe(0.80, 0.76, n=100)
    assert "cannot be told" in describe(0.95, 0.80, n=20)


def test_only_a_full_share_is_shown_as_one_hundred() -> None:
    texts = texts_in("en")
    assert texts.percent(0.9999) == "99.9\u00a0%"
    assert texts.percent(0.9999, 0) == "99\u00a0%"
    assert texts.percent(1.0) == "100.0\u00a0%"
    assert texts_in("xx").language == "en"


def test_calibration_names_the_photos_that_it_rests_on() -> None:
    def rests_on(training: Training | None) -> str:
        return dict(describe_basis(make_report(("a", "b"), 300, training=training)))["Stated probabilities"]

    folds = [record for i in (1, 2) for record in make_records(fit=f"fold {i}")]
    assert rests_on(None) == "Made more cautious (temperature 1.30), fitted on out-of-fold predictions."
    assert rests_on(make_training(records=folds)) == rests_on(None)
    assert rests_on(make_training()) == "Made more cautious (temperature 1.30), fitted on the validation photos."
