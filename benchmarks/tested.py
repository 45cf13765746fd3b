"""Runs of `photograft train` with a test part: what each test photo was predicted as, and series of runs compared."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import machine
from machine import Finished
from photograft.data.csv_text import read_table
from photograft.metrics.intervals import clustered_n, paired_difference, wilson_interval
from photograft.values import IntArray


@dataclass(frozen=True)
class Tested:
    """One run: whether each photo of its test part is predicted as it is labelled, by name, and what it took.

    `group_of` are the groups that the run kept together, of all photos by name.
    """

    run: Path
    right_of: dict[str, bool]
    group_of: dict[str, int]
    scores: dict[str, float]
    seconds: dict[str, float]
    training: dict[str, Any]
    wall_s: float
    peak_rss_mb: float
    largest_rss_mb: float

    def document(self) -> dict[str, Any]:
        """The run as results hold it."""
        return {
            "test": self.scores,
            "wall_s": self.wall_s,
            "peak_rss_mb": self.peak_rss_mb,
            "largest_rss_mb": self.largest_rss_mb,
            "seconds": self.seconds,
            "training": self.training,
        }


@dataclass(frozen=True)
class Share:
    """Accuracy over the test photos of several runs, with its 95 % interval."""

    accuracy: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Gap:
    """Accuracy of a series of runs minus that of another on the same photos, with its 95 % interval."""

    difference: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.difference:+.4f} ({self.low:+.4f} to {self.high:+.4f})"


def train_and_test(photos: Path, *settings: str, quality: str, seed: int, cache: Path, runs_dir: Path) -> Tested:
    """Run `photograft train` as a process of its own, with `seed` for split and training, and read what it wrote."""
    command = machine.photograft("train", photos, "--quality", quality, "--runs-dir", runs_dir, "--json")
    # Small sets would be judged by their folds; a sample's test part is wanted all the same.
    for setting in ("split.test=0.15", *settings, f"split.seed={seed}", f"train.seed={seed}"):
        command += ["--set", setting]
    return read_tested(machine.run_process(command, env={"PHOTOGRAFT_CACHE": os.fspath(cache.resolve())}))


def read_tested(done: Finished) -> Tested:
    """What a run wrote, from its process."""
    result = done.json()
    run = Path(result["run"])
    rows = read_table((run / "predictions.csv").read_bytes())
    report = json.loads((run / "report.json").read_text("utf-8"))
    training = report.get("training", {})
    return Tested(
        run=run,
        right_of={row["path"]: row["label"] == row["predicted"] for row in rows if row["part"] == "test"},
        group_of={row["path"]: int(row["group"]) for row in read_table((run / "splits.csv").read_bytes())},
        scores=result["test"],
        seconds=result["seconds"],
        training={name: training.get(name) for name in ("epoch", "seconds", "boundary", "share", "records")},
        wall_s=done.wall_s,
        peak_rss_mb=done.peak_rss_mb,
        largest_rss_mb=done.largest_rss_mb,
    )


def pooled(runs: Sequence[Tested]) -> Share:
    """Accuracy over the test photos of all runs; a photo in several test parts, and its group, counts as one."""
    right_N = np.array([right for run in runs for right in run.right_of.values()])
    group_N = _groups(runs)
    n = clustered_n(right_N, group_N, np.arange(len(right_N)))
    share = float(right_N.mean())
    return Share(share, *wilson_interval(share * n, n), len(right_N))


def compare(a: Sequence[Tested], b: Sequence[Tested]) -> Gap:
    """Accuracy of the runs `a` minus that of `b`, run by run on the same test photos."""
    for one, other in zip(a, b, strict=True):
        if one.right_of.keys() != other.right_of.keys():
            raise ValueError(f"{one.run} and {other.run} were tested on other photos and cannot be compared.")
    right_a_N = np.array([right for run in a for right in run.right_of.values()])
    right_b_N = np.array([two.right_of[name] for one, two in zip(a, b, strict=True) for name in one.right_of])
    return Gap(*paired_difference(right_a_N, right_b_N, _groups(a)), len(right_a_N))


def epochs_until_it_pays(kept_s: float, kept_epoch_s: float, read_s: float, off_epoch_s: float) -> int | None:
    """After how many epochs keeping outputs (`kept_s` once) is faster than running the frozen part in each.

    The slower way reads its pictures once, too, in `read_s`. None where an epoch is not faster.
    """
    if kept_epoch_s >= off_epoch_s:
        return None
    return max(1, math.ceil((kept_s - read_s) / (off_epoch_s - kept_epoch_s)))


def _groups(runs: Sequence[Tested]) -> IntArray:
    """Group of each test photo of each run, in order: those of the first run, the same for a photo in all of them."""
    group_of = runs[0].group_of
    return np.array([group_of[name] for run in runs for name in run.right_of], dtype=np.int64)
