"""`advise`: how many photos there are, what frozen features make of them, and which policy wins on a sample of them."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config import Config, Quality
from photograft.config.document import write_value
from photograft.config.names import dotted_name
from photograft.config.tree import leaves
from photograft.data.given_split import read_splits
from photograft.data.listing import Found
from photograft.data.scan import check_bad_fraction, check_boxes
from photograft.data.targets import divide, find_targets
from photograft.errors import ConfigError, DataError, PhotograftError
from photograft.evaluation.paired import FEWEST, Judged
from photograft.evaluation.scenario import BIG_FROM, SIMILAR_FROM, Scenario, Trial, choose_policy, find_scenario
from photograft.evaluation.separability import (
    MorePhotos,
    Separability,
    compare_halves,
    half_of_photos,
    measure_separability,
)
from photograft.features.duplicates import find_duplicates
from photograft.features.matrix import Scratch
from photograft.metrics.intervals import clustered_n, wilson_interval
from photograft.metrics.links import probabilities
from photograft.reporting.advise_texts import recommendation_command, recommendation_note, recommendation_reason
from photograft.training.linear import fit_head
from photograft.values import FeatureTable, FloatArray, HeadKind, IntArray
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Narrator, Progress, Silent, duration
from photograft.workflow.policies import (
    Cost,
    Divided,
    Sample,
    choose_sample,
    count_candidates,
    plan_policy,
    seconds_per_view,
    try_policy,
    with_policy,
    write_parts,
)
from photograft.workflow.prepare import Prepared, prepared
from photograft.workflow.source import build_manifest

_READING = 0.4
"""Share of the time that reading photos may take; of more photos a part is measured."""
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


def advise(
    photos: str | os.PathLike[str],
    *,
    quality: Quality | None = None,
    config: Config | None = None,
    minutes: float = 5.0,
    options: Sequence[str] | None = None,
    narrator: Narrator | None = None,
) -> dict[str, Any]:
    """Say which policy of transfer learning fits these photos; gives what `photograft advise --json` prints.

    Photos per class and the accuracy of a linear head on frozen features say which of four cases it is; the policies
    that the case suggests are tried on a sample, and compared on the same photos. Nothing is left behind but the cache,
    from which a following `train` takes the features.

    Args:
        photos: A folder, an archive, or a table of paths and labels, as `train` takes it. One label per photo.
        quality: "fast", "good" or "best"; `config.quality` where it is not given.
        config: Settings, as `photograft.load_config` reads them. `model.graft` and `ensemble` are not used.
        minutes: How long all of it may take; the sample is as large as that allows.
        options: What the recommended command repeats; by default the settings of `config` that are not the usual ones.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: A setting is wrong, or the network has no pretrained weights.
        DataError: The photos need attention, have several labels each, or are too few.
        MissingExtraError: The `train` extra is not installed.
    """
    if not minutes > 0:
        raise ConfigError(f"minutes: {minutes:g} is no time at all; give a number above 0, such as 5")
    root, narrator, clock, began = Path(photos), narrator or Silent(), Clock(), time.monotonic()
    config = config or Config()
    config = config if quality is None else config.model_copy(update={"quality": quality})
    quiet = _OnlyProgress(narrator)
    with clock.stage("measure"):
        measured = _measure(root, with_policy(config, "head"), _READING * 60 * minutes, clock, quiet)
    scenario = measured.scenario
    names = tuple(dict.fromkeys(("head", *scenario.policies)))
    narrator.say(f"{scenario.name.capitalize()}: trying {', '.join(names)} ...")
    with clock.stage("plan"):
        costs = [plan_policy(root, config, name, view_s=measured.view_s) for name in names]
    left = 60 * minutes - (time.monotonic() - began)
    sample = choose_sample(count_candidates(measured.divided), costs, seconds=left)
    with clock.stage("try"), tempfile.TemporaryDirectory(prefix="photograft-advise-") as folder:
        judged, seconds = _try_all(root, measured, costs, sample, Path(folder), narrator)
    found = _Found(root, measured, costs, sample, judged, seconds, _changed(config) if options is None else options)
    return {**found.document(), "seconds": {stage: round(s, 3) for stage, s in clock.seconds.items()}}


@dataclass(frozen=True)
class _Found:
    """Everything that was measured and tried; `options` are what the recommended command repeats."""

    root: Path
    measured: Measured
    costs: Sequence[Cost]
    sample: Sample
    judged: Sequence[Judged]
    seconds: Sequence[float]
    options: Sequence[str]

    def document(self) -> dict[str, Any]:
        """All of it, with the one recommendation."""
        scenario, sample = self.measured.scenario, self.sample
        trials = [Trial(each, cost.full_seconds) for each, cost in zip(self.judged, self.costs, strict=True)]
        policy, comparisons = choose_policy(trials)
        document: dict[str, Any] = {
            **_describe_measured(self.root, self.measured),
            "scenario": _describe_scenario(scenario),
            "sample": {
                "photos": sample.n_photos,
                "judged": len(self.judged[0].keys),
                "per_class": sample.per_class,
                "by": "folds" if sample.folds else "held out",
                "over_time": sample.over,
            },
            "policies": [
                _describe_trial(*each, nominated=each[0].judged.name in scenario.policies)
                for each in zip(trials, self.costs, self.seconds, strict=True)
            ],
            "comparisons": [
                {"policy": c.a, "against": c.b, "difference": c.difference, "low": c.low, "high": c.high, "p": c.p}
                for c in comparisons
            ],
        }
        document["recommendation"] = {
            "policy": policy,
            "reason": recommendation_reason(policy, document),
            "note": recommendation_note(document),
            "command": recommendation_command(self.root, policy, self.options),
        }
        return document


class _OnlyProgress:
    """Passes progress on, and none of the sentences of the verbs that `advise` is made of."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator

    def say(self, text: str) -> None:
        """Tell nothing."""

    def progress(self, total: int, label: str) -> AbstractContextManager[Progress]:
        """Show long work."""
        return self._narrator.progress(total, label)


def _measure(root: Path, config: Config, reading_s: float, clock: Clock, narrator: Narrator) -> Measured:
    """Read the photos, or as many of each class as there is time for, and judge each out of fold."""
    with prepared(root, config, clock, narrator) as ready:
        _require_possible(ready)
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


def _require_possible(ready: Prepared) -> None:
    if ready.targets.several:
        raise DataError(
            "The photos have several labels each (data.labels.separator), and advise compares policies by the one "
            "label of a photo: train with --set model.graft=head and with blocks:2, and compare the two runs."
        )
    trained = ready.members[0].trained
    if not trained.has_weights:
        raise ConfigError(
            f"model.backbone: {trained.name} has no pretrained weights here, so that there is nothing to transfer: "
            "train it with --set model.graft=scratch, or advise on another network"
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


def _try_all(
    root: Path, measured: Measured, costs: Sequence[Cost], sample: Sample, folder: Path, narrator: Narrator
) -> tuple[list[Judged], list[float]]:
    """Every policy on the same sample and split; gives what each said, and the seconds that it took."""
    parts, quiet = folder / "parts.csv", _OnlyProgress(narrator)
    n_photos = write_parts(parts, measured.divided, sample, measured.config)
    judged, seconds = [], []
    for cost in costs:
        about = duration(cost.seconds(n_photos, folds=sample.folds))
        narrator.say(f"Trying {cost.policy} on {n_photos:,} photos (about {about}) ...")
        started = time.perf_counter()
        try:
            found = try_policy(
                root, measured.config, cost, sample, measured.divided, folder=folder, parts=parts, narrator=quiet
            )
        except PhotograftError as error:
            said = str(error).partition(" Then go on with:")[0]  # its run folder is not kept
            error.args = (f"trying {cost.policy} on a sample failed: {said}",)
            raise
        judged.append(found)
        seconds.append(time.perf_counter() - started)
    return judged, seconds


def _describe_measured(root: Path, measured: Measured) -> dict[str, Any]:
    found, counts = measured.separability, measured.per_class
    return {
        "source": str(root),
        "backbone": measured.backbone,
        "px": measured.px,
        "photos": {
            "listed": measured.n_listed,
            "measured": len(measured.divided.manifest.photos),
            "classes": len(counts),
            "per_class": round(float(np.median(counts)), 1),
            "fewest": round(min(counts), 1),
            "most": round(max(counts), 1),
        },
        "separability": asdict(found),
        "more_photos": None if measured.more is None else {**asdict(measured.more), "helps": measured.more.helps},
    }


def _describe_scenario(scenario: Scenario) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "big": scenario.big,
        "big_from": BIG_FROM,
        "similar": scenario.similar,
        "similar_from": SIMILAR_FROM,
        "near": list(scenario.near),
        "policies": list(scenario.policies),
        "systems": [{"system": name, "does": what} for name, what in scenario.rules],
        "scratch": scenario.scratch,
    }


def _describe_trial(trial: Trial, cost: Cost, seconds: float, *, nominated: bool) -> dict[str, Any]:
    judged = trial.judged
    right_N = np.array(judged.labels) == np.array(judged.predicted)
    n = clustered_n(right_N, judged.group_N, np.arange(len(right_N)))
    low, high = wilson_interval(trial.accuracy * n, n)
    return {
        "policy": judged.name,
        "nominated": nominated,
        "accuracy": trial.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "seconds": round(seconds, 1),
        "full_seconds": round(cost.full_seconds, 1),
        "full_peak_mb": round(cost.full_peak_mb),
    }


def _changed(config: Config) -> list[str]:
    """The settings that are not the usual ones, as options of a command."""
    usual = {dotted_name(path): value for path, value in leaves(Config())}
    options = []
    for path, value in leaves(config):
        name = dotted_name(path)
        if name != "model.graft" and usual.get(name) != value and not name.startswith("ensemble."):
            options += ["--set", f"{name}={write_value(value)}"]
    return options
