"""Which photos are the same picture, from their hashes alone: equal bytes, equal pixels, nearly equal pictures.

Shape letters: N rows, F files, E pictures (files that differ in bytes and pixels), P pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from photograft.data.hashing import SYMMETRIES, Symmetry, hash_rows, turn_hashes
from photograft.data.near_pairs import near_pairs
from photograft.values import BoolArray, IntArray, Issue, Photo

Confirm = Callable[[IntArray, Symmetry], BoolArray]
"""Takes pairs of rows, shape (P, 2), whose hashes nearly agree under a symmetry; says which are copies, shape (P,)."""

TURNED_BITS = 8
"""Bits that turned copies may differ in at most: nothing but the hash speaks for them, no network confirms them."""

_NAMED = 3


@dataclass(frozen=True)
class Duplicates:
    """Groups of photos that show the same picture.

    `n_exact` files are equal to an earlier one, and `n_near` further ones joined a group as nearly equal.
    `group_N` numbers the groups from 0 in order of their first row; a photo without duplicates is a group of one.
    """

    group_N: IntArray
    n_exact: int
    n_near: int
    issues: tuple[Issue, ...]


def find_duplicates(photos: Sequence[Photo], *, max_bits: int, confirm: Confirm | None = None) -> Duplicates:
    """Group N rows by SHA-256, by pixel hash, and by perceptual hashes that differ in at most `max_bits` bits.

    Copies may be mirrored; those that are rotated or upside down may differ in `TURNED_BITS` at most. `confirm` is
    asked about every pair whose hashes nearly agree, before its photos are joined. Rows of one file are always in one
    group, and are no duplicates of each other. Issues are one per group, and a second one where copies under different
    labels also stand in different given parts.
    """
    file_N, row_F = _files(photos)
    sets = _Sets(len(row_F))
    sets.join_equal(photos[i].sha256 for i in row_F)
    sets.join_equal(photos[i].pixel_sha256 for i in row_F)
    first_F = sets.numbers()
    # One file stands for each exact group: hundreds of copies of a picture would make tens of thousands of pairs.
    file_E = np.unique(first_F)
    turned = _join_near(sets, photos, row_F, file_E, max_bits=max_bits, confirm=confirm)
    _, group_F = np.unique(sets.numbers(), return_inverse=True)
    n_groups = int(group_F.max()) + 1 if len(group_F) else 0
    symmetries = {
        symmetry: set(group_F[np.concatenate(blocks)].tolist()) for symmetry, blocks in turned.items() if blocks
    }
    issues = _describe(_Files(photos, file_N, row_F), group_F, first_F, symmetries)
    group_N = group_F[file_N].astype(np.int64)
    return Duplicates(group_N, len(row_F) - len(file_E), len(file_E) - n_groups, tuple(issues))


def _files(photos: Sequence[Photo]) -> tuple[IntArray, IntArray]:
    """The number of each row's file, shape (N,), and the first row of each file, shape (F,)."""
    numbers: dict[str, int] = {}
    first: list[int] = []
    file_N = np.empty(len(photos), dtype=np.int64)
    for row, photo in enumerate(photos):
        file_N[row] = numbers.setdefault(photo.path, len(numbers))
        if len(numbers) > len(first):
            first.append(row)
    return file_N, np.array(first, dtype=np.int64)


def _join_near(
    sets: _Sets,
    photos: Sequence[Photo],
    row_F: IntArray,
    file_E: IntArray,
    *,
    max_bits: int,
    confirm: Confirm | None,
) -> dict[Symmetry, list[IntArray]]:
    """Join near-duplicates; gives, per symmetry, files that were joined by it."""
    hashes = [photos[row_F[file]].perceptual_hash for file in file_E]
    joined: dict[Symmetry, list[IntArray]] = {symmetry: [] for symmetry in SYMMETRIES}
    for symmetry in SYMMETRIES:
        bits, searched = max_bits, hashes
        if symmetry not in ("same", "mirrored"):
            bits = min(max_bits, TURNED_BITS)
            searched = _without_symmetric(hashes, symmetry, bits + max_bits)
        for block_P2 in near_pairs(searched, max_bits=bits, symmetry=symmetry, sets=lambda: sets.numbers()[file_E]):
            pairs_P2 = file_E[block_P2]
            if confirm is not None:
                pairs_P2 = pairs_P2[confirm(row_F[pairs_P2], symmetry)]
            sets.join(pairs_P2)
            joined[symmetry].append(pairs_P2[:, 0])
    return joined


def _without_symmetric(hashes: Sequence[str], symmetry: Symmetry, max_bits: int) -> list[str]:
    """The hashes, emptied where turning changes at most `max_bits` bits: such pictures say nothing about a turn.

    So no pair that nearly agrees as it lies, and was refused, is asked about again as a turned one.
    """
    known = [i for i, text in enumerate(hashes) if text]
    rows_M32 = hash_rows([hashes[i] for i in known])
    changed_M = np.bitwise_count(rows_M32 ^ turn_hashes(rows_M32, symmetry)).sum(axis=1)
    kept = list(hashes)
    for i in np.array(known, dtype=np.int64)[changed_M <= max_bits]:
        kept[i] = ""
    return kept


# ------------------------------------------------------------------ what is said of a group


@dataclass(frozen=True)
class _Files:
    """What is known of each file, from all its rows."""

    photos: Sequence[Photo]
    file_N: IntArray
    row_F: IntArray

    def labels(self) -> list[set[str]]:
        return self._collect(lambda photo: photo.all_labels)

    def parts(self) -> list[set[str]]:
        return self._collect(lambda photo: (photo.part,) if photo.part else ())

    def _collect(self, values: Callable[[Photo], Iterable[str]]) -> list[set[str]]:
        collected: list[set[str]] = [set() for _ in self.row_F]
        for file, photo in zip(self.file_N.tolist(), self.photos, strict=True):
            collected[file].update(values(photo))
        return collected


def _describe(
    files: _Files, group_F: IntArray, first_F: IntArray, symmetries: dict[Symmetry, set[int]]
) -> Iterable[Issue]:
    members: dict[int, list[int]] = defaultdict(list)
    for file, group in enumerate(group_F.tolist()):
        members[group].append(file)
    labels, parts = files.labels(), files.parts()
    for group, some in members.items():
        if len(some) == 1:
            continue
        photos = [files.photos[files.row_F[file]] for file in some]
        exact = len({int(first_F[file]) for file in some}) == 1
        kind = "the same picture" if exact else _name_kind(len(some), [s for s, g in symmetries.items() if group in g])
        yield from _issues(photos, kind, [labels[file] for file in some], [parts[file] for file in some], exact=exact)


def _name_kind(n_files: int, symmetries: Sequence[Symmetry]) -> str:
    turned = [symmetry for symmetry in symmetries if symmetry != "same"]
    if not turned:
        return "nearly the same picture"
    # Which of the two was turned is not known, so a quarter turn is named the same whichever way it goes.
    names = dict.fromkeys(name.replace("270", "90") for name in turned)
    return f"nearly the same picture, {'' if n_files == 2 else 'some '}{' and '.join(names)}"


def _issues(
    photos: Sequence[Photo], kind: str, labels: Sequence[set[str]], parts: Sequence[set[str]], *, exact: bool
) -> Iterable[Issue]:
    paths = tuple(photo.name for photo in photos)
    named = ", ".join(photo.path for photo in photos[:_NAMED])
    named += f" and {len(photos) - _NAMED} more" if len(photos) > _NAMED else ""
    different_labels = sorted({" + ".join(sorted(some)) for some in labels if some})
    different_parts = sorted(set().union(*parts))
    if len(different_labels) > 1:
        message = f"{named}: {kind} under different labels ({', '.join(different_labels)})"
        remedy = "Decide which label is right and remove or move the other copies."
        if not exact:
            remedy += " If they differ in what the label is about, set split.duplicate_bits lower."
        yield Issue("label_conflict", paths, message, remedy, must_fix=True)
    if len(different_parts) > 1:
        message = f"{named}: {kind} in different parts ({', '.join(different_parts)})"
        remedy = "Keep the copies in one part, or set split.on_leak to drop; scores are too good otherwise."
        yield Issue("leak", paths, message, remedy, must_fix=True)
    if len(different_labels) <= 1 and len(different_parts) <= 1:
        message = f"{named}: {kind} ({len(photos)} copies)"
        remedy = "Keep one; they are kept in one part of the split."
        yield Issue("exact_duplicate" if exact else "near_duplicate", paths, message, remedy)


class _Sets:
    """Union-find over n items; the smallest member numbers its set."""

    def __init__(self, n: int) -> None:
        self._parent = np.arange(n, dtype=np.int64)

    def numbers(self) -> IntArray:
        """The set of each item, shape (n,). Later joins do not change this array."""
        return self._parent

    def join(self, pairs_P2: IntArray) -> None:
        while len(pairs_P2):
            ends_P2 = self._parent[pairs_P2]
            apart_P = ends_P2[:, 0] != ends_P2[:, 1]
            pairs_P2, ends_P2 = pairs_P2[apart_P], ends_P2[apart_P]
            parent = self._parent.copy()
            np.minimum.at(parent, ends_P2.max(axis=1), ends_P2.min(axis=1))
            self._parent = _settled(parent)

    def join_equal(self, keys: Iterable[Hashable]) -> None:
        """Join items whose keys are equal and not empty."""
        first: dict[Hashable, int] = {}
        pairs = [(first.setdefault(key, i), i) for i, key in enumerate(keys) if key]
        self.join(np.array(pairs, dtype=np.int64).reshape(-1, 2))


def _settled(parent: IntArray) -> IntArray:
    """The smallest member of each item's set, where `parent` has a member that is as small or smaller."""
    while not np.array_equal(above := parent[parent], parent):
        parent = above
    return parent
