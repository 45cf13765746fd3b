"""`evaluate`: a finished model on labelled photos that it never saw."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config.data import DataConfig
from photograft.data.files import open_files, printable, read_photo
from photograft.data.folders import list_photos
from photograft.data.hashing import hash_bytes
from photograft.data.listing import Found, Listing
from photograft.data.scan import check_bad_fraction
from photograft.errors import DataError, ImageRejected
from photograft.evaluation.evaluate import evaluate as score
from photograft.inference.classifier import Classifier, PhotoInput
from photograft.models.bundle import Bundle, read_bundle
from photograft.reporting.records import read_manifest, read_parts
from photograft.values import Evaluation, IntArray, Photo
from photograft.workflow.narrator import Narrator, Silent


@dataclass(frozen=True)
class Tested:
    """What a model did on other photos, and what the reader must know about it."""

    evaluation: Evaluation
    rejected: tuple[Photo, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As `photograft evaluate --json` prints it."""
        return {
            "test": self.evaluation.scores,
            "per_class": [asdict(c) for c in self.evaluation.per_class],
            "rejected": [{"path": printable(p.path), "verdict": p.verdict, "reason": p.reason} for p in self.rejected],
            "warnings": list(self.warnings),
        }


def evaluate(
    model: str | os.PathLike[str],
    photos: str | os.PathLike[str],
    *,
    data: DataConfig | None = None,
    narrator: Narrator | None = None,
) -> Tested:
    """Test the model of a run or bundle on a folder with one sub-folder per class.

    Of a folder with given parts only the test part is used. Class names are matched to the model's, if need be
    regardless of Unicode form; photos of classes that the model does not know are left out and named. Copies of a file
    count as one for the interval. Where the model's run is at hand, photos that it was trained on are counted.

    Raises:
        DataError: No class of the folder is known to the model, or too many files are damaged.
    """
    data, narrator = data or DataConfig(), narrator or Silent()
    bundle = read_bundle(Path(model))
    root = Path(photos)
    with open_files(root) as opened:
        listing = list_photos(opened, data, min_classes=1)
    files, label_N, notes = _choose(listing, bundle)
    sha256s: list[str] = []

    def read() -> Iterator[PhotoInput]:
        for found in files:
            try:
                content: PhotoInput = read_photo(root / found.path, max_file_mb=data.max_file_mb)[0]
                sha256s.append(hash_bytes(content) if isinstance(content, bytes) else "")
            except ImageRejected:
                content = root / found.path  # the classifier rejects it for the same reason, in its place
                sha256s.append("")
            yield content
            progress.advance()

    with Classifier(bundle, data=data) as classifier, narrator.progress(len(files), "Testing") as progress:
        predictions = replace(classifier.predict_table(read(), label_N), paths=tuple(f.path for f in files))
    rejected = _rejected(files, predictions.reasons)
    usable = [Photo(f.path) for f, reason in zip(files, predictions.reasons, strict=True) if not reason]
    check_bad_fraction([*rejected, *usable], max_bad_fraction=data.max_bad_fraction)
    evaluation = score(
        predictions,
        what="evaluated photos",
        group_N=np.unique(sha256s, return_inverse=True)[1].astype(np.int64),
        positive=bundle.info.targets[0].positive,
    )
    ok = [sha256 for sha256, reason in zip(sha256s, predictions.reasons, strict=True) if not reason]
    warnings = [*listing.notes, *notes, *evaluation.warnings, *_seen_before(bundle, ok)]
    return Tested(evaluation, rejected, tuple(warnings))


def _choose(listing: Listing, bundle: Bundle) -> tuple[list[Found], IntArray, list[str]]:
    """The photos to score, their class indices in the bundle, and sentences on what was left out."""
    index = {_form(name): i for i, name in enumerate(bundle.classes)} | {n: i for i, n in enumerate(bundle.classes)}
    names = {name: index.get(name, index.get(_form(name))) for name in listing.classes}
    unknown = [name for name, k in names.items() if k is None]
    files = [f for f in listing.files if f.label is not None and names[f.label] is not None]
    if not files:
        raise DataError(
            f"{listing.root}: none of its classes ({', '.join(listing.classes)}) is known to the model, "
            f"which knows: {', '.join(bundle.classes)}."
        )
    notes = [f"The model does not know {', '.join(unknown)}: their photos were left out."] if unknown else []
    in_test = [f for f in files if f.part == "test"]
    if in_test and len(in_test) < len(files):
        notes.append(f"Only the test part was scored: {len(in_test)} of {len(files)} photos.")
        files = in_test
    return files, np.array([names[str(f.label)] for f in files], dtype=np.int64), notes


def _rejected(files: list[Found], reasons: tuple[str, ...]) -> tuple[Photo, ...]:
    rows = []
    for found, text in zip(files, reasons, strict=True):
        if text:
            verdict, _, reason = text.partition(": ")
            rows.append(Photo(found.path, found.label, verdict=verdict, reason=reason))
    return tuple(rows)


def _seen_before(bundle: Bundle, sha256s: list[str]) -> list[str]:
    """A warning where the model was trained on some of these photos; its run's held-out photos may be tested again."""
    run = bundle.folder.absolute().parent
    fitted_on = bundle.info.tested.get("fitted_on", ())
    try:
        parts = read_parts((run / "splits.csv").read_bytes())
        photos = read_manifest((run / "manifest.csv").read_bytes(), run).photos
    except (OSError, KeyError, ValueError):
        return []  # the bundle was copied without its run
    known = {p.sha256 for p in photos if p.sha256 and parts.get(p.path) in fitted_on}
    n = sum(sha256 in known for sha256 in sha256s)
    return (
        [f"The model was trained on {n} of these {len(sha256s)} photos: the score is too good for them."] if n else []
    )


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
