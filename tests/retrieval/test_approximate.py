from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from photograft.retrieval.approximate import FILE, Approximate, open_approximate
from photograft.retrieval.exact import nearest, unit_length
from photograft.values import FloatArray

pytest.importorskip("faiss")
FEW = 10_000


def test_nearly_all_of_the_nearest_are_found_with_exact_cosines(
    kept: Path, rows_ND: FloatArray, query_QD: FloatArray
) -> None:
    index = opened(rows_ND, kept)
    rows_QT, cosine_QT = index.nearest(query_QD, top=10)
    exact_QT, _ = nearest(rows_ND, query_QD, top=10)
    assert recall(rows_QT, exact_QT) >= 0.95
    every = [rows_ND[rows].astype(np.float64) @ query_D for rows, query_D in zip(rows_QT, query_QD, strict=True)]
    assert np.allclose(cosine_QT, every, atol=1e-6)
    assert (np.diff(cosine_QT, axis=1) <= 0).all()


@pytest.mark.parametrize("share", [0.9, 0.55, 0.1, 0.001, 0.0])
def test_only_allowed_rows_are_found(kept: Path, rows_ND: FloatArray, query_QD: FloatArray, share: float) -> None:
    among_N = np.random.default_rng(3).random(len(rows_ND)) < share
    rows_QT, _ = opened(rows_ND, kept).nearest(query_QD, top=10, among_N=among_N)
    exact_QT, _ = nearest(rows_ND, query_QD, top=10, among_N=among_N)
    assert among_N[rows_QT[rows_QT >= 0]].all()
    assert recall(rows_QT, exact_QT) >= 0.95


def test_allowed_rows_that_are_all_far_away_are_found(kept: Path, rows_ND: FloatArray, query_QD: FloatArray) -> None:
    cosine_N = rows_ND @ query_QD[0]
    among_N = cosine_N < np.quantile(cosine_N, 0.6)
    rows_1T, _ = opened(rows_ND, kept).nearest(query_QD[:1], top=10, among_N=among_N)
    assert (rows_1T >= 0).all() and among_N[rows_1T].all()


def test_a_kept_index_is_used_and_answers_alike(kept: Path, rows_ND: FloatArray, query_QD: FloatArray) -> None:
    before = (kept / FILE).stat().st_mtime_ns
    said: list[str] = []
    first, again = opened(rows_ND, kept, say=said), opened(rows_ND, kept, say=said)
    assert not said and (kept / FILE).stat().st_mtime_ns == before
    assert np.array_equal(first.nearest(query_QD, top=9)[0], again.nearest(query_QD, top=9)[0])


@pytest.mark.parametrize("damage", ["empty", "cut", "head", "length", "middle", "end", "text", "folder"])
def test_a_damaged_index_is_made_again(
    tmp_path: Path, kept: Path, rows_ND: FloatArray, query_QD: FloatArray, damage: str
) -> None:
    content = bytearray((kept / FILE).read_bytes())
    place = {"head": 40, "length": 2, "middle": len(content) // 2, "end": len(content) - 1}
    if damage in place:
        content[place[damage]] ^= 0x5A
    content = {"empty": b"", "cut": content[: len(content) // 3], "text": b"{}" * 99}.get(damage, content)
    file = tmp_path / FILE
    file.mkdir() if damage == "folder" else file.write_bytes(content)
    said: list[str] = []
    index = opened(rows_ND, tmp_path, say=said)
    assert len(said) == 1
    assert recall(index.nearest(query_QD, top=10)[0], nearest(rows_ND, query_QD, top=10)[0]) >= 0.95
    assert damage == "folder" or (file.stat().st_size > 1000 and not list(tmp_path.glob(".*")))


def test_rows_that_come_and_go_are_brought_up_without_making_all_again(
    tmp_path: Path, rows_ND: FloatArray, query_QD: FloatArray
) -> None:
    opened(rows_ND[:-2_000], tmp_path, key="old")
    gone = np.delete(np.random.default_rng(4).permutation(rows_ND), np.s_[100:1_100], axis=0)
    gone = np.concatenate([gone, gone[:50]])  # the same pictures twice
    said: list[str] = []
    index = opened(gone, tmp_path, key="new", say=said)
    assert not said
    rows_QT, cosine_QT = index.nearest(query_QD, top=10)
    exact_QT, best_QT = nearest(gone, query_QD, top=10)
    assert recall(rows_QT, exact_QT) >= 0.95
    assert np.isclose(cosine_QT[:, 0], best_QT[:, 0]).mean() >= 0.95
    kept_rows, _ = opened(gone, tmp_path, key="new", say=said).nearest(query_QD, top=10)
    assert not said and np.array_equal(kept_rows, rows_QT)


def test_other_rows_under_another_key_are_never_answered_from_the_old_file(
    tmp_path: Path, rows_ND: FloatArray, query_QD: FloatArray
) -> None:
    opened(rows_ND, tmp_path, key="old")
    others = np.ascontiguousarray(rows_ND[:, ::-1])
    said: list[str] = []
    index = opened(others, tmp_path, key="new", say=said)
    assert len(said) == 1
    assert recall(index.nearest(query_QD, top=10)[0], nearest(others, query_QD, top=10)[0]) >= 0.95


def test_an_index_that_cannot_be_written_is_used_all_the_same(
    tmp_path: Path, rows_ND: FloatArray, query_QD: FloatArray
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    index = opened(rows_ND, blocked / "derived")
    assert (index.nearest(query_QD, top=3)[0] >= 0).all()


def test_many_threads_may_ask_at_once(kept: Path, rows_ND: FloatArray, query_QD: FloatArray) -> None:
    index = opened(rows_ND, kept)
    alone = index.nearest(query_QD, top=5)[0]
    with ThreadPoolExecutor(4) as pool:
        for rows_QT, _ in pool.map(lambda _: index.nearest(query_QD, top=5), range(12)):
            assert np.array_equal(rows_QT, alone)


def test_few_rows_and_a_missing_extra_leave_it_to_the_exact_search(
    tmp_path: Path, rows_ND: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    assert open_approximate(rows_ND, tmp_path, key="k", say=said.append) is None
    assert not said
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert open_approximate(rows_ND, tmp_path, key="k", say=said.append, exact_rows=FEW) is None
    assert len(said) == 1 and "photograft[faiss]" in said[0]
    assert not list(tmp_path.iterdir())


def opened(rows_ND: FloatArray, folder: Path, *, key: str = "rows", say: list[str] | None = None) -> Approximate:
    index = open_approximate(rows_ND, folder, key=key, say=[].append if say is None else say.append, exact_rows=FEW)
    assert index is not None
    return index


def recall(rows_QT: np.ndarray, exact_QT: np.ndarray) -> float:
    pairs = zip(rows_QT.tolist(), exact_QT.tolist(), strict=True)
    return float(np.mean([len(set(found) & set(exact)) / len(set(exact)) for found, exact in pairs]))


@pytest.fixture(scope="module")
def rows_ND() -> FloatArray:
    rng = np.random.default_rng(1)
    centres_CD = rng.standard_normal((200, 48)).astype(np.float32)
    return unit_length(centres_CD[rng.integers(200, size=24_000)] + 0.5 * rng.standard_normal((24_000, 48)))


@pytest.fixture(scope="module")
def query_QD(rows_ND: FloatArray) -> FloatArray:
    rng = np.random.default_rng(2)
    return unit_length(rows_ND[rng.integers(len(rows_ND), size=40)] + 0.05 * rng.standard_normal((40, 48)))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, rows_ND: FloatArray) -> Path:
    folder = tmp_path_factory.mktemp("색인 kept")
    opened(rows_ND, folder)
    return folder
