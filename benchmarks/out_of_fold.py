"""Out-of-fold predictions of `photograft train`, one process per run, and how much two series of runs differ."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import machine
from photograft.data.csv_text import read_table
from photograft.metrics.intervals import bootstrap_interval, paired_difference
from photograft.values import BoolArray, DoubleArray, IntArray

_RESAMPLES = 1000
_SMALLEST_P = 1e-15


@dataclass(frozen=True)
class OutOfFold:
    """One run: its scores, and per photo, in the order of their names, label, prediction and group.

    `probability_N` is that of the photo's own label. `group_N` is what the run kept together: duplicates, and
    the photos of one value of the group column.
    """

    scores: dict[str, Any]
    names: tuple[str, ...]
    label_N: IntArray
    predicted_N: IntArray
    probability_N: DoubleArray
    group_N: IntArray
    wall_s: float

    @property
    def right_N(self) -> BoolArray:
        """Whether each photo is predicted as it is labelled."""
        return np.asarray(self.label_N == self.predicted_N)


@dataclass(frozen=True)
class Difference:
    """A score of one series of runs minus that of another, with its 95 % interval."""

    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.difference:+.4f} ({self.low:+.4f} to {self.high:+.4f})"


def train_out_of_fold(photos: Path, *settings: str, quality: str, runs_dir: Path, cache: Path, name: str) -> OutOfFold:
    """Run `photograft train` on all photos in folds, without a test part, and read what it wrote."""
    command = machine.photograft(
        "train", photos, "--quality", quality, "--runs-dir", runs_dir, "--name", name, "--json"
    )
    for setting in ("split.test=0", "report.thumbnails=false", *settings):
        command += ["--set", setting]
    done = machine.run_process(command, env={"PHOTOGRAFT_CACHE": os.fspath(cache.resolve())})
    result = done.json()
    run = Path(result["run"])
    rows = sorted(read_table((run / "predictions.csv").read_bytes()), key=lambda row: row["path"])
    groups = {row["path"]: int(row["group"]) for row in read_table((run / "splits.csv").read_bytes())}
    number = {label: k for k, label in enumerate(result["classes"])}
    return OutOfFold(
        scores=result["oof"],
        names=tuple(row["path"] for row in rows),
        label_N=np.array([number[row["label"]] for row in rows], dtype=np.int64),
        predicted_N=np.array([number[row["predicted"]] for row in rows], dtype=np.int64),
        probability_N=np.array([float(row[f"p_{row['label']}"]) for row in rows]),
        group_N=np.array([groups[row["path"]] for row in rows], dtype=np.int64),
        wall_s=done.wall_s,
    )


def accuracy_difference(a: Sequence[OutOfFold], b: Sequence[OutOfFold], group_N: IntArray) -> Difference:
    """Accuracy of the runs `a` minus that of `b`, run by run and photo by photo.

    The predictions of one photo in several runs, and those of a group, count as one observation.
    """
    _require_same_photos([*a, *b])
    right_a, right_b = (np.concatenate([run.right_N for run in runs]) for runs in (a, b))
    return Difference(*paired_difference(right_a, right_b, np.tile(group_N, len(a))))


def log_loss_difference(a: Sequence[OutOfFold], b: Sequence[OutOfFold], group_N: IntArray) -> Difference:
    """Log loss of the runs `a` minus that of `b`: below 0 where `a` is better. Whole groups are drawn."""
    _require_same_photos([*a, *b])
    loss_a_N, loss_b_N = (np.mean([_losses(run) for run in runs], axis=0) for runs in (a, b))
    gap_N = loss_a_N - loss_b_N
    return _bootstrap(lambda rows: float(gap_N[rows].mean()), group_N)


def macro_f1_difference(a: Sequence[OutOfFold], b: Sequence[OutOfFold], group_N: IntArray) -> Difference:
    """Macro-F1 of the runs `a` minus that of `b`, the mean over the runs. Whole groups are drawn."""
    _require_same_photos([*a, *b])

    def gap(rows: IntArray) -> float:
        f1_a, f1_b = (np.mean([_macro_f1(run, rows) for run in runs]) for runs in (a, b))
        return float(f1_a - f1_b)

    return _bootstrap(gap, group_N)


def _bootstrap(statistic: Any, group_N: IntArray) -> Difference:
    low, high = bootstrap_interval(statistic, group_N, n_resamples=_RESAMPLES, limits=(-np.inf, np.inf))
    return Difference(statistic(np.arange(len(group_N))), low, high)


def _losses(run: OutOfFold) -> DoubleArray:
    return np.asarray(-np.log(np.maximum(run.probability_N, _SMALLEST_P)))


def _macro_f1(run: OutOfFold, rows: IntArray) -> float:
    label_M, predicted_M = run.label_N[rows], run.predicted_N[rows]
    n = int(max(run.label_N.max(), run.predicted_N.max())) + 1
    right_K = np.bincount(label_M[label_M == predicted_M], minlength=n)
    counted_K = np.bincount(label_M, minlength=n) + np.bincount(predicted_M, minlength=n)
    return float(np.mean(2 * right_K[counted_K > 0] / counted_K[counted_K > 0]))


def _require_same_photos(runs: Sequence[OutOfFold]) -> None:
    first = runs[0]
    if any(run.names != first.names or not np.array_equal(run.label_N, first.label_N) for run in runs):
        raise ValueError("Runs can be compared only on the same photos with the same labels.")
