"""Validation loss and accuracy of several runs in one figure, each run with a colour and dashes of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from photograft.reporting.axes import LEFT, WIDTH, Panel, draw_axes, draw_epochs, epoch_edges, loss_ticks, share_ticks
from photograft.reporting.clean import clean_text
from photograft.reporting.svg import draw_svg, draw_text, fit_text, text_width
from photograft.reporting.texts import Texts

_COLOURS = ("#0a6fb8", "#c2570c", "#0b7d5c", "#a8327e", "#7a5ec2", "#7d6608")
"""Each at least 4.5 to 1 on white; the page has lighter ones for a dark ground."""
_DASHES = ("", "7 4", "2 3", "9 3 2 3")
_RIGHT_EDGE, _LOSS, _ACCURACY, _GAP = 16.0, 200.0, 170.0, 34.0
_ROW, _STROKE = 20.0, 28.0


@dataclass(frozen=True)
class Line:
    """One run: its name, and validation loss and accuracy by epoch; a loss that was no number is None."""

    name: str
    epoch: tuple[float, ...]
    loss: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]


def lines_of(runs: Sequence[Mapping[str, Any]], *, name: str) -> list[Line]:
    """The curves of runs as documents have them, under what each is called by the key `name`, and its member."""
    return [
        Line(
            f"{run[name]}: {curve['member']}" if curve["member"] else run[name],
            tuple(curve["epoch"]),
            tuple(curve["loss"]),
            tuple(curve["accuracy"]),
        )
        for run in runs
        for curve in run["curves"]
    ]


def study_curves_svg(lines: Sequence[Line], texts: Texts) -> str:
    """Draw loss above accuracy, with a legend; empty where no run has a curve. Lines have titles with their numbers."""
    lines = [line for line in lines if _points(line, line.loss)]
    if not lines:
        return ""
    legend, top = _legend(lines)
    epochs = [epoch for line in lines for epoch in line.epoch]
    edges = epoch_edges(epochs)
    losses = [_points(line, line.loss) for line in lines]
    shares = [value for line in lines for _, value in _points(line, line.accuracy)] or [0.0, 1.0]
    upper = Panel(top + 30, _LOSS, *edges, loss_ticks(losses))
    lower = Panel(top + 30 + _LOSS + _GAP, _ACCURACY, *edges, share_ticks(shares))
    parts = [*legend, draw_axes(upper, texts.say("study.curves.loss"), None)]
    parts.append(draw_axes(lower, texts.say("study.curves.accuracy"), texts.percent))
    for number, line in enumerate(lines):
        parts.append(_drawn(line, line.loss, upper, number, texts, share=False))
        parts.append(_drawn(line, line.accuracy, lower, number, texts, share=True))
    parts += draw_epochs(lower, epochs, texts.say("study.curves.epoch"))
    height = lower.top + lower.height + 46
    return draw_svg(LEFT + WIDTH + _RIGHT_EDGE, height, parts, texts.say("study.curves"))


def _points(line: Line, values: Sequence[float | None]) -> list[tuple[float, float]]:
    pairs = zip(line.epoch, values, strict=True)
    return [(epoch, value) for epoch, value in pairs if value is not None and math.isfinite(value)]


def _legend(lines: Sequence[Line]) -> tuple[list[str], float]:
    """A row per run, or two runs per row where their names are short; and where it ends."""
    whole = LEFT + WIDTH
    widest = max(text_width(line.name, 12) for line in lines)
    per_row = 2 if _STROKE + widest + 14 <= whole / 2 else 1
    column = whole / per_row
    parts = []
    for number, line in enumerate(lines):
        x, y = 8 + column * (number % per_row), 12 + _ROW * (number // per_row)
        parts.append(f'<path d="M{x:.1f} {y}h22" {_style(number)}/>')
        name = clean_text(line.name)
        shown = fit_text(name, column - _STROKE - 8, 12)
        parts.append(draw_text(x + _STROKE, y + 4, shown, size=12, title=name))
    return parts, _ROW * math.ceil(len(lines) / per_row)


def _style(number: int) -> str:
    colour, dash = number % len(_COLOURS), _DASHES[number // len(_COLOURS) % len(_DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    stroke = f'class="pg-line-{colour}" stroke="{_COLOURS[colour]}"'
    return f'{stroke} fill="none" stroke-width="2" stroke-linejoin="round"{dashed}'


def _drawn(line: Line, values: Sequence[float | None], panel: Panel, number: int, texts: Texts, *, share: bool) -> str:
    points = _points(line, values)
    if not points:
        return ""
    epoch, last = points[-1]
    shown = texts.percent(last) if share else f"{last:.4g}"
    title = texts.say("study.curves.point", name=clean_text(line.name), epoch=f"{epoch:g}", value=shown)
    path = "M" + "L".join(f"{panel.x(epoch):.1f} {panel.y(value):.1f}" for epoch, value in points)
    if len(points) == 1:  # a line without length would not be seen
        path += "h0.01"
    cap = ' stroke-linecap="round"' if len(points) == 1 else ""
    style = _style(number).replace('stroke-width="2"', 'stroke-width="6"') if cap else _style(number)
    return f'<g><title>{escape(title)}</title><path d="{path}" {style}{cap}/></g>'
