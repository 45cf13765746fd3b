"""The colours of a loaded picture as RGB, in bands of rows, reduced by a whole number on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from photograft.values import Pixels4

BAND_PIXELS = 2_000_000
"""Pixels that are handled at once: 20 MB where a whole photo would take 500."""


def reduced_rgb(image: Image.Image, region: Pixels4, factor: int) -> Image.Image:
    """A rectangle of a picture as RGB, every block of `factor` x `factor` pixels averaged into one.

    Blocks are counted from the left and top of the rectangle; those at the other end may be smaller. Colours are
    converted in bands of rows before they are averaged (transparent pixels must count as white, not as whatever colour
    hides below), with the same result as for the whole rectangle at once.
    """
    left, top, right, bottom = region
    if image.mode == "RGB" and "transparency" not in image.info:
        whole = region == (0, 0, *image.size)
        return image if whole and factor == 1 else image.reduce(factor, region)
    limits = _value_limits(image)
    width, height = right - left, bottom - top
    rows = max(1, BAND_PIXELS // (width * factor)) * factor
    reduced = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for start in range(top, bottom, rows):
        band = _to_rgb(image.crop((left, start, right, min(start + rows, bottom))), limits)
        reduced.paste(band.reduce(factor) if factor > 1 else band, (0, (start - top) // factor))
    return reduced


_TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


def _to_rgb(image: Image.Image, limits: tuple[float, float]) -> Image.Image:
    if image.mode in _SIXTEEN_BIT or image.mode in ("I", "F"):
        return _grey_to_rgb(image, limits)
    if image.mode in _TRANSPARENT or image.has_transparency_data:
        transparent = image if image.mode == "RGBA" else image.convert("LA" if image.mode == "La" else "RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(transparent, (0, 0), transparent.convert("RGBA"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey_to_rgb(image: Image.Image, limits: tuple[float, float]) -> Image.Image:
    """Scale grey values of 16 or 32 bits to 8, never clipping them; a pixel marked as transparent becomes white."""
    values = np.asarray(image)
    low, high = limits
    with np.errstate(invalid="ignore"):
        scaled = np.nan_to_num((values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low)))
    grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def _value_limits(image: Image.Image) -> tuple[float, float]:
    """The values that become black and white.

    16-bit pictures have fixed ones. 32-bit ones (TIFF) state none: the smallest usual range that holds every value
    is taken (0 to 1 for fractions, 0 to 255, 0 to 65,535), and their own smallest and largest value where none does.
    """
    if image.mode in _SIXTEEN_BIT:
        return 0.0, 65535.0
    if image.mode not in ("I", "F"):
        return 0.0, 255.0
    extrema: Any = image.getextrema()
    low, high = float(extrema[0]), float(extrema[1])
    if not (np.isfinite(low) and np.isfinite(high)):
        return 0.0, 1.0
    for top in (1.0, 255.0, 65535.0):
        if low >= 0 and high <= top and (top > 1 or image.mode == "F"):
            return 0.0, top
    return low, max(high, low + 1)
