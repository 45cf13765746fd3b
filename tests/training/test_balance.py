from __future__ import annotations

import numpy as np
import pytest

from photograft.config.train import Balance
from photograft.training.balance import class_weights

COUNTS = np.array([400, 100, 0, 25])


@pytest.mark.parametrize("balance", ["none", "balanced", "sqrt", "effective", "sampled"])
def test_the_mean_over_all_photos_is_one_and_classes_without_photos_have_none(balance: Balance) -> None:
    weight_K = class_weights(COUNTS, balance)
    assert (weight_K * COUNTS).sum() == pytest.approx(COUNTS.sum())
    assert weight_K[2] == 0 and (weight_K[[0, 1, 3]] > 0).all()


def test_balanced_is_that_of_scikit_learn() -> None:
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    present = np.flatnonzero(COUNTS)
    wanted = compute("balanced", classes=present, y=np.repeat(np.arange(4), COUNTS))
    assert class_weights(COUNTS, "balanced")[present] == pytest.approx(wanted)


def test_how_much_more_a_photo_of_a_small_class_weighs() -> None:
    ratio = {b: class_weights(COUNTS, b)[3] / class_weights(COUNTS, b)[0] for b in ("none", "balanced", "sqrt")}
    assert ratio == pytest.approx({"none": 1, "balanced": 16, "sqrt": 4})
    assert class_weights(COUNTS, "sampled") == pytest.approx([1, 1, 0, 1])


def test_effective_numbers_are_those_of_the_paper() -> None:
    beta = 0.999
    effective = (1 - beta ** np.array([400.0, 100.0, 25.0])) / (1 - beta)
    found = class_weights(COUNTS, "effective", beta=beta)[[0, 1, 3]]
    assert found * effective == pytest.approx(np.full(3, found[0] * effective[0]))
    assert class_weights(COUNTS, "effective", beta=0.0) == pytest.approx([1, 1, 0, 1])
    almost = class_weights(COUNTS, "effective", beta=1 - 1e-9)
    assert almost == pytest.approx(class_weights(COUNTS, "balanced"), rel=1e-4)
