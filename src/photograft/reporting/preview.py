"""The contact sheet of crops: each photo with its box, beside what the network sees of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from photograft.reporting.check_texts import check_texts_in
from photograft.reporting.html import Pictures, render_template
from photograft.reporting.texts import Texts
from photograft.values import Pixels4


@dataclass(frozen=True)
class PreviewRow:
    """One photo before and after cropping.

    `width` and `height` are those of the whole upright photo in pixels, `box` is in its pixels and None where the
    whole photo is used, `problem` says why an annotated box is not. The pictures are JPEG files.
    """

    name: str
    label: str
    box: Pixels4 | None
    width: int
    height: int
    problem: str
    whole_jpeg: bytes
    crop_jpeg: bytes


def render_preview(rows: Sequence[PreviewRow], *, language: str = "en") -> str:
    """Draw the rows as one self-contained page, in their order."""
    texts, pictures = check_texts_in(language), Pictures()
    shown = [
        {
            "name": row.name,
            "label": row.label,
            "whole": pictures.address(row.whole_jpeg),
            "crop": pictures.address(row.crop_jpeg),
            "shape": _shape(row),
            "frame": _frame(row),
            "problem": row.problem,
            "facts": _describe(row, texts),
        }
        for row in rows
    ]
    cropped = sum(row.box is not None for row in rows)
    return render_template("preview.html.j2", texts=texts, rows=shown, cropped=cropped)


def _shape(row: PreviewRow) -> str:
    """The photo's shape within a square, as CSS, so that the frame is placed on the photo and not on the square."""
    if row.width <= 0 or row.height <= 0:
        return "width:100%;height:100%"
    return f"aspect-ratio:{row.width}/{row.height};{'width' if row.width >= row.height else 'height'}:100%"


def _frame(row: PreviewRow) -> str:
    """Where the box lies on the picture of the whole photo, as CSS in percent; empty without a box."""
    if row.box is None or row.width <= 0 or row.height <= 0:
        return ""
    left, right = (100 * min(max(x / row.width, 0), 1) for x in row.box[::2])
    top, bottom = (100 * min(max(y / row.height, 0), 1) for y in row.box[1::2])
    return f"left:{left:.2f}%;top:{top:.2f}%;width:{right - left:.2f}%;height:{bottom - top:.2f}%"


def _describe(row: PreviewRow, texts: Texts) -> str:
    size: dict[str, Any] = {"photo_width": row.width, "photo_height": row.height}
    if row.box is None:
        return texts.say("preview.problem", problem=row.problem) if row.problem else texts.say("preview.nobox", **size)
    left, top, right, bottom = row.box
    place = {"left": left, "top": top, "right": right, "bottom": bottom, "width": right - left, "height": bottom - top}
    return texts.say("preview.box", **place, **size)
