"""The EXIF orientation of a photo: read, applied to pictures, and applied to rectangles."""

from __future__ import annotations

from PIL import Image

Rect4 = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def upright(image: Image.Image, turn: int) -> Image.Image:
    """The picture as it is to be looked at."""
    return image.transpose(_METHODS[turn]) if turn in _METHODS else image


def stored_turned(image: Image.Image, turn: int) -> Image.Image:
    """The upright picture as a file stores it whose EXIF orientation is `turn`; the reverse of `upright`."""
    return upright(image, _BACK.get(turn, turn))


def upright_rect(rect: Rect4, width: float, height: float, turn: int) -> Rect4:
    """Where a rectangle of the stored picture of `width` x `height` lies in the upright one."""
    left, top, right, bottom = rect
    if turn in (2, 3, 6, 7):  # mirrored along the upright x axis, which is the stored y axis from 5 on
        if turn < 5:
            left, right = width - right, width - left
        else:
            top, bottom = height - bottom, height - top
    if turn in (3, 4, 7, 8):
        if turn < 5:
            top, bottom = height - bottom, height - top
        else:
            left, right = width - right, width - left
    return (top, left, bottom, right) if turn >= 5 else (left, top, right, bottom)


def stored_rect(rect: Rect4, width: float, height: float, turn: int) -> Rect4:
    """Where a rectangle of the upright picture of `width` x `height` lies in the stored one."""
    return upright_rect(rect, width, height, _BACK.get(turn, turn))


def remaining_turn(image: Image.Image) -> int:
    """EXIF orientation that still has to be applied to a loaded picture; 1 where it is missing or damaged."""
    try:
        return _valid_turn(image.getexif().get(_ORIENTATION))
    except MemoryError:
        raise
    except Exception:  # damaged EXIF data raises errors of a dozen types, and says nothing about the picture
        return 1


def tiff_turn(image: Image.Image) -> int:
    """Orientation of a TIFF that is not loaded yet, since Pillow applies and forgets it; 0 for other formats."""
    try:
        return _valid_turn(image.tag_v2.get(_ORIENTATION)) if image.format == "TIFF" else 0  # type: ignore[attr-defined]
    except Exception:
        return 1


_ORIENTATION = 274
_BACK = {6: 8, 8: 6}  # the others turn back by turning again
_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _valid_turn(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
