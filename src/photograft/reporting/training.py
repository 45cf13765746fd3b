"""What the report is told about fine-tuning, and its section ``training`` of report.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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


Trainings = Training | Mapping[str, Training] | None
"""Of the only network, or of members by name, or of none."""


def training_document(training: Trainings) -> dict[str, Any]:
    """The section ``training`` as plain values, or ``trainings`` of members by name.

    Nothing for a run whose linear heads alone were trained. The comparison with them is about all members together,
    and so stands beside ``trainings``, as ``linear``; fits are named without their member there.
    """
    if not training:
        return {}
    if isinstance(training, Training):
        return {"training": _section(training)}
    linear = next((each.linear for each in training.values() if each.linear is not None), None)
    sections = {name: _section(_without_name(each, name)) for name, each in training.items()}
    return {"trainings": sections, "linear": linear and asdict(linear)}


def training_sections(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The sections of a report by the name of the member, which is empty where there is only one network."""
    return {"": report["training"]} if "training" in report else dict(report.get("trainings", {}))


def training_facts(training: Trainings) -> dict[str, Any]:
    """What the table of facts about the model holds beside those of a linear head; members have sections for it."""
    if not isinstance(training, Training):
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
        "statistics": summary.statistics,
        "with_statistics": summary.parameters + summary.statistics,
        "layers": [asdict(layer) for layer in summary.layers],
    }


def summary_from(document: Mapping[str, Any]) -> Summary:
    """The summary that `summary_document` wrote."""
    layers = (Layer(**layer | {"output": tuple(layer["output"])}) for layer in document["layers"])
    return Summary(document["graft"], document["cut"], document["batchnorm"], tuple(layers))


def records_from(document: Mapping[str, Any]) -> tuple[Record, ...]:
    """The records of a section ``training``."""
    return tuple(record_from(row) for row in document["records"])


def _section(training: Training) -> dict[str, Any]:
    return {
        "summary": summary_document(training.summary),
        "records": [asdict(record) for record in training.records],
        "epoch": training.epoch,
        "seconds": training.seconds,
        "augment": training.augment and training.augment.model_dump(mode="json"),
        "boundary": training.boundary and asdict(training.boundary),
        "linear": training.linear and asdict(training.linear),
        "share": training.share,
    }


def _without_name(training: Training, name: str) -> Training:
    records = [replace(record, fit=record.fit.removeprefix(f"{name}, ")) for record in training.records]
    return replace(training, records=records, linear=None)
