"""Parts and folds: stratified by class, whole duplicate groups only, the same for the same seed.

The rules (given parts win, a test part is never folded, small sets are judged by their folds) are those of
docs/guides/train.md, "How photos are divided".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photograft.config.split import SplitConfig
from photograft.errors import DataError
from photograft.values import BoolArray, IntArray, Manifest, Splits

FOLDS_BELOW = 1500
"""Below this many photos a drawn test part of 15 % says nothing, and scores come from the folds."""

TEST_FRACTION = 0.15

_GROUPS_TO_FOLD = 2


def split(manifest: Manifest, group_N: IntArray, config: SplitConfig) -> Splits:
    """Divide the usable photos of `manifest` (N of them, in its order) into parts and folds.

    `group_N` numbers the duplicate groups. Raises DataError when a class has too few groups for what is asked.
    """
    classes = manifest.classes
    label_N = manifest.label_indices(classes)
    rng = np.random.default_rng(config.seed)
    given_N = np.array([p.part or "" for p in manifest.photos], dtype="<U5")
    if manifest.given_parts:
        part_N = _complete_given(given_N, label_N, group_N, config, rng, len(classes))
    else:
        part_N = _draw_parts(label_N, group_N, config, rng, classes)
    leaked_N = _leaks(part_N, group_N)
    n_dropped = 0
    if config.on_leak == "drop":
        dropped_N = leaked_N & (part_N != "test")
        part_N, n_dropped = np.where(dropped_N, "", part_N), int(dropped_N.sum())
        leaked_N = np.zeros_like(leaked_N)
    folded_N = (part_N == "train") | (part_N == "val")
    _check_folds(label_N, group_N, folded_N, config.folds, classes)
    fold_N = np.full(len(label_N), -1, dtype=np.int64)
    fold_N[folded_N] = assign_groups(
        label_N[folded_N], group_N[folded_N], np.full(config.folds, 1 / config.folds), rng=rng, n_classes=len(classes)
    )
    statement = _state(group_N, leaked_N & (part_N == "test"), n_dropped=n_dropped)
    no_repeats_RN = np.empty((0, len(label_N)), dtype=np.int64)
    return Splits(part_N, fold_N, group_N, leaked_N, config.folds, statement, group_N, no_repeats_RN)


def assign_groups(
    label_N: IntArray, group_N: IntArray, share_B: npt.NDArray[np.float64], *, rng: np.random.Generator, n_classes: int
) -> IntArray:
    """Give each group to one of B bins so that every class is divided by the shares; returns the bin of each photo.

    Large groups go first, to the bin that lacks most photos of the group's classes; single photos then fill each
    class exactly, up to rounding. Photos are shuffled by `rng` before.
    """
    _, group_N = np.unique(group_N, return_inverse=True)
    n_groups = int(group_N.max()) + 1 if len(group_N) else 0
    counts_GK = np.zeros((n_groups, n_classes), dtype=np.int64)
    np.add.at(counts_GK, (group_N, label_N), 1)
    wanted_BK = share_B[:, None] * counts_GK.sum(0)[None, :]
    missing_BK = wanted_BK.copy()
    bin_G = np.full(n_groups, -1, dtype=np.int64)
    order = rng.permutation(n_groups)
    size_G = counts_GK.sum(1)
    for g in sorted(order[size_G[order] > 1], key=lambda g: -size_G[g]):
        bin_G[g] = int(np.argmax((missing_BK * (counts_GK[g] > 0)).sum(1) / np.maximum(share_B, 1e-9)))
        missing_BK[bin_G[g]] -= counts_GK[g]
    single_G = order[size_G[order] == 1]
    class_of_single_G = counts_GK[single_G].argmax(1)
    for k in range(n_classes):
        singles = single_G[class_of_single_G == k]
        bin_G[singles] = _fill(len(singles), missing_BK[:, k], rng)
    return np.asarray(bin_G[group_N], dtype=np.int64)


def _fill(n: int, missing_B: npt.NDArray[np.float64], rng: np.random.Generator) -> IntArray:
    """Numbers of bins for n photos of one class, as near to the missing counts as whole photos can be."""
    want_B = np.maximum(missing_B, 0)
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    want_B = want_B * (n / want_B.sum()) if want_B.sum() > 0 else np.full(len(missing_B), n / len(missing_B))
    count_B = np.floor(want_B + 1e-9).astype(np.int64)
    # Largest remainders get the rest; ties are broken at random so that the first bin is not always the fullest.
    by_remainder = np.lexsort((rng.random(len(want_B)), -(want_B - count_B).round(9)))
    count_B[by_remainder[: n - int(count_B.sum())]] += 1
    return np.repeat(np.arange(len(count_B)), count_B)


def _draw_parts(
    label_N: IntArray, group_N: IntArray, config: SplitConfig, rng: np.random.Generator, classes: tuple[str, ...]
) -> npt.NDArray[np.str_]:
    test = config.test
    if test == "auto":
        test = TEST_FRACTION if len(label_N) >= FOLDS_BELOW else 0.0
    val = config.val if test > 0 else 0.0
    wanted = {"train": 1 - test - val, "val": val, "test": test}
    names = [name for name, share in wanted.items() if share > 0]
    _check_groups(label_N, group_N, classes, len(names), f"{len(names)} parts ({', '.join(names)})")
    bins = assign_groups(label_N, group_N, np.array([wanted[n] for n in names]), rng=rng, n_classes=len(classes))
    part_N = np.array(names, dtype="<U5")[bins]
    return _give_each_part_one(part_N, label_N, group_N, names, n_classes=len(classes), n_folds=config.folds)


def _give_each_part_one(
    part_N: npt.NDArray[np.str_],
    label_N: IntArray,
    group_N: IntArray,
    names: list[str],
    *,
    n_classes: int,
    n_folds: int,
) -> npt.NDArray[np.str_]:
    """Move groups so that every part has photos of every class, and the folds two groups of it and enough in all.

    Rounding, and groups that hold most of a class, would otherwise leave a part without.
    """
    part_N = part_N.copy()
    for k in range(n_classes):
        of_class = label_N == k
        for name in names:
            if not (part_N[of_class] == name).any():
                group = _spare_group(part_N, label_N, group_N, k, among=of_class)
                if group is not None:
                    part_N[group_N == group] = name
        if len(np.unique(group_N[of_class & (part_N != "test")])) < _GROUPS_TO_FOLD:
            group = _spare_group(part_N, label_N, group_N, k, among=of_class & (part_N == "test"))
            if group is not None:
                part_N[group_N == group] = "train"
    while len(np.unique(group_N[part_N != "test"])) < n_folds:
        spare = (_spare_group(part_N, label_N, group_N, k, among=part_N == "test") for k in range(n_classes))
        group = next((g for g in spare if g is not None), None)
        if group is None:
            break  # the check of the folds says what is missing
        part_N[group_N == group] = "train"
    return part_N


def _spare_group(
    part_N: npt.NDArray[np.str_], label_N: IntArray, group_N: IntArray, k: int, *, among: BoolArray
) -> int | None:
    """The smallest group among those photos whose part keeps photos of each of the group's classes without it."""
    spare = []
    for group in np.unique(group_N[among]):
        inside = group_N == group
        left_N = (part_N == part_N[inside][0]) & ~inside
        n_groups = len(np.unique(group_N[left_N & (label_N == k)]))
        if np.isin(label_N[inside], label_N[left_N]).all():
            # Of equal sizes, from the part that has most groups of the class.
            spare.append((int(inside.sum()), -n_groups, int(group)))
    return min(spare)[2] if spare else None


def _complete_given(
    given_N: npt.NDArray[np.str_],
    label_N: IntArray,
    group_N: IntArray,
    config: SplitConfig,
    rng: np.random.Generator,
    n_classes: int,
) -> npt.NDArray[np.str_]:
    """Given parts win. Where no validation part was given, it is drawn from train."""
    part_N = given_N.copy()
    if not (part_N == "train").any():
        raise DataError("The folder has given parts but no train part: name the part folders train, val and test.")
    if not (part_N == "val").any() and config.val > 0:
        train = np.flatnonzero(part_N == "train")
        shares = np.array([1 - config.val, config.val])
        bins = assign_groups(label_N[train], group_N[train], shares, rng=rng, n_classes=n_classes)
        part_N[train[bins == 1]] = "val"
    return part_N


def _leaks(part_N: npt.NDArray[np.str_], group_N: IntArray) -> BoolArray:
    """Photos whose duplicate group stands on both sides of the test boundary."""
    is_test_N = part_N == "test"
    n_test_G = np.bincount(group_N, weights=is_test_N)
    n_other_G = np.bincount(group_N, weights=~is_test_N)
    return np.asarray(((n_test_G > 0) & (n_other_G > 0))[group_N])


def _check_groups(label_N: IntArray, group_N: IntArray, classes: tuple[str, ...], needed: int, what: str) -> None:
    poor = []
    for k, name in enumerate(classes):
        n = len(np.unique(group_N[label_N == k]))
        if n < needed:
            poor.append(f"{name} ({n})")
    if poor:
        raise DataError(
            f"Too few different photos for {what}, at least {needed} each: {', '.join(poor)}. "
            "Add photos to these classes, leave the classes out, or ask for fewer parts or folds "
            "(split.folds, split.val, split.test)."
        )


def _check_folds(
    label_N: IntArray, group_N: IntArray, folded_N: BoolArray, n_folds: int, classes: tuple[str, ...]
) -> None:
    _check_groups(
        label_N[folded_N], group_N[folded_N], classes, _GROUPS_TO_FOLD, "cross-validation (outside a test part)"
    )
    if len(np.unique(group_N[folded_N])) < n_folds:
        raise DataError(f"Too few different photos for {n_folds} folds: add photos, or set split.folds lower.")


def _state(group_N: IntArray, leaked_test_N: BoolArray, *, n_dropped: int) -> str:
    n_leaked = int(leaked_test_N.sum())
    if n_leaked:
        return (
            f"{n_leaked} {'photo' if n_leaked == 1 else 'photos'} of the test part "
            f"{'has' if n_leaked == 1 else 'have'} a duplicate in train or validation: "
            "set split.on_leak to drop to leave these duplicates out of training."
        )
    several = int((np.bincount(group_N) > 1).sum())
    kept = f"{several} group{'' if several == 1 else 's'} of duplicates kept together"
    if n_dropped:
        kept = f"{n_dropped} photos that have a duplicate in the given test part were left out of training"
    return f"0 duplicates or near-duplicates cross the split; {kept}."
