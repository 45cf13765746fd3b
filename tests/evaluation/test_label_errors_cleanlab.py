"""The ranking and the doubted photos beside cleanlab's, which defines both."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from photograft.evaluation.label_errors import RankedLabel, rank_labels
from photograft.values import Predictions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that it would like to have
    from cleanlab.benchmarking.noise_generation import generate_noise_matrix_from_trace, generate_noisy_labels
    from cleanlab.count import compute_confident_joint, num_label_issues
    from cleanlab.filter import find_label_issues
    from cleanlab.multilabel_classification import get_label_quality_scores as several_quality
    from cleanlab.rank import get_label_quality_scores


def predict(p_NK: np.ndarray, label_N: np.ndarray, member_NK: np.ndarray | None = None) -> Predictions:
    n, k = p_NK.shape
    names = tuple(f"클래스 {i}" for i in range(k))
    paths = tuple(f"{i:05d}.jpg" for i in range(n))
    return Predictions(paths, names, p_NK, label_N, ("ok",) * n, ("",) * n, member_NK=member_NK)


def by_photo(predictions: Predictions) -> list[RankedLabel]:
    return sorted(rank_labels(predictions), key=lambda each: each.path)


def doubted(predictions: Predictions) -> list[bool]:
    return [each.doubted for each in by_photo(predictions)]


def random_table(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of at least five photos per class, some wrong, and probabilities of any sharpness."""
    rng = np.random.default_rng(seed)
    k, n = int(rng.integers(2, 12)), int(rng.integers(80, 400))
    true_N = np.concatenate([np.repeat(np.arange(k), 7), rng.choice(k, n, p=rng.dirichlet(np.full(k, 2.0)))])
    logits_NK = rng.normal(size=(len(true_N), k)) * rng.uniform(0.3, 3)
    logits_NK[np.arange(len(true_N)), true_N] += rng.uniform(0, 3)
    p_NK = np.exp(logits_NK)
    label_N = np.where(rng.random(len(true_N)) < 0.1, rng.integers(0, k, len(true_N)), true_N)
    label_N[: 5 * k] = np.tile(np.arange(k), 5)
    return p_NK / p_NK.sum(axis=1, keepdims=True), label_N.astype(np.int64)


def overview_table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The example of cleanlab's overview: four clouds of points, of which a fifth is labelled wrongly.

    Gives probabilities of models that had not seen the point, its label, and its true class.
    """
    means = [[3, 2], [7, 7], [0, 8], [0, 10]]
    covariances = [[[5, -1.5], [-1.5, 1]], [[1, 0.5], [0.5, 4]], [[5, 1], [1, 5]], [[3, 1], [1, 1]]]
    sizes = [100, 50, 50, 50]
    np.random.seed(123)
    clouds = [
        np.random.multivariate_normal(mean, covariance, size)
        for mean, covariance, size in zip(means, covariances, sizes, strict=True)
    ]
    true_N = np.repeat(np.arange(4), sizes)
    noise_KK = generate_noise_matrix_from_trace(
        4, trace=3.2, py=np.bincount(true_N) / len(true_N), valid_noise_matrix=True, seed=123
    )
    np.random.seed(123)
    label_N = generate_noisy_labels(true_N, noise_KK)
    p_NK = cross_val_predict(LogisticRegression(), np.vstack(clouds), label_N, cv=5, method="predict_proba")
    return p_NK, label_N.astype(np.int64), true_N


def test_the_example_of_the_overview_gives_the_same_photos() -> None:
    p_NK, label_N, true_N = overview_table()
    ours = doubted(predict(p_NK, label_N))
    assert ours == find_label_issues(label_N, p_NK, filter_by="confident_learning", n_jobs=1).tolist()
    assert sum(ours) == num_label_issues(label_N, p_NK, estimation_method="off_diagonal") > 20
    ranked = rank_labels(predict(p_NK, label_N))
    wrong = {f"{i:05d}.jpg" for i in np.flatnonzero(label_N != true_N)}
    assert len({each.path for each in ranked[: len(wrong)]} & wrong) > 0.75 * len(wrong)


@pytest.mark.parametrize("seed", range(40))
def test_random_tables_give_the_same_photos(seed: int) -> None:
    p_NK, label_N = random_table(seed)
    ours = doubted(predict(p_NK, label_N))
    assert ours == find_label_issues(label_N, p_NK, filter_by="confident_learning", n_jobs=1).tolist()
    joint_KK = compute_confident_joint(label_N, p_NK, calibrate=False)
    assert sum(ours) <= joint_KK.sum() - joint_KK.trace()


@pytest.mark.parametrize("seed", range(10))
def test_what_both_ways_of_pruning_find_is_nearly_all_doubted(seed: int) -> None:
    # They prune as many photos of each pair of classes as the estimated noise, whichever these are.
    p_NK, label_N = random_table(seed)
    both_N = find_label_issues(label_N, p_NK, filter_by="both", n_jobs=1)
    ours_N = np.array(doubted(predict(p_NK, label_N)))
    assert (ours_N & both_N).sum() >= 0.6 * min(ours_N.sum(), both_N.sum())


@pytest.mark.parametrize("seed", range(10))
def test_scores_follow_those_of_cleanlab(seed: int) -> None:
    p_NK, label_N = random_table(seed)
    score_N = np.array([each.score for each in by_photo(predict(p_NK, label_N))])
    own_N = get_label_quality_scores(label_N, p_NK, method="self_confidence")
    margin_N = 2 * get_label_quality_scores(label_N, p_NK, method="normalized_margin") - 1
    np.testing.assert_allclose(score_N, (own_N - margin_N) / (2 * own_N - margin_N))
    if p_NK.shape[1] == 2:
        np.testing.assert_allclose(score_N, 1 - own_N)


def test_several_labels_are_doubted_as_by_cleanlab() -> None:
    rng = np.random.default_rng(3)
    member_NK = rng.random((200, 4)) < 0.4
    p_NK = np.clip(np.where(member_NK, 0.8, 0.2) + rng.normal(0, 0.15, (200, 4)), 0.01, 0.99)
    member_NK ^= rng.random((200, 4)) < 0.04
    predictions = predict(p_NK, np.full(200, -1), member_NK)
    ranked = by_photo(predictions)
    lists = [np.flatnonzero(has_K).tolist() for has_K in member_NK]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = find_label_issues(lists, p_NK, filter_by="confident_learning", multi_label=True, n_jobs=1)
    assert [each.doubted for each in ranked] == theirs.tolist()
    worst = several_quality(lists, p_NK, method="self_confidence", aggregator_kwargs={"method": np.min})
    np.testing.assert_allclose([each.score for each in ranked], 1 - worst)
    first = rank_labels(predictions)[0]
    turned = set(json.loads(first.label)) ^ set(json.loads(first.suggested))
    row = int(first.path.removesuffix(".jpg"))
    assert predictions.classes[int(np.abs(member_NK[row] - p_NK[row]).argmax())] in turned


def test_the_scores_that_cleanlab_documents_for_several_labels() -> None:
    member_NK = np.array([[0, 1, 0], [1, 0, 1]], dtype=bool)
    p_NK = np.array([[0.1, 0.9, 0.1], [0.4, 0.1, 0.9]])
    scores = [each.score for each in by_photo(predict(p_NK, np.full(2, -1), member_NK))]
    np.testing.assert_allclose(scores, [0.1, 0.6])  # cleanlab averages over labels: 1 - [0.9, 0.5]
    np.testing.assert_allclose(several_quality([[1], [0, 2]], p_NK), [0.9, 0.5])


def test_a_class_of_four_photos_is_known_to_cleanlab_only() -> None:
    label_N = np.array([0] * 30 + [1] * 30 + [2] * 4)
    p_NK = np.array([[0.9, 0.05, 0.05]] * 30 + [[0.05, 0.9, 0.05]] * 30 + [[0.1, 0.1, 0.8]] * 4)
    p_NK[0] = [0.04, 0.01, 0.95]  # would be the rare class, of which too little is known
    theirs = find_label_issues(label_N, p_NK, filter_by="confident_learning", n_jobs=1)
    assert np.flatnonzero(theirs).tolist() == [0]
    assert not any(doubted(predict(p_NK, label_N)))
    label_N = np.append(label_N, 2)
    p_NK = np.vstack([p_NK, [[0.1, 0.1, 0.8]]])
    assert np.flatnonzero(doubted(predict(p_NK, label_N))).tolist() == [0]  # a fifth photo makes it known
