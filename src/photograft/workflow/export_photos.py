"""Photos that an export is calibrated on and compared on: those that were given, else those of the run."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config import Config, load_config
from photograft.config.data import DataConfig
from photograft.data.boxes import Boxed, settled_annotation
from photograft.data.files import PhotoFiles, open_files, printable, read_photo
from photograft.data.hashing import hash_bytes
from photograft.data.inputs import expand_inputs
from photograft.errors import DataError, ImageRejected
from photograft.inference.classifier import PhotoInput
from photograft.models.bundle import Bundle
from photograft.reporting.records import read_manifest, read_parts
from photograft.tracking.run_folder import RunFolder, open_run, photos_root
from photograft.values import BoolArray, IntArray, Photo
from photograft.workflow.evaluate import Labelled, open_labelled
from photograft.workflow.explain import run_of
from photograft.workflow.robustness import Judged, read_photos
from photograft.workflow.seen import photos_trained_on

CALIBRATION = 64
"""Photos to calibrate on: 128 gave no other accuracy."""

FEWEST = 8
"""Calibration photos that ranges of activations are taken from, at least."""

MOST, MOST_UNLABELLED = 1000, 200
"""Photos to compare on, at most: enough for an interval of two in a hundred; without labels agreement needs fewer."""

_Read = Callable[[], Iterator[PhotoInput | ImageRejected]]


@dataclass(frozen=True)
class ExportPhotos:
    """Photos to compare on: what they are, how many, how to read them, and what is true of them, if that is known.

    `label_N` are class indices; where a photo may have several labels, `member_NK` says which. Both are None where the
    labels are unknown, or say nothing, since the model was trained on these photos. Photos of one group do not count as
    independent. The model was trained on `n_seen` of the labelled ones.
    """

    what: str
    n: int
    read: _Read
    label_N: IntArray | None = None
    member_NK: BoolArray | None = None
    group_N: IntArray | None = None
    n_seen: int = 0

    @property
    def labelled(self) -> bool:
        """Whether the labels are known."""
        return self.label_N is not None or self.member_NK is not None


@dataclass(frozen=True)
class Chosen:
    """Photos to compare on, and those to calibrate on; None where there are none. `notes` say what was left out."""

    compared: ExportPhotos | None
    calibration: ExportPhotos | None
    notes: tuple[str, ...] = ()


def choose_photos(model: Path, bundle: Bundle, given: Sequence[str], stack: ExitStack, *, calibrate: bool) -> Chosen:
    """The photos of an export: those that were given, else the test and training photos of the run where they are.

    Of given photos, those that calibrate do not judge. Files stay open until `stack` is closed.

    Raises:
        DataError: Nothing there can be used.
    """
    if given:
        return _of_given(bundle, given, stack, calibrate=calibrate)
    folder = run_of(model)
    if folder is None:
        return Chosen(None, None)
    run = open_run(folder)
    root = photos_root(run)
    if not root.exists():
        return Chosen(None, None, (f"{root}, the photos of the run, is not there.",))
    return _of_run(run, root, bundle, calibrate=calibrate)


def _of_given(bundle: Bundle, given: Sequence[str], stack: ExitStack, *, calibrate: bool) -> Chosen:
    if len(given) == 1 and Path(given[0]).exists():
        try:
            return _of_labelled(stack.enter_context(open_labelled(bundle, Path(given[0]))), _name(given[0]), calibrate)
        except DataError as error:
            note = f"The photos are compared without labels: {error}"
    elif len(given) == 1 and not glob.has_magic(given[0]):
        raise DataError(f"--photos: {printable(given[0])} does not exist; give a folder, archive, table or photos.")
    else:
        note = "Photos of several places, or of a pattern, are compared without labels."
    limits = DataConfig(**bundle.info.inputs.get("limits", {}))
    files = list(expand_inputs(given))
    first, others = _divide(len(files), calibrate, most=MOST_UNLABELLED)

    def photos(rows: IntArray) -> ExportPhotos:
        return ExportPhotos(
            f"photos without labels of {', '.join(dict.fromkeys(map(_name, given)))}",
            len(rows),
            lambda: _read_files([files[i] for i in rows], limits),
        )

    return Chosen(photos(others), photos(first) if calibrate else None, (note,))


def _of_labelled(labelled: Labelled, name: str, calibrate: bool) -> Chosen:
    first, others = _divide(len(labelled.rows), calibrate)
    truth, group_N = labelled.truth, labelled.groups()
    if group_N.max(initial=0) > 0 and len(first):
        # A relative of a calibration photo would be judged too well.
        others = others[~np.isin(group_N[others], group_N[first])]

    def read(rows: IntArray) -> _Read:
        return lambda: labelled.read([labelled.rows[i] for i in rows])

    known = {key: value[others] for key, value in truth.items()}
    info, rows = labelled.bundle.info, [labelled.rows[i] for i in others]
    trained_on = photos_trained_on(labelled.bundle.folder.absolute().parent, info.tested.get("fitted_on", ()))
    compared = ExportPhotos(
        f"labelled photos of {name}",
        len(others),
        read(others),
        group_N=group_N[others],
        n_seen=sum(row.sha256 in trained_on for row in rows),
        **known,
    )
    calibration = ExportPhotos(name, len(first), read(first)) if calibrate else None
    left = len(labelled.rows) - len(first) - len(others)
    more = (
        (f"{left:,} more photos of {name} are not needed, or are relatives of those that calibrate.",) if left else ()
    )
    return Chosen(compared, calibration, (*labelled.notes, *more))


def _name(given: str) -> str:
    """How photos are called in what others get to see: not by where they lie on this machine."""
    return printable(Path(os.path.abspath(given)).name or given)  # noqa: PTH100 - Path.resolve would follow links


def _of_run(run: RunFolder, root: Path, bundle: Bundle, *, calibrate: bool) -> Chosen:
    config = load_config(run.path / "config.resolved.yaml")
    headline = json.loads(run.read("report.json"))["evaluations"][0]["what"]
    judged = read_photos(run, config, root=root, what=headline)
    rows = _draw(len(judged.photos), MOST_UNLABELLED if judged.seen else MOST)
    photos = [judged.photos[i] for i in rows]
    truth: dict[str, Any] = {} if judged.seen else _truth(photos, bundle)
    what = _named(judged)
    compared = ExportPhotos(what, len(photos), _reader(photos, root, config), group_N=judged.group_N[rows], **truth)
    if not calibrate:
        return Chosen(compared, None)
    parts = read_parts((run.path / "splits.csv").read_bytes())
    manifest = read_manifest((run.path / "manifest.csv").read_bytes(), root)
    train = [photo for photo in manifest.usable.photos if parts.get(photo.name) == "train"]
    drawn = [train[i] for i in _draw(len(train), CALIBRATION)]
    return Chosen(compared, ExportPhotos("training photos of the run", len(drawn), _reader(drawn, root, config)))


def _named(judged: Judged) -> str:
    if judged.seen:
        return "photos of the run that the model was trained on"
    return f"photos of the run ({judged.what})"


def _truth(photos: Sequence[Photo], bundle: Bundle) -> dict[str, Any]:
    index = {name: k for k, name in enumerate(bundle.classes)}
    if not bundle.several:
        return {"label_N": np.array([index.get(photo.label or "", -1) for photo in photos], dtype=np.int64)}
    member_NK = np.zeros((len(photos), len(index)), dtype=bool)
    for n, photo in enumerate(photos):
        member_NK[n, [index[label] for label in photo.all_labels if label in index]] = True
    return {"member_NK": member_NK}


def _reader(photos: Sequence[Photo], root: Path, config: Config) -> _Read:
    """How to read photos of a run, in this order; those that were changed or removed since are rejected."""

    def read() -> Iterator[PhotoInput | ImageRejected]:
        with open_files(root) as files:
            for photo in photos:
                yield _read_unchanged(photo, files, config)

    return read


def _read_unchanged(photo: Photo, files: PhotoFiles, config: Config) -> PhotoInput | ImageRejected:
    try:
        content, _ = files.read(photo.path, max_file_mb=config.data.max_file_mb)
    except ImageRejected as rejected:
        return rejected
    if hash_bytes(content) != photo.sha256:
        return ImageRejected("unreadable", "the photo was changed since the run")
    return Boxed(content, settled_annotation(photo.box)) if photo.box else content


def _read_files(files: Sequence[str], limits: DataConfig) -> Iterator[PhotoInput | ImageRejected]:
    for file in files:
        try:
            yield read_photo(Path(file), max_file_mb=limits.max_file_mb)[0]
        except ImageRejected as rejected:
            yield rejected


def _divide(n: int, calibrate: bool, *, most: int = MOST) -> tuple[IntArray, IntArray]:
    """Rows that calibrate, half at most, and rows that are compared."""
    rng = np.random.default_rng(0)
    order = rng.permutation(n)
    n_first = min(CALIBRATION, n // 2) if calibrate else 0
    return np.sort(order[:n_first]), np.sort(order[n_first : n_first + most])


def _draw(n: int, most: int) -> IntArray:
    return np.sort(np.random.default_rng(0).permutation(n)[:most])
