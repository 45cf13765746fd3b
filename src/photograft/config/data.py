"""Settings of the photos: which files are read, their labels, boxes and choice, and how much damage is tolerated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from photograft.config.labels import LabelsConfig
from photograft.config.section import Section
from photograft.contract import BoxChoice, BoxSource, Format


class DataConfig(Section):
    """Which files are read, how they are labelled, boxed and chosen, and how much damage is tolerated."""

    boxes: BoxSource = "none"
    """Annotated boxes that photos are cropped to: Pascal-VOC XML, COCO JSON, YOLO text, or columns of the CSV file."""

    annotations: Path | None = None
    """Folder or file of the annotations; null looks beside the photos (Annotation, Annotations, labels, ...)."""

    box_choice: BoxChoice = "largest"
    """Which box counts where a photo has several: the `largest`, `each` as an example of its own, or the `union`."""

    margin: float = Field(default=0.0, ge=0, le=1)
    """Share of the box's width and height that is added on each side before cropping."""

    classes: tuple[str, ...] = ()
    """Classes to use, after renaming; empty uses all."""

    top_classes: Annotated[int, Field(ge=2)] | None = None
    """Use only this many classes, those with most photos."""

    per_class: Annotated[int, Field(ge=1)] | None = None
    """Use at most this many photos of each class, drawn with `split.seed`; in given parts, of each part."""

    rename: Path | None = None
    """CSV file with the columns `from` and `to` that renames and merges classes; an empty `to` leaves a class out."""

    edits: Path | None = None
    """Journal of corrections (`photograft edits`) that is applied to every scan."""

    ignore: tuple[str, ...] = ()
    """Names or patterns (`*`, `?`) of files and folders to leave out, beside the hidden and system ones."""

    formats: tuple[Format, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
    """Image formats that are decoded, judged by content and not by extension. HEIF needs the `heif` extra."""

    max_pixels: int = Field(default=50_000_000, ge=10_000, le=500_000_000)
    """Photos with more pixels than this are rejected before they are decoded."""

    max_file_mb: int = Field(default=100, ge=1, le=2000)
    """Files larger than this many megabytes are rejected before they are read."""

    timeout_s: float = Field(default=10.0, ge=0.5, le=600)
    """CPU seconds that decoding one photo may take before it is given up."""

    max_bad_fraction: float = Field(default=0.01, ge=0, le=1)
    """Share of files that may be unusable before the run stops; three files are always allowed."""

    labels: LabelsConfig = LabelsConfig()
    """Where labels come from."""
