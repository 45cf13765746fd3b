"""What trains, layer by layer, as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from photograft.data.files import printable
from photograft.reporting.remarks import plain_rate
from photograft.reporting.texts import Texts
from photograft.reporting.training_texts import training_texts_in
from photograft.values import Layer, Summary

_MOST = 0.5
"""Share from which on it is said that most of the network trains: a point's name may sound like less."""


def summary_text(summary: Summary) -> list[str]:
    """The layers as aligned columns, then the counts: all, trainable, frozen, each without and with statistics.

    Parameters are what training could move. Keras counts the running averages of BatchNorm among the parameters, as
    ones that are not trainable: the column "with statistics" agrees with its counts.
    """
    texts = training_texts_in("en")
    heads = [texts.say(f"layers.{name}") for name in ("name", "kind", "output", "parameters", "statistics", "lr")]
    rows = [[printable(layer.name), printable(layer.kind), *layer_cells(layer, texts)] for layer in summary.layers]
    counts = [[texts.say(f"layers.{name}"), *cells] for name, cells in count_rows(summary, texts)]
    columns = ["", *(texts.say(f"layers.{name}") for name in ("parameters", "share", "with"))]
    return [
        *_aligned([heads, *rows], right=(3, 4)),
        "",
        *_aligned([columns, *counts], right=(1, 2, 3)),
        "",
        say_trained(summary, texts, tense="trains"),
    ]


def layer_cells(layer: Layer, texts: Texts) -> list[str]:
    """Output, parameters, statistics, and learning rate or "frozen", as both tables show them."""
    output = "×".join(map(str, layer.output)) or "–"
    rate = texts.say("layers.frozen") if layer.frozen else "–" if layer.lr is None else plain_rate(layer.lr)
    statistics = f"{layer.statistics:,}" if layer.statistics else "–"
    return [output, f"{layer.parameters:,}", statistics, rate]


def count_rows(summary: Summary, texts: Texts) -> list[tuple[str, list[str]]]:
    """The counts: a key of `training_texts`, and the cells parameters, share of them, parameters with statistics."""
    statistics = summary.statistics
    frozen = summary.parameters - summary.trainable
    return [
        ("all", [f"{summary.parameters:,}", "", f"{summary.parameters + statistics:,}"]),
        ("trainable", [f"{summary.trainable:,}", say_share(summary, texts), f"{summary.trainable:,}"]),
        ("frozen.rest", [f"{frozen:,}", "", f"{frozen + statistics:,}"]),
        ("statistics.all", ["–", "", f"{statistics:,}"]),
    ]


def say_share(summary: Summary, texts: Texts) -> str:
    """The trainable share in whole percent; below 1 % with a digit behind the point."""
    return texts.percent(summary.trainable_fraction, 0 if summary.trainable_fraction >= 0.01 else 1)


def say_trained(summary: Summary, texts: Texts, *, tense: Literal["trained", "trains"]) -> str:
    """What trained, or trains: both counts, where it begins, what becomes of BatchNorm, and whether it is the most."""
    counts = {"trainable": f"{summary.trainable:,}", "all": f"{summary.parameters:,}"}
    if summary.trainable == summary.parameters:
        what = texts.say(f"{tense}.scratch" if summary.graft == "scratch" else f"{tense}.all", **counts)
    else:
        share = say_share(summary, texts)
        what = texts.say(f"{tense}.part", share=share, cut=summary.cut, **counts)
    if summary.statistics:
        what = f"{what}; {texts.say(_batchnorm_key(summary))}"
    said = texts.say("sentence", text=what)
    if _MOST <= summary.trainable_fraction < 1:
        key = f"{tense}.most.block" if summary.graft == "last-block" else f"{tense}.most"
        said += f" {texts.say('sentence', text=texts.say(key, share=say_share(summary, texts)))}"
    return said


def _batchnorm_key(summary: Summary) -> str:
    if summary.batchnorm == "moved":
        return "batchnorm.moved"
    hidden = [layer for layer in summary.layers if layer.name.startswith("hidden.") and layer.statistics]
    if all(layer.frozen for layer in hidden):
        return "batchnorm.kept"
    n_all = summary.statistics
    return "batchnorm.moved" if sum(layer.statistics for layer in hidden) == n_all else "batchnorm.hidden"


def _aligned(rows: Sequence[Sequence[str]], *, right: Sequence[int]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
