"""The values that pass between stages: frozen, made of plain types and NumPy arrays.

Shape letters: N photos, D embedding size, K classes, F folds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
PixelArray = npt.NDArray[np.uint8]

Verdict = Literal[
    "ok",
    "empty",
    "not_an_image",
    "unsupported_format",
    "truncated",
    "corrupt",
    "too_many_pixels",
    "too_large_file",
    "timeout",
    "unreadable",
]
VERDICTS: tuple[str, ...] = get_args(Verdict)

Part = Literal["train", "val", "test"]
PARTS: tuple[str, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class Photo:
    """One file of the manifest, with its one verdict.

    `path` is relative to the manifest's root, with forward slashes. Sizes are in pixels, upright.
    `turn` is the EXIF orientation as stored (1 = upright). The hashes are empty where the verdict is not ``ok``.
    """

    path: str
    label: str | None = None
    part: str | None = None
    verdict: str = "ok"
    reason: str = ""
    sha256: str = ""
    size_bytes: int = 0
    format: str = ""
    width: int = 0
    height: int = 0
    turn: int = 1
    pixel_sha256: str = ""
    perceptual_hash: str = ""


@dataclass(frozen=True)
class Manifest:
    """Every file that was found, in path order, each with exactly one verdict.

    `notes` are sentences about the folder itself (stray files, ignored folders) for the report.
    """

    root: Path
    photos: tuple[Photo, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def usable(self) -> Manifest:
        """The same manifest with only the photos that decoded."""
        return Manifest(self.root, tuple(p for p in self.photos if p.verdict == "ok"), self.notes)

    @property
    def rejected(self) -> tuple[Photo, ...]:
        """The files that cannot be used, with their reasons."""
        return tuple(p for p in self.photos if p.verdict != "ok")

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in sorted order, also those whose photos were all rejected."""
        return tuple(sorted({p.label for p in self.photos if p.label is not None}))

    @property
    def given_parts(self) -> bool:
        """Whether the folder itself says which photo belongs to which part."""
        return any(p.part is not None for p in self.photos)

    def count_verdicts(self) -> dict[str, int]:
        """Number of files per verdict, most frequent first."""
        return dict(Counter(p.verdict for p in self.photos).most_common())

    def label_indices(self, classes: tuple[str, ...]) -> IntArray:
        """Index of each photo's label in `classes`, shape (N,); -1 where it has no label among them."""
        index = {name: i for i, name in enumerate(classes)}
        return np.array([-1 if p.label is None else index.get(p.label, -1) for p in self.photos], dtype=np.int64)


@dataclass(frozen=True)
class Issue:
    """One thing about the data that the user should know: a kind, the photos concerned, a sentence, a remedy."""

    kind: str
    paths: tuple[str, ...]
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class FeatureTable:
    """Embeddings of N photos: `embedding_ND`, float32, the mean over the views, rows in the manifest's order.

    Under a linear head the mean of the embeddings gives the mean of the logits, which is how views are merged.
    """

    embedding_ND: FloatArray
    views: tuple[str, ...]
    network: str


@dataclass(frozen=True)
class Splits:
    """Which photo belongs to which part, fold and duplicate group; all arrays have shape (N,).

    `part_N` holds "train", "val", "test" or "" (left out); `fold_N` is -1 where a photo is not folded;
    photos of one `group_N` never cross parts or folds unless the user's own folders say so (`leaked_N`).
    """

    part_N: npt.NDArray[np.str_]
    fold_N: IntArray
    group_N: IntArray
    leaked_N: npt.NDArray[np.bool_]
    n_folds: int
    statement: str

    def rows(self, *parts: str) -> IntArray:
        """Row numbers of the photos in the given parts, ascending."""
        return np.flatnonzero(np.isin(self.part_N, parts)).astype(np.int64)


@dataclass(frozen=True)
class Predictions:
    """Probabilities for N photos over K classes.

    `probabilities_NK` sums to 1 per row; rows of rejected photos are NaN. `label_N` is the true class index,
    -1 where unknown. `statuses` holds "ok" or "rejected" per photo and `reasons` says why.
    """

    paths: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities_NK: DoubleArray
    label_N: IntArray
    statuses: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def best_N(self) -> IntArray:
        """Index of the most probable class per photo; -1 for rejected photos."""
        best = np.full(len(self.paths), -1, dtype=np.int64)
        ok = self.ok_N
        if ok.any():
            best[ok] = np.argmax(self.probabilities_NK[ok], axis=1)
        return best

    @property
    def ok_N(self) -> npt.NDArray[np.bool_]:
        """Which photos have a prediction."""
        return np.array([s == "ok" for s in self.statuses], dtype=bool)


@dataclass(frozen=True)
class ClassScores:
    """How one class did: `precision`, `recall` and `f1` are None where they would divide by zero."""

    name: str
    support: int
    predicted: int
    correct: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class ReliabilityBin:
    """Photos whose top probability fell into [low, high): their number, mean probability and accuracy."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Mistake:
    """One wrongly classified photo."""

    path: str
    label: str
    predicted: str
    label_probability: float
    predicted_probability: float


@dataclass(frozen=True)
class Evaluation:
    """Every score of one set of predictions, with what it rests on.

    `scores` follows SCORES of the JSON schema (n, accuracy, accuracy_low, accuracy_high, ...). `confusion_KK`
    counts photos: row = true class, column = predicted class. `mistakes` come worst first, all of them.
    """

    what: str
    classes: tuple[str, ...]
    scores: dict[str, Any]
    per_class: tuple[ClassScores, ...]
    confusion_KK: IntArray
    confused_pairs: tuple[tuple[str, str, int], ...]
    reliability: tuple[ReliabilityBin, ...]
    mistakes: tuple[Mistake, ...]
    warnings: tuple[str, ...] = ()
