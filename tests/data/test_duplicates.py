from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photograft.data.duplicates import TURNED_BITS, Duplicates, find_duplicates
from photograft.data.hashing import SYMMETRIES, Symmetry, hash_rows, turn_hashes
from photograft.values import BoolArray, IntArray, Photo


def photo(path: str, *, seed: int = 0, bits: int = 0, symmetry: Symmetry = "same", **fields: object) -> Photo:
    """A photo of the picture `seed`, turned, with `bits` bits of its hash changed."""
    row = np.random.default_rng(seed).integers(0, 256, (1, 32), dtype=np.uint8)
    turned = np.unpackbits(turn_hashes(row, symmetry))
    turned[:bits] ^= 1
    made = Photo(
        path,
        "a",
        sha256=f"sha {path}",
        pixel_sha256=f"pixels {path}",
        perceptual_hash=np.packbits(turned).tobytes().hex(),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def find(*photos: Photo, max_bits: int = 12) -> Duplicates:
    return find_duplicates(photos, max_bits=max_bits)


def test_nothing_and_one() -> None:
    assert find().group_N.tolist() == [] and find().issues == ()
    assert find(photo("a.jpg")).group_N.tolist() == [0]


def test_equal_bytes_pixels_and_near_hashes() -> None:
    found = find(
        photo("0.jpg", seed=1),
        photo("1.jpg", seed=2),
        photo("2.jpg", seed=1, bits=12),
        photo("3.jpg", seed=1, bits=13),
        photo("4.jpg", seed=9, sha256="sha 1.jpg"),
        photo("5.png", seed=8, pixel_sha256="pixels 1.jpg"),
    )
    # 3.jpg is one bit from 2.jpg
    assert found.group_N.tolist() == [0, 1, 0, 0, 1, 1]
    assert (found.n_exact, found.n_near) == (2, 2)
    near, exact = found.issues
    assert (near.kind, near.paths, near.must_fix) == ("near_duplicate", ("0.jpg", "2.jpg", "3.jpg"), False)
    assert near.message == "0.jpg, 2.jpg, 3.jpg: nearly the same picture (3 copies)" and near.remedy
    assert (exact.kind, exact.paths) == ("exact_duplicate", ("1.jpg", "4.jpg", "5.png"))
    assert "the same picture (3 copies)" in exact.message


@pytest.mark.parametrize("symmetry", SYMMETRIES[1:])
def test_turned_copies_are_named(symmetry: Symmetry) -> None:
    (issue,) = find(photo("a.jpg"), photo("b.jpg", symmetry=symmetry, bits=TURNED_BITS)).issues
    assert issue.kind == "near_duplicate"
    assert issue.message == f"a.jpg, b.jpg: nearly the same picture, {symmetry.replace('270', '90')} (2 copies)"
    further = find(photo("a.jpg"), photo("b.jpg", symmetry=symmetry, bits=TURNED_BITS + 1))
    assert further.n_near == (symmetry == "mirrored")
    three = find(photo("a.jpg"), photo("b.jpg", symmetry=symmetry), photo("c.jpg", bits=3))
    assert f"picture, some {symmetry.replace('270', '90')} (3 copies)" in three.issues[0].message


def test_pictures_without_hash_are_alike_only_if_equal() -> None:
    blank = [photo(f"{i}.png", seed=i, perceptual_hash="") for i in range(4)]
    blank[3] = replace(blank[3], pixel_sha256=blank[1].pixel_sha256)
    assert find(*blank).group_N.tolist() == [0, 1, 2, 1]


def test_ten_thousand_equal_photos_are_one_group() -> None:
    photos = [photo("0.png")]
    photos += [replace(photos[0], path=f"{i}.png", sha256=f"{i}", pixel_sha256=f"{i}") for i in range(1, 10_000)]
    found = find_duplicates(photos, max_bits=12)
    assert set(found.group_N.tolist()) == {0} and found.n_near == 9_999
    assert "0.png, 1.png, 2.png and 9997 more" in found.issues[0].message


def test_objects_of_one_file_belong_together_and_are_no_duplicates() -> None:
    dogs = [photo("two.jpg", label="pug", object=1), photo("two.jpg", label="chow", object=2)]
    alone = find(*dogs, photo("other.jpg", seed=1))
    assert alone.group_N.tolist() == [0, 0, 1] and alone.issues == () and (alone.n_exact, alone.n_near) == (0, 0)
    copies = [replace(dog, path="copy.jpg") for dog in dogs]
    both = find(*dogs, *copies)
    assert both.group_N.tolist() == [0, 0, 0, 0] and (both.n_exact, both.n_near) == (1, 0)
    assert [(i.kind, i.paths) for i in both.issues] == [("exact_duplicate", ("two.jpg#1", "copy.jpg#1"))]
    (issue,) = find(*dogs, *copies[:1]).issues
    assert issue.kind == "label_conflict" and "(chow + pug, pug)" in issue.message


def test_the_same_picture_under_different_labels_or_in_different_parts() -> None:
    (conflict,) = find(photo("a/1.jpg"), photo("b/1.jpg", label="b", bits=2)).issues
    assert conflict.kind == "label_conflict" and conflict.must_fix
    assert "nearly the same picture under different labels (a, b)" in conflict.message
    (leak,) = find(photo("train/1.jpg", part="train"), photo("test/1.jpg", part="test"), photo("x.jpg")).issues
    assert leak.kind == "leak" and leak.must_fix and "in different parts (test, train)" in leak.message
    both = find(photo("train/1.jpg", part="train"), photo("test/1.jpg", part="test", label="b")).issues
    assert [issue.kind for issue in both] == ["label_conflict", "leak"]
    fine = find(photo("1.jpg", part="train"), photo("2.jpg", part="train"), photo("3.jpg", label=None, part="train"))
    assert [issue.kind for issue in fine.issues] == ["near_duplicate"]


def test_several_labels_are_compared_as_sets() -> None:
    same = find(photo("1.jpg", labels=("sun", "sea")), photo("2.jpg", labels=("sea", "sun"), bits=1))
    assert [issue.kind for issue in same.issues] == ["near_duplicate"]
    (issue,) = find(photo("1.jpg", labels=("sun", "sea")), photo("2.jpg", labels=("sea",))).issues
    assert issue.kind == "label_conflict" and "(sea, sea + sun)" in issue.message


def test_only_confirmed_pairs_are_joined() -> None:
    photos = [photo("0.jpg"), photo("1.jpg", bits=2), photo("2.jpg", bits=4), photo("3.jpg", symmetry="mirrored")]
    asked: set[tuple[int, int, str]] = set()

    def confirm(pairs_P2: IntArray, symmetry: Symmetry) -> BoolArray:
        asked.update((int(i), int(j), symmetry) for i, j in pairs_P2)
        return (pairs_P2.sum(axis=1) == 3) & (pairs_P2[:, 0] > 0)  # 1 and 2

    found = find_duplicates(photos, max_bits=12, confirm=confirm)
    assert found.group_N.tolist() == [0, 1, 1, 2]
    assert {(0, 1, "same"), (1, 2, "same"), (0, 3, "mirrored")} <= asked


def test_a_refused_pair_of_a_symmetric_picture_is_not_asked_about_as_a_turned_one() -> None:
    disc = np.zeros((1, 32), dtype=np.uint8).tobytes().hex()  # unchanged by swapping rows and columns
    photos = [photo(f"{i}.png", perceptual_hash=disc) for i in range(3)]
    asked = []

    def confirm(pairs_P2: IntArray, symmetry: Symmetry) -> BoolArray:
        asked.append(symmetry)
        return np.zeros(len(pairs_P2), dtype=bool)

    assert find_duplicates(photos, max_bits=12, confirm=confirm).group_N.tolist() == [0, 1, 2]
    assert set(asked) == {"same"}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_groups_are_what_pairs_join_and_numbered_by_their_first_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    photos = []
    for i in range(40):
        symmetry = SYMMETRIES[rng.integers(8)] if rng.random() < 0.3 else "same"
        photos.append(photo(f"{i}.jpg", seed=int(rng.integers(6)), bits=int(rng.integers(0, 20)), symmetry=symmetry))
    rows = hash_rows([p.perceptual_hash for p in photos])
    set_N = np.arange(40)
    for symmetry in SYMMETRIES:
        limit = 12 if symmetry in ("same", "mirrored") else TURNED_BITS
        turned = turn_hashes(rows, symmetry)
        distance = np.bitwise_count(turned[:, None] ^ rows[None]).sum(axis=-1)
        for i, j in np.argwhere(np.triu(distance <= limit, 1)):
            set_N = np.where(set_N == set_N[j], set_N[i], set_N)
    numbers: dict[int, int] = {}
    expected = [numbers.setdefault(int(number), len(numbers)) for number in set_N]
    assert find(*photos).group_N.tolist() == expected
