"""Settings of the photos: which files are read, and how much damage is tolerated."""

from __future__ import annotations

from pydantic import Field

from photograft.config.section import Section
from photograft.contract import Format


class DataConfig(Section):
    """Which files are read and how much damage is tolerated."""

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
