"""Losses and validation accuracy by epoch, as one SVG in the manner of `figures`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from photograft.reporting.axes import LEFT, WIDTH, Panel, draw_axes, draw_epochs, epoch_edges, loss_ticks, share_ticks
from photograft.reporting.clean import clean_text
from photograft.reporting.svg import RIGHT, draw_svg, draw_text, text_width
from photograft.reporting.texts import Texts
from photograft.reporting.training_curves import group_fits
from photograft.reporting.training_texts import training_texts_in
from photograft.values import Record

What = Literal["train", "val", "val_accuracy"]
_RIGHT_EDGE, _LOSS, _ACCURACY = 16.0, 170.0, 110.0
_GAP = 34.0  # between the panels: the name of the lower one
_DOTTED_UP_TO = 24  # evaluations; more dots would hide the line
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "14 4", "5 2", "1 4", "9 3 2 3 2 3")


@dataclass(frozen=True)
class _Series:
    """One line: the fit it belongs to, what it shows, its points (epoch, value), its dashes and whether it is thin."""

    fit: str
    what: What
    points: tuple[tuple[float, float], ...]
    dash: str
    thin: bool


def curves_svg(records: Sequence[Record], *, best: float, language: str = "en") -> str:
    """Draw training and validation loss, and below them validation accuracy, against the epoch.

    Training is grey, validation blue; each fit has dashes of its own, and folds are thin. A line goes up through the
    epoch `best`. A loss that ran away is cut at four times the first ones. Points have titles with their numbers.
    """
    texts = training_texts_in(language)
    series = list(_lines(records))
    legend, top = _legend(series, texts)
    epochs = [epoch for line in series for epoch, _ in line.points] or [1.0]
    edges = epoch_edges(epochs)
    losses = [line for line in series if line.what != "val_accuracy"]
    accuracies = [line for line in series if line.what == "val_accuracy"]
    panels = [(Panel(top + 20, _LOSS, *edges, loss_ticks([line.points for line in losses])), losses)]
    if accuracies:
        shares = [value for line in accuracies for _, value in line.points]
        panels.append((Panel(top + 20 + _LOSS + _GAP, _ACCURACY, *edges, share_ticks(shares)), accuracies))
    parts = legend
    for (panel, lines), name in zip(panels, ("loss", "accuracy"), strict=False):
        write = texts.percent if name == "accuracy" else None
        parts += [draw_axes(panel, texts.say(f"curves.{name}"), write), _best(panel, best)]
        parts += [_line(line, panel, best, texts) for line in lines]
    first, last = panels[0][0], panels[-1][0]
    base = last.top + last.height
    if edges[0] <= best <= edges[1]:
        label = f"{texts.say('curves.best')}: {best:g}"
        parts.append(draw_text(first.x(best), first.top - 6, label, size=11, anchor=_anchor(first, best), soft=True))
    parts += draw_epochs(last, epochs, texts.say("curves.epoch"))
    return draw_svg(LEFT + WIDTH + _RIGHT_EDGE, base + 46, parts, texts.say("curves"))


def _lines(records: Sequence[Record]) -> Iterator[_Series]:
    read: dict[What, Callable[[Record], float | None]] = {
        "train": lambda record: record.train_loss,
        "val": lambda record: record.val_loss,
        "val_accuracy": lambda record: record.val_accuracy,
    }
    for i, (fit, rows) in enumerate(group_fits(records).items()):
        for what, value_of in read.items():
            values = ((record.epoch, value_of(record)) for record in rows)
            points = tuple((epoch, v) for epoch, v in values if v is not None and math.isfinite(v))
            if points:
                yield _Series(fit, what, points, _DASHES[i % len(_DASHES)], fit.startswith("fold "))


def _legend(series: Sequence[_Series], texts: Texts) -> tuple[list[str], float]:
    """The legend in as many rows as it needs, and where it ends."""
    kinds = dict.fromkeys("train" if line.what == "train" else "val" for line in series)
    entries = [(_stroke(kind == "train", "", thin=False), texts.say(f"curves.{kind}.kind")) for kind in kinds]
    fits = {line.fit: line for line in series}
    first_fit = len(entries)  # on a row of its own: dashes are about fits, colours about what is drawn
    if len(fits) > 1:
        entries += [(_stroke(True, line.dash, thin=True), name_fit(fit, texts)) for fit, line in fits.items()]
    parts, x, y = [], LEFT, 12.0
    for i, (style, name) in enumerate(entries):
        width = 28 + text_width(name, 12) + 14
        if x > LEFT and (i == first_fit or x + width > LEFT + WIDTH):
            x, y = LEFT, y + 20
        parts.append(f'<path d="M{x:.1f} {y}h22" {style}/>')
        parts.append(draw_text(x + 28, y + 4, clean_text(name), size=12))
        x += width
    return parts, y + 10


def name_fit(fit: str, texts: Texts) -> str:
    """Return the display name of a fit; an unknown one is shown as it is called."""
    if fit.startswith("fold "):
        return texts.say("fit.fold", number=fit.removeprefix("fold "))
    return texts.name("fit", fit)


def _stroke(training: bool, dash: str, *, thin: bool) -> str:
    colour = 'stroke="currentColor" stroke-opacity="0.55"' if training else f'class="pg-right-line" stroke="{RIGHT}"'
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'{colour} fill="none" stroke-width="{1.2 if thin else 2.2}" stroke-linejoin="round"{dashed}'


def _best(panel: Panel, best: float) -> str:
    if not panel.left_value <= best <= panel.right_value:
        return ""
    line = f"M{panel.x(best):.1f} {panel.top}v{panel.height}"
    return f'<path d="{line}" stroke="currentColor" stroke-opacity="0.45" stroke-dasharray="3 4"/>'


def _anchor(panel: Panel, epoch: float) -> str:
    place = (panel.x(epoch) - LEFT) / WIDTH
    return "start" if place < 0.08 else "end" if place > 0.92 else "middle"


def _line(line: _Series, panel: Panel, best: float, texts: Texts) -> str:
    points = [(panel.x(epoch), panel.y(value)) for epoch, value in line.points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    drawn = [f'<path d="{path}" {_stroke(line.what == "train", line.dash, thin=line.thin)}/>'] if points[1:] else []
    dotted = len(points) <= _DOTTED_UP_TO
    for (x, y), (epoch, value) in zip(points, line.points, strict=True):
        if dotted or epoch == best:
            shown = texts.percent(value) if line.what == "val_accuracy" else f"{value:.4g}"
            what = texts.say(f"curves.{line.what}")
            values = {"fit": clean_text(name_fit(line.fit, texts)), "epoch": f"{epoch:g}", "what": what, "value": shown}
            label = texts.say("curves.point", **values)
            drawn.append(f"<g><title>{escape(label)}</title>{_dot(x, y, line, best=epoch == best)}</g>")
    return "".join(drawn)


def _dot(x: float, y: float, line: _Series, *, best: bool) -> str:
    radius = (1.8 if line.thin else 2.6) + (2 if best and not line.thin and line.what != "train" else 0)
    fill = 'fill="currentColor" fill-opacity="0.55"' if line.what == "train" else f'class="pg-right" fill="{RIGHT}"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {fill}/>'
