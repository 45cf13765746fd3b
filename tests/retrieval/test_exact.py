from pathlib import Path

import numpy as np
import pytest

from photograft.retrieval.exact import nearest, unit_length
from photograft.values import FloatArray


def test_the_nearest_are_those_of_sorting_all_cosines(rows_ND: FloatArray, query_QD: FloatArray) -> None:
    rows_QT, cosine_QT = nearest(rows_ND, query_QD, top=7)
    exact_QN = query_QD.astype(np.float64) @ rows_ND.astype(np.float64).T
    assert np.array_equal(rows_QT, np.argsort(-exact_QN, axis=1, kind="stable")[:, :7])
    assert np.allclose(cosine_QT, -np.sort(-exact_QN, axis=1)[:, :7], atol=1e-7)


def test_only_allowed_rows_are_found_and_the_rest_is_empty(rows_ND: FloatArray, query_QD: FloatArray) -> None:
    among_N = np.zeros(len(rows_ND), bool)
    among_N[[3, 900, 17]] = True
    rows_QT, cosine_QT = nearest(rows_ND, query_QD, top=5, among_N=among_N)
    assert all(set(row) == {3, 17, 900, -1} for row in rows_QT.tolist())
    assert (rows_QT[:, 3:] == -1).all() and np.isnan(cosine_QT[:, 3:]).all()
    assert (np.diff(cosine_QT[:, :3]) <= 0).all()


def test_equal_rows_come_in_their_order_wherever_they_stand(rows_ND: FloatArray) -> None:
    copies = [1, 500, 501, 6_000, len(rows_ND) - 1]
    rows_ND = rows_ND.copy()
    rows_ND[copies] = rows_ND[1]
    rows_QT, cosine_QT = nearest(rows_ND, rows_ND[1:2], top=5)
    assert rows_QT[0].tolist() == copies
    assert len(set(cosine_QT[0].tolist())) == 1
    same_rows, _ = nearest(np.repeat(rows_ND[:1], 5_000, axis=0), rows_ND[:1], top=4)
    assert same_rows[0].tolist() == [0, 1, 2, 3]


def test_an_answer_does_not_depend_on_what_else_is_asked(rows_ND: FloatArray, query_QD: FloatArray) -> None:
    together = nearest(rows_ND, query_QD, top=6)
    for q in range(len(query_QD)):
        rows_1T, cosine_1T = nearest(rows_ND, query_QD[q : q + 1], top=6)
        assert np.array_equal(rows_1T[0], together[0][q])
        assert np.array_equal(cosine_1T[0], together[1][q])


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_vectors_may_be_mapped_from_files_of_both_precisions(
    tmp_path: Path, rows_ND: FloatArray, query_QD: FloatArray, kind: type
) -> None:
    file = tmp_path / "벡터 1.npy"
    np.save(file, rows_ND.astype(kind))
    mapped = nearest(np.load(file, mmap_mode="r"), query_QD, top=3)
    held = nearest(rows_ND.astype(kind), query_QD, top=3)
    assert np.array_equal(mapped[0], held[0]) and np.array_equal(mapped[1], held[1])


def test_a_damaged_row_and_a_query_of_zeros_do_no_harm(rows_ND: FloatArray, query_QD: FloatArray) -> None:
    rows_ND = rows_ND.copy()
    best = nearest(rows_ND, query_QD[:1], top=2)[0][0]
    rows_ND[best[0]] = np.nan
    assert nearest(rows_ND, query_QD[:1], top=1)[0][0, 0] == best[1]
    assert nearest(rows_ND, np.zeros((1, rows_ND.shape[1]), np.float32), top=2)[1].tolist() == [[0.0, 0.0]]


def test_nothing_is_found_where_there_is_nothing(query_QD: FloatArray) -> None:
    rows_QT, cosine_QT = nearest(np.zeros((0, query_QD.shape[1]), np.float32), query_QD, top=2)
    assert (rows_QT == -1).all() and np.isnan(cosine_QT).all()


@pytest.fixture(scope="module")
def rows_ND() -> FloatArray:
    return unit_length(np.random.default_rng(1).standard_normal((9_000, 320)).astype(np.float32))


@pytest.fixture(scope="module")
def query_QD() -> FloatArray:
    return unit_length(np.random.default_rng(2).standard_normal((5, 320)).astype(np.float32))
