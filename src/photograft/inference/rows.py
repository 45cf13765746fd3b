"""A prediction as a row of JSON, the same from the command line and from the server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from photograft.inference.classifier import Prediction


def prediction_row(prediction: Prediction, *, top: int, several: bool) -> dict[str, Any]:
    """Everything but whose photo it is, with the `top` most probable classes; `several` where a photo may have more."""
    row: dict[str, Any] = {
        "status": prediction.status,
        "label": prediction.label,
        "probability": prediction.probability,
        "top": _ranked(prediction.top[:top]),
    }
    if prediction.reason:
        return row | {"reason": prediction.reason}
    if prediction.factors:
        row["factors"] = {
            name: {"label": factor.label, "probability": factor.probability, "top": _ranked(factor.top[:top])}
            for name, factor in prediction.factors.items()
        }
    return row | ({"labels": _ranked(prediction.labels)} if several else {})


def _ranked(named: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"label": label, "probability": chance} for label, chance in named]
