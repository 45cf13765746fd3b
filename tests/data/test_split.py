from __future__ import annotations

import csv
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photograft.config.split import SplitConfig
from photograft.data.assign import assign_groups, count_groups
from photograft.data.coverage import cover_folds, cover_parts
from photograft.data.given_split import check_splits, read_splits
from photograft.data.split import FOLDS_BELOW, split
from photograft.errors import DataError
from photograft.reporting.records import splits_csv
from photograft.tracking.atomic import write_atomically
from photograft.values import IntArray, Manifest, Photo, Splits


def manifest(label_N: Any, part_N: Any = None) -> Manifest:
    parts = part_N if part_N is not None else [None] * len(label_N)
    return Manifest(
        Path("photos"),
        tuple(
            Photo(f"{i:05d}.jpg", f"클래스 {k:02d}", part)
            for i, (k, part) in enumerate(zip(label_N, parts, strict=True))
        ),
    )


def alone(n: int) -> IntArray:
    return np.arange(n, dtype=np.int64)


@st.composite
def drawn_sets(draw: st.DrawFn) -> tuple[IntArray, IntArray, SplitConfig]:
    """Labels and groups of a small set: up to six classes, groups of any size that may mix classes."""
    sizes = draw(st.lists(st.integers(12, 60), min_size=2, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    label_N = rng.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int64)
    group_N = alone(len(label_N))
    for _ in range(draw(st.integers(0, 6))):
        members = rng.choice(len(label_N), draw(st.integers(2, 6)), replace=False)
        group_N[np.isin(group_N, group_N[members])] = group_N[members].min()
    config = SplitConfig(
        test=draw(st.sampled_from([0.0, 0.15, 0.3])),
        val=draw(st.sampled_from([0.0, 0.15])),
        folds=draw(st.integers(2, 6)),
        seed=draw(st.integers(0, 5)),
    )
    return label_N, group_N, config


class Drawn(NamedTuple):
    """What `draw_grouped` draws: kept small, as Hypothesis prints it."""

    seed: int
    n_classes: int
    n: int
    n_persons: int
    several_labels: bool
    objects: bool
    test: float
    folds: int
    repeats: int


DRAWN = st.builds(
    Drawn,
    seed=st.integers(0, 9999),
    n_classes=st.integers(2, 5),
    n=st.integers(100, 240),
    n_persons=st.sampled_from([0, 40, 80]),
    several_labels=st.booleans(),
    objects=st.booleans(),
    test=st.sampled_from([0.0, 0.2]),
    folds=st.integers(2, 5),
    repeats=st.integers(1, 3),
)


def draw_grouped(drawn: Drawn) -> tuple[Manifest, IntArray, SplitConfig]:
    """Photos of persons with one label or several, some with two objects, some duplicates of each other."""
    rng = np.random.default_rng(drawn.seed)
    names = [f"클래스 {k:02d}" for k in range(drawn.n_classes)]
    photos = []
    for i in range(drawn.n):
        file = i // 2 if drawn.objects else i
        person = f"p{file * 7 % drawn.n_persons}" if drawn.n_persons and file % 9 else ""
        labels = tuple(rng.choice(names, rng.integers(1, 3), replace=False).tolist())
        photos.append(
            Photo(
                f"{file:05d}.jpg",
                None if drawn.several_labels else labels[0],
                object=i % 2 + 1 if drawn.objects else 0,
                labels=labels if drawn.several_labels else (),
                group=person,
                sha256=f"{file:064x}",
            )
        )
    duplicate_N = alone(drawn.n)
    for _ in range(drawn.seed % 5):
        duplicate_N[rng.choice(drawn.n, 2, replace=False)] = rng.integers(drawn.n)
    config = SplitConfig(test=drawn.test, folds=drawn.folds, repeats=drawn.repeats, seed=drawn.seed % 7)
    return Manifest(Path("photos"), tuple(photos)), duplicate_N, config


def same(one: Splits, other: Splits) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Splits))


def largest_group(manifest: Manifest, group_N: IntArray) -> IntArray:
    """Rows of the largest group of each class, shape (K,)."""
    groups = count_groups(manifest.label_matrix(manifest.classes), group_N)
    largest_K = np.ones(groups.n_classes, dtype=np.int64)
    np.maximum.at(largest_K, groups.class_E, groups.count_E)
    return largest_K


@settings(deadline=None, max_examples=60)
@given(DRAWN)
def test_no_person_file_or_duplicate_crosses_and_every_share_is_within_one_group(drawn: Drawn) -> None:
    photos, duplicate_N, config = draw_grouped(drawn)
    splits = split(photos, duplicate_N, config)
    assert len(splits.part_N) == len(photos.photos) and set(splits.part_N) <= {"train", "val", "test"}
    shown = [(duplicate, p.object) for duplicate, p in zip(duplicate_N.tolist(), photos.photos, strict=True)]
    pairs = set(zip(shown, splits.duplicate_N.tolist(), strict=True))
    assert len(pairs) == len(set(shown)) == len(set(splits.duplicate_N))
    assert not splits.leaked_N.any()
    assert splits.repeats_RN.shape == (config.repeats - 1, len(photos.photos))
    folds_RN = np.vstack([splits.fold_N[None], splits.repeats_RN])
    keys = [p.group or i for i, p in enumerate(photos.photos)], [p.path for p in photos.photos], duplicate_N.tolist()
    for key_N in keys:
        for placed_N in (splits.part_N, splits.group_N, *folds_RN):
            place_of: dict[Any, Any] = {}
            assert all(place_of.setdefault(key, place) == place for key, place in zip(key_N, placed_N, strict=True))
    member_NK = photos.label_matrix(photos.classes)
    folded_N = splits.part_N != "test"
    assert ((folds_RN >= 0) == folded_N).all() and folds_RN.max() < config.folds
    assert len({tuple(fold_N) for fold_N in folds_RN}) == config.repeats  # each draw is another one
    within_K = largest_group(photos, splits.group_N) + 1e-9
    for fold_N in folds_RN:
        for fold in range(config.folds):
            off_K = member_NK[fold_N == fold].sum(0) - member_NK[folded_N].sum(0) / config.folds
            assert (abs(off_K) <= within_K).all()
            assert member_NK[folded_N & (fold_N != fold)].any(axis=0).all()
    if config.test:
        for part, share in (("train", 0.65), ("val", 0.15), ("test", 0.2)):
            off_K = member_NK[splits.part_N == part].sum(0) - share * member_NK.sum(0)
            assert (abs(off_K) <= within_K).all()
            assert member_NK[splits.part_N == part].any(axis=0).all()


@settings(deadline=None, max_examples=25)
@given(DRAWN)
def test_the_same_seed_gives_the_same_split_whatever_groups_are_called(drawn: Drawn) -> None:
    photos, duplicate_N, config = draw_grouped(drawn)
    splits = split(photos, duplicate_N, config)
    assert same(splits, split(photos, duplicate_N, config))
    renamed = tuple(replace(p, group=f"x{hash(p.group)}" if p.group else "") for p in photos.photos)
    number_N = np.random.default_rng(0).permutation(10 * len(duplicate_N))
    renumbered = split(Manifest(photos.root, renamed), number_N[duplicate_N], config)
    assert same(splits, renumbered)


@settings(deadline=None, max_examples=25)
@given(DRAWN)
def test_a_written_split_reads_back(drawn: Drawn) -> None:
    photos, duplicate_N, config = draw_grouped(drawn)
    splits = split(photos, duplicate_N, config)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "splits.csv"
        write_atomically(file, splits_csv(photos, splits))
        assert same(read_splits(file, photos, duplicate_N, config), splits)
        assert check_splits(photos, splits) == ()


@pytest.mark.parametrize("sizes", [[5, 5, 5, 4, 3, 3, 2], [20, 1, 1, 1, 1, 1, 1], [7] * 9])
@pytest.mark.parametrize("share_B", [[0.7, 0.15, 0.15], [0.2] * 5])
def test_groups_of_one_class_are_always_within_one_group(sizes: list[int], share_B: list[float]) -> None:
    group_N = np.repeat(np.arange(len(sizes)), sizes)
    bin_N = assign_groups(np.ones((len(group_N), 1), bool), group_N, np.array(share_B), rng=np.random.default_rng(0))
    counts_B = np.bincount(bin_N, minlength=len(share_B))
    assert (abs(counts_B - np.array(share_B) * len(group_N)) <= max(sizes)).all()


def test_fifty_thousand_photos_take_seconds() -> None:
    rng = np.random.default_rng(0)
    group_N = rng.integers(0, 20_000, 50_000)
    share_K = np.geomspace(0.0002, 0.05, 100)
    label_N = rng.choice(100, 50_000, p=share_K / share_K.sum())
    photos = manifest(label_N)
    start = time.process_time()
    splits = split(photos, group_N, SplitConfig(repeats=3))
    assert time.process_time() - start < 10  # 1.5 s on an idle core
    within_K = largest_group(photos, splits.group_N)
    for part, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        off_K = np.bincount(label_N[splits.part_N == part], minlength=100) - share * np.bincount(label_N)
        assert (abs(off_K) <= within_K + 1e-9).all()


def try_split(label_N: IntArray, group_N: IntArray, config: SplitConfig) -> Splits | None:
    try:
        return split(manifest(label_N), group_N, config)
    except DataError:
        return None  # large groups can leave a class with too few different photos


@settings(deadline=None, max_examples=150)
@given(drawn_sets())
def test_nothing_is_lost_and_no_group_is_divided(drawn: tuple[IntArray, IntArray, SplitConfig]) -> None:
    label_N, group_N, config = drawn
    splits = try_split(*drawn)
    if splits is None:
        fewest = min(len(np.unique(group_N[label_N == k])) for k in range(label_N.max() + 1))
        # A class needs two groups to fold and one to test, and the folds a group each beside those to test.
        assert fewest < 3 or len(np.unique(group_N)) < config.folds + label_N.max() + 1
        return
    assert set(splits.part_N) <= {"train", "val", "test"} and not splits.leaked_N.any()
    for group in np.unique(group_N):
        assert len(set(splits.part_N[group_N == group])) == 1
        assert len(set(splits.fold_N[group_N == group])) == 1
    folded = splits.part_N != "test"
    assert (splits.fold_N[~folded] == -1).all()
    assert set(splits.fold_N[folded]) <= set(range(config.folds))
    wanted = {"train", *(["test"] if config.test else []), *(["val"] if config.test and config.val else [])}
    for k in np.unique(label_N):
        assert set(splits.part_N[label_N == k]) == wanted
        for fold in range(config.folds):  # every fold's head has seen every class
            assert (folded & (splits.fold_N != fold) & (label_N == k)).any()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(12, 60), min_size=2, max_size=6), st.integers(0, 99), st.sampled_from([0.1, 0.15, 0.3]))
def test_shares_hold_in_every_class_up_to_one_photo(sizes: list[int], seed: int, share: float) -> None:
    label_N = np.repeat(np.arange(len(sizes)), sizes)
    config = SplitConfig(test=share, val=0.15, seed=seed)
    splits = split(manifest(label_N), alone(len(label_N)), config)
    for k, size in enumerate(sizes):
        parts = splits.part_N[label_N == k]
        for part, wanted in (("test", share), ("val", 0.15), ("train", 0.85 - share)):
            assert abs((parts == part).sum() - wanted * size) <= 1
        folds = np.bincount(splits.fold_N[(label_N == k) & (splits.part_N != "test")], minlength=5)
        assert folds.max() - folds.min() <= 1


def test_the_seed_decides() -> None:
    label_N = np.repeat(np.arange(3), 50)
    one, same, other = (split(manifest(label_N), alone(150), SplitConfig(test=0.2, seed=seed)) for seed in (7, 7, 8))
    assert np.array_equal(one.part_N, same.part_N) and np.array_equal(one.fold_N, same.fold_N)
    assert not np.array_equal(one.part_N, other.part_N) and not np.array_equal(one.fold_N, other.fold_N)


@pytest.mark.parametrize(("n", "test"), [(FOLDS_BELOW - 1, 0), (FOLDS_BELOW, 225)])
def test_a_test_part_is_drawn_from_1500_photos_on(n: int, test: int) -> None:
    splits = split(manifest(np.arange(n) % 2), alone(n), SplitConfig())
    assert (splits.part_N == "test").sum() == pytest.approx(test, abs=1)
    assert (splits.part_N == "val").sum() == pytest.approx(test, abs=1)
    assert set(splits.fold_N[splits.part_N != "test"]) == set(range(5))


def test_large_groups_do_not_upset_the_shares() -> None:
    label_N = np.repeat(np.arange(2), 1000)
    group_N = alone(2000)
    group_N[:100] = 0
    group_N[1000:1040] = 1000
    splits = split(manifest(label_N), group_N, SplitConfig(test=0.15))
    for k in range(2):
        assert (splits.part_N[label_N == k] == "test").mean() == pytest.approx(0.15, abs=0.01)
    assert splits.statement == (
        "No known duplicate stands on both sides of the split; 2 groups of duplicates were kept together."
    )


def given_set() -> tuple[Manifest, IntArray]:
    """Two classes with given parts; 0 (train) and 59 (test) are duplicates, as are 1 and 2 (train), 3 and 45 (val)."""
    label_N = np.arange(60) % 2
    parts = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    group_N = alone(60)
    group_N[59], group_N[2], group_N[45] = group_N[0], group_N[1], group_N[3]
    return manifest(label_N, parts), group_N


def test_given_parts_win_and_leaks_are_flagged() -> None:
    photos, group_N = given_set()
    splits = split(photos, group_N, SplitConfig())
    assert splits.part_N.tolist() == [p.part for p in photos.photos]
    assert np.flatnonzero(splits.leaked_N).tolist() == [0, 59]
    assert (splits.fold_N[:50] >= 0).all() and (splits.fold_N[50:] == -1).all()
    assert splits.fold_N[1] == splits.fold_N[2] and splits.fold_N[3] == splits.fold_N[45]
    assert splits.statement.startswith("1 photo of the test part has a duplicate in train or validation: ")
    assert "split.on_leak" in splits.statement


def test_leaked_training_photos_can_be_dropped() -> None:
    photos, group_N = given_set()
    splits = split(photos, group_N, SplitConfig(on_leak="drop"))
    assert splits.part_N[0] == "" and splits.fold_N[0] == -1
    assert splits.part_N[59] == "test" and (splits.part_N[1:50] != "").all()
    assert "left out of training" in splits.statement


def test_without_a_val_part_it_is_drawn_from_train() -> None:
    parts = ["train"] * 80 + ["test"] * 20
    splits = split(manifest(np.arange(100) % 2, parts), alone(100), SplitConfig())
    assert (splits.part_N[80:] == "test").all()
    assert (splits.part_N[:80] == "val").sum() == 12
    whole = split(manifest(np.arange(100) % 2, parts), alone(100), SplitConfig(val=0))
    assert (whole.part_N[:80] == "train").all()


@pytest.mark.parametrize(
    ("counts", "config", "message"),
    [
        ([30, 1], SplitConfig(), r"(?s)cross-validation.*at least 2 .*\n  클래스 01: 1 group of 1 photo\n"),
        (
            [30, 2],
            SplitConfig(test=0.2),
            r"(?s)3 parts \(train, val, test\).*at least 3 .*\n  클래스 01: 2 groups of 2 photos\n",
        ),
        ([3, 3], SplitConfig(folds=7), "7 folds"),
    ],
)
def test_a_class_too_small_is_named_with_what_to_do(counts: list[int], config: SplitConfig, message: str) -> None:
    label_N = np.repeat(np.arange(len(counts)), counts)
    with pytest.raises(DataError, match=message) as refused:
        split(manifest(label_N), alone(len(label_N)), config)
    assert "Add photos" in str(refused.value)


def test_many_copies_of_one_photo_are_one_photo() -> None:
    label_N = np.repeat(np.arange(2), 20)
    group_N = alone(40)
    group_N[20:] = 20
    with pytest.raises(DataError, match="클래스 01: 1 group of 20 photos"):
        split(manifest(label_N), group_N, SplitConfig())


def test_a_class_of_one_person_is_named_with_the_person() -> None:
    photos = manifest(np.repeat(np.arange(3), 20)).photos
    rows = tuple(replace(p, group="민수" if p.label == "클래스 01" else f"p{i}") for i, p in enumerate(photos))
    with pytest.raises(DataError) as refused:
        split(Manifest(Path("photos"), rows), alone(60), SplitConfig(), group_column="person")
    assert "\n  클래스 01: 1 group of 20 photos, all of which belong to one person: 민수\n" in str(refused.value)
    assert "as do photos of one value of person" in str(refused.value)
    assert "클래스 00" not in str(refused.value)


def test_the_statement_says_what_was_kept_together() -> None:
    rows = manifest(np.arange(40) % 2).photos
    persons = tuple(replace(p, group=f"p{i // 4}" if i < 36 else "") for i, p in enumerate(rows))
    splits = split(Manifest(Path("photos"), persons), alone(40) // 2 * 2, SplitConfig(), group_column="person")
    assert splits.statement == (
        "No person and no known duplicate stands on both sides of the split (4 photos without a person); "
        "9 values of person and 20 groups of duplicates were kept together."
    )
    objects = tuple(replace(p, path=f"{i // 2}.jpg", object=i % 2 + 1) for i, p in enumerate(rows))
    file_N = np.arange(40) // 2  # as the search for duplicates numbers them
    splits = split(Manifest(Path("photos"), objects), file_N, SplitConfig())
    assert splits.statement.startswith("No file and no known duplicate stands")
    assert splits.statement.endswith("both sides of the split; 20 files were kept together.")
    assert len(set(splits.duplicate_N)) == 40
    copied = split(Manifest(Path("photos"), objects), np.maximum(file_N, 1), SplitConfig())
    assert "20 files and 1 group of duplicates" in copied.statement
    assert copied.duplicate_N[0] == copied.duplicate_N[2] != copied.duplicate_N[3]


def test_a_person_on_both_sides_of_given_parts_is_a_leak() -> None:
    photos, _ = given_set()
    rows = tuple(replace(p, group="민수" if i in (0, 59) else "") for i, p in enumerate(photos.photos))
    persons = Manifest(photos.root, rows)
    splits = split(persons, alone(60), SplitConfig(), group_column="person")
    assert np.flatnonzero(splits.leaked_N).tolist() == [0, 59]
    assert splits.statement.startswith(
        "1 photo of the test part has a duplicate or another photo of the same person in train or validation: "
    )
    dropped = split(persons, alone(60), SplitConfig(on_leak="drop"))
    assert dropped.part_N[0] == "" and not dropped.leaked_N.any()


def test_photos_that_are_left_out_of_given_parts_leak_nothing() -> None:
    parts = ["train"] * 20 + ["test"] * 10 + [None] * 10
    group_N = alone(40)
    group_N[39] = group_N[25]
    splits = split(manifest(np.arange(40) % 2, parts), group_N, SplitConfig())
    assert splits.part_N[39] == "" and not splits.leaked_N.any()


def test_photos_without_a_label_are_divided_too() -> None:
    photos = manifest(np.arange(100) % 2).photos
    rows = tuple(replace(p, label=None if i < 50 else p.label) for i, p in enumerate(photos))
    splits = split(Manifest(Path("photos"), rows), alone(100), SplitConfig())
    assert np.bincount(splits.fold_N[:50]).tolist() == [10] * 5


def test_faces_are_split_by_person(shared_data: Path) -> None:
    with (shared_data / "faces18" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    photos = [Photo(r["path"], f"{r['mask']}_{r['gender']}_{r['age']}", group=r["person"]) for r in rows]
    faces = Manifest(shared_data, tuple(photos))
    splits = split(faces, alone(len(photos)), SplitConfig(), group_column="person")
    member_NK, within_K = faces.label_matrix(faces.classes), largest_group(faces, splits.group_N)
    assert within_K.max() == 3
    for part, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert (abs(member_NK[splits.part_N == part].sum(0) - share * member_NK.sum(0)) <= within_K).all()
    for fold in range(5):
        off_K = member_NK[splits.fold_N == fold].sum(0) - member_NK[splits.part_N != "test"].sum(0) / 5
        assert (abs(off_K) <= within_K).all()
    assert splits.statement.startswith("No person and no known duplicate stands on both sides of the split; 550 values")


def test_given_parts_without_train_are_refused() -> None:
    with pytest.raises(DataError, match="no train part"):
        split(manifest([0, 1, 0, 1], ["val", "val", "test", "test"]), alone(4), SplitConfig())


def test_a_part_without_a_class_gets_its_smallest_group_and_takes_no_class_from_another() -> None:
    # Class 1 is in train alone: a group of three, a mixed group with the only photo of class 2 there, a single one.
    label_N = np.array([0, 0, 1, 1, 1, 1, 2, 1, 0, 2])
    group_N = np.array([0, 1, 2, 2, 2, 3, 3, 4, 5, 6])
    in_test_N = np.array([0] * 8 + [1] * 2)

    def moved(rows_N: Any) -> list[int]:
        groups = count_groups(np.eye(3, dtype=bool)[label_N[rows_N]], group_N[rows_N])
        bin_G = in_test_N[rows_N][np.unique(groups.group_N, return_index=True)[1]]
        covered_G = cover_parts(bin_G, groups, ["train", "test"], n_classes=3, n_folds=2)
        return np.flatnonzero(covered_G[groups.group_N] != in_test_N[rows_N]).tolist()

    assert moved(np.arange(10)) == [7]
    # Without the single one, the group of three goes: the mixed one would leave train without class 2.
    assert moved(np.delete(np.arange(10), 7)) == [2, 3, 4]


def test_no_fold_is_empty_and_no_class_in_one_fold_alone() -> None:
    # Two classes of two large groups each: by size alone, both classes would take the same two folds of four.
    label_N, group_N = np.repeat([0, 1], 8), np.repeat(np.arange(4), 4)
    splits = split(manifest(label_N), group_N, SplitConfig(folds=4))
    assert set(splits.fold_N.tolist()) == {0, 1, 2, 3}
    # A mixed group draws both classes into its fold; each still needs a second one.
    groups = count_groups(np.eye(2, dtype=bool)[[0, 1, 0, 1]], np.array([0, 0, 1, 2]))
    fold_G = cover_folds(np.zeros(3, dtype=np.int64), groups, n_folds=2, n_classes=2)
    assert len({fold_G[0], fold_G[1]}) == len({fold_G[0], fold_G[2]}) == 2
