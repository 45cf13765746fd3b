"""Parts and folds: stratified by class, whole groups only, the same for the same seed.

A group is everything that must stay together: duplicates, the photos of one value of the user's group column, and the
objects of one file. The rules (given parts win, a test part is never folded, small sets are judged by their folds) are
those of docs/guides/train.md, "How photos are divided".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photograft.config.split import SplitConfig
from photograft.data.assign import assign_counted, assign_groups, count_groups
from photograft.data.coverage import GROUPS_TO_FOLD, cover_folds, cover_parts
from photograft.data.groups import fold_leaks, join_groups, leaks, number_copies
from photograft.data.statement import state_split
from photograft.errors import DataError
from photograft.values import BoolArray, IntArray, Manifest, Splits

FOLDS_BELOW = 1500
"""Below this many photos a drawn test part of 15 % says nothing, and scores come from the folds."""

TEST_FRACTION = 0.15

_SHOWN = 20


def split(manifest: Manifest, duplicate_N: IntArray, config: SplitConfig, *, group_column: str | None = None) -> Splits:
    """Divide the usable rows of `manifest` (N of them, in its order) into parts and folds.

    `duplicate_N` numbers the groups of duplicates; `group_column` names the user's groups in messages. Raises DataError
    when a class has too few independent groups for what is asked.
    """
    rows = Rows(manifest, duplicate_N, group_column)
    rng = np.random.default_rng(config.seed)
    part_N = _complete_given(rows, config, rng) if manifest.given_parts else _draw_parts(rows, config, rng)
    return fold_parts(rows, part_N, config, rng)


def fold_parts(
    rows: Rows,
    part_N: npt.NDArray[np.str_],
    config: SplitConfig,
    rng: np.random.Generator,
    *,
    given_RN: IntArray | None = None,
) -> Splits:
    """Find the leaks of parts, and draw the folds; those given (R, N), -1 where there is none, come first."""
    leaked_N = leaks(part_N, rows.group_N)
    n_dropped = 0
    if config.on_leak == "drop":
        dropped_N = leaked_N & (part_N != "test")
        part_N, n_dropped = np.where(dropped_N, "", part_N), int(dropped_N.sum())
        leaked_N = np.zeros_like(leaked_N)
    given = given_RN is not None and len(given_RN) > 0
    n_folds = int(given_RN.max()) + 1 if given_RN is not None and given else config.folds
    folded_N = (part_N == "train") | (part_N == "val")
    _require_groups(rows, folded_N, GROUPS_TO_FOLD, "cross-validation (outside a test part)")
    folds_RN = np.full((config.repeats, len(part_N)), -1, dtype=np.int64)
    if given_RN is not None:
        folds_RN[: len(given_RN)] = np.where(folded_N, given_RN[: config.repeats], -1)
    for fold_N in folds_RN[0 if given_RN is None else len(given_RN) :]:
        fold_N[folded_N] = _draw_folds(rows, folded_N, n_folds, rng)
    crossing_N = fold_leaks(folds_RN, rows.group_N)
    statement = state_split(
        rows.manifest,
        rows.duplicate_N,
        group_column=rows.group_column,
        n_leaked_test=int((leaked_N & (part_N == "test")).sum()),
        n_crossing=int(crossing_N.sum()),
        n_dropped=n_dropped,
    )
    leaked_N = leaked_N | crossing_N
    copy_N = number_copies(rows.manifest, rows.duplicate_N)
    return Splits(part_N, folds_RN[0], rows.group_N, leaked_N, n_folds, statement, copy_N, repeats_RN=folds_RN[1:])


class Rows:
    """What the N rows of a manifest are: their classes (N, K), their groups (N,), and how the user's are called."""

    def __init__(self, manifest: Manifest, duplicate_N: IntArray, group_column: str | None) -> None:
        self.manifest, self.duplicate_N, self.group_column = manifest, duplicate_N, group_column
        self.member_NK = manifest.label_matrix(manifest.classes)
        self.group_N = join_groups(manifest, duplicate_N)

    @property
    def n_classes(self) -> int:
        """K."""
        return int(self.member_NK.shape[1])


def drawn_shares(n_photos: int, config: SplitConfig) -> dict[str, float]:
    """Share of each part that is drawn where none is given; without a test part there is no validation part."""
    test = config.test
    if test == "auto":
        test = TEST_FRACTION if n_photos >= FOLDS_BELOW else 0.0
    val = config.val if test > 0 else 0.0
    return {name: share for name, share in (("train", 1 - test - val), ("val", val), ("test", test)) if share > 0}


def _draw_parts(rows: Rows, config: SplitConfig, rng: np.random.Generator) -> npt.NDArray[np.str_]:
    wanted = drawn_shares(len(rows.group_N), config)
    names = list(wanted)
    everything = np.ones(len(rows.group_N), dtype=bool)
    _require_groups(rows, everything, len(names), f"{len(names)} parts ({', '.join(names)})")
    groups = count_groups(rows.member_NK, rows.group_N)
    bin_G = assign_counted(groups, np.array([wanted[name] for name in names]), rng=rng)
    bin_G = cover_parts(bin_G, groups, names, n_classes=rows.n_classes, n_folds=config.folds)
    return np.array(names, dtype="<U5")[bin_G[groups.group_N]]


def _complete_given(rows: Rows, config: SplitConfig, rng: np.random.Generator) -> npt.NDArray[np.str_]:
    """Given parts win. Where no validation part was given, it is drawn from train."""
    part_N = np.array([photo.part or "" for photo in rows.manifest.photos], dtype="<U5")
    if not (part_N == "train").any():
        raise DataError("The photos have given parts but no train part: name the parts train, val and test.")
    if not (part_N == "val").any() and config.val > 0:
        train = np.flatnonzero(part_N == "train")
        shares = np.array([1 - config.val, config.val])
        bins = assign_groups(rows.member_NK[train], rows.group_N[train], shares, rng=rng)
        part_N[train[bins == 1]] = "val"
    return part_N


def _draw_folds(rows: Rows, folded_N: BoolArray, n_folds: int, rng: np.random.Generator) -> IntArray:
    groups = count_groups(rows.member_NK[folded_N], rows.group_N[folded_N])
    if groups.n_groups < n_folds:
        raise DataError(
            f"Too few different photos for {n_folds} folds: there are {groups.n_groups} independent groups of photos. "
            "Add photos, or set split.folds lower."
        )
    bin_G = assign_counted(groups, np.full(n_folds, 1 / n_folds), rng=rng)
    bin_G = cover_folds(bin_G, groups, n_folds=n_folds, n_classes=rows.n_classes)
    return np.asarray(bin_G[groups.group_N], dtype=np.int64)


def _require_groups(rows: Rows, among_N: BoolArray, needed: int, what: str) -> None:
    groups = count_groups(rows.member_NK[among_N], rows.group_N[among_N])
    n_groups_K = np.bincount(groups.class_E, minlength=rows.n_classes)
    poor = [k for k in range(rows.n_classes) if n_groups_K[k] < needed]
    if not poor:
        return
    together = f", as do photos of one value of {rows.group_column}" if rows.group_column else ""
    lines = [_describe_class(rows, k, among_N, int(n_groups_K[k])) for k in poor[:_SHOWN]]
    if len(poor) > _SHOWN:
        lines.append(f"... and {len(poor) - _SHOWN} more")
    ways = "Add photos to these classes, or leave the classes out (data.classes)"
    if needed > GROUPS_TO_FOLD:
        ways += ", or ask for fewer parts (split.val=0, split.test=0)"
    listed = "".join(f"\n  {line}" for line in lines)
    raise DataError(
        f"Too few different photos for {what}: that takes at least {needed} independent groups of photos of every "
        f"class. Duplicates count as one{together}.{listed}\n{ways}."
    )


def _describe_class(rows: Rows, k: int, among_N: BoolArray, n_groups: int) -> str:
    photos = [rows.manifest.photos[i] for i in np.flatnonzero(rows.member_NK[:, k] & among_N)]
    n_photos = f"{len(photos)} photo{'' if len(photos) == 1 else 's'}"
    text = f"{rows.manifest.classes[k]}: {n_groups} group{'' if n_groups == 1 else 's'} of {n_photos}"
    values = {photo.group for photo in photos}
    if len(photos) > 1 and len(values) == 1 and "" not in values:
        text += f", all of which belong to one {rows.group_column or 'group'}: {values.pop()}"
    return text
