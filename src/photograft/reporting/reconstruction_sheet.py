"""A sheet of photos with their reconstructions below them: those that were held out first, then those that trained."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from photograft.values import PixelArray

_SIDE_PX, _GAP_PX, _COLUMNS = 144, 8, 8
_CAPTION_PX = 24
_SOFT, _HELD = (86, 96, 112), (31, 111, 178)


def reconstruction_sheet(
    originals_NHWC: PixelArray, reconstructions_NHWC: PixelArray, *, held_out: Sequence[bool]
) -> bytes:
    """Draw every original above its reconstruction as a JPEG; those held out have a blue frame and come first."""
    bands = []
    for held in (True, False):
        rows = [row for row, each in enumerate(held_out) if each == held]
        starts = range(0, len(rows), _COLUMNS)
        bands += [(held, rows[start : start + _COLUMNS], start == 0) for start in starts]
    n_columns = max((len(rows) for _, rows, _ in bands), default=1)
    pitch, caption_width = _SIDE_PX + _GAP_PX, 520
    width = max(n_columns * pitch + _GAP_PX, caption_width)
    heights = [2 * _SIDE_PX + 2 * _GAP_PX + (_CAPTION_PX if first else 0) + _GAP_PX for _, _, first in bands]
    sheet = Image.new("RGB", (width, sum(heights) + _GAP_PX), "white")
    pen, top = ImageDraw.Draw(sheet), _GAP_PX
    for (held, rows, first), height in zip(bands, heights, strict=True):
        below = top
        if first:
            text = "held out: never trained on" if held else "trained on"
            pen.text((_GAP_PX, top), f"{text} (above: photo, below: reconstruction)", _HELD if held else _SOFT, _font())
            below += _CAPTION_PX
        for column, row in enumerate(rows):
            place = (_GAP_PX + column * pitch, below)
            pair = np.concatenate([_fitted(originals_NHWC[row]), _fitted(reconstructions_NHWC[row])])
            sheet.paste(Image.fromarray(pair), place)
            if held:
                corner = (place[0] + _SIDE_PX + 2, place[1] + 2 * _SIDE_PX + 2)
                pen.rectangle((place[0] - 3, place[1] - 3, *corner), outline=_HELD, width=3)
        top += height
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=92, subsampling=0)
    return file.getvalue()


def _fitted(pixels_HWC: PixelArray) -> PixelArray:
    picture = Image.fromarray(pixels_HWC).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(15)
