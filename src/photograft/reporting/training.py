"""What the report is told about fine-tuning, and its section ``training`` of report.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from photograft.config.augment import AugmentConfig
from photograft.reporting.training_records import record_from
from photograft.values import Layer, Record, Summary


@dataclass(frozen=True)
class LinearComparison:
    """Accuracy of the tuned network and of the linear head it began with, on the same `n` photos.

    `what` names the photos like `Evaluation.what`. `low` and `high` are the 95 % interval of the difference, tuned
    minus linear, from pairs (`photograft.metrics.intervals.paired_difference`).
    """

    what: str
    n: int
    tuned: float
    linear: float
    low: float
    high: float


@dataclass(frozen=True)
class BoundaryFacts:
    """What the frozen part's kept output took: photos, views of each, bytes on disk, seconds to compute."""

    photos: int
    views: int
    size_bytes: int
    seconds: float


@dataclass(frozen=True)
class Training:
    """Everything that the report says about fine-tuning.

    `records` are those of every fit, in order. `epoch` is the one whose state was judged best, and so the number of
    epochs of a refit. `seconds` are those of all fits together. `augment` is None where no changed copies were used,
    `boundary` where the frozen part ran in every epoch. `share` is that of the tuned network (0 to 1) where it is
    averaged with the linear head on the frozen one, else None.
    """

    summary: Summary
    records: Sequence[Record]
    epoch: float
    seconds: float
    augment: AugmentConfig | None = None
    boundary: BoundaryFacts | None = None
    linear: LinearComparison | None = None
    share: float | None = None


def training_document(training: Training | None) -> dict[str, Any]:
    """The section ``training`` as plain values; nothing for a run whose linear head alone was trained."""
    if training is None:
        return {}
    return {
        "training": {
            "summary": summary_document(training.summary),
            "records": [asdict(record) for record in training.records],
            "epoch": training.epoch,
            "seconds": training.seconds,
            "augment": training.augment and training.augment.model_dump(mode="json"),
            "boundary": training.boundary and asdict(training.boundary),
            "linear": training.linear and asdict(training.linear),
            "share": training.share,
        }
    }


def training_facts(training: Training | None) -> dict[str, Any]:
    """What the table of facts about the model holds beside those of a linear head."""
    if training is None:
        return {}
    summary = training.summary
    return {
        "cut": summary.cut,
        "trained": f"{summary.trainable:,} of {summary.parameters:,} parameters",
        "batchnorm": summary.batchnorm,
        "best_epoch": training.epoch,
    }


def summary_document(summary: Summary) -> dict[str, Any]:
    """The summary of layers as every JSON output has it."""
    return {
        "graft": summary.graft,
        "cut": summary.cut,
        "batchnorm": summary.batchnorm,
        "parameters": summary.parameters,
        "trainable": summary.trainable,
        "statistics": sum(layer.statistics for layer in summary.layers),
        "layers": [asdict(layer) for layer in summary.layers],
    }


def summary_from(document: Mapping[str, Any]) -> Summary:
    """The summary that `summary_document` wrote."""
    layers = (Layer(**layer | {"output": tuple(layer["output"])}) for layer in document["layers"])
    return Summary(document["graft"], document["cut"], document["batchnorm"], tuple(layers))


def records_from(document: Mapping[str, Any]) -> tuple[Record, ...]:
    """The records of a section ``training``."""
    return tuple(record_from(row) for row in document["records"])
