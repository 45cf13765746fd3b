"""The page's section on fine-tuning, as texts and pictures that its template only places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from photograft.reporting.curves import curves_svg, name_fit
from photograft.reporting.layer_table import count_rows, layer_cells, say_trained
from photograft.reporting.remarks import say_remarks
from photograft.reporting.texts import Texts
from photograft.reporting.training import records_from, summary_from, training_sections
from photograft.reporting.training_curves import group_fits
from photograft.reporting.training_texts import training_texts_in
from photograft.values import Record, Summary


def show_training(report: Mapping[str, Any], *, sheets: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what the section shows; None for a run without fine-tuning.

    Args:
        report: the document of `build_report`.
        sheets: addresses of the pictures of changed copies, by the keys of `training_sections`.
    """
    sections = training_sections(report)
    if not sections:
        return None
    texts = training_texts_in(report["language"])
    linear = report.get("linear")
    return {
        "texts": texts,
        "comparison": say_comparison(linear, texts) if linear else "",
        "members": [_member(name, section, sheets.get(name, ""), texts) for name, section in sections.items()],
    }


def say_comparison(linear: Mapping[str, Any], texts: Texts) -> str:
    """Say how fine-tuning did against the linear head, and whether the difference is more than chance."""
    low, high = linear["low"], linear["high"]
    shares = {name: f"{linear[name]:.3f}" for name in ("tuned", "linear")}
    signed = {"low": f"{low:+.3f}", "high": f"{high:+.3f}", "difference": f"{linear['tuned'] - linear['linear']:+.3f}"}
    verdict = "better" if low > 0 else "worse" if high < 0 else "unsure"
    meaning = texts.say(f"training.linear.{verdict}", n=linear["n"], what=texts.name("what", linear["what"]))
    return f"{texts.say('training.linear.text', **shares, **signed)} {meaning}"


def say_augmentation(augment: Mapping[str, Any], texts: Texts) -> str:
    """Say in words how copies were changed; settings that change nothing are not named."""
    shares = ("brightness", "contrast", "saturation", "hue", "erasing")
    told = [texts.say(f"augment.flip.{augment['flip']}")] if augment["flip"] != "none" else []
    told += [texts.say("augment.rotation", value=f"{augment['rotation']:g}")] if augment["rotation"] else []
    told += [texts.say("augment.crop", value=texts.percent(augment["crop"], 0))] if augment["crop"] < 1 else []
    told += [texts.say(f"augment.{key}", value=texts.percent(augment[key], 0)) for key in shares if augment[key]]
    others = ("randaugment", "mixup", "cutmix")
    told += [texts.say(f"augment.{key}", value=f"{augment[key]:g}") for key in others if augment[key]]
    if not told:
        return texts.say("augment.plain")
    views = [texts.say("augment.views", n=augment["views"])] if augment["views"] else []
    return "; ".join([*views, ", ".join(told)])


def say_time(seconds: float, texts: Texts) -> str:
    """Return a time as people say it: "45 s", "4 min 28 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return texts.say("time.seconds", seconds=f"{seconds:.1f}" if seconds < 10 else whole)
    if whole < 3600:
        return texts.say("time.minutes", minutes=whole // 60, seconds=whole % 60)
    return texts.say("time.hours", hours=whole // 3600, minutes=whole % 3600 // 60)


def peak_rate(summary: Summary) -> float | None:
    """The highest learning rate before the head, which is what `train.lr` sets; that of the head where it is alone."""
    rates = [layer.lr for layer in summary.layers if layer.lr is not None and not layer.frozen]
    return max(rates[:-1] or rates, default=None)


def _member(name: str, section: Mapping[str, Any], sheet: str, texts: Texts) -> dict[str, Any]:
    summary, records = summary_from(section["summary"]), records_from(section)
    return {
        "name": name,
        "facts": _facts(section, summary, records, texts),
        "figure": Markup(curves_svg(records, best=section["epoch"], language=texts.language)) if records else None,
        "remarks": say_remarks(records, texts.language, lr=peak_rate(summary)),
        "layers": [(layer.name, layer.kind, layer.frozen, *layer_cells(layer, texts)) for layer in summary.layers],
        "counts": [(texts.say(f"layers.{key}"), cells) for key, cells in count_rows(summary, texts)],
        "sheet": sheet,
    }


def _facts(
    section: Mapping[str, Any], summary: Summary, records: tuple[Record, ...], texts: Texts
) -> list[tuple[str, str]]:
    facts = {"what": say_trained(summary, texts, tense="trained"), "epochs": _say_epochs(section, records, texts)}
    if section["linear"]:
        facts["linear"] = say_comparison(section["linear"], texts)
    if section["augment"]:
        facts["augment"] = texts.say("sentence", text=say_augmentation(section["augment"], texts))
    if section["boundary"]:
        kept = section["boundary"]
        counts = {"photos": kept["photos"], "views": kept["views"], "size": f"{kept['size_bytes'] / 1e9:.2f} GB"}
        facts["boundary"] = texts.say("training.boundary.text", time=say_time(kept["seconds"], texts), **counts)
    return [(texts.say(f"training.{name}"), sentence) for name, sentence in facts.items()]


def _say_epochs(section: Mapping[str, Any], records: tuple[Record, ...], texts: Texts) -> str:
    """How many epochs the longest fit ran, and which fits there were where there are several."""
    fits = group_fits(records)
    n = f"{max((record.epoch for record in records), default=section['epoch']):g}"
    values = {"time": say_time(section["seconds"], texts), "best": f"{section['epoch']:g}"}
    said = texts.say("training.epochs.text", n=1 if n == "1" else n, **values)
    if len(fits) < 2:
        return said
    return f"{said} {texts.say('training.fits', fits=', '.join(name_fit(fit, texts) for fit in fits))}"
