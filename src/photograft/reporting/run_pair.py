"""Two finished runs on the same photos: score, classes, and the photos that one of them alone names rightly."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from photograft.data.files import printable
from photograft.errors import DataError
from photograft.evaluation.paired import FEWEST, Comparison, Judged, compare, shared_rows
from photograft.evaluation.paired_classes import ClassChange, compare_classes
from photograft.evaluation.same_photos import Overlap, find_overlap, keep_shared
from photograft.reporting.finished_run import FinishedRun
from photograft.reporting.judged import read_judged

MOST_NAMED = 12
"""Photos that are named of those that one run alone has right."""


@dataclass(frozen=True)
class OddPhoto:
    """A photo that one run alone names rightly; `sure` is how probable the other held its wrong name to be.

    `content` is the SHA-256 of the file and the number of the object.
    """

    content: str
    label: str
    wrong: str
    sure: float


@dataclass(frozen=True)
class RunPair:
    """Run a against run b. `partly` says that they judged other photos too, which are left out."""

    comparison: Comparison
    classes: tuple[ClassChange, ...]
    overlap: Overlap
    partly: bool
    only_a: tuple[OddPhoto, ...]
    only_b: tuple[OddPhoto, ...]


def compare_pair(a: FinishedRun, b: FinishedRun, *, shared: bool = False) -> RunPair:
    """Compare two runs on the photos of their scores, which have to be the same ones with the same labels.

    Where they are not and `shared` is given, it is on the photos that both judged without having been trained on them,
    be it in the test part, out of fold or for validation, and that have the same label in both.

    Raises:
        DataError: The photos differ and `shared` is not given, or too few are shared.
        ModelError: Photos have several labels, or a table is damaged.
    """
    ours, theirs = (read_judged(run.path, name=run.name) for run in (a, b))
    overlap = find_overlap(ours, theirs)
    partly = not overlap.identical
    if partly:
        all_ours, all_theirs = (read_judged(run.path, name=run.name, every=True) for run in (a, b))
        kept = keep_shared(all_ours, all_theirs)
        n = len(kept[0].keys)
        other = find_overlap(all_ours, all_theirs)
        if not other.shared:
            raise DataError(f"{a.name} and {b.name} judged no photo in common: compare runs of the same photos.")
        if not shared:
            raise DataError(_refusal(a, b, overlap, n))
        if n < FEWEST and other.shared >= FEWEST:
            raise DataError(
                f"{a.name} and {b.name} learned other labels: {other.relabelled:,} of the {other.shared:,} photos that "
                "both judged have another one, so that their scores answer different questions."
            )
        if n < FEWEST:
            raise DataError(
                f"{a.name} and {b.name} judged {n} of the same photos with the same labels, and fewer than {FEWEST} "
                f"tell nothing: {_same_split(a, b)}."
            )
        ours, theirs = kept
    return RunPair(
        comparison=compare(ours, theirs),
        classes=compare_classes(ours, theirs),
        overlap=overlap,
        partly=partly,
        only_a=_odd(ours, theirs),
        only_b=_odd(theirs, ours),
    )


def pair_document(pair: RunPair) -> dict[str, Any]:
    """The comparison as plain values, differences a minus b, without the photos."""
    return {
        **asdict(pair.comparison),
        "sentence": pair.comparison.sentence,
        "partly": pair.partly,
        "overlap": asdict(pair.overlap),
        "classes": [asdict(change) | {"clear": change.clear} for change in pair.classes],
    }


def _refusal(a: FinishedRun, b: FinishedRun, overlap: Overlap, n: int) -> str:
    """Why two runs are not compared, and what to do."""
    what = [run.headline["what"] for run in (a, b)]
    if overlap.shared == overlap.n_a == overlap.n_b:
        differ = f"{overlap.relabelled:,} of the {overlap.n_a:,} photos have other labels in one than in the other"
    else:
        counts = f"{a.name} {overlap.n_a:,} ({what[0]}), {b.name} {overlap.n_b:,} ({what[1]})"
        differ = f"{counts}, of which {overlap.shared:,} are the same photos"
        differ += f", {overlap.relabelled:,} of them with another label" if overlap.relabelled else ""
    shared = f"give --shared to compare on the {n:,} photos alone that both judged without having seen them"
    if overlap.relabelled:  # as after a review: the same split would not help
        advice = f"{shared}, under the same label" if n >= FEWEST else "train both with the same --edits"
    else:
        advice = _same_split(a, b) + (f", or {shared}" if n >= FEWEST else "")
    return f"The scores of {a.name} and {b.name} are not on the same photos: {differ}. To compare them, {advice}."


def _same_split(a: FinishedRun, b: FinishedRun) -> str:
    split = shlex.quote(f"split.file={printable(b.path / 'splits.csv')}")
    return f"train {a.name} again with the split of {b.name} (--set {split})"


def _odd(right: Judged, wrong: Judged) -> tuple[OddPhoto, ...]:
    """Photos that the first alone names rightly, first those where the second was surest of its mistake."""
    rows, others = shared_rows(right, wrong)
    label_N = np.array(right.labels)[rows]
    right_N = np.array(right.predicted)[rows] == label_N
    wrong_N = np.array(wrong.predicted)[others] != label_N
    found = [(int(rows[i]), int(others[i])) for i in np.flatnonzero(right_N & wrong_N)]
    found.sort(key=lambda pair: (-wrong.sure[pair[1]], right.keys[pair[0]]))
    return tuple(
        OddPhoto(right.keys[row].rpartition("/")[0], right.labels[row], wrong.predicted[other], wrong.sure[other])
        for row, other in found[:MOST_NAMED]
    )
