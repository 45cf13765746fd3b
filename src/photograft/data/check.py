"""What is wrong with a set of photos, from the manifest alone: each finding with a sentence and a remedy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from photograft.data.check_classes import check_classes
from photograft.data.check_photos import check_photos
from photograft.data.coverage import GROUPS_TO_FOLD
from photograft.values import IntArray, Issue, Manifest, Photo

ISSUE_KINDS = (
    "rejected",
    "label_conflict",
    "leak",
    "lookalike_names",
    "class_too_small",
    "no_label",
    "box",
    "exact_duplicate",
    "near_duplicate",
    "turned",
    "wrong_extension",
    "tiny",
    "blank",
    "dark",
    "bright",
    "low_contrast",
    "blurred",
    "odd_shape",
    "small_class",
    "imbalance",
)
"""Every kind of issue, also those of `data.duplicates`; the first five must be fixed."""

_EXTENSIONS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jps"),
    "PNG": (".png", ".apng"), "WEBP": (".webp",), "GIF": (".gif",),
    "BMP": (".bmp", ".dib"), "TIFF": (".tif", ".tiff"), "AVIF": (".avif", ".avifs"), "HEIF": (".heic", ".heif", ".hif"),
}  # fmt: skip


def check(
    manifest: Manifest, *, group_N: IntArray | None = None, needed_groups: int = GROUPS_TO_FOLD
) -> tuple[Issue, ...]:
    """Findings about files, pictures and classes; duplicates are found by `data.duplicates`.

    Args:
        manifest: Every row that was found. Rows that an edit leaves out are no findings.
        group_N: Number of the group of each usable row that has to stay together (duplicates, persons); None takes
            the rows' own groups and files.
        needed_groups: How many such groups each class needs so that the split can be made.
    """
    return (
        *_rejected(manifest),
        *check_classes(manifest, group_N, needed_groups),
        *_without_label(manifest),
        *_boxes(manifest),
        *_wrong_extensions(manifest),
        *check_photos(manifest.usable.photos),
    )


def _rejected(manifest: Manifest) -> Iterable[Issue]:
    for photo in manifest.rejected:
        message = f"{photo.path}: {photo.reason}"
        remedy = "Repair or remove the file; it was skipped."
        yield Issue("rejected", (photo.name,), message, remedy, must_fix=True)


def _without_label(manifest: Manifest) -> Iterable[Issue]:
    without = [p for p in manifest.usable.photos if not p.all_labels]
    if without and manifest.classes:
        names = tuple(p.name for p in without)
        message = f"{len(names):,} photo{' has' if len(names) == 1 else 's have'} no label, for example {names[0]}"
        yield Issue("no_label", names, message, "Label or remove what the model should learn from.")


def _boxes(manifest: Manifest) -> Iterable[Issue]:
    wrong = [p for p in manifest.usable.photos if p.box_problem]
    if wrong:
        first = f"{wrong[0].name}: {wrong[0].box_problem}"
        message = first if len(wrong) == 1 else f"{len(wrong):,} photos have a box that was not used; {first}"
        yield Issue("box", tuple(p.name for p in wrong), message, "Correct the annotation; the whole photo was used.")


def _wrong_extensions(manifest: Manifest) -> Iterable[Issue]:
    wrong: dict[tuple[str, str], dict[str, Photo]] = defaultdict(dict)
    for photo in manifest.usable.photos:
        extension = PurePosixPath(photo.path).suffix
        if extension.lower() not in _EXTENSIONS.get("JPEG" if photo.format == "MPO" else photo.format, ()):
            wrong[photo.format, extension].setdefault(photo.path, photo)
    for (image_format, extension), photos in sorted(wrong.items()):
        first, n = next(iter(photos)), len(photos)
        message = f"{first}: the content is {image_format}, which the name does not say"
        if n > 1:
            named = f"with names in {extension}" if extension else "without an extension"
            message = f"{n:,} files {named} hold {image_format}, for example {first}"
        remedy = "Rename; the content counts, so they were used."
        yield Issue("wrong_extension", tuple(p.name for p in photos.values()), message, remedy)
