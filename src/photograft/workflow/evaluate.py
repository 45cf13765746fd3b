"""`evaluate`: a finished model on labelled photos that it never saw."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config.data import DataConfig
from photograft.data.folders import list_photos, printable
from photograft.data.hashing import hash_file
from photograft.data.scan import check_bad_fraction
from photograft.errors import DataError
from photograft.evaluation.evaluate import evaluate as score
from photograft.inference.classifier import Classifier
from photograft.models.bundle import read_bundle
from photograft.reporting.records import read_manifest, read_test_paths
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

    Class names are matched to the model's regardless of Unicode form. Photos of classes that the model does not know
    are left out and named. Where the model's run is at hand, photos that it was trained on are counted and named.

    Raises:
        DataError: No class of the folder is known to the model, or too many files are damaged.
    """
    data, narrator = data or DataConfig(), narrator or Silent()
    bundle = read_bundle(Path(model))
    root = Path(photos)
    listing = list_photos(root, data, min_classes=1)
    index = {_form(name): i for i, name in enumerate(bundle.classes)}
    unknown = [name for name in listing.classes if _form(name) not in index]
    files = [f for f in listing.files if f.label is not None and _form(f.label) in index]
    if not files:
        raise DataError(
            f"{root}: none of its classes ({', '.join(listing.classes)}) is known to the model, "
            f"which knows: {', '.join(bundle.classes)}."
        )
    label_N: IntArray = np.array([index[_form(str(f.label))] for f in files], dtype=np.int64)
    with (
        Classifier(bundle, data=data) as classifier,
        narrator.progress(len(files), "Testing") as progress,
    ):

        def paths() -> Any:
            for found in files:
                yield root / found.path
                progress.advance()

        predictions = classifier.predict_table(paths(), label_N)
    rejected = tuple(
        Photo(f.path, f.label, verdict=reason.split(":")[0], reason=reason.partition(": ")[2])
        for f, reason in zip(files, predictions.reasons, strict=True)
        if reason
    )
    check_bad_fraction(
        [*rejected, *(Photo(f.path) for f in files[: len(files) - len(rejected)])],
        max_bad_fraction=data.max_bad_fraction,
    )
    evaluation = score(predictions, what="evaluated photos")
    warnings = [*listing.notes, *evaluation.warnings]
    if unknown:
        warnings.append(f"The model does not know {', '.join(unknown)}: their photos were left out.")
    used = [f.path for f, reason in zip(files, predictions.reasons, strict=True) if not reason]
    warnings += _seen_before(bundle.folder.absolute().parent, root, used)
    return Tested(evaluation, rejected, tuple(warnings))


def _seen_before(run: Path, root: Path, paths: list[str]) -> list[str]:
    """A warning where the folder holds photos that the run was trained on: its test photos may be tested again."""
    manifest, splits = run / "manifest.csv", run / "splits.csv"
    if not manifest.is_file() or not splits.is_file():
        return []
    held_out = read_test_paths(splits.read_bytes())
    photos = read_manifest(manifest.read_bytes(), run).photos
    known = {p.sha256 for p in photos if p.sha256 and p.path not in held_out}
    n = 0
    for path in paths:
        try:
            n += hash_file(root / path) in known
        except OSError:
            continue
    if not n:
        return []
    return [f"The model was trained on {n} of these {len(paths)} photos: the score is too good for them."]


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
