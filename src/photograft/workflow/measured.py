"""Photos and frozen features measured for `advise`: sizes of classes, and how far a linear head tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photograft.config import Config
from photograft.data.given_split import read_splits
from photograft.data.listing import Found
from photograft.data.scan import check_bad_fraction, check_boxes
from photograft.data.targets import divide, find_targets
from photograft.errors import ConfigError, DataError
from photograft.evaluation.paired import FEWEST
from photograft.evaluation.scenario import Scenario, find_scenario
from photograft.evaluation.separability import (
    MorePhotos,
    Separability,
    compare_halves,
    half_of_photos,
    measure_separability,
)
from photograft.features.duplicates import find_duplicates
from photograft.features.matrix import Scratch
from photograft.metrics.links import probabilities
from photograft.training.linear import fit_head
from photograft.values import FeatureTable, FloatArray, HeadKind, IntArray
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Narrator
from photograft.workflow.policies import Divided, seconds_per_view
from photograft.workflow.prepare import Prepared, prepared
from photograft.workflow.source import build_manifest

_LEAST_READ = 40
"""Photos of each class that are read however long it takes."""


@dataclass(frozen=True)
class Measured:
    """What frozen features made of the photos, `per_class` of each class of all that are listed."""

    divided: Divided
    config: Config
    n_listed: int
    per_class: tuple[float, ...]
    backbone: str
    px: int
    separability: Separability
    more: MorePhotos | None
    view_s: float

    @property
    def scenario(self) -> Scenario:
        """The case that this is."""
        found = self.separability
        return find_scenario(
            per_class=float(np.median(self.per_class)),
            kappa=found.kappa,
            kappa_low=found.kappa_low,
            kappa_high=found.kappa_high,
        )


def measure(root: Path, config: Config, reading_s: float, clock: Clock, narrator: Narrator) -> Measured:
    """Read the photos, or as many of each class as there is time for, and judge each out of fold."""
    if config.model.weights == "random":
        raise ConfigError(
            f"model.weights: {config.model.backbone} has no pretrained weights here, so that there is nothing to "
            "transfer: train it with --set model.graft=scratch, or advise on another network"
        )
    with prepared(root, config, clock, narrator) as ready:
        _require_one_label(ready)
        listed = ready.source.listing.files
        estimate = ready.plan.estimate
        needed_s = estimate.seconds - estimate.training_s
        if needed_s <= reading_s:
            return _read_and_judge(ready, config, listed, narrator)
    n_classes = len({row.label for row in listed})
    cap = max(_LEAST_READ, int(len(listed) * reading_s / needed_s / n_classes))
    if config.data.per_class is not None:
        cap = min(cap, config.data.per_class)
    config = config.model_copy(update={"data": config.data.model_copy(update={"per_class": cap})})
    with prepared(root, config, clock, narrator) as ready:
        return _read_and_judge(ready, config, listed, narrator)


def _require_one_label(ready: Prepared) -> None:
    if ready.targets.several:
        raise DataError(
            "The photos have several labels each (data.labels.separator), and advise compares policies by the one "
            "label of a photo: train with --set model.graft=head and with blocks:2, and compare the two runs."
        )


def _read_and_judge(ready: Prepared, config: Config, listed: Sequence[Found], narrator: Narrator) -> Measured:
    reader, setup = ready.readers[0], ready.members[0]
    rows = reader.read(ready.source.listing.files, narrator)
    manifest = build_manifest(ready.source, rows)
    check_bad_fraction(manifest.photos, max_bad_fraction=config.data.max_bad_fraction)
    check_boxes(manifest.usable.photos, max_bad_fraction=config.data.max_bad_fraction)
    usable = manifest.usable
    if len(usable.classes) < 2 or len(usable.photos) < FEWEST:
        raise DataError(
            f"{len(usable.photos)} photos of {len(usable.classes)} classes can be used, and advice takes at least "
            f"{FEWEST} photos of two classes."
        )
    targets = find_targets(usable.classes, config, several=False)
    table = reader.store.table([photo.content for photo in usable.photos])
    duplicates = find_duplicates(
        usable.photos,
        table.embedding_ND,
        max_bits=config.split.duplicate_bits,
        min_similarity=config.split.duplicate_similarity,
    )
    column, split = config.data.labels.group, config.split
    if split.file is not None:
        splits = read_splits(split.file, usable, duplicates.group_N, split, group_column=column)
    else:
        splits = divide(usable, duplicates.group_N, targets, split, group_column=column)
    divided = Divided(ready.source.listing, usable, targets, splits)
    separability, more = _judge(divided, table, config, Scratch(reader.store.cache.folder))
    return Measured(
        divided=divided,
        config=config,
        n_listed=len(listed),
        per_class=tuple(_independent_per_class(divided, listed)),
        backbone=setup.backbone.name,
        px=setup.px,
        separability=separability,
        more=more,
        view_s=seconds_per_view(reader, px=setup.px),
    )


def _judge(
    divided: Divided, table: FeatureTable, config: Config, scratch: Scratch
) -> tuple[Separability, MorePhotos | None]:
    """Photos outside the test part, judged by heads of all folds; combinations of factors are one class each."""
    splits, targets = divided.splits, divided.targets
    rows = splits.rows("train", "val")
    every_N = targets.label_N(divided.manifest.photos)
    kind: HeadKind = targets.learned[0].kind if len(targets.learned) == 1 else "softmax"
    present, label_N = np.unique(every_N[rows], return_inverse=True)
    if kind == "ordinal":  # the order is that of all classes
        present, label_N = np.arange(len(targets.classes)), every_N[rows]
    fold_N, group_N = splits.fold_N[rows], splits.group_N[rows]
    strength = None if config.train.strength == "auto" else config.train.strength

    def predict(chosen: IntArray) -> IntArray:
        fit = fit_head(
            table.embedding_ND,
            label_N[chosen],
            fold_N[chosen],
            n_classes=len(present),
            kind=kind,
            rows=rows[chosen],
            scratch=scratch,
            strength=strength,
        )
        return _best(kind, fit.honest_logits_NK)

    predicted_N = predict(np.arange(len(rows)))
    separability = measure_separability(predicted_N, label_N, group_N, splits.duplicate_N[rows])
    half_N = half_of_photos(label_N, group_N, fold_N, seed=config.split.seed)
    if half_N is None:
        return separability, None
    half = np.flatnonzero(half_N)
    correct_all_M, correct_half_M = predicted_N[half] == label_N[half], predict(half) == label_N[half]
    return separability, compare_halves(correct_all_M, correct_half_M, group_N[half])


def _best(kind: HeadKind, logits_NM: FloatArray) -> IntArray:
    return np.asarray(probabilities(kind, logits_NM).argmax(axis=1), dtype=np.int64)


def _independent_per_class(divided: Divided, listed: Sequence[Found]) -> Iterator[float]:
    """Photos of each class among all that are listed, where duplicates count once, as they did among the measured."""
    photos = divided.manifest.photos
    n_listed = Counter(row.label for row in listed)
    n_measured = Counter(row.label for row in divided.listing.files)
    pairs = {(photo.label, copy) for photo, copy in zip(photos, divided.splits.duplicate_N.tolist(), strict=True)}
    n_different = Counter(label for label, _ in pairs)
    for label, n in n_different.items():
        read_in_full = n_listed[label] == n_measured[label] or not n_measured[label]
        yield float(n) if read_in_full else n * n_listed[label] / n_measured[label]
