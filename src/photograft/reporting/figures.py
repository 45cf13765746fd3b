"""Figures as SVG strings, for the page and as files of their own.

Standing alone, a figure is dark on white. Inside the page a style sheet recolours it through its classes: text and
lines take `currentColor`, the background (``pg-back``) disappears, right and wrong have a colour per scheme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from photograft.data.rows import FACTOR_SEPARATOR
from photograft.metrics.intervals import wilson_interval
from photograft.reporting.clean import clean_text
from photograft.reporting.svg import RIGHT, WRONG, draw_rect, draw_svg, draw_text, fit_text, text_width
from photograft.reporting.texts import Texts, texts_in
from photograft.values import IntArray

NAMES_ON_COLUMNS = 30  # above this many classes columns are numbered, and row names carry the numbers
_LIGHT_ABOVE = {"pg-right": 0.75, "pg-wrong": 0.85}  # the shade from which white reads better than ink


def confusion_svg(
    classes: Sequence[str], confusion_KK: IntArray, *, totals_K: IntArray | None = None, language: str = "en"
) -> str:
    """Draw the confusion matrix as a heat map: row = true class, column = predicted class, shade = share of the row.

    Up to 30 classes cells hold their counts; with more, only the cells that hold photos are drawn. Every drawn cell
    has a title that names both classes. Names that do not fit are cut, and whole in the title. `totals_K` are the
    photos per true class where the matrix is a part of a larger one.
    """
    texts = texts_in(language)
    k = len(classes)
    names = [clean_text(name) for name in classes]
    numbered = k > NAMES_ON_COLUMNS
    # Names of combinations differ in their middle, which is what is cut out of a name that does not fit.
    combined = not numbered and k > 0 and all(FACTOR_SEPARATOR in name for name in names)
    widest, longest, slant = (240.0, 205.0, 156.0) if combined else (200.0 if numbered else 150.0, 145.0, 110.0)
    cell = _cell_size(k)
    size = 13 if cell >= 24 else min(12, cell - 1)
    rows = [f"{name}  {i}" if numbered else name for i, name in enumerate(names, 1)]
    columns = [str(i) for i in range(1, k + 1)] if numbered else names
    left = 26 + min(widest, max((text_width(name, size) for name in rows), default=0))
    top = 28 + min(slant, 0.72 * max((text_width(name, size) for name in columns), default=0) + 8)
    right = 14.0 if numbered else max(14.0, min(slant, 0.72 * text_width(columns[-1], size) - cell / 2)) if k else 14.0
    parts = [
        draw_text(left + k * cell / 2, 14, texts.say("figure.predicted"), size=12, anchor="middle", soft=True),
        draw_text(12, top + k * cell / 2, texts.say("figure.true"), size=12, anchor="middle", soft=True, turn=-90),
    ]
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        shown = fit_text(row, widest, size)
        parts.append(draw_text(left - 6, top + (i + 0.5) * cell + size / 3, shown, size=size, anchor="end", title=name))
    for i, (column, name) in enumerate(zip(columns, names, strict=True)):
        turn = -90 if numbered else -45
        x, shown = left + (i + 0.5) * cell + (size / 3 if numbered else 0), fit_text(column, longest, size)
        parts.append(draw_text(x, top - 6, shown, size=size, turn=turn, title=name))
    parts.extend(_cells(names, confusion_KK, totals_K, left=left, top=top, cell=cell, texts=texts))
    parts.append(_frame(left, top, k * cell))
    return draw_svg(left + k * cell + right, top + k * cell + 8, parts, texts.say("figure.confusion"))


def reliability_svg(bins: Sequence[Mapping[str, Any]], *, texts: Texts | None = None) -> str:
    """Draw the reliability diagram: stated probability against the share that was right, per bin.

    `bins` hold low, high, n, confidence and accuracy. Whiskers are 95 % Wilson intervals, the bars below show how
    many photos there are. `texts` are English ones by default.
    """
    texts = texts or texts_in("en")
    side, left, top, strip = 300, 62, 12, 56
    base = top + side
    filled = [part for part in bins if part["n"]]
    most = max((part["n"] for part in filled), default=1)
    parts = [_grid(left, top, side)]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(draw_text(left + tick * side, base + strip + 26, f"{tick:.0%}", size=12, anchor="middle"))
        parts.append(draw_text(left - 8, base - tick * side + 4, f"{tick:.0%}", size=12, anchor="end"))
    parts.extend(_bin(part, left=left, base=base, side=side, strip=strip, most=most, texts=texts) for part in filled)
    middle = left + side / 2
    parts.append(draw_text(middle, base + strip + 46, texts.say("figure.stated"), size=12, anchor="middle", soft=True))
    parts.append(
        draw_text(14, top + side / 2, texts.say("figure.right"), size=12, anchor="middle", soft=True, turn=-90)
    )
    parts.append(draw_text(left - 8, base + strip - 2, texts.say("figure.photos"), size=11, anchor="end", soft=True))
    return draw_svg(left + side + 24, base + strip + 56, parts, texts.say("figure.reliability"))


def _cell_size(k: int) -> float:
    return 54.0 if k <= 6 else 42.0 if k <= 12 else 34.0 if k <= 20 else 28.0 if k <= NAMES_ON_COLUMNS else 14.0


def _cells(
    names: Sequence[str],
    confusion_KK: IntArray,
    totals_K: IntArray | None,
    *,
    left: float,
    top: float,
    cell: float,
    texts: Texts,
) -> list[str]:
    with_counts = len(names) <= NAMES_ON_COLUMNS
    totals = confusion_KK.sum(axis=1) if totals_K is None else totals_K
    pairs = np.argwhere(confusion_KK > 0).tolist()
    drawn = []
    for i, j in pairs:
        n, total = int(confusion_KK[i, j]), int(totals[i])
        share = n / total
        # The square root lifts the few mistakes off the background; a full row keeps the full colour.
        shade = 0.12 + 0.88 * share**0.5 if i != j else 0.12 + 0.88 * share
        label = texts.say(
            "figure.cell", label=names[i], predicted=names[j], n=n, total=total, share=texts.percent(share)
        )
        x, y = left + j * cell, top + i * cell
        kind, colour = ("pg-right", RIGHT) if i == j else ("pg-wrong", WRONG)
        inside = draw_rect(x, y, cell, cell, kind, colour, shade)
        if with_counts:
            limit = _LIGHT_ABOVE[kind]
            size = 13 if cell >= 34 and n < 1000 else 10
            inside += draw_text(
                x + cell / 2, y + cell / 2 + size / 3, f"{n}", size=size, anchor="middle", light=shade > limit
            )
        drawn.append(f"<g><title>{escape(label)}</title>{inside}</g>")
    return drawn


def _frame(left: float, top: float, side: float) -> str:
    return (
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{side:.0f}" height="{side:.0f}" fill="none" '
        'stroke="currentColor" stroke-opacity="0.25"/>'
    )


def _grid(left: float, top: float, side: float) -> str:
    lines = "".join(
        f'<path d="M{left} {top + t * side}h{side}M{left + t * side} {top}v{side}"/>' for t in (0, 0.25, 0.5, 0.75, 1)
    )
    diagonal = f'<path d="M{left} {top + side}L{left + side} {top}" stroke-opacity="0.6" stroke-dasharray="5 5"/>'
    return f'<g stroke="currentColor" stroke-opacity="0.12" fill="none">{lines}{diagonal}</g>'


def _bin(
    part: Mapping[str, Any], *, left: float, base: float, side: float, strip: float, most: int, texts: Texts
) -> str:
    low, high = wilson_interval(round(part["accuracy"] * part["n"]), part["n"])
    x, y = left + part["confidence"] * side, base - part["accuracy"] * side
    height = max(1.5, (strip - 16) * part["n"] / most)
    label = texts.say(
        "figure.bin",
        low=f"{part['low']:.0%}",
        high=f"{part['high']:.0%}",
        n=part["n"],
        share=texts.percent(part["accuracy"]),
    )
    start, width = left + part["low"] * side + 1, max(1.0, (part["high"] - part["low"]) * side - 2)
    bar = draw_rect(start, base + strip - height, width, height, "pg-plain", "currentColor", 0.3)
    whisker = (
        f'<path d="M{x:.1f} {base - low * side:.1f}V{base - high * side:.1f}" class="pg-right-line" '
        f'stroke="{RIGHT}" stroke-opacity="0.55" stroke-width="2"/>'
    )
    dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{5 if part["n"] >= 10 else 3}" class="pg-right" fill="{RIGHT}"/>'
    return f"<g><title>{escape(label)}</title>{bar}{whisker}{dot}</g>"
