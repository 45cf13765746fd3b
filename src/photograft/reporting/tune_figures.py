"""Figures of a search: its course, and its trials by one setting at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Any

from photograft.config.document import write_value
from photograft.reporting.axes import LEFT, WIDTH, Panel, draw_axes, epoch_edges, score_ticks
from photograft.reporting.clean import clean_text
from photograft.reporting.svg import draw_svg, draw_text, fit_text, text_width
from photograft.reporting.texts import Texts
from photograft.reporting.tune_document import lower_is_better, value_in_words

_EDGE, _TOP, _HISTORY, _SLICE, _GAP = 16.0, 30.0, 200.0, 120.0, 72.0
_REACH = 4.0
"""How far the axis goes below the best trial, in distances from it to the one in the middle."""


def history_svg(document: Mapping[str, Any], texts: Texts) -> str:
    """Draw every score in its order, the best so far, and the base settings; empty without two finished trials."""
    done = _done(document)
    if len(done) < 2:
        return ""
    numbers = [trial["number"] for trial in document["trials"]]
    panel = Panel(_TOP, _HISTORY, *epoch_edges(numbers), _ticks(document, done))
    parts = [draw_axes(panel, metric_name(document, texts), None if lower_is_better(document) else texts.percent)]
    base = next((trial for trial in done if trial["base"]), None)
    if base is not None:
        y, title = panel.y(_within(base["score"], panel)), texts.say("tune.point.base", score=_shown(document, base))
        parts.append(
            f'<g><title>{escape(title)}</title><path d="M{LEFT} {y:.1f}h{WIDTH}" class="pg-line-1" stroke="#c2570c" '
            'stroke-width="1.5" stroke-dasharray="5 4"/></g>'
        )
    parts.append(_best_line(document, done, panel))
    for trial in done:
        words = texts.say("tune.point", number=trial["number"], score=_shown(document, trial))
        parts.append(_point(panel.x(trial["number"]), panel.y(_within(trial["score"], panel)), trial, words))
    bottom = panel.top + panel.height
    ends = sorted({numbers[0], numbers[len(numbers) // 2], numbers[-1]})
    parts += [draw_text(panel.x(number), bottom + 20, str(number), size=12, anchor="middle") for number in ends]
    parts.append(draw_text(LEFT + WIDTH / 2, bottom + 39, texts.say("tune.trial"), size=12, anchor="middle", soft=True))
    return draw_svg(LEFT + WIDTH + _EDGE, bottom + 48, parts, texts.say("tune.history"))


def slices_svg(document: Mapping[str, Any], names: Sequence[str], texts: Texts) -> str:
    """Draw the scores by each of these settings, one panel below the other; empty where there is nothing to see."""
    done = _done(document)
    if len(done) < 2 or not names:
        return ""
    ticks = _ticks(document, done)
    parts: list[str] = []
    top = _TOP
    for name in names:
        setting = next(each for each in document["space"] if each["name"] == name)
        parts += _slice(document, setting, done, Panel(top, _SLICE, 0.0, 1.0, ticks), texts)
        top += _SLICE + _GAP
    return draw_svg(LEFT + WIDTH + _EDGE, top - _GAP + 44, parts, texts.say("tune.slices"))


def metric_name(document: Mapping[str, Any], texts: Texts) -> str:
    """What trials are judged by, as a heading."""
    name = texts.say(f"tune.metric.{document['plan']['metric']}")
    return name[:1].upper() + name[1:]


def cut_off(document: Mapping[str, Any]) -> int:
    """How many scores lie beyond the axis, and are drawn at its edge."""
    done = _done(document)
    if len(done) < 2:
        return 0
    ticks = _ticks(document, done)
    return sum(not ticks[0] - 1e-9 <= trial["score"] <= ticks[-1] + 1e-9 for trial in done)


def _slice(
    document: Mapping[str, Any],
    setting: Mapping[str, Any],
    done: Sequence[Mapping[str, Any]],
    panel: Panel,
    texts: Texts,
) -> list[str]:
    name = setting["name"]
    parts = [draw_axes(panel, clean_text(name), None if lower_is_better(document) else texts.percent)]
    places, labels = _places(setting, done)
    for trial in done:
        if name not in trial["values"]:
            continue
        value = trial["values"][name]
        words = {"number": trial["number"], "name": name, "value": value_in_words(value)}
        title = texts.say("tune.slice.point", score=_shown(document, trial), **words)
        x = panel.x(places[write_value(value)])
        if setting["choices"] is not None:  # side by side, so that equal scores can be told apart
            x += (trial["number"] * 7 % 11 - 5) * min(2.5, WIDTH / len(labels) / 14)
        parts.append(_point(x, panel.y(_within(trial["score"], panel)), trial, clean_text(title)))
    room = WIDTH / max(len(labels), 1) - 6
    slant = any(text_width(label, 12) > room for _, label in labels)
    for place, label in labels:
        shown = fit_text(clean_text(label), room if not slant else max(room, 30.0), 12 if not slant else 10)
        size = 10 if slant else 12
        anchor = {0.0: "start", 1.0: "end"}.get(place, "middle")  # the ends of a range stay inside
        y = panel.top + panel.height + 20
        parts.append(draw_text(panel.x(place), y, shown, size=size, anchor=anchor, title=clean_text(label)))
    return parts


def _places(
    setting: Mapping[str, Any], done: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, float], list[tuple[float, str]]]:
    """Where each value stands, from 0 to 1, and the labels of the axis."""
    if setting["choices"] is not None:
        written = [write_value(value) for value in setting["choices"]]
        step = 1 / len(written)
        places = {each: (i + 0.5) * step for i, each in enumerate(written)}
        return places, [(places[each], each) for each in written]
    low, high = setting["low"], setting["high"]
    scale = math.log if setting["log"] else float

    def place(value: float) -> float:
        return float((scale(value) - scale(low)) / (scale(high) - scale(low)))

    tried = [trial["values"][setting["name"]] for trial in done if setting["name"] in trial["values"]]
    middle = math.sqrt(low * high) if setting["log"] else (low + high) / 2
    labels = [(place(value), f"{value:.3g}") for value in (low, middle, high)]
    return {write_value(value): place(value) for value in tried}, labels


def _done(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [trial for trial in document["trials"] if trial["score"] is not None]


def _ticks(document: Mapping[str, Any], done: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    """Round numbers around the scores, without those that are far worse than most."""
    scores = [trial["score"] for trial in done]
    if lower_is_better(document):
        best, worst = min(scores), max(scores)
        return score_ticks(best, min(worst, best + _REACH * max(median(scores) - best, 0.01)), top=math.inf)
    best, worst = max(scores), min(scores)
    return score_ticks(max(worst, best - _REACH * max(best - median(scores), 0.01)), best, top=1.0)


def _within(score: float, panel: Panel) -> float:
    return min(max(score, panel.ticks[0]), panel.ticks[-1])


def _shown(document: Mapping[str, Any], trial: Mapping[str, Any]) -> str:
    return f"{trial['score']:.4f}" if lower_is_better(document) else f"{100 * trial['score']:.1f} %"


def _point(x: float, y: float, trial: Mapping[str, Any], title: str) -> str:
    if trial["base"]:
        style = 'class="pg-line-1" stroke="#c2570c" stroke-width="2.5" fill="none"'
    else:
        style = 'class="pg-right" fill="#1f6fb2" fill-opacity="0.75"'
    return f'<g><title>{escape(title)}</title><circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {style}/></g>'


def _best_line(document: Mapping[str, Any], done: Sequence[Mapping[str, Any]], panel: Panel) -> str:
    """The best so far, as steps from the first finished trial to the last one."""
    choose = min if lower_is_better(document) else max
    best = done[0]["score"]
    path = f"M{panel.x(done[0]['number']):.1f} {panel.y(_within(best, panel)):.1f}"
    for trial in done[1:]:
        best = choose(best, trial["score"])
        path += f"H{panel.x(trial['number']):.1f}V{panel.y(_within(best, panel)):.1f}"
    return f'<path d="{path}" class="pg-line-0" stroke="#0a6fb8" stroke-width="2" fill="none"/>'
