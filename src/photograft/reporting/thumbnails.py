"""Small pictures for the report, made from the pixels that the network saw."""

from __future__ import annotations

import io

from PIL import Image

from photograft.values import PixelArray

_NARROWEST = 0.2  # of the longer side: a panorama stays visible


def make_thumbnail(pixels: PixelArray, *, width: int = 0, height: int = 0, side: int = 160) -> bytes:
    """Encode contract pixels as a small JPEG without any metadata.

    Contract pixels may be stretched to a square. `width` and `height` of the upright photo give its shape back;
    leave them out where the pixels have the photo's own shape (a central crop).

    Args:
        pixels: uint8 RGB, shape (h, w, 3).
        width: width of the upright photo in pixels, 0 for that of `pixels`.
        height: height of the upright photo in pixels, 0 for that of `pixels`.
        side: longer side of the thumbnail in pixels.
    """
    shown_width, shown_height = (width, height) if width > 0 and height > 0 else (pixels.shape[1], pixels.shape[0])
    scale = side / max(shown_width, shown_height)
    shortest = max(1, round(side * _NARROWEST))
    size = (max(shortest, round(shown_width * scale)), max(shortest, round(shown_height * scale)))
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    picture.save(buffer, "JPEG", quality=80, optimize=True)
    return buffer.getvalue()
