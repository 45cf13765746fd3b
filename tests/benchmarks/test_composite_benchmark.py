"""What the benchmark of composite labels computes from the predictions of its runs."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from photograft.metrics.confusion import macro_f1
from photograft.values import IntArray

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def by_person(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("by_person")


@pytest.fixture
def composite(by_person: ModuleType) -> ModuleType:
    return importlib.import_module("composite")


def drawn_labels(n_photos: int, n_persons: int, *, n_classes: int, right: float) -> tuple[IntArray, IntArray, IntArray]:
    """Person, label and prediction of every photo, the last two alike for a share of them."""
    rng = np.random.default_rng(1)
    person_N = np.sort(rng.integers(0, n_persons, n_photos))
    label_N = rng.integers(0, n_classes, n_photos)
    return person_N, label_N, np.where(rng.random(n_photos) < right, label_N, rng.integers(0, n_classes, n_photos))


def test_resampled_scores_are_those_of_the_photos_of_the_drawn_persons(by_person: ModuleType) -> None:
    person_N, label_N, predicted_N = drawn_labels(60, 9, n_classes=5, right=0.6)
    drawn_RP = by_person.draw_persons(9, n_resamples=7)
    assert drawn_RP.sum(axis=1).tolist() == [9] * 7
    scores = by_person.resampled(by_person.Judged(label_N, predicted_N, 5), person_N, drawn_RP)
    for drawn_P, accuracy, f1 in zip(
        [np.ones(9), *drawn_RP],
        [scores["accuracy"].score, *scores["accuracy"].score_R],
        [scores["macro_f1"].score, *scores["macro_f1"].score_R],
        strict=True,
    ):
        row_M = np.repeat(np.arange(60), drawn_P.astype(int)[person_N])
        confusion_KK = np.zeros((5, 5), dtype=np.int64)
        np.add.at(confusion_KK, (label_N[row_M], predicted_N[row_M]), 1)
        assert accuracy == pytest.approx(np.mean(label_N[row_M] == predicted_N[row_M]))
        assert f1 == pytest.approx(macro_f1(confusion_KK))


def test_a_difference_is_that_of_the_same_persons(by_person: ModuleType) -> None:
    person_N, label_N, predicted_N = drawn_labels(2750, 550, n_classes=18, right=0.5)
    better_N = np.where(np.arange(2750) % 10 == 0, label_N, predicted_N)
    drawn_RP = by_person.draw_persons(550)
    worse, better = (
        by_person.resampled(by_person.Judged(label_N, each_N, 18), person_N, drawn_RP)["macro_f1"]
        for each_N in (predicted_N, better_N)
    )
    gap = better.minus(worse)
    low, high = gap.interval((-1, 1))
    assert 0.02 < low < gap.score < high < 0.08 and gap.p_value < 0.01
    assert high - low < (better.interval()[1] - better.interval()[0]) / 2
    nothing = better.minus(better)
    assert (nothing.score, nothing.interval((-1, 1)), nothing.p_value) == (0, (0, 0), 1)


def write_predictions(run: Path, rows: list[str]) -> Path:
    run.mkdir()
    header = "path,part,fold,label,predicted,probability,p_a | x,p_a | y,p_b | x,p_b | y"
    (run / "predictions.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return run


def test_a_factor_is_predicted_by_the_sum_over_its_combinations(by_person: ModuleType, tmp_path: Path) -> None:
    rows = ["2.jpg,train,1,a | x,a | x,0.4,0.4,0,0.3,0.3", "1.jpg,train,0,b | y,b | y,0.7,0.1,0.1,0.1,0.7"]
    paths, judged = by_person.read_predictions(write_predictions(tmp_path / "run", rows), ("first", "second"))
    assert paths == ("1.jpg", "2.jpg") and list(judged) == ["joint", "first", "second"]
    assert [judged[what].label_N.tolist() for what in judged] == [[3, 0], [1, 0], [1, 0]]
    assert [judged[what].predicted_N.tolist() for what in judged] == [[3, 0], [1, 1], [1, 0]]
    stated = {"accuracy": 1.0, "factors": {"first": {"accuracy": 0.5}}}
    by_person.check_against(stated, judged, tmp_path)
    with pytest.raises(RuntimeError, match=r"says 0\.9000 of first, its predictions\.csv 0\.5000"):
        by_person.check_against(stated | {"factors": {"first": {"accuracy": 0.9}}}, judged, tmp_path)
    without = write_predictions(tmp_path / "other", ["1.jpg,test,,b | y,b | y,0.7,0.1,0.1,0.1,0.7"])
    with pytest.raises(RuntimeError, match="1 photos have no out-of-fold prediction"):
        by_person.read_predictions(without, ("first", "second"))


@pytest.fixture
def results(composite: ModuleType, by_person: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(composite, "VARIANTS", {name: composite.VARIANTS[name] for name in ("flat", "heads")})
    person_N, label_N, predicted_N = drawn_labels(300, 60, n_classes=4, right=0.5)
    paths = tuple(f"{n}.jpg" for n in range(300))
    runs = {}
    for name, every in (("flat", 301), ("heads", 4)):
        better_N = np.where(np.arange(300) % every == 1, label_N, predicted_N)
        judged = dict.fromkeys(("joint", *composite.FACTORS), by_person.Judged(label_N, better_N, 4))
        run = composite.Run(paths, judged, {}, 60.0, 300.0)
        runs[name] = composite.Measured((), run, (run,), run, timed=True)
    return composite.summarise(runs, {path: str(person) for path, person in zip(paths, person_N, strict=True)})


def test_variants_are_compared_and_targets_checked(composite: ModuleType, results: Any) -> None:
    gap = composite.difference(results, "heads", "flat")["age"]["macro_f1"]
    back = composite.difference(results, "flat", "heads")["age"]["macro_f1"]
    assert 0.03 < gap["low"] < gap["difference"] < gap["high"]
    assert (back["difference"], back["low"]) == (-gap["difference"], -gap["high"])
    targets = results["targets"]
    assert all(each["reached"] for each in targets.values())
    assert targets["timed variants, features cached, s"]["found"] == 120.0
    assert composite.check_targets(results, ["flat"])["timed variants, features cached, s"]["found"] is None
    assert results["ignoring persons"]["flat"]["differences"]["ignoring - by person"]["joint"]["accuracy"]["p"] == 1


def test_tables_show_every_variant(composite: ModuleType, results: Any, capsys: pytest.CaptureFixture[str]) -> None:
    composite._print(results, kept=False)
    out = capsys.readouterr().out
    assert out.count("| heads |") == 3 and "300 photos of 60 persons" in out and "overstated" in out


def test_settings_of_all_variants_are_settings(composite: ModuleType) -> None:
    from photograft.config import load_config

    for variant in composite.VARIANTS.values():
        load_config(None, [*composite.COMMON, composite.BY_PERSON, *variant.settings])
