"""The search for pictures whose perceptual hashes nearly agree, without comparing all with all.

Two hashes that differ in at most b bits agree in at least one of b + 1 bands of bits. So only pairs that agree in a
band are compared: multi-index hashing (Norouzi, Punjani, Fleet 2012, Fast Search in Hamming Space with Multi-Index
Hashing). Shape letters: N photos, M photos that have a hash, P pairs, B bands, W words of 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.data.hashing import Symmetry, hash_rows, turn_hashes
from photograft.values import BoolArray, IntArray, PixelArray

_WordArray = npt.NDArray[np.uint64]

_CANDIDATES = 1 << 18  # pairs compared at once: their arrays stay in the processor's cache
_KEY_BITS = 32
_ROUNDS = 8  # of joining neighbours, before all pairs of what is still apart


def near_pairs(
    hashes: Sequence[str],
    *,
    max_bits: int,
    symmetry: Symmetry = "same",
    sets: Callable[[], IntArray] | None = None,
) -> Iterator[IntArray]:
    """Pairs of positions (i < j) whose hashes differ in at most `max_bits` bits, in blocks of shape (P, 2).

    Every such pair is found, and found once, in no particular order. With a `symmetry`, it is the hash of picture i so
    turned that is compared with that of picture j. Empty hashes are in no pair.

    `sets` gives, shape (N,), the number of the set that each position is in by now. Pairs within one set are then
    left out, and each block only pairs positions that were still apart when it was made (a pair may come twice): a
    caller who joins what it is given gets every set, without all the pairs of a thousand frames of one video.

    Memory is bounded by the number of hashes. Time grows with the pairs that agree in a band by chance: little up to
    20 bits, steeply above 30.
    """
    known_M = np.array([i for i, text in enumerate(hashes) if text], dtype=np.int64)
    if known_M.size < 2:
        return
    index = _Index.build(hash_rows([hashes[i] for i in known_M]), max_bits, symmetry)
    blocks = _all_pairs(index) if sets is None else _pairs_apart(index, lambda: sets()[known_M])
    yield from (known_M[pairs_P2] for pairs_P2 in blocks if len(pairs_P2))


def _all_pairs(index: _Index) -> Iterator[IntArray]:
    alone_M = np.arange(index.plain_WM.shape[1])
    for band in range(index.max_bits + 1):
        for pairs_P2 in index.places(band, alone_M).blocks():
            yield index.first_seen(index.near(pairs_P2), band)


def _pairs_apart(index: _Index, sets: Callable[[], IntArray]) -> Iterator[IntArray]:
    for band in range(index.max_bits + 1):
        set_M = sets()
        places = index.places(band, set_M)
        for _ in range(_ROUNDS):
            yield index.near(places.neighbours())
            before_M, set_M = set_M, sets()
            if np.array_equal(before_M, set_M):
                break
            places = index.places(band, set_M)
        for pairs_P2 in places.blocks():
            set_M = sets()
            apart_P2 = pairs_P2[set_M[pairs_P2[:, 0]] != set_M[pairs_P2[:, 1]]]
            yield index.first_seen(index.near(apart_P2), band)


@dataclass(frozen=True)
class _Index:
    """The hashes as words and as one key per band: `turned` those of picture i of a pair, `plain` those of j."""

    max_bits: int
    turned_WM: _WordArray
    plain_WM: _WordArray
    turned_key_BM: _WordArray
    plain_key_BM: _WordArray

    @staticmethod
    def build(rows_M32: PixelArray, max_bits: int, symmetry: Symmetry) -> _Index:
        turned_M32 = rows_M32 if symmetry == "same" else turn_hashes(rows_M32, symmetry)
        keys_BM, words_WM = _band_keys(rows_M32, max_bits + 1), _words(rows_M32)
        if symmetry == "same":
            return _Index(max_bits, words_WM, words_WM, keys_BM, keys_BM)
        return _Index(max_bits, _words(turned_M32), words_WM, _band_keys(turned_M32, max_bits + 1), keys_BM)

    def places(self, band: int, set_M: IntArray) -> _Places:
        """Where pictures of different sets have the same key in this band."""
        return _Places.find(self.turned_key_BM[band], self.plain_key_BM[band], set_M)

    def near(self, pairs_P2: IntArray) -> IntArray:
        """The pairs whose hashes differ in at most `max_bits` bits; most others are out after the first word."""
        distance_P = np.zeros(len(pairs_P2), dtype=np.uint16)
        for turned_M, plain_M in zip(self.turned_WM, self.plain_WM, strict=True):
            distance_P += np.bitwise_count(turned_M[pairs_P2[:, 0]] ^ plain_M[pairs_P2[:, 1]])
            near_P = distance_P <= self.max_bits
            pairs_P2, distance_P = pairs_P2[near_P], distance_P[near_P]
        return pairs_P2

    def first_seen(self, pairs_P2: IntArray, band: int) -> IntArray:
        """The pairs that agree in no earlier band."""
        seen_P: BoolArray = np.zeros(len(pairs_P2), dtype=bool)
        for turned_M, plain_M in zip(self.turned_key_BM[:band], self.plain_key_BM[:band], strict=True):
            seen_P |= turned_M[pairs_P2[:, 0]] == plain_M[pairs_P2[:, 1]]
        return pairs_P2[~seen_P]


@dataclass(frozen=True)
class _Places:
    """Where R pictures, `row_R`, find partners in `order_M`, the pictures in order of their key and set.

    Partners stand from `start_R` to `end_R`, save those of the picture's own set, from `own_start_R` to `own_end_R`.
    """

    order_M: IntArray
    row_R: IntArray
    start_R: IntArray
    end_R: IntArray
    own_start_R: IntArray
    own_end_R: IntArray

    @staticmethod
    def find(turned_key_M: _WordArray, plain_key_M: _WordArray, set_M: IntArray) -> _Places:
        sets_M = set_M.astype(np.uint64)  # key and number of the set fill 32 bits each of one word
        sorted_M = (plain_key_M << np.uint64(32)) | sets_M
        order_M = np.argsort(sorted_M, kind="stable")
        sorted_M = sorted_M[order_M]
        wanted_M = turned_key_M << np.uint64(32)
        start_M = np.searchsorted(sorted_M, wanted_M)
        row_R = np.flatnonzero(sorted_M[np.minimum(start_M, len(sorted_M) - 1)] >> np.uint64(32) == turned_key_M)
        wanted_R, own_R = wanted_M[row_R], wanted_M[row_R] | sets_M[row_R]
        end_R = np.searchsorted(sorted_M, wanted_R | np.uint64(0xFFFFFFFF), side="right")
        own_start_R, own_end_R = np.searchsorted(sorted_M, own_R), np.searchsorted(sorted_M, own_R, side="right")
        places = np.stack([row_R, start_M[row_R], end_R, own_start_R, own_end_R])
        return _Places(order_M, *places[:, end_R - start_M[row_R] > own_end_R - own_start_R])

    def neighbours(self) -> IntArray:
        """Pairs i < j of each picture with one partner of the next set: together they join most of a cluster."""
        last_R = self.own_end_R == self.end_R
        j = self.order_M[np.where(last_R, self.own_start_R - 1, self.own_end_R)]
        return np.stack([self.row_R, j], axis=1)[self.row_R < j]

    def blocks(self) -> Iterator[IntArray]:
        """All pairs i < j, about `_CANDIDATES` at a time."""
        total_R = np.cumsum((self.end_R - self.start_R) - (self.own_end_R - self.own_start_R))
        first = 0
        while first < len(total_R):
            before = int(total_R[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(total_R, before + _CANDIDATES, side="right")))
            yield self._pairs(slice(first, last))
            first = last

    def _pairs(self, some: slice) -> IntArray:
        start_R, own_start_R = self.start_R[some], self.own_start_R[some]
        own_R = self.own_end_R[some] - own_start_R
        count_R = self.end_R[some] - start_R - own_R
        which_P = np.repeat(np.arange(len(count_R)), count_R)
        place_P = np.arange(len(which_P)) + (start_R - np.cumsum(count_R) + count_R)[which_P]
        place_P += np.where(place_P >= own_start_R[which_P], own_R[which_P], 0)
        pairs_P2 = np.stack([self.row_R[some][which_P], self.order_M[place_P]], axis=1)
        return pairs_P2[pairs_P2[:, 0] < pairs_P2[:, 1]]


def _words(rows_M32: PixelArray) -> _WordArray:
    return np.ascontiguousarray(np.ascontiguousarray(rows_M32).view(np.uint64).T)


def _band_keys(rows_M32: PixelArray, n_bands: int) -> _WordArray:
    """One number per band and hash, shape (B, M), of every n-th bit: neighbouring frequencies go to different bands.

    Of longer bands the first 32 bits count: agreeing in them is still necessary.
    """
    bits_M256 = np.unpackbits(rows_M32, axis=1)
    keys_BM = np.empty((n_bands, len(rows_M32)), dtype=np.uint64)
    for band in range(n_bands):
        packed = np.packbits(bits_M256[:, band::n_bands][:, :_KEY_BITS], axis=1)
        four = np.zeros((len(rows_M32), 4), dtype=np.uint8)
        four[:, : packed.shape[1]] = packed
        keys_BM[band] = four.view(">u4")[:, 0]
    return keys_BM
