"""A sheet of small pictures that shows what training will see: photos in one column, their changed copies beside."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

from PIL import Image

from photograft.values import PixelArray

_GAP_PX = 6


def contact_sheet(
    originals: Sequence[PixelArray],
    changed: Sequence[Sequence[PixelArray]],
    *,
    px: int = 128,
    kind: Literal["JPEG", "PNG"] = "JPEG",
) -> bytes:
    """Draw every original (H, W, 3) uint8 at the left of a row, and its changed copies beside it, `px` pixels each."""
    columns = 1 + max((len(copies) for copies in changed), default=0)
    pitch = px + _GAP_PX
    # A double gap sets the originals apart.
    size = (columns * pitch + 2 * _GAP_PX, len(originals) * pitch + _GAP_PX)
    sheet = Image.new("RGB", size, "white")
    for row, (original, copies) in enumerate(zip(originals, changed, strict=True)):
        for column, pixels_HWC in enumerate((original, *copies)):
            place = (_GAP_PX + column * pitch + (_GAP_PX if column else 0), _GAP_PX + row * pitch)
            sheet.paste(Image.fromarray(pixels_HWC).resize((px, px), Image.Resampling.BICUBIC), place)
    file = io.BytesIO()
    sheet.save(file, kind, quality=90)
    return file.getvalue()
