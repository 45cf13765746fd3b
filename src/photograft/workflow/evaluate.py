"""`evaluate`: a finished model on labelled photos that it never saw."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config import Config, load_config
from photograft.config.document import write_value
from photograft.data.boxes import Boxed
from photograft.data.files import printable
from photograft.data.hashing import hash_bytes
from photograft.data.listing import Found
from photograft.data.scan import check_bad_fraction, in_reading_order
from photograft.data.tables import TABLE_SUFFIXES
from photograft.errors import DataError, ImageRejected
from photograft.evaluation.evaluate import evaluate as score
from photograft.evaluation.slices import evaluate_slices
from photograft.inference.classifier import Classifier, PhotoInput
from photograft.metrics.intervals import paired_difference
from photograft.models.bundle import Bundle, read_bundle
from photograft.reporting.composite import class_row
from photograft.reporting.document import slice_rows
from photograft.values import Evaluation, IntArray, Photo, Predictions
from photograft.workflow.clock import Clock
from photograft.workflow.facts import right
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.seen import photos_trained_on
from photograft.workflow.source import Source, open_source


@dataclass(frozen=True)
class Tested:
    """What a model did on other photos, and what the reader must know about it.

    Where photos have boxes, `whole` are the scores of the same photos without them, and `box_gain` is what the boxes
    gained in accuracy: difference, and the limits of its 95 % interval.
    """

    evaluation: Evaluation
    rejected: tuple[Photo, ...]
    warnings: tuple[str, ...]
    whole: Evaluation | None = None
    box_gain: tuple[float, float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """As `photograft evaluate --json` prints it."""
        result: dict[str, Any] = {
            "test": self.evaluation.scores,
            "per_class": [class_row(c) for c in self.evaluation.per_class],
            "rejected": [{"path": printable(p.name), "verdict": p.verdict, "reason": p.reason} for p in self.rejected],
            "warnings": list(self.warnings),
        }
        if self.evaluation.slices:
            result["slices"] = slice_rows(self.evaluation.slices)
        if self.whole is not None and self.box_gain is not None:
            result["whole_photo"] = self.whole.scores
            result["box_gain"] = dict(zip(("difference", "low", "high"), self.box_gain, strict=True))
        return result


@dataclass(frozen=True)
class Row:
    """A photo to be scored: what its source says of it, and the SHA-256 of its bytes, empty where unreadable."""

    found: Found
    sha256: str


@dataclass(frozen=True)
class Labelled:
    """Photos to be scored, while their files are open.

    `truth` is what is true of them, as `Classifier.predict_table` takes it, and `boxed` says that photos have boxes
    which the model was trained on.
    """

    bundle: Bundle
    source: Source
    config: Config
    rows: list[Row]
    truth: dict[str, Any]
    notes: list[str]
    boxed: bool

    def read(
        self, rows: Sequence[Row], advance: Callable[[], None] = lambda: None, *, whole: bool = False
    ) -> Iterator[PhotoInput | ImageRejected]:
        """The photos of some rows with their boxes, or `whole` ones; the reason where a file cannot be read."""
        return _read(rows, self.source, self.config, advance, boxed=self.boxed and not whole)

    def groups(self) -> IntArray:
        """A number per row, equal for photos of one group and for copies of a file."""
        return _number(row.found.group or row.sha256 for row in self.rows)


def evaluate(
    model: str | os.PathLike[str],
    photos: str | os.PathLike[str],
    *,
    settings: Sequence[str] = (),
    narrator: Narrator | None = None,
) -> Tested:
    """Test the model of a run or bundle on labelled photos: a folder, an archive, or a table.

    Labels and boxes are read as they were for training, unless `settings` (texts such as ``data.labels.column=age``)
    say otherwise. Of photos with given parts only the test part is used. Class names are matched to the model's, if
    need be regardless of Unicode form; photos of classes that the model does not know are left out and named. Copies
    of a file count as one for the interval, and photos of one group together. Where photos have boxes, they are scored
    with and without. Where the model's run is at hand, photos that it was trained on are counted.

    Raises:
        DataError: No class of the photos is known to the model, or too many files are damaged.
    """
    narrator, bundle = narrator or Silent(), read_bundle(Path(model))
    with open_labelled(bundle, Path(photos), settings=settings) as labelled:
        rows, source, config = labelled.rows, labelled.source, labelled.config
        with Classifier(bundle, data=config.data) as classifier:

            def predict(*, whole: bool) -> Predictions:
                with narrator.progress(len(rows), "Testing whole photos" if whole else "Testing") as progress:
                    inputs = labelled.read(rows, progress.advance, whole=whole)
                    table = classifier.predict_table(inputs, **labelled.truth)
                return table.renamed(tuple(row.found.name for row in rows))

            predictions = predict(whole=False)
            whole = predict(whole=True) if labelled.boxed else None
    return _score(rows, predictions, whole, source, config, bundle, labelled.notes)


@contextmanager
def open_labelled(bundle: Bundle, photos: Path, *, settings: Sequence[str] = ()) -> Iterator[Labelled]:
    """Labelled photos, read as those that the model was trained on, unless `settings` say otherwise.

    Raises:
        DataError: No class of the photos is known to the model, or they have other kinds of labels.
    """
    config = load_config(None, [*_as_trained(bundle, photos), *settings])
    with open_source(photos, config, Clock(), min_classes=1) as source:
        _require_kind(source, bundle)
        rows, truth, notes = _choose(source, _edited(source, config), bundle)
        boxed = bundle.contract.box.source != "none" and any(row.found.annotation for row in rows)
        yield Labelled(bundle, source, config, rows, truth, notes, boxed)


def _require_kind(source: Source, bundle: Bundle) -> None:
    """Refuse photos with several labels where the model gives one."""
    if not bundle.several and any(found.labels for found in source.listing.files):
        raise DataError(
            f"{source.listing.root}: photos have several labels (data.labels.separator), and the model gives one: name "
            "a column that holds one with --set data.labels.column=NAME, and set data.labels.separator=null."
        )


def _score(
    rows: Sequence[Row],
    predictions: Predictions,
    whole: Predictions | None,
    source: Source,
    config: Config,
    bundle: Bundle,
    notes: list[str],
) -> Tested:
    rejected = _rejected(rows, predictions.reasons)
    usable = [Photo(row.found.path) for row, reason in zip(rows, predictions.reasons, strict=True) if not reason]
    check_bad_fraction([*rejected, *usable], max_bad_fraction=config.data.max_bad_fraction)
    duplicate_N = _number(row.sha256 and f"{row.sha256}#{row.found.object}" for row in rows)
    group_N = _number(row.found.group or row.sha256 for row in rows)
    positive = bundle.info.targets[0].positive

    def evaluated(table: Predictions, what: str) -> Evaluation:
        return score(table, what=what, group_N=group_N, duplicate_N=duplicate_N, positive=positive)

    evaluation = evaluated(predictions, "evaluated photos")
    columns = {name: [dict(row.found.values).get(name, "") for row in rows] for name in config.report.slices}
    evaluation = replace(
        evaluation, slices=evaluate_slices(predictions, columns, group_N=group_N, duplicate_N=duplicate_N)
    )
    ok = [row.sha256 for row, reason in zip(rows, predictions.reasons, strict=True) if not reason]
    warnings = [*source.listing.notes, *notes, *evaluation.warnings, *_seen_before(bundle, ok)]
    if whole is None:
        return Tested(evaluation, rejected, tuple(warnings))
    both_N = predictions.ok_N & whole.ok_N
    gain = paired_difference(right(predictions)[both_N], right(whole)[both_N], group_N[both_N])
    return Tested(evaluation, rejected, tuple(warnings), evaluated(whole, "the same photos without boxes"), gain)


def _as_trained(bundle: Bundle, photos: Path) -> list[str]:
    """The settings by which labels and boxes were read for training, as far as these photos can be read so."""
    inputs = bundle.info.inputs
    limits = {f"data.{name}": value for name, value in inputs.get("limits", {}).items()}
    labels = {f"data.labels.{name}": value for name, value in inputs.get("labels", {}).items()}
    boxes = {f"data.{name}": inputs[name] for name in ("boxes", "box_choice", "margin") if name in inputs}
    table = photos.is_file() and photos.suffix.lower() in TABLE_SUFFIXES
    if labels.get("data.labels.from") not in ("pattern", "voc", "coco", "yolo") or table:
        labels["data.labels.from"] = "auto"
    if not table and labels.get("data.labels.pattern") is None and labels["data.labels.from"] == "auto":
        labels = {}  # columns of a table say nothing about class folders
    if boxes.get("data.boxes") == "csv" and not table:
        boxes["data.boxes"] = "none"
    return [f"{name}={write_value(value)}" for name, value in (limits | labels | boxes).items()]


def _edited(source: Source, config: Config) -> list[Row]:
    """Every row that no edit leaves out, with its hash and with the edits applied."""
    rows = []
    for found in in_reading_order(source.listing.files, source.files):
        try:
            content, _ = source.files.read(found.path, max_file_mb=config.data.max_file_mb)
        except ImageRejected:
            rows.append(Row(found, ""))
            continue
        sha256 = hash_bytes(content)
        edited = source.edits.apply(found, sha256) if source.edits else None
        if edited is None or not edited.excluded:
            rows.append(Row(edited.found if edited else found, sha256))
    return rows


def _read(
    rows: Sequence[Row], source: Source, config: Config, advance: Callable[[], None], *, boxed: bool
) -> Iterator[PhotoInput | ImageRejected]:
    for row in rows:
        found = row.found
        try:
            content, _ = source.files.read(found.path, max_file_mb=config.data.max_file_mb)
            yield Boxed(content, found.annotation) if boxed and found.annotation else content
        except ImageRejected as rejected:
            yield rejected
        advance()


def _choose(source: Source, rows: list[Row], bundle: Bundle) -> tuple[list[Row], dict[str, Any], list[str]]:
    """The photos to score, what is true of them, as `Classifier.predict_table` takes it, and what was left out."""
    index = {_form(name): i for i, name in enumerate(bundle.classes)} | {n: i for i, n in enumerate(bundle.classes)}
    classes = sorted({label for row in rows for label in _labels(row)} | set(source.listing.classes))
    names = {name: index.get(name, index.get(_form(name))) for name in classes}
    unknown = [name for name, k in names.items() if k is None]
    known = [row for row in rows if any(names[label] is not None for label in _labels(row))]
    if not known:
        raise DataError(
            f"{source.listing.root}: none of its classes ({', '.join(classes)}) is known to the model, "
            f"which knows: {', '.join(bundle.classes)}."
        )
    notes = []
    if unknown:
        what = "that label was" if len(unknown) == 1 else "these labels were"
        left_out = f"{what} left out, and photos without another" if bundle.several else "their photos were left out"
        notes.append(f"The model does not know {', '.join(unknown)}: {left_out}.")
    in_test = [row for row in known if row.found.part == "test"]
    if in_test and len(in_test) < len(known):
        notes.append(f"Only the test part was scored: {len(in_test)} of {len(known)} photos.")
        known = in_test
    if not bundle.several:
        return known, {"label_N": np.array([names[_labels(row)[0]] for row in known], dtype=np.int64)}, notes
    member_NK = np.zeros((len(known), len(bundle.classes)), dtype=bool)
    for n, row in enumerate(known):
        member_NK[n, [k for label in _labels(row) if (k := names[label]) is not None]] = True
    return known, {"member_NK": member_NK}, notes


def _labels(row: Row) -> tuple[str, ...]:
    """The labels of a photo, of which there is one at most where the model gives one."""
    found = row.found
    return found.labels or (() if found.label is None else (found.label,))


def _rejected(rows: Sequence[Row], reasons: tuple[str, ...]) -> tuple[Photo, ...]:
    rejected = []
    for row, text in zip(rows, reasons, strict=True):
        if text:
            verdict, _, reason = text.partition(": ")
            found = row.found
            rejected.append(Photo(found.path, found.label, verdict=verdict, reason=reason, object=found.object))
    return tuple(rejected)


def _number(keys: Iterable[str]) -> IntArray:
    """Equal keys as equal numbers; an empty key is equal to no other."""
    numbers: dict[str | int, int] = {}
    return np.array([numbers.setdefault(key or row, len(numbers)) for row, key in enumerate(keys)], dtype=np.int64)


def _seen_before(bundle: Bundle, sha256s: list[str]) -> list[str]:
    """A warning where the model was trained on some of these photos; its run's held-out photos may be tested again."""
    run = bundle.folder.absolute().parent
    known = photos_trained_on(run, bundle.info.tested.get("fitted_on", ()))
    n = sum(sha256 in known for sha256 in sha256s)
    return (
        [f"The model was trained on {n} of these {len(sha256s)} photos: the score is too good for them."] if n else []
    )


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
