from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photograft.errors import IntegrityError
from photograft.retrieval.directions import (
    derived_names,
    directions_of,
    find_directions,
    follow,
    open_compared,
    read_directions,
    still_hold,
)
from photograft.retrieval.exact import unit_length
from photograft.retrieval.vectors import HALF, open_vectors, write_vectors
from photograft.values import FloatArray


def embeddings(n: int, size: int = 300, seed: int = 0) -> FloatArray:
    """Rows that share a loud number, as those of networks do."""
    rng = np.random.default_rng(seed)
    rows_ND = rng.standard_normal((n, size)).astype(np.float32)
    rows_ND[:, 0] = 60 + rows_ND[:, 0]
    return rows_ND


@pytest.mark.parametrize(("n", "size"), [(5, 300), (40, 300), (400, 256)])
def test_rows_have_length_one_and_loud_numbers_do_not_decide(n: int, size: int) -> None:
    rows_ND = embeddings(n)
    directions = find_directions(unit_length(rows_ND))
    along_NE = directions.along(rows_ND)
    assert along_NE.shape == (n, directions.size) and directions.size == size
    np.testing.assert_allclose(np.linalg.norm(along_NE, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(directions.along(5 * rows_ND), along_NE, atol=1e-5)
    cosine_NN = along_NE @ along_NE.T
    others = cosine_NN[~np.eye(n, dtype=bool)]
    assert (np.abs(others.mean()) < 0.1) == (n >= 32)  # a few photos are compared as they are


def test_along_the_directions_neighbours_stay_neighbours() -> None:
    rng = np.random.default_rng(1)
    kinds_K = rng.standard_normal((20, 300)).astype(np.float32)
    rows_ND = np.repeat(kinds_K, 30, axis=0) + 0.7 * rng.standard_normal((600, 300)).astype(np.float32)
    along_NE = find_directions(unit_length(rows_ND)).along(rows_ND)
    cosine_NN = along_NE @ along_NE.T - 2 * np.eye(600, dtype=np.float32)
    assert (cosine_NN.argmax(axis=1) // 30 == np.arange(600) // 30).mean() > 0.99


def test_what_is_compared_is_kept_and_made_again_where_it_is_lost_or_damaged(tmp_path: Path) -> None:
    vectors_ND = unit_length(embeddings(300)).astype(np.float16)
    directions, _ = directions_of(vectors_ND)
    calls = []

    def read() -> np.ndarray:
        calls.append(1)
        return vectors_ND

    def opened() -> np.ndarray:
        return np.array(open_compared(tmp_path / "derived", directions, read, n=300, vectors_sha256="f" * 64).rows_NE)

    first_NE = opened()
    assert {file.name for file in (tmp_path / "derived").iterdir()} == derived_names("f" * 64, directions.sha256)
    np.testing.assert_array_equal(opened(), first_NE)
    assert len(calls) == 1
    for name in sorted(derived_names("f" * 64, directions.sha256)):
        file = tmp_path / "derived" / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 255
        for damaged in (bytes(content), b"", None):
            file.unlink(missing_ok=True)
            if damaged is not None:
                file.write_bytes(damaged)
            np.testing.assert_array_equal(opened(), first_NE)
    assert len(calls) == 7


def test_directions_come_back_from_their_file() -> None:
    for n in (5, 40, 300):
        rows_ND = embeddings(n)
        directions, content = directions_of(unit_length(rows_ND))
        again = read_directions(content)
        assert again.sha256 == directions.sha256 and directions_of(unit_length(rows_ND))[1] == content
        np.testing.assert_array_equal(again.along(rows_ND), directions.along(rows_ND))
    with pytest.raises(IntegrityError, match="damaged"):
        read_directions(content[:-1])


def test_directions_hold_until_a_tenth_of_the_photos_changed() -> None:
    assert still_hold(300, 30) and not still_hold(300, 31)
    assert still_hold(5, 0) and not still_hold(31, 1)  # few photos were taken as they are


def test_rows_that_are_taken_over_are_those_that_are_made_anew(tmp_path: Path) -> None:
    vectors_ND = unit_length(embeddings(320)).astype(np.float16)
    directions, _ = directions_of(vectors_ND[:300])
    before = open_compared(tmp_path / "a", directions, lambda: vectors_ND[:300], n=300, vectors_sha256="a" * 64)
    kept = np.arange(10, 300)
    after_ND = vectors_ND[10:]
    followed = follow(before, kept, after_ND, tmp_path / "a", vectors_sha256="b" * 64)
    anew = open_compared(tmp_path / "b", directions, lambda: after_ND, n=310, vectors_sha256="b" * 64)
    assert followed.key == anew.key != before.key
    np.testing.assert_allclose(followed.rows_NE, anew.rows_NE, atol=1e-6)


def test_no_photos_can_be_compared_too(tmp_path: Path) -> None:
    nothing = np.zeros((0, 8), np.float16)
    for _ in range(2):
        compared = open_compared(tmp_path, directions_of(nothing)[0], lambda: nothing, n=0, vectors_sha256="0" * 64)
        assert compared.rows_NE.shape == (0, 8)


def test_vectors_come_back_mapped(tmp_path: Path) -> None:
    rows_ND = unit_length(embeddings(10)).astype(np.float16)
    write_vectors(tmp_path / "v.npy", [rows_ND[:4], rows_ND[4:]], n=10, size=300, kind=HALF)
    np.testing.assert_array_equal(open_vectors(tmp_path / "v.npy", n=10, size=300, kind=HALF), rows_ND)
