"""The number of epochs that folds choose together."""

from __future__ import annotations

import numpy as np

from photograft.training.epochs import EpochChoice
from photograft.values import FloatArray, IntArray, Target

TARGET = Target("label", ("a", "b"))


def logits(label_N: IntArray, *, right: float, sure: float) -> FloatArray:
    """Logits of two classes, of which a share is right, from the first photo on."""
    n_right = round(right * len(label_N))
    sign_N = np.where((np.arange(len(label_N)) < n_right) == (label_N == 1), sure, -sure)
    return np.stack([-sign_N, sign_N], axis=1).astype(np.float32)


def choice(*, last_only: bool = False) -> EpochChoice:
    """Two folds of 20 photos: the first is best after two epochs, the second, less clearly, after three."""
    fold_N, label_N = np.repeat([0, 1], 20), np.tile([0, 1], 20)
    own = label_N[:20]
    first = {1: 0.6, 2: 0.95, 3: 0.7}
    second = {1: 0.6, 2: 0.85, 3: 0.9}
    judged = [{e: logits(own, right=r, sure=1.0) for e, r in rights.items()} for rights in (first, second)]
    return EpochChoice(judged, fold_N, [label_N], [TARGET], last_only=last_only)


def test_all_folds_together_choose_what_is_shipped() -> None:
    found = choice()
    logits_NM, epoch = found.of_all()
    assert epoch == 2 and np.array_equal(logits_NM[20:], found.judged[1][2])


def test_photos_are_reported_after_the_epoch_that_the_other_folds_chose() -> None:
    found = choice()
    honest_NM = found.honest()
    assert np.array_equal(honest_NM[:20], found.judged[0][3]) and np.array_equal(honest_NM[20:], found.judged[1][2])


def test_merged_folds_are_judged_as_they_end() -> None:
    found = choice(last_only=True)
    logits_NM, epoch = found.of_all()
    assert (
        epoch == 3 and np.array_equal(logits_NM, found.honest()) and np.array_equal(logits_NM[:20], found.judged[0][3])
    )


def test_a_fold_that_ended_early_is_taken_as_it_ended() -> None:
    found = choice()
    shorter = EpochChoice([{1: found.judged[0][1]}, found.judged[1]], found.fold_N, found.truth, found.targets)
    assert np.array_equal(shorter.of_all()[0][:20], found.judged[0][1])
