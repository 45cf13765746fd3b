"""The values that pass between stages: frozen, made of plain types and NumPy arrays.

Shape letters: N photos, D embedding size, K classes, F folds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
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

HeadKind = Literal["softmax", "binary", "ordinal", "sigmoid"]
"""What outputs of a head mean: `photograft.metrics.links` turns them into probabilities."""

Part = Literal["train", "val", "test"]
PARTS: tuple[str, ...] = get_args(Part)


Pixels4 = tuple[int, int, int, int]
"""A rectangle in whole pixels of the upright photo: left, top, right, bottom; right and bottom are not part of it."""


@dataclass(frozen=True, slots=True)
class Rect:
    """One annotated rectangle, in the units of its annotation, and the class that the annotation names."""

    left: float
    top: float
    right: float
    bottom: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """The rectangles that an annotation file gives for one photo.

    They are in pixels of a picture of `width` x `height` (0 where the file does not say), or, if `relative`, in
    fractions of the photo's width and height. `source` names file and line for messages. A `settled` annotation is
    the box that a scan found, in pixels of the upright photo: it gets no margin again.
    """

    rects: tuple[Rect, ...]
    width: int = 0
    height: int = 0
    relative: bool = False
    source: str = ""
    settled: bool = False


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What tells that a file is unchanged: size, time of the last change, number in its file system."""

    size_bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Photo:
    """One row of the manifest, with its one verdict: a file, or one annotated object of it.

    `path` is relative to the manifest's root, with forward slashes; `object` counts from 1 where each box of a file is
    a row of its own, else it is 0. Sizes are in pixels, upright. `turn` is the EXIF orientation as stored (1 =
    upright). `labels` holds several labels where a photo may have them, else `label` is the one. `values` are named
    values of the row: the factors, and the columns that the report is split by. `box` is the rectangle that is used,
    None for the whole photo; `box_problem` says why an annotated box is not. `excluded` says which edit left the
    photo out, `edited` what an edit changed. `brightness` (0 to 255), `contrast` and `sharpness` are those of
    `data.quality`. Hashes are empty where the verdict is not ``ok``.
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
    brightness: float = 0.0
    contrast: float = 0.0
    sharpness: float = 0.0
    object: int = 0
    labels: tuple[str, ...] = ()
    group: str = ""
    values: tuple[tuple[str, str], ...] = ()
    box: Pixels4 | None = None
    box_problem: str = ""
    excluded: str = ""
    edited: str = ""

    @property
    def name(self) -> str:
        """What names the row in every table: the path, and the number of the object behind it where there are such."""
        return f"{self.path}#{self.object}" if self.object else self.path

    @property
    def content(self) -> str:
        """What features are kept by: SHA-256 of the file's bytes, and the box in pixels where there is one."""
        return f"{self.sha256}:{','.join(map(str, self.box))}" if self.box else self.sha256

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The one label, or the several."""
        return self.labels or (() if self.label is None else (self.label,))


@dataclass(frozen=True)
class Manifest:
    """Every row that was found, in path order, each with exactly one verdict.

    `root` is the folder or archive that paths are relative to. `notes` are sentences about the folder itself (stray
    files, ignored folders) for the report.
    """

    root: Path
    photos: tuple[Photo, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def usable(self) -> Manifest:
        """The same manifest with only the photos that decoded and that no edit leaves out."""
        return Manifest(self.root, tuple(p for p in self.photos if p.verdict == "ok" and not p.excluded), self.notes)

    @property
    def rejected(self) -> tuple[Photo, ...]:
        """The files that cannot be used, with their reasons, save those that an edit leaves out anyway."""
        return tuple(p for p in self.photos if p.verdict != "ok" and not p.excluded)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in sorted order, also those whose photos were all rejected."""
        return tuple(sorted({label for p in self.photos for label in p.all_labels}))

    @property
    def given_parts(self) -> bool:
        """Whether the source itself says which photo belongs to which part."""
        return any(p.part is not None for p in self.photos)

    def count_verdicts(self) -> dict[str, int]:
        """Number of rows per verdict, most frequent first."""
        return dict(Counter(p.verdict for p in self.photos).most_common())

    def label_indices(self, classes: tuple[str, ...]) -> IntArray:
        """Index of each photo's label in `classes`, shape (N,); -1 where it has no label among them."""
        index = {name: i for i, name in enumerate(classes)}
        return np.array([-1 if p.label is None else index.get(p.label, -1) for p in self.photos], dtype=np.int64)

    def label_matrix(self, classes: tuple[str, ...]) -> BoolArray:
        """Which photo has which of the classes, shape (N, K)."""
        index = {name: i for i, name in enumerate(classes)}
        member_NK = np.zeros((len(self.photos), len(classes)), dtype=bool)
        for row, photo in enumerate(self.photos):
            member_NK[row, [index[label] for label in photo.all_labels if label in index]] = True
        return member_NK


@dataclass(frozen=True)
class Issue:
    """One thing about the data that the user should know: a kind, the photos concerned, a sentence, a remedy.

    `must_fix` says that the set cannot be trusted, or not be trained on, as it is.
    """

    kind: str
    paths: tuple[str, ...]
    message: str
    remedy: str = ""
    must_fix: bool = False


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

    `part_N` holds "train", "val", "test" or "" (left out); `fold_N` is -1 where a photo is not folded, and
    `repeats_RN` holds further draws of the folds; photos of one `group_N` (duplicates, and the user's own groups)
    never cross parts or folds unless the user's own parts say so (`leaked_N`). `duplicate_N` numbers the groups of
    duplicates alone, in which the objects of one file are apart.
    """

    part_N: npt.NDArray[np.str_]
    fold_N: IntArray
    group_N: IntArray
    leaked_N: npt.NDArray[np.bool_]
    n_folds: int
    statement: str
    duplicate_N: IntArray
    repeats_RN: IntArray

    def rows(self, *parts: str) -> IntArray:
        """Row numbers of the photos in the given parts, ascending."""
        return np.flatnonzero(np.isin(self.part_N, parts)).astype(np.int64)


@dataclass(frozen=True)
class Target:
    """One thing that is said of every photo: the label, or one of several factors.

    `classes` stand in the order of the probabilities. Heads of kind `softmax`, `binary` (two classes) and `ordinal`
    (classes from the lowest to the highest) give one class per photo, `sigmoid` any number of them.
    """

    name: str
    classes: tuple[str, ...]
    kind: HeadKind = "softmax"

    @property
    def n_outputs(self) -> int:
        """Numbers that its head gives per photo."""
        return len(self.classes) - {"binary": 1, "ordinal": 1}.get(self.kind, 0)


@dataclass(frozen=True)
class Layer:
    """A layer with weights of its own.

    `name` is that of the module in its network, `kind` its class, `output` the shape of what it gives for one photo.
    `parameters` are what training could move, `statistics` the running averages of BatchNorm. `lr` is the learning
    rate at its highest, None where the layer is `frozen`.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    statistics: int
    frozen: bool
    lr: float | None = None


@dataclass(frozen=True)
class Summary:
    """What of a network trains: its layers in the order they run, the head last.

    `graft` is the setting, `cut` the layer that the trainable part begins with ("" where nothing is frozen), and
    `batchnorm` "frozen" or "moved".
    """

    graft: str
    cut: str
    batchnorm: str
    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        """Those that train."""
        return sum(layer.parameters for layer in self.layers if not layer.frozen)

    @property
    def trainable_fraction(self) -> float:
        """Their share, 0 to 1."""
        return self.trainable / max(self.parameters, 1)

    @property
    def statistics(self) -> int:
        """Running averages of BatchNorm. Keras counts them among all parameters, and not among the trainable ones."""
        return sum(layer.statistics for layer in self.layers)


@dataclass(frozen=True)
class Record:
    """One evaluation during fine-tuning: after an epoch, or after some steps.

    `fit` names what is trained: "train" (on the train part), "refit" (on train + val), "fold 1" and so on. `epoch`
    counts from 1, with a fraction within an epoch; `step` from the beginning of the fit. `train_loss` is the mean since
    the last record; validation values are None where the fit has no validation photos. `best` says that this was the
    best state so far.
    """

    fit: str
    epoch: float
    step: int
    lr: float
    train_loss: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    best: bool


@dataclass(frozen=True)
class Predictions:
    """Probabilities for N photos over K classes.

    `probabilities_NK` sums to 1 per row; rows of rejected photos are NaN. `label_N` is the true class index,
    -1 where unknown. `statuses` holds "ok" or "rejected" per photo and `reasons` says why.

    Where a photo may have several labels, `member_NK` says which it truly has and `threshold_K` from which probability
    on each is given; then rows do not sum to 1, and `label_N` is -1. `decided_NK` says which are given where thresholds
    differ from photo to photo. Where classes are made of factors, `factors` holds the predictions of each, of the same
    photos, by name.
    """

    paths: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities_NK: DoubleArray
    label_N: IntArray
    statuses: tuple[str, ...]
    reasons: tuple[str, ...]
    member_NK: BoolArray | None = None
    threshold_K: DoubleArray | None = None
    decided_NK: BoolArray | None = None
    factors: tuple[tuple[str, Predictions], ...] = ()

    def take(self, row_M: IntArray) -> Predictions:
        """Those of some photos, in the order of `row_M`."""
        return replace(
            self,
            paths=tuple(self.paths[i] for i in row_M),
            probabilities_NK=self.probabilities_NK[row_M],
            label_N=self.label_N[row_M],
            statuses=tuple(self.statuses[i] for i in row_M),
            reasons=tuple(self.reasons[i] for i in row_M),
            member_NK=None if self.member_NK is None else self.member_NK[row_M],
            decided_NK=None if self.decided_NK is None else self.decided_NK[row_M],
            factors=tuple((name, factor.take(row_M)) for name, factor in self.factors),
        )

    def renamed(self, paths: tuple[str, ...]) -> Predictions:
        """The same under other names of the photos."""
        return replace(self, paths=paths, factors=tuple((name, each.renamed(paths)) for name, each in self.factors))

    def joined(self, other: Predictions) -> Predictions:
        """Both, one after the other; they are about the same classes."""
        given_NK = None if self.member_NK is None else np.concatenate([self.given_NK, other.given_NK])
        return replace(
            self,
            paths=self.paths + other.paths,
            probabilities_NK=np.concatenate([self.probabilities_NK, other.probabilities_NK]),
            label_N=np.concatenate([self.label_N, other.label_N]),
            statuses=self.statuses + other.statuses,
            reasons=self.reasons + other.reasons,
            member_NK=_both(self.member_NK, other.member_NK),
            decided_NK=given_NK,
            factors=tuple(
                (name, mine.joined(theirs))
                for (name, mine), (_, theirs) in zip(self.factors, other.factors, strict=True)
            ),
        )

    @property
    def best_N(self) -> IntArray:
        """Index of the most probable class per photo; -1 for rejected photos."""
        best = np.full(len(self.paths), -1, dtype=np.int64)
        ok = self.ok_N
        if ok.any():
            best[ok] = np.argmax(self.probabilities_NK[ok], axis=1)
        return best

    @property
    def given_NK(self) -> BoolArray:
        """Which labels each photo is given, shape (N, K): those that reach their threshold. None for rejected photos.

        Only where a photo may have several labels.
        """
        if self.decided_NK is not None:
            return self.decided_NK
        assert self.threshold_K is not None
        with np.errstate(invalid="ignore"):
            return np.asarray(self.probabilities_NK >= self.threshold_K)

    @property
    def ok_N(self) -> npt.NDArray[np.bool_]:
        """Which photos have a prediction."""
        return np.array([s == "ok" for s in self.statuses], dtype=bool)


def _both(one: BoolArray | None, other: BoolArray | None) -> BoolArray | None:
    return None if one is None or other is None else np.concatenate([one, other])


@dataclass(frozen=True)
class ClassScores:
    """How one class did: `precision`, `recall` and `f1` are None where they would divide by zero.

    `average_precision` (None without a photo of the class) and `threshold` are there where a photo may have several
    labels.
    """

    name: str
    support: int
    predicted: int
    correct: int
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None = None
    threshold: float | None = None


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
class Slice:
    """How the `n` photos did that have one value of a column, with the 95 % interval of their accuracy."""

    column: str
    value: str
    n: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """Every score of one set of predictions, with what it rests on.

    `scores` follows SCORES of the JSON schema (n, accuracy, accuracy_low, accuracy_high, ...). `confusion_KK`
    counts photos: row = true class, column = predicted class. `mistakes` come worst first, all of them. `slices`
    come column by column, the lowest accuracy first. `factors` are those of each factor, by name, on the same photos.

    Where a photo may have several labels, accuracy is the share of photos whose labels are all right, and there is no
    confusion (shape (0, 0)).
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
    slices: tuple[Slice, ...] = ()
    factors: tuple[tuple[str, Evaluation], ...] = ()
