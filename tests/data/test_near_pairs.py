from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photograft.data.hashing import SYMMETRIES, Symmetry, hash_rows, turn_hashes
from photograft.data.near_pairs import near_pairs
from photograft.values import IntArray, PixelArray


def brute_force(hashes: list[str], *, max_bits: int, symmetry: Symmetry) -> list[tuple[int, int]]:
    turned = [turn_hashes(hash_rows([text]), symmetry).tobytes().hex() if text else "" for text in hashes]
    return [
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if hashes[i] and hashes[j] and (int(turned[i], 16) ^ int(hashes[j], 16)).bit_count() <= max_bits
    ]


def found(hashes: list[str], *, max_bits: int, symmetry: Symmetry = "same") -> list[tuple[int, int]]:
    blocks = near_pairs(hashes, max_bits=max_bits, symmetry=symmetry)
    return [(int(i), int(j)) for block in blocks for i, j in block]


def flip(rows: PixelArray, n_bits: list[int], rng: np.random.Generator) -> PixelArray:
    bits = np.unpackbits(rows, axis=1)
    for row, n in zip(bits, n_bits, strict=True):
        row[rng.permutation(256)[:n]] ^= 1
    return np.packbits(bits, axis=1)


def as_text(rows: PixelArray) -> list[str]:
    return [row.tobytes().hex() for row in rows]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    max_bits=st.sampled_from([0, 1, 3, 12, 20, 40, 64]),
    symmetry=st.sampled_from(SYMMETRIES),
    n=st.integers(2, 25),
    data=st.data(),
)
def test_every_near_pair_is_found_once(
    seed: int, max_bits: int, symmetry: Symmetry, n: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    distances = st.lists(st.integers(max(0, max_bits - 2), max_bits + 2), min_size=n, max_size=n)
    copies = flip(turn_hashes(base, symmetry), data.draw(distances), rng)
    more = flip(base[: n // 2], data.draw(distances)[: n // 2], rng)
    hashes = as_text(np.concatenate([base, copies, more])[rng.permutation(2 * n + n // 2)])
    hashes[rng.integers(len(hashes))] = ""
    pairs = found(hashes, max_bits=max_bits, symmetry=symmetry)
    assert sorted(pairs) == brute_force(hashes, max_bits=max_bits, symmetry=symmetry)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_every_near_pair_among_look_alikes(symmetry: Symmetry) -> None:
    """Hashes that agree in most bits, as those of aligned faces do, and many equal ones."""
    rng = np.random.default_rng(1)
    base = np.repeat(rng.integers(0, 256, (3, 32), dtype=np.uint8), 100, axis=0)
    rows = flip(base, rng.integers(0, 12, 300).tolist(), rng)
    rows[100:150] = turn_hashes(rows[:50], symmetry)
    hashes = as_text(rows)
    pairs = found(hashes, max_bits=12, symmetry=symmetry)
    assert sorted(pairs) == brute_force(hashes, max_bits=12, symmetry=symmetry)
    assert len(pairs) >= 50


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), symmetry=st.sampled_from(SYMMETRIES), n_bases=st.integers(1, 40))
def test_joining_what_it_gives_joins_every_set(seed: int, symmetry: Symmetry, n_bases: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (n_bases, 32), dtype=np.uint8)[rng.integers(0, n_bases, 60)]
    rows = flip(base, rng.integers(0, 14, 60).tolist(), rng)
    rows[::3] = turn_hashes(rows[::3], symmetry)
    hashes = as_text(rows)
    all_pairs = brute_force(hashes, max_bits=12, symmetry=symmetry)
    joined, expected = Sets(60), Sets(60)
    for block in near_pairs(hashes, max_bits=12, symmetry=symmetry, sets=lambda: joined.set_N):
        assert (joined.set_N[block[:, 0]] != joined.set_N[block[:, 1]]).all()
        assert set(map(tuple, block.tolist())) <= set(all_pairs)
        joined.join(block)
    expected.join(np.array(all_pairs, dtype=np.int64).reshape(-1, 2))
    assert same_partition(joined.set_N, expected.set_N)


def test_pairs_that_are_refused_do_not_hide_others() -> None:
    rng = np.random.default_rng(3)
    hashes = as_text(flip(np.repeat(rng.integers(0, 256, (1, 32), dtype=np.uint8), 80, axis=0), [5] * 80, rng))
    joined, wanted_N = Sets(80), np.arange(80) % 4
    for block in near_pairs(hashes, max_bits=12, sets=lambda: joined.set_N):
        joined.join(block[wanted_N[block[:, 0]] == wanted_N[block[:, 1]]])
    assert same_partition(joined.set_N, wanted_N)


class Sets:
    """The sets of n positions, joined one pair after another."""

    def __init__(self, n: int) -> None:
        self.set_N = np.arange(n)

    def join(self, pairs: IntArray) -> None:
        for i, j in pairs:
            self.set_N = np.where(self.set_N == self.set_N[j], self.set_N[i], self.set_N)


def same_partition(a_N: IntArray, b_N: IntArray) -> bool:
    return len(set(a_N.tolist())) == len(set(b_N.tolist())) == len(set(zip(a_N.tolist(), b_N.tolist(), strict=True)))


def test_nothing_has_no_pairs() -> None:
    for hashes in ([], [""], ["0" * 64], ["", "", "0" * 64]):
        assert list(near_pairs(hashes, max_bits=12)) == []


def test_ten_thousand_equal_hashes_are_joined_in_bounded_memory() -> None:
    n = 10_000
    joined = Sets(n)
    tracemalloc.start()
    n_pairs = 0
    for block in near_pairs(["ab" * 32] * n, max_bits=12, sets=lambda: joined.set_N):
        n_pairs += len(block)
        joined.set_N = np.zeros(n, dtype=np.int64)  # the first block links each to the next
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_pairs == n - 1
    assert peak_bytes < 30e6


def test_all_pairs_of_a_crowd_come_in_small_blocks() -> None:
    rng = np.random.default_rng(4)
    hashes = as_text(flip(np.repeat(rng.integers(0, 256, (1, 32), dtype=np.uint8), 1200, axis=0), [1] * 1200, rng))
    sizes = [len(block) for block in near_pairs(hashes, max_bits=4)]
    assert sum(sizes) == 1200 * 1199 // 2
    assert max(sizes) < 300_000
