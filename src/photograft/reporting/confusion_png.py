"""The confusion matrix as a PNG picture, drawn with Pillow.

A picture has no viewer's fonts to fall back on. Classes are numbered in the order of confusion.csv, and a row shows
its name beside the number only where a font on this machine has every letter of it.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from photograft.reporting.clean import clean_text
from photograft.values import IntArray

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

_NAMES_ON_AXES = 30
_MARGIN = 16
_WHITE, _INK, _SOFT, _LINE = (255, 255, 255), (28, 36, 48), (86, 96, 112), (205, 211, 218)
_RIGHT, _WRONG = (31, 111, 178), (194, 87, 12)
# Fonts as systems ship them, those with Hangul first; the first that has all letters of all names is used.
_FONT_FILES = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
    "/usr/share/fonts/nanum/NanumGothic.ttf",
    "/usr/share/fonts/naver-nanum/NanumGothic.ttf",
    "/System/Library/Fonts/AppleSDGothicNeo.ttc",
    "/Library/Fonts/NanumGothic.ttf",
    "C:/Windows/Fonts/malgun.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "C:/Windows/Fonts/arial.ttf",
)


def confusion_png(classes: Sequence[str], confusion_KK: IntArray) -> bytes:
    """Draw the confusion matrix: row = true class, column = predicted class, shade = share of the row.

    Blue is right, orange is wrong. Up to 30 classes cells hold their counts, and rows their names where a font has the
    letters; columns are numbered. Returns PNG bytes; the picture grows with the classes.
    """
    k = len(classes)
    names = [unicodedata.normalize("NFC", clean_text(name)) for name in classes]
    cell = 48 if k <= 12 else 34 if k <= _NAMES_ON_AXES else 14
    size = 14 if k <= _NAMES_ON_AXES else 11
    font = _font_for(names, size)
    labels = [f"{_drawable(name, font)}  {i}".strip() for i, name in enumerate(names, 1)]
    labels = [_fit(label, 240, font) for label in labels]
    left = _MARGIN + 22 + round(max((font.getlength(label) for label in labels), default=0)) + 8
    top = _MARGIN + 22 + size + 8
    picture = Image.new("RGB", (left + k * cell + _MARGIN, top + k * cell + _MARGIN), _WHITE)
    draw = ImageDraw.Draw(picture)
    draw.text((left + k * cell / 2, _MARGIN), "named", _SOFT, font, anchor="mt")
    _draw_sideways(picture, "true class", font, (_MARGIN, top + k * cell // 2))
    for i, label in enumerate(labels):
        middle = (i + 0.5) * cell
        draw.text((left - 8, top + middle), label, _INK, font, anchor="rm")
        if k <= 99 or i % 10 == 9:  # three digits side by side do not fit
            draw.text((left + middle, top - 8), str(i + 1), _INK, font, anchor="mb")
    _draw_cells(draw, confusion_KK, (left, top), cell, font)
    draw.rectangle((left, top, left + k * cell, top + k * cell), outline=_LINE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def has_glyphs(font: Font, text: str) -> bool:
    """Return whether `font` has a shape of its own for every letter of `text`.

    A missing letter is drawn as the font's box for missing ones: a letter whose picture equals that of a code point
    which no font has is missing.
    """
    missing = _picture("\U0010ffff", font)
    return all(letter.isspace() or _picture(letter, font) != missing for letter in set(text))


def _font_for(names: Sequence[str], size: int) -> Font:
    """Return the font that can draw the most of the names, Pillow's own first."""
    letters = "".join(names)
    best: Font = ImageFont.load_default(size)
    if has_glyphs(best, letters):
        return best
    drawn = sum(has_glyphs(best, name) for name in names)
    for file in _FONT_FILES:
        if not Path(file).is_file():
            continue
        try:
            font = ImageFont.truetype(file, size)
        except OSError:
            continue  # a damaged font is as good as none
        if (count := sum(has_glyphs(font, name) for name in names)) > drawn:
            best, drawn = font, count
        if drawn == len(names):
            break
    return best


def _drawable(name: str, font: Font) -> str:
    return name if has_glyphs(font, name) else ""


def _picture(letter: str, font: Font) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


def _fit(text: str, width: int, font: Font) -> str:
    if font.getlength(text) <= width:
        return text
    keep = len(text)
    while keep > 2 and font.getlength(text[: keep // 2] + "..." + text[-(keep // 2) :]) > width:
        keep -= 1
    return text[: keep // 2] + "..." + text[-(keep // 2) :]


def _draw_cells(
    draw: ImageDraw.ImageDraw, confusion_KK: IntArray, corner: tuple[int, int], cell: int, font: Font
) -> None:
    totals_K = confusion_KK.sum(axis=1)
    for i, j in np.argwhere(confusion_KK > 0).tolist():
        n = int(confusion_KK[i, j])
        share = n / int(totals_K[i])
        # The square root lifts the few mistakes off the background; a full row keeps the full colour.
        shade = 0.12 + 0.88 * (share if i == j else share**0.5)
        x, y = corner[0] + j * cell, corner[1] + i * cell
        draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=_blend(_RIGHT if i == j else _WRONG, shade))
        if len(confusion_KK) <= _NAMES_ON_AXES and font.getlength(str(n)) < cell:
            draw.text(
                (x + cell / 2, y + cell / 2),
                str(n),
                _WHITE if shade > (0.75 if i == j else 0.85) else _INK,
                font,
                anchor="mm",
            )


def _blend(colour: Colour, shade: float) -> Colour:
    red, green, blue = (round(255 + (part - 255) * shade) for part in colour)
    return red, green, blue


def _draw_sideways(picture: Image.Image, text: str, font: Font, place: tuple[int, int]) -> None:
    """Draw text that reads upwards, its left edge and its middle at `place`."""
    width, height = round(font.getlength(text)) + 2, 22
    strip = Image.new("RGB", (width, height), _WHITE)
    ImageDraw.Draw(strip).text((1, height / 2), text, _SOFT, font, anchor="lm")
    turned = strip.rotate(90, expand=True)
    picture.paste(turned, (place[0] - 6, max(0, place[1] - width // 2)))
