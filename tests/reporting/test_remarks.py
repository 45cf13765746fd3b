from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from photograft.reporting.remarks import plain_rate, remark, say_remarks
from photograft.reporting.training_texts import training_texts_in
from photograft.values import Record

from .training_examples import make_records, make_refit

LEVEL = (0.9,)  # accuracy that stays


def keys(records: list[Record]) -> list[str]:
    return [key.removeprefix("remark.") for key, _ in remark(records)]


def falling(n: int) -> list[float]:
    return [0.5 * 0.8**i for i in range(n)]


def overfitting(n: int = 12, *, best: int = 6) -> list[float]:
    return [0.3 + 0.02 * abs(i + 1 - best) * (2 if i < best else 1) for i in range(n)]


def test_overfitting_is_told_from_the_epoch_after_the_best() -> None:
    worse = [0.9 - 0.005 * max(0, i - 5) for i in range(12)]
    ((key, values),) = remark(make_records(falling(12), overfitting(), worse))
    assert (key, values["epoch"]) == ("remark.overfits", "7")


def test_overfitting_that_costs_no_accuracy_is_called_bold() -> None:
    assert keys(make_records(falling(12), overfitting(), LEVEL)) == ["overfits.bold"]


def test_a_validation_loss_that_rises_with_the_training_loss_is_no_overfitting() -> None:
    train = [*falling(6), *[falling(6)[-1] + 0.01 * i for i in range(6)]]
    assert keys(make_records(train, overfitting(), LEVEL)) == ["early"]


def test_a_small_rise_is_no_overfitting() -> None:
    assert keys(make_records()) == ["early.accuracy"]  # .176 to .187, after a best third epoch
    assert keys(make_records(falling(6), (0.2, 0.19, 0.18, 0.175, 0.174, 0.176))) == []


def test_two_fits_of_one_rate_are_not_compared() -> None:
    assert keys([*make_records(), *make_records(fit="again")]) == ["early.accuracy"]


@pytest.mark.parametrize("n", [4, 6, 8, 12, 20, 40])
def test_noise_alone_is_rarely_remarked_as_a_trend(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [
        key
        for _ in range(300)
        for key in keys(make_records(falling(n), list(0.3 + rng.normal(0, 0.015, n)), LEVEL))
        if key.startswith("overfits") or key == "improving"
    ]
    assert len(found) <= 0.05 * 300


@pytest.mark.parametrize("n", [8, 12, 20])
def test_overfitting_is_seen_through_noise(n: int) -> None:
    rng = np.random.default_rng(n)
    curve = np.array(overfitting(n, best=n // 2))
    found = [keys(make_records(falling(n), list(curve + rng.normal(0, 0.006, n)), LEVEL)) for _ in range(100)]
    assert sum("overfits.bold" in each for each in found) >= 90


def test_a_curve_that_still_falls_may_go_on() -> None:
    assert keys(make_records(falling(6), [0.1 + value for value in falling(6)])) == ["improving"]


def test_a_curve_that_has_levelled_off_needs_no_more_epochs() -> None:
    assert keys(make_records(falling(8), (0.4, 0.3, 0.25, 0.23, 0.221, 0.219, 0.218, 0.2178))) == []


def test_a_curve_of_three_evaluations_or_fewer_is_not_judged() -> None:
    for n in (1, 2, 3):
        assert keys(make_records(falling(n), overfitting(n, best=1), LEVEL)) == []
    assert keys([]) == []
    assert keys(make_refit()) == []  # no validation photos


def test_an_early_best_state_is_told_and_a_late_one_is_not() -> None:
    flat = [0.2, 0.18, 0.181, 0.182, 0.181, 0.182, 0.181, 0.182]
    ((key, values),) = remark(make_records(falling(8), flat, LEVEL))
    assert (key, values) == ("remark.early", {"epoch": "2", "last": "8"})
    ((key, values),) = remark(make_records(falling(8), flat))
    assert (key, values) == ("remark.early.accuracy", {"epoch": "2", "last": "8", "other": "7"})
    assert keys(make_records(falling(8), [0.2, 0.19, 0.185, 0.183, 0.182, 0.181, 0.1805, 0.181])) == []


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ((0.5, 0.4, 2.1, 9.0), (0.4, 0.4, 3.0, 8.0)),
        ((0.5, 0.4, math.nan), (0.4, 0.4, math.nan)),
        ((0.5, 0.4, math.inf), (0.4, 0.4, 0.4)),
    ],
    ids=["rises", "nan", "infinite"],
)
def test_a_loss_that_runs_away_asks_for_a_tenth_of_the_rate(train: tuple[float, ...], val: tuple[float, ...]) -> None:
    ((key, values),) = remark(make_records(train, val, lr=0.01))
    assert key == "remark.diverged"
    assert values == {"fit": "train", "epoch": "3", "lr": "0.01", "tenth": "0.001"}


def test_the_rate_of_the_run_counts_even_if_no_record_met_it() -> None:
    records = make_records((0.5, math.nan), (0.4, math.nan), lr=0.0002)
    other = make_records((0.5, math.nan), (0.4, math.nan), fit="train at 0.01", lr=0.01)
    assert [values["tenth"] for _, values in remark(records, lr=0.01)] == ["0.001"]
    assert [values["tenth"] for _, values in remark(other, lr=0.5)] == ["0.001"]


def test_a_refit_or_fold_that_runs_away_is_named() -> None:
    bad = make_records((0.5, 3.0), (None, None), fit="refit")
    ((_, values),) = remark([*make_records(), *bad])
    assert values["fit"] == "refit"


def test_a_bump_that_heals_and_a_tiny_loss_that_doubles_are_no_divergence() -> None:
    flat = (0.2, 0.19, 0.188, 0.187)
    assert keys(make_records((0.3, 0.9, 0.4, 0.2), flat)) == []
    assert keys(make_records((0.01, 0.002, 0.004, 0.006), flat)) == []


def test_a_jumping_curve_is_unsteady_and_one_spike_is_not() -> None:
    jumping = [0.3 + (0.08 if i % 2 else 0.0) for i in range(8)]
    assert "unsteady" in keys(make_records(falling(8), jumping))
    spike = [0.2, 0.198, 0.6, 0.197, 0.196, 0.195, 0.194, 0.193]
    assert keys(make_records(falling(8), spike)) == []
    tiny = [0.003 + (0.002 if i % 2 else 0.0) for i in range(8)]
    assert "unsteady" not in keys(make_records(falling(8), tiny))


def test_the_steadier_of_two_rates_is_named() -> None:
    rough = [0.3 + (0.05 if i % 2 else 0.0) for i in range(8)]
    other = make_records(falling(8), rough, fit="train at 0.001", lr=0.001)
    calm = make_records(falling(8), [0.2, 0.19, 0.187, 0.186, 0.185, 0.1848, 0.1846, 0.1845], lr=0.0001)
    assert remark([*calm, *other]) == [("remark.steadier", {"steady": "0.0001", "rough": "0.001"})]
    assert say_remarks([*calm, *other]) == ["A learning rate of 0.0001 was steadier than 0.001."]
    assert remark([*other, *calm])[-1] == ("remark.steadier", {"steady": "0.0001", "rough": "0.001"})


def test_a_rate_that_ran_away_is_the_less_steady_one() -> None:
    wild = make_records((0.5, math.nan), (0.4, math.nan), fit="train at 0.01", lr=0.01)
    assert keys([*make_records(), *wild]) == ["diverged", "steadier"]


def test_two_calm_rates_are_not_compared() -> None:
    calm = [0.2, 0.19, 0.187, 0.186, 0.185, 0.1848, 0.1846, 0.1845]
    other = make_records(falling(8), [value + 0.01 for value in calm], fit="train at 0.001", lr=0.001)
    assert keys([*make_records(falling(8), calm, lr=0.0001), *other]) == []


def test_folds_speak_with_one_voice() -> None:
    folds = [make_records(falling(12), overfitting(), LEVEL, fit=f"fold {i}") for i in range(1, 6)]
    shorter = folds[4][:-2]  # ended early
    records = [record for fold in (*folds[:4], shorter) for record in fold]
    assert [(key, values["epoch"]) for key, values in remark(records)] == [("remark.overfits.bold", "7")]


def test_the_best_state_is_the_one_that_the_fit_itself_marked() -> None:
    flat = [0.2, 0.18, 0.181, 0.182, 0.181, 0.182, 0.181, 0.182]
    marked = [replace(record, best=i == 7) for i, record in enumerate(make_records(falling(8), flat, LEVEL))]
    assert keys(marked) == []


def test_evaluations_within_an_epoch_count_too() -> None:
    halves = [replace(r, epoch=r.epoch / 2) for r in make_records(falling(12), overfitting(), LEVEL)]
    assert remark(halves)[0][1]["epoch"] == "3.5"


def test_every_remark_has_a_text_in_both_languages() -> None:
    english, korean = training_texts_in("en"), training_texts_in("ko")
    records = make_records((0.5, 0.4, 2.1, 9.0), (0.4, 0.4, 3.0, 8.0), lr=0.01)
    assert "train.lr=0.001" in say_remarks(records, "en")[0]
    assert "train.lr=0.001" in say_remarks(records, "ko")[0]
    remarks = [key for key in english.table if key.startswith("remark.")]
    assert len(remarks) == 8
    assert not [key for key in remarks if english.table[key] == korean.table[key]]


def test_rates_are_written_without_powers() -> None:
    assert [plain_rate(lr) for lr in (4e-4, 1e-5, 0.01, 1.0, 0.000123456)] == [
        "0.0004", "0.00001", "0.01", "1", "0.000123",
    ]  # fmt: skip
