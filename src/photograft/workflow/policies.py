"""Graft points tried on a sample of the photos: what each costs, how large a sample may be, and what each then judged.

Shape letters: N photos, K classes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from photograft.config import Config
from photograft.config.ensemble import EnsembleConfig
from photograft.data.choose import choose
from photograft.data.csv_text import read_table, table_csv
from photograft.data.listing import Listing
from photograft.data.targets import Targets, divide
from photograft.evaluation.paired import Judged
from photograft.tracking.atomic import write_atomically
from photograft.values import Manifest, Splits
from photograft.workflow.clock import Clock
from photograft.workflow.features import PhotoReader
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.prepare import Setup, prepared
from photograft.workflow.train import train

FOLDS = 3
"""Folds of a sample that is judged by folds: each of its photos costs so many passes, with the fit that is shipped."""
_TEST, _VAL = 0.3, 0.15
"""Shares of a sample that is held out: large, since the comparison is as good as the number of judged photos."""
_LEAST, _LEAST_PER_CLASS = 200, 15
"""Photos in all, and of each class, below which a trial says too little to be worth its time: 60 photos that judge tell
differences of 10 points apart at best."""
_START_S = {"head": 6.0}
_TUNED_START_S = 30.0
"""Importing torch, cutting, measuring, the export of the tuned network, its golden pictures and the report."""
_DECODE_S = 0.02
_OVERRUN = 1.5
"""How much longer than planned a trial may train before it is cut short, which would be to its disadvantage."""


@dataclass(frozen=True)
class Cost:
    """What a graft point takes: per photo, in seconds, once for `views` outputs of the frozen part (`once_s`) and in
    all epochs together (`fit_s`); and a run on all photos as `train` would do it.
    """

    policy: str
    once_s: float
    fit_s: float
    full_seconds: float
    full_peak_mb: float

    @property
    def start_s(self) -> float:
        """What a run takes beside its photos."""
        return _START_S.get(self.policy, _TUNED_START_S)

    def seconds(self, n_photos: int, *, folds: bool) -> float:
        """A trial on a sample of so many photos."""
        passes = FOLDS if folds else 1 - _TEST
        return self.start_s + n_photos * (self.once_s + passes * self.fit_s)


@dataclass(frozen=True)
class Sample:
    """Which photos the policies are tried on: at most `per_class` of each class, all of them where that is None.

    `folds` says that each photo is judged by a fold that has not seen it; else a test part is held out. `over` says
    that even the smallest sample that makes sense takes longer than there is time.
    """

    n_photos: int
    per_class: int | None
    folds: bool
    over: bool


@dataclass(frozen=True)
class Divided:
    """The photos that were measured: usable ones, their listing, and the parts and groups that `train` would make."""

    listing: Listing
    manifest: Manifest
    targets: Targets
    splits: Splits


def with_policy(config: Config, policy: str) -> Config:
    """The settings of one network, cut at this graft point, with a linear head that is solved exactly."""
    model = config.model.model_copy(update={"graft": policy, "hidden": ()})
    train = config.train.model_copy(update={"solver": "exact"})
    return config.model_copy(update={"model": model, "train": train, "ensemble": EnsembleConfig()})


def seconds_per_view(reader: PhotoReader, *, px: int) -> float:
    """Seconds that the network takes for one picture here, measured on noise."""
    engine = reader.engine()
    noise_NHWC = np.random.default_rng(0).integers(0, 256, (8, px, px, 3), dtype=np.uint8)
    engine.embed(noise_NHWC)
    started = time.perf_counter()
    engine.embed(noise_NHWC)
    return (time.perf_counter() - started) / len(noise_NHWC)


def plan_policy(photos: Path, config: Config, policy: str, *, view_s: float) -> Cost:
    """Cut the network where the policy says, and measure some steps."""
    with prepared(photos, with_policy(config, policy), Clock(), Silent()) as ready:
        once_s = sum(_once_s(setup, view_s) for setup in ready.members if setup.grafting is not None)
        fit_s = sum(_fit_s(setup) for setup in ready.members)
        estimate, n_files = ready.plan.estimate, len(ready.source.listing.files)
    cost = Cost(policy, once_s, fit_s, 0.0, estimate.peak_mb)
    return replace(cost, full_seconds=estimate.seconds + cost.start_s + n_files * once_s)


def _once_s(setup: Setup, view_s: float) -> float:
    assert setup.grafting is not None
    n_views = len(setup.views) + setup.config.augment.views
    return _DECODE_S + (n_views * view_s if setup.grafting.kept else 0.0)


def _fit_s(setup: Setup) -> float:
    if setup.grafting is None:
        return 0.0
    epochs = setup.grafting.config.train.epochs
    assert epochs != "auto"
    return epochs * setup.grafting.photo_s


def choose_sample(counts: Sequence[int], costs: Sequence[Cost], *, seconds: float) -> Sample:
    """The largest sample that all policies can be tried on in so many seconds, of classes of these sizes.

    Folds judge every photo, so they are taken where all photos fit; of a larger set a part is held out, which costs
    less and trains on as many photos.
    """
    n_all, most = sum(counts), max(counts)
    if n_all <= _LEAST or _seconds(costs, n_all, folds=True) <= seconds:
        return Sample(n_all, None, folds=True, over=_seconds(costs, n_all, folds=True) > seconds)
    least = next(cap for cap in range(_LEAST_PER_CLASS, most + _LEAST) if _capped(counts, min(cap, most)) >= _LEAST)
    start_s, one_s = (_seconds(costs, n, folds=False) for n in (0, 1))
    n_fit = int((seconds - start_s) / (one_s - start_s))
    fits = [cap for cap in range(least, most + 1) if _capped(counts, cap) <= n_fit]
    cap = max(fits, default=least)
    return Sample(_capped(counts, cap), cap if cap < most else None, folds=False, over=not fits)


def _seconds(costs: Sequence[Cost], n_photos: int, *, folds: bool) -> float:
    return sum(cost.seconds(n_photos, folds=folds) for cost in costs)


def _capped(counts: Iterable[int], cap: int) -> int:
    return sum(min(count, cap) for count in counts)


def write_parts(file: Path, divided: Divided, sample: Sample, config: Config) -> int:
    """Write the parts of the sample as a table that `split.file` reads; gives how many photos it has.

    Photos of the test part that `train` would make are left out: no policy is chosen by them.
    """
    photos, splits = divided.manifest.photos, divided.splits
    drawn = _drawn(divided.listing, config, sample)
    rows = np.array([i for i, photo in enumerate(photos) if splits.fold_N[i] >= 0 and photo.name in drawn])
    some = Manifest(divided.manifest.root, tuple(replace(photos[i], part=None) for i in rows))
    shares = {"test": 0.0 if sample.folds else _TEST, "val": _VAL, "folds": FOLDS}
    split = config.split.model_copy(update={"file": None, "repeats": 1, **shares})
    made = divide(some, splits.group_N[rows], divided.targets, split, group_column=config.data.labels.group)
    parts = {
        p.name: (str(part), int(fold)) for p, part, fold in zip(some.photos, made.part_N, made.fold_N, strict=True)
    }
    table = [["path", "part", "fold", "sha256"]]
    for photo in photos:
        part, fold = parts.get(photo.name, ("", -1))
        table.append([photo.name, part, str(fold) if fold >= 0 else "", photo.sha256])
    write_atomically(file, table_csv(table))
    return len(rows)


def count_candidates(divided: Divided) -> list[int]:
    """Photos of each class outside the test part that `train` would make."""
    folded = (p for p, fold in zip(divided.manifest.photos, divided.splits.fold_N, strict=True) if fold >= 0)
    return list(Counter(photo.label for photo in folded).values())


def _drawn(listing: Listing, config: Config, sample: Sample) -> set[str]:
    """The rows that `data.per_class` draws, as `train` does."""
    if sample.per_class is None:
        return {row.name for row in listing.files}
    again = {"per_class": sample.per_class, "rename": None, "classes": (), "top_classes": None}
    data = config.data.model_copy(update=again)
    return {row.name for row in choose(listing, data, seed=config.split.seed).files}


def try_policy(
    photos: Path,
    config: Config,
    cost: Cost,
    sample: Sample,
    divided: Divided,
    *,
    parts: Path,
    narrator: Narrator,
) -> Judged:
    """Train on the sample as `train` does, in a run beside the table `parts`; gives what it said of unseen photos."""
    fits_s = sample.n_photos * cost.fit_s * (FOLDS if sample.folds else 1 - _TEST)
    limit = {"time_limit": max(_OVERRUN * fits_s / 60, 0.1)} if cost.fit_s else {}
    refit = {"refit": "train_val" if sample.folds else "none", "on_all": False}
    chosen = with_policy(config, cost.policy)
    sections = {
        "data": config.data.model_copy(
            update={"per_class": sample.per_class or config.data.per_class, "max_bad_fraction": 1.0}
        ),
        "split": config.split.model_copy(update={"file": parts, "repeats": 1, "folds": FOLDS}),
        "train": config.train.model_copy(update={**refit, **limit}),
        "predict": config.predict.model_copy(update={"precision": None, "unfamiliar": None}),
        "report": config.report.model_copy(update={"thumbnails": False, "robustness_s": 0.0}),
    }
    run = train(
        photos, name="trial", runs_dir=parts.parent, config=chosen.model_copy(update=sections), narrator=narrator
    )
    rows = read_table((run.run / "predictions.csv").read_bytes())
    judged = {row["path"]: row for row in rows if sample.folds or row["part"] == "test"}
    group_of = dict(zip((p.name for p in divided.manifest.photos), divided.splits.group_N.tolist(), strict=True))
    return Judged(
        name=cost.policy,
        classes=run.classes,
        keys=tuple(judged),
        labels=tuple(row["label"] for row in judged.values()),
        predicted=tuple(row["predicted"] for row in judged.values()),
        group_N=np.array([group_of[path] for path in judged], dtype=np.int64),
    )
