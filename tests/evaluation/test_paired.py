"""Two models on the same photos: paired by content, with intervals, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photograft.errors import DataError
from photograft.evaluation.paired import Judged, compare, mcnemar_p
from photograft.metrics.confusion import confusion_matrix, macro_f1
from photograft.metrics.intervals import paired_difference

NAMES = ("daisy", "노란 튤립")


def judged(name: str, right: list[bool], **changes: object) -> Judged:
    labels = tuple(NAMES[i % 2] for i in range(len(right)))
    predicted = tuple(
        label if ok else NAMES[(i + 1) % 2] for i, (label, ok) in enumerate(zip(labels, right, strict=True))
    )
    keys = tuple(f"sha{i}" for i in range(len(right)))
    whole = Judged(name, NAMES, keys, labels, predicted, np.arange(len(right)))
    return replace(whole, **changes)  # type: ignore[arg-type]


A = judged("a", [True] * 90 + [False] * 10)
B = judged("b", [True] * 78 + [False] * 22)


def test_agrees_with_the_numbers_it_is_made_of() -> None:
    done = compare(A, B)
    difference, low, high = paired_difference(np.arange(100) < 90, np.arange(100) < 78, np.arange(100))
    assert (done.n, done.accuracy_a, done.accuracy_b) == (100, 0.9, 0.78)
    assert (done.difference, done.low, done.high) == (difference, low, high)
    assert (done.only_a, done.only_b, done.p) == (12, 0, 2 / 2**12)
    assert done.sentence == f"a beats b by 12.0 points ({100 * low:.1f} to {100 * high:.1f}), n = 100"


def test_photos_are_found_by_content_in_any_order() -> None:
    order = np.random.default_rng(0).permutation(100)
    shuffled = replace(
        B,
        keys=tuple(B.keys[i] for i in order),
        labels=tuple(B.labels[i] for i in order),
        predicted=tuple(B.predicted[i] for i in order),
    )
    assert compare(A, shuffled) == compare(A, B)
    fewer = replace(A, keys=("other", *A.keys[1:]))
    assert compare(fewer, shuffled).n == 99


def test_turning_the_pair_around_turns_the_differences_around() -> None:
    there, back = compare(A, B), compare(B, A)
    assert (back.difference, back.low, back.high) == pytest.approx((-there.difference, -there.high, -there.low))
    assert back.macro_f1_difference == -there.macro_f1_difference
    assert back.p == there.p
    assert back.sentence == there.sentence


def test_interval_of_macro_f1_is_a_bootstrap_of_whole_groups_done_by_hand() -> None:
    rng = np.random.default_rng(3)
    right = {name: rng.random(120) < share for name, share in (("a", 0.8), ("b", 0.6))}
    group_N = np.repeat(np.arange(60), 2)
    a, b = (judged(name, ok.tolist(), group_N=group_N) for name, ok in right.items())
    done = compare(a, b)
    label_N = np.arange(120) % 2
    named = {name: np.where(ok, label_N, 1 - label_N) for name, ok in right.items()}

    def difference(rows: np.ndarray) -> float:
        f1 = [macro_f1(confusion_matrix(label_N[rows], named[name][rows], n_classes=2)) for name in ("a", "b")]
        return f1[0] - f1[1]

    drawn = [
        difference(np.concatenate([2 * groups, 2 * groups + 1]))
        for groups in (np.random.default_rng(seed).integers(0, 60, 60) for seed in range(2000))
    ]
    estimate = difference(np.arange(120))
    low, high = 2 * estimate - np.quantile(drawn, 0.975), 2 * estimate - np.quantile(drawn, 0.025)
    assert done.macro_f1_difference == pytest.approx(estimate)
    assert (done.macro_f1_low, done.macro_f1_high) == pytest.approx((low, high), abs=0.025)


def test_photos_of_one_group_count_for_less() -> None:
    alone = compare(A, B)
    together = compare(replace(A, group_N=np.arange(100) // 10), B)
    assert together.high - together.low > alone.high - alone.low
    assert compare(A, replace(B, group_N=np.arange(100) // 10)) == together
    assert compare(replace(A, group_N=np.full(100, -1)), B) == alone


def test_small_difference_is_called_none() -> None:
    done = compare(A, judged("b", [True] * 89 + [False] * 11))
    assert done.low < 0 < done.high
    assert done.sentence.startswith("a and b are not distinguishable (difference 1.0 points, ")
    assert done.sentence.endswith("n = 100)")
    same = compare(A, replace(A, name="twin"))
    assert (same.difference, same.p) == (0.0, 1.0)
    assert "difference 0.0 points" in same.sentence


def test_other_classes_are_told() -> None:
    assert compare(A, B).same_classes
    assert not compare(A, replace(B, classes=(*NAMES, "rose"))).same_classes


def test_too_few_shared_photos_or_other_labels_are_refused() -> None:
    with pytest.raises(DataError, match="a and b judged 19 of the same photos, and fewer than 20 tell nothing"):
        compare(replace(A, keys=(*A.keys[:19], *(f"x{i}" for i in range(81)))), B)
    renamed = tuple("Tulpe" if label == NAMES[1] else label for label in B.labels)
    with pytest.raises(
        DataError, match="50 of 100 photos have other labels, such as '노란 튤립' here and 'Tulpe' there"
    ):
        compare(A, replace(B, labels=renamed))


@pytest.mark.parametrize(("only_a", "only_b", "p"), [(0, 0, 1.0), (3, 3, 1.0), (5, 0, 0.0625), (1, 8, 20 / 512)])
def test_mcnemar_is_the_binomial_test(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar_p(only_a, only_b) == mcnemar_p(only_b, only_a) == pytest.approx(p)
    assert 0 < mcnemar_p(3000, 3200) < 0.012
