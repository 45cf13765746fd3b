from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from photograft.metrics.ranking import auroc, average_precision

# Scores in tenths: most draws hold ties within and across the classes.
PHOTOS = st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=2, max_size=40).filter(
    lambda photos: len({positive for _, positive in photos}) == 2
)


@settings(max_examples=100, deadline=None)
@given(PHOTOS)
def test_both_equal_scikit_learn_with_ties(photos: list[tuple[int, bool]]) -> None:
    score_N = np.array([score for score, _ in photos]) / 10
    positive_N = np.array([positive for _, positive in photos])
    assert auroc(score_N, positive_N) == pytest.approx(reference.roc_auc_score(positive_N, score_N), abs=1e-12)
    expected = reference.average_precision_score(positive_N, score_N)
    assert average_precision(score_N, positive_N) == pytest.approx(expected, abs=1e-12)


def test_both_equal_scikit_learn_on_many_distinct_scores() -> None:
    rng = np.random.default_rng(0)
    score_N, positive_N = rng.normal(size=2000), rng.random(2000) < 0.1
    score_N[positive_N] += 1
    assert auroc(score_N, positive_N) == pytest.approx(reference.roc_auc_score(positive_N, score_N), abs=1e-12)
    expected = reference.average_precision_score(positive_N, score_N)
    assert average_precision(score_N, positive_N) == pytest.approx(expected, abs=1e-12)


def test_extremes() -> None:
    score_N, positive_N = np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])
    assert (auroc(score_N, positive_N), average_precision(score_N, positive_N)) == (1.0, 1.0)
    assert auroc(-score_N, positive_N) == 0.0
    assert auroc(np.zeros(4), positive_N) == 0.5
    assert average_precision(np.zeros(4), positive_N) == 0.5


def test_one_class_alone_has_no_order() -> None:
    score_N = np.array([0.3, 0.7])
    assert auroc(score_N, np.array([True, True])) is None
    assert auroc(score_N, np.array([False, False])) is None
    assert average_precision(score_N, np.array([False, False])) is None
    assert average_precision(score_N, np.array([True, True])) == 1.0
