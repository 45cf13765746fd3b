"""What a network for timm is made of. Shape letters: D numbers of the last embedding, K classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from photograft.models.catalogue import Backbone
from photograft.values import DoubleArray


@dataclass(frozen=True)
class TimmParts:
    """A backbone under the name that timm builds it by, its classifier, and how a photo becomes its input.

    `preprocessing` are values of timm's `pretrained_cfg`. `is_tuned` says that a run has fine-tuned the backbone.
    """

    backbone: Backbone
    architecture: str
    weight_DK: DoubleArray
    bias_K: DoubleArray
    labels: tuple[str, ...]
    preprocessing: dict[str, Any]
    is_tuned: bool
