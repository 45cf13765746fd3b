"""The pieces that figures are drawn with: shapes and text as SVG, and how wide a text is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_FONT = "system-ui, 'Noto Sans KR', 'Apple SD Gothic Neo', 'Malgun Gothic', NanumGothic, sans-serif"
RIGHT, WRONG = "#1f6fb2", "#c2570c"


def draw_svg(width: float, height: float, parts: Sequence[str], title: str) -> str:
    """Return the figure around its parts; sizes are in pixels, and `title` is what a screen reader says."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pg-figure" role="img" aria-label="{escape(title)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'color="#1c2430" font-family="{_FONT}">'
        f'<rect class="pg-back" width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>'
    )


def draw_rect(x: float, y: float, width: float, height: float, kind: str, colour: str, opacity: float = 1.0) -> str:
    """Return a filled rectangle; `kind` is the class that the page recolours it by."""
    shade = f' fill-opacity="{opacity:.2f}"' if opacity < 1 else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} class="{kind}" fill="{colour}"{shade}/>'


def draw_text(
    x: float,
    y: float,
    text: str,
    *,
    size: float,
    anchor: str = "start",
    turn: int = 0,
    soft: bool = False,
    light: bool = False,
    title: str = "",
) -> str:
    """Return a text that begins, is centred or ends (`anchor`) at a point; `turn` is in degrees."""
    turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    colour = (
        ' fill="#ffffff"' if light else ' fill="currentColor" fill-opacity="0.7"' if soft else ' fill="currentColor"'
    )
    named = f"<title>{escape(title)}</title>" if title and title != text else ""
    anchored = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{anchored}{colour}{turned}>{named}{escape(text)}</text>'


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is drawn: Hangul and other wide letters are one em, the rest 0.58."""
    return size * sum(1.0 if ord(letter) >= 0x1100 else 0.58 for letter in text)


def fit_text(text: str, width: float, size: float) -> str:
    """Cut the middle out of a text that is wider than `width`, so that both its ends can be read."""
    if text_width(text, size) <= width:
        return text
    keep = len(text)
    while keep > 2 and text_width(text[: (keep + 1) // 2] + "…" + text[-(keep // 2) :], size) > width:
        keep -= 1
    return text[: (keep + 1) // 2] + "…" + text[-(keep // 2) :]
