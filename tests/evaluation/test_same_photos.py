"""Which photos two models both judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photograft.evaluation.paired import Judged, compare
from photograft.evaluation.same_photos import Overlap, find_overlap, keep_shared

KEYS = tuple(f"sha{i}" for i in range(40))
LABELS = ("daisy", "노란 튤립") * 20
A = Judged("a", ("daisy", "노란 튤립"), KEYS, LABELS, LABELS, np.arange(40))


def test_same_photos_in_any_order_are_identical() -> None:
    turned = replace(A, keys=KEYS[::-1], labels=LABELS[::-1])
    assert find_overlap(A, turned) == Overlap(40, 40, 40, 0)
    assert find_overlap(A, turned).identical


def test_other_photos_and_other_labels_are_counted_and_left_out() -> None:
    b = replace(
        A, name="b", keys=(*KEYS[:30], *(f"x{i}" for i in range(10))), labels=("rose", *LABELS[1:]),
        predicted=("rose", *LABELS[1:]),
    )  # fmt: skip
    assert find_overlap(A, b) == Overlap(40, 40, 30, 1)
    assert not find_overlap(A, b).identical
    ours, theirs = keep_shared(A, b)
    assert (ours.keys, theirs.keys) == (KEYS[1:30], KEYS[1:30])
    assert ours.group_N.tolist() == list(range(1, 30))
    assert compare(ours, theirs).n == 29


def test_fewer_photos_are_not_identical() -> None:
    fewer = keep_shared(A, replace(A, keys=("x", *KEYS[1:])))[0]
    assert find_overlap(A, fewer) == Overlap(40, 39, 39, 0)
    assert not find_overlap(A, fewer).identical
    assert keep_shared(A, replace(A, keys=LABELS))[0].keys == ()
