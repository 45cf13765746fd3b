"""A heat map over its photo, as a picture.

The photo becomes grey and dark, so that lightness means heat and nothing else; the colours are the upper part of
inferno (N. Smith and S. van der Walt, matplotlib), which rises evenly in lightness for every kind of colour vision and
in print.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from photograft.values import DoubleArray, PixelArray

RAMP = ((66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
"""Colours of heat from 0 to 1, at even distances."""

_DARKER = 0.62
_MOST_OPAQUE = 0.8
_OPAQUE_FROM = 0.6
"""The heat from which on colours hide as much of the photo as they ever do."""


def lay_over(pixels: PixelArray, heat_GG: DoubleArray) -> PixelArray:
    """The photo (h, w, 3) in grey, coloured by `heat_GG` (0 to 1), which lies over all of it."""
    height, width = pixels.shape[:2]
    picture = Image.fromarray(heat_GG.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    heat = np.clip(np.asarray(picture, np.float32), 0, 1)
    grey = _DARKER * (pixels.astype(np.float32) @ np.array((0.299, 0.587, 0.114), np.float32))
    at = np.linspace(0, 1, len(RAMP))
    colour = np.stack([np.interp(heat, at, channel) for channel in zip(*RAMP, strict=True)], axis=2)
    opaque = (np.minimum(heat / _OPAQUE_FROM, 1) * _MOST_OPAQUE)[:, :, None]
    return np.asarray((grey[:, :, None] * (1 - opaque) + colour * opaque).round(), np.uint8)


def overlay_png(pixels: PixelArray, heat_GG: DoubleArray, *, width: int = 0, height: int = 0) -> bytes:
    """The overlay as a PNG file, in the shape of a photo of `width` x `height`; 0 for that of `pixels`."""
    picture = Image.fromarray(lay_over(pixels, heat_GG))
    if width > 0 and height > 0:
        scale = max(picture.size) / max(width, height)
        picture = picture.resize(
            (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS
        )
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
