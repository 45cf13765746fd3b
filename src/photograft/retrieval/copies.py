"""Which photos of an index show the very picture that is asked about, by the rules that find duplicates in training.

Shape letters: N photos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from photograft.data.duplicates import TURNED_BITS
from photograft.data.hashing import HASH_BITS, SYMMETRIES, Symmetry, hash_rows, turn_hashes
from photograft.retrieval.rows import IndexRow
from photograft.values import FloatArray, IntArray, PixelArray

MAX_BITS, MIN_SIMILARITY = 12, 0.93
"""As `split.duplicate_bits` and `split.duplicate_similarity` are by default."""

SAME_FILE, SAME_PICTURE, NEAR = "the same file", "the same picture", "nearly the same picture"


@dataclass(frozen=True)
class Picture:
    """What tells copies of a picture: hashes as in `values.Photo`, empty where they are not known."""

    sha256: str = ""
    pixel_sha256: str = ""
    perceptual_hash: str = ""


def find_copies(
    picture: Picture, rows: Sequence[IndexRow], cosine: Callable[[IntArray], FloatArray]
) -> list[tuple[int, str]]:
    """The numbers of those rows that show the picture, with the kind of copy in words, the nearest kind first.

    A row whose hash nearly agrees, as it lies or mirrored, is a copy where the embeddings agree too: `cosine` gives
    that of the embeddings as the network made them, for numbers of rows. Where the picture was rotated, the hash alone
    decides, within fewer bits.
    """
    kinds: dict[int, str] = {}
    for n, row in enumerate(rows):
        if picture.sha256 and row.sha256 == picture.sha256:
            kinds[n] = SAME_FILE
        elif picture.pixel_sha256 and row.pixel_sha256 == picture.pixel_sha256:
            kinds[n] = SAME_PICTURE
    for n, symmetry in _near(picture, rows, cosine):
        # Which of the two was turned is not known, so a quarter turn is named the same whichever way it goes.
        turn = "" if symmetry == "same" else f", {symmetry.replace('270', '90')}"
        kinds.setdefault(n, f"{NEAR}{turn}")
    return sorted(kinds.items(), key=lambda item: (kind_order(item[1]), item[0]))


def kind_order(kind: str) -> int:
    """The place of a kind of copy, the nearest first."""
    return {SAME_FILE: 0, SAME_PICTURE: 1, NEAR: 2}.get(kind, 3)


def _near(
    picture: Picture, rows: Sequence[IndexRow], cosine: Callable[[IntArray], FloatArray]
) -> list[tuple[int, Symmetry]]:
    hashed = np.array([n for n, row in enumerate(rows) if row.perceptual_hash], dtype=np.int64)
    if not picture.perceptual_hash or not len(hashed):
        return []
    rows_N32 = hash_rows([rows[n].perceptual_hash for n in hashed])
    own_132 = hash_rows([picture.perceptual_hash])
    found: list[tuple[int, Symmetry]] = []
    for symmetry in SYMMETRIES:
        turned_132 = own_132 if symmetry == "same" else turn_hashes(own_132, symmetry)
        lies_alike = symmetry in ("same", "mirrored")
        max_bits = MAX_BITS if lies_alike else TURNED_BITS
        if not lies_alike and _bits(turned_132, own_132)[0] <= max_bits + MAX_BITS:
            continue  # a picture that turning hardly changes says nothing about a turn
        near = hashed[_bits(turned_132, rows_N32) <= max_bits]
        if lies_alike and len(near):
            near = near[np.asarray(cosine(near) >= MIN_SIMILARITY)]
        found += [(int(n), symmetry) for n in near]
    return found


def _bits(one_132: PixelArray, rows_N32: PixelArray) -> IntArray:
    """How many of the bits differ."""
    assert rows_N32.shape[1] * 8 == HASH_BITS
    return np.asarray(np.bitwise_count(one_132 ^ rows_N32).sum(axis=1), np.int64)
