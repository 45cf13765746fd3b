from __future__ import annotations

import numpy as np
import pytest

from photograft.retrieval.calibration import calibrate
from photograft.retrieval.exact import unit_length
from photograft.values import FloatArray


def photos(sizes: list[int], *, spread: float, seed: int = 0) -> tuple[FloatArray, list[tuple[str, ...]]]:
    """Rows of length 1 around a centre for each class, and their labels."""
    rng = np.random.default_rng(seed)
    centres_KE = unit_length(rng.standard_normal((len(sizes), 64)).astype(np.float32))
    class_N = np.repeat(np.arange(len(sizes)), sizes)
    rows_NE = centres_KE[class_N] + spread * rng.standard_normal((len(class_N), 64)).astype(np.float32)
    return unit_length(rows_NE), [(f"class {k}",) for k in class_N]


def test_the_probability_is_right_on_photos_that_the_curve_has_not_seen() -> None:
    rows_NE, labels = photos([60] * 8, spread=0.25)
    learned = calibrate(rows_NE[::2], labels[::2])
    assert learned is not None and learned.prior == 0.5 and learned.n_classes == 8 and learned.n_queries == 240
    names = np.array([each[0] for each in labels[1::2]])
    cosine_NN = rows_NE[1::2] @ rows_NE[1::2].T
    others = ~np.eye(len(names), dtype=bool)
    same = (names[:, None] == names)[others]
    weight = np.where(same, 0.5 / same.mean(), 0.5 / (1 - same.mean()))  # as if both kinds were equally frequent
    said = learned.probability(cosine_NN[others])
    for low in np.arange(0, 1, 0.2):
        some = (said >= low) & (said < low + 0.2)
        assert np.average(same[some], weights=weight[some]) == pytest.approx(
            np.average(said[some], weights=weight[some]), abs=0.1
        )


def test_the_number_of_classes_and_their_sizes_do_not_move_the_prior() -> None:
    at = []
    for sizes in ([50, 50], [200, 20, 20, 20, 20, 20]):
        rows_NE, labels = photos(sizes, spread=0.12, seed=2)
        learned = calibrate(rows_NE, labels)
        assert learned is not None
        cosine_NN = rows_NE @ rows_NE.T
        names = np.array([each[0] for each in labels])
        same_NN = (names[:, None] == names) & ~np.eye(len(names), dtype=bool)
        different_NN = names[:, None] != names
        at.append([learned.probability(cosine_NN[some]).mean() for some in (same_NN, different_NN)])
    assert all(same > 0.7 and different < 0.3 for same, different in at)


def test_photos_that_are_told_apart_without_fail_get_no_infinite_slope() -> None:
    rows_NE, labels = photos([30, 30], spread=0.01)
    learned = calibrate(rows_NE, labels)
    assert learned is not None and learned.precision_at_1 == 1 and learned.auroc > 0.99
    assert 0.9 < learned.probability(np.array([1.0]))[0] < 1
    assert 0 < learned.probability(np.array([-1.0]))[0] < 0.1


def test_photos_with_a_common_label_are_of_the_same_class_in_either_form_of_unicode() -> None:
    rows_NE, _ = photos([20, 20, 20], spread=0.1)
    labels = [("붉은", "장미")] * 10 + [("\u1112\u1175\u11ab", "장미")] * 10 + [("백합",)] * 20 + [()] * 20
    learned = calibrate(rows_NE, labels)
    assert learned is not None and learned.n_photos == 40 and learned.n_classes == 4 and learned.precision_at_1 == 1


def test_nothing_is_said_where_labels_say_nothing() -> None:
    rows_NE, labels = photos([30, 30], spread=0.1)
    assert calibrate(rows_NE, [()] * 60) is None
    assert calibrate(rows_NE, [("one",)] * 60) is None
    assert calibrate(rows_NE[:12], labels[:6] + labels[30:36]) is None
    assert calibrate(rows_NE, [(f"photo {n}",) for n in range(60)]) is None
    assert calibrate(rows_NE[:0], []) is None
    alternating = [(f"{n % 2}",) for n in range(60)]
    turned = np.concatenate([rows_NE[:30:2], -rows_NE[:30:2]]).repeat(2, axis=0)  # same classes are opposite
    assert calibrate(turned, alternating) is None or calibrate(turned, alternating).slope > 0  # type: ignore[union-attr]
