"""Shards of made-up vectors, asked together as one index of all of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from photograft.contract import make_contract, picture_px
from photograft.retrieval import together
from photograft.retrieval.chain import Chain
from photograft.retrieval.directions import directions_of
from photograft.retrieval.exact import unit_length
from photograft.retrieval.gathered import gather
from photograft.retrieval.rows import IndexRow, Rows, write_rows
from photograft.retrieval.store import IndexInfo, NetworkOfIndex, SourceRow, Stored, StoredFile
from photograft.retrieval.together import Together, open_together
from photograft.retrieval.vectors import HALF, digest_of, open_vectors, write_vectors
from photograft.values import FloatArray

SIZE = 300


def stored(folder: Path, vectors_ND: FloatArray, contents: list[str], path: str) -> Stored:
    """An index of vectors on the disk whose photos are made up."""
    folder.mkdir(parents=True)
    n = len(vectors_ND)
    write_vectors(folder / "vectors.npy", [vectors_ND], n=n, size=SIZE, kind=HALF)
    rows = [
        IndexRow(0, f"{i}.jpg", sha256=content, labels=(f"붓꽃 {i % 3}",), vector=i)
        for i, content in enumerate(contents)
    ]
    info = IndexInfo(
        generation=1,
        salt="",
        version="",
        decoder="",
        network=NetworkOfIndex(
            StoredFile("", ""), "", "", SIZE, make_contract(picture_px(64, "whole")), ("whole",), False, {}
        ),
        sources=(SourceRow(path),),
        rows=StoredFile("", ""),
        vectors=StoredFile("vectors.npy", digest_of(folder / "vectors.npy")),
        n_rows=n,
        n_vectors=n,
    )
    vectors = open_vectors(folder / "vectors.npy", n=n, size=SIZE, kind=HALF)
    return Stored(folder, info, Rows(write_rows(rows), n_vectors=n), vectors, None)


def made(n: int) -> tuple[FloatArray, list[str]]:
    rng = np.random.default_rng(1)
    kinds_KD = rng.standard_normal((60, SIZE)).astype(np.float32)
    vectors_ND = unit_length(kinds_KD[rng.integers(60, size=n)] + rng.standard_normal((n, SIZE)).astype(np.float32))
    return vectors_ND, [hashlib.sha256(b"%d" % i).hexdigest() for i in range(n)]


def opened(root: Path, shards: list[Stored]) -> Together:
    gathered = gather(shards)
    directions, _ = directions_of(gathered.vectors_VD)
    folders = [root / "derived" / f"{k}" for k in range(len(shards))]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return open_together(gathered, directions, folders)[0]


def test_shards_of_any_size_answer_bit_for_bit_as_one(tmp_path: Path) -> None:
    vectors_ND, contents = made(5000)
    vectors_ND[3100] = vectors_ND[40]  # equal photos of different contents keep their order
    one = opened(tmp_path / "one", [stored(tmp_path / "one" / "0", vectors_ND, contents, "/p")])
    cuts = [0, 0, 1, 700, 4099, 5000]
    parts = [slice(a, b) for a, b in pairwise(cuts)]
    shards = [
        stored(tmp_path / "some" / f"{k}", vectors_ND[part], contents[part], f"/{k}") for k, part in enumerate(parts)
    ]
    some = opened(tmp_path / "some", shards)
    among_N = np.random.default_rng(2).random(5000) < 0.1
    for query_D in vectors_ND[[40, 3100, 4999, 5]]:
        for among in (None, among_N):
            assert some.nearest(query_D, top=30, among_N=among) == one.nearest(query_D, top=30, among_N=among)
    assert [row.path for row in some.gathered.files(4100)] == ["1.jpg"] and some.gathered.files(4100)[0].vector == 4100


def test_twins_take_no_place_and_none_is_missed(tmp_path: Path) -> None:
    vectors_ND, contents = made(400)
    one = opened(tmp_path / "one", [stored(tmp_path / "one" / "0", vectors_ND, contents, "/p")])
    again = [*range(100, 400), *range(250), *range(250, 300)]
    shards = [
        stored(tmp_path / "a", vectors_ND[:300], contents[:300], "/a"),
        stored(tmp_path / "b", vectors_ND[again[:300]], [contents[i] for i in again[:300]], "/b"),
        stored(tmp_path / "c", vectors_ND[again[300:]], [contents[i] for i in again[300:]], "/c"),
    ]
    some = opened(tmp_path / "some", shards)
    np.testing.assert_array_equal(some.gathered.hidden_T, [*range(300, 500), *range(600, 900)])
    assert len(some.gathered.vectors_VD) == 400
    for n in (0, 99, 250, 399):
        numbers, cosines = some.nearest(vectors_ND[n], top=25)
        expected, expected_cosines = one.nearest(vectors_ND[n], top=25)
        assert [number if number < 300 else number - 200 for number in numbers] == expected
        assert cosines == expected_cosines
    files = [(row.source, row.path, row.vector) for row in some.gathered.files(120)]
    assert files == [(0, "120.jpg", 120), (1, "20.jpg", 120), (2, "120.jpg", 120)]
    named_c = some.gathered.among(lambda row: row.path == "120.jpg")
    assert np.flatnonzero(named_c).tolist() == [120, 220]  # in b it is content 220 of a


def test_of_a_file_that_changed_the_last_shard_counts(tmp_path: Path) -> None:
    vectors_ND, contents = made(600)
    moved = [*range(300, 400), 7, *range(401, 450)]  # 0.jpg to 149.jpg changed; what was 7.jpg is now 100.jpg
    shards = [
        stored(tmp_path / "a", vectors_ND[:300], contents[:300], "/p"),
        stored(tmp_path / "b", vectors_ND[moved], [contents[i] for i in moved], "/p"),
        stored(tmp_path / "c", vectors_ND[450:], contents[450:], "/other"),
    ]
    some = opened(tmp_path / "some", shards)
    gathered = some.gathered
    numbers = {
        7: 7,
        **{i: i for i in range(150, 300)},
        **{content: 300 + i for i, content in enumerate(moved) if i != 100},
    }
    numbers |= {i: i for i in range(450, 600)}
    kept = sorted(numbers)
    assert gathered.number_V.tolist() == [numbers[i] for i in kept]
    assert len(gathered.outdated_S2) == 150 and len(gathered.without_files_T) == 149
    assert [(row.source, row.path) for row in gathered.files(7)] == [(0, "100.jpg")]
    assert [(row.source, row.path) for row in gathered.files(305)] == [(0, "5.jpg")]
    named = gathered.among(lambda row: row.path in ("7.jpg", "100.jpg"))
    assert np.flatnonzero(named).tolist() == [7, 307, 457, 550]
    whole = [contents[i] for i in kept]
    one = opened(tmp_path / "one", [stored(tmp_path / "one" / "0", vectors_ND[kept], whole, "/p")])
    for query_D in vectors_ND[[3, 7, 100, 305, 599]]:  # 3 and 100 are no longer there: none is missed in their place
        found, cosines = some.nearest(query_D, top=40)
        expected, expected_cosines = one.nearest(query_D, top=40)
        assert found == [numbers[kept[n]] for n in expected] and cosines == expected_cosines


def test_twins_of_what_no_file_has_any_more_take_no_place(tmp_path: Path) -> None:
    vectors_ND, contents = made(40)
    shards = [  # 0.jpg to 19.jpg are the same in a and b, and others in c
        stored(tmp_path / "a", vectors_ND[:20], contents[:20], "/p"),
        stored(tmp_path / "b", vectors_ND[[*range(20), 39]], [*contents[:20], contents[39]], "/p"),
        stored(tmp_path / "c", vectors_ND[19:39], contents[19:39], "/p"),
    ]
    some = opened(tmp_path / "some", shards)
    assert some.gathered.number_V.tolist() == [19, 40, *range(42, 61)]
    assert some.gathered.without_files_T.tolist() == [*range(19), *range(20, 39)]
    kept = [19, 39, *range(20, 39)]
    whole = stored(tmp_path / "one" / "0", vectors_ND[kept], [contents[i] for i in kept], "/p")
    one = opened(tmp_path / "one", [whole])
    for query_D in vectors_ND:
        found, cosines = some.nearest(query_D, top=3)
        expected, expected_cosines = one.nearest(query_D, top=3)
        assert found == some.gathered.number_V[expected].tolist() and cosines == expected_cosines


def test_a_photo_counts_where_another_was_taken_out_before(tmp_path: Path) -> None:
    vectors_ND, contents = made(4)
    first, last = (
        stored(tmp_path / name, vectors_ND[part], contents[part], "/p")
        for name, part in (("first", slice(0, 2)), ("last", slice(2, 4)))
    )
    taken_out = IndexRow(0, "1.jpg", verdict="removed", sha256=contents[1])
    rows = Rows(write_rows([*last.rows, taken_out]), n_vectors=2)
    gathered = gather([first, replace(last, rows=rows)])
    assert gathered.number_V.tolist() == [2, 3]
    assert [row.path for row in gathered.files(3)] == ["1.jpg"]


def test_labels_of_a_file_are_those_of_the_last_shard(tmp_path: Path) -> None:
    vectors_ND, contents = made(12)
    old, new = (stored(tmp_path / name, vectors_ND, contents, "/p") for name in ("old", "new"))
    lines = write_rows(replace(row, labels=("장미",)) if row.path == "4.jpg" else row for row in new.rows)
    gathered = gather([old, replace(new, rows=Rows(lines, n_vectors=12))])
    assert len(gathered.number_V) == 12 and len(gathered.outdated_S2) == 1
    assert [row.labels for row in gathered.files(4)] == [("장미",)]
    assert np.flatnonzero(gathered.among(lambda row: row.labels == ("붓꽃 1",))).tolist() == [1, 7, 10]


@pytest.mark.slow
def test_large_shards_are_searched_approximately_and_find_no_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss")
    vectors_ND, contents = made(24_000)
    exact = opened(tmp_path / "exact", [stored(tmp_path / "exact" / "0", vectors_ND, contents, "/p")])
    monkeypatch.setattr(together, "EXACT_ROWS", 20_000)
    parts = [slice(0, 11_500), slice(11_500, 23_000), slice(23_000, None)]
    shards = [stored(tmp_path / f"{k}", vectors_ND[part], contents[part], f"/{k}") for k, part in enumerate(parts)]
    found = {}
    for name, some in (("one", None), ("shards", shards)):
        some = some or [stored(tmp_path / "one" / "0", vectors_ND, contents, "/p")]
        index = opened(tmp_path / name, some)
        hits = [
            len(set(index.nearest(query_D, top=10)[0]) & set(exact.nearest(query_D, top=10)[0])) / 10
            for query_D in vectors_ND[::600]
        ]
        found[name] = float(np.mean(hits))
    assert found["shards"] >= found["one"] >= 0.9
    kept = {file.parent.name for file in (tmp_path / "shards").rglob("approximate.safetensors")}
    assert kept == {"0", "1"}  # the third has few photos


def test_a_chain_gives_rows_by_number() -> None:
    parts = [np.arange(6.0, dtype=np.float32).reshape(3, 2), np.zeros((0, 2), np.float32), np.ones((2, 2), np.float32)]
    chain = Chain(parts)
    assert len(chain) == 5
    np.testing.assert_array_equal(chain[np.array([4, 0, 2])], [[1, 1], [0, 1], [4, 5]])
    np.testing.assert_array_equal(Chain(parts, np.array([2, 3]))[np.array([1, 0])], [[1, 1], [4, 5]])
