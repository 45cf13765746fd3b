"""Where in a photo the evidence for a label lies, for whoever asks the server."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any

from photograft.contract import Contract
from photograft.features.engine_maps import MapEngine
from photograft.inference.classifier import Prediction
from photograft.inference.evidence import Question, questions_about, questions_named
from photograft.inference.heat_maps import class_activation, empty_picture, look
from photograft.models.bundle import Bundle
from photograft.serving.decoding import Photo
from photograft.workflow.explain import ENOUGH

_DIGITS = 3


class HeatMaps:
    """Heat maps by the network's own maps; one at a time, since two passes would only share the cores."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._one_at_a_time = threading.Lock()

    def of(self, photo: Photo, *, label: str | None, prediction: Prediction) -> dict[str, Any]:
        """The document for a label, or for what was predicted.

        Raises:
            ConfigError: The model knows no such label.
        """
        question = self._question(label, prediction)
        with self._one_at_a_time:
            seen = look(self._bundle, self._engines, photo.pixels)
            empty = look(self._bundle, self._engines, empty_picture(photo.pixels))
        heat = class_activation(question, self._bundle, seen, empty)
        return {
            "label": question.label if label is None else label,
            "grid": heat.heat_GG.round(_DIGITS).tolist(),
            "window": seen_window(self._bundle.contract, photo.width, photo.height),
            "supported": heat.share >= ENOUGH,
        }

    @cached_property
    def _engines(self) -> dict[str, MapEngine]:
        return {key: MapEngine(path) for key, path in self._bundle.networks.items()}

    def _question(self, label: str | None, prediction: Prediction) -> Question:
        found = questions_about(prediction, self._bundle) if label is None else questions_named(label, self._bundle)
        return found[0]


def seen_window(contract: Contract, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what the network sees of an upright photo, as fractions of it."""
    kept_width, kept_height = float(width), float(height)
    if contract.resize.rule == "short_side":
        kept_width = kept_height = min(kept_width, kept_height)
    if contract.crop.rule == "center":
        share = min(1.0, contract.crop.px / contract.resize.px)
        kept_width, kept_height = kept_width * share, kept_height * share
    left, top = (1 - kept_width / width) / 2, (1 - kept_height / height) / 2
    return left, top, 1 - left, 1 - top
