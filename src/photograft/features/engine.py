"""Which engine computes the features, chosen without importing torch where it is not needed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from photograft.features.engine_onnx import OnnxEngine
from photograft.models.catalogue import Backbone
from photograft.models.device import accelerator_hint
from photograft.values import FloatArray, PixelArray


class Engine(Protocol):
    """What turns pixels into embeddings; `name` is part of the cache key, since engines differ in the last digits."""

    name: str

    def embed(self, pixels_NHWC: PixelArray) -> FloatArray:
        """Embedding (N, D) float32 of pixels (N, px, px, 3) uint8."""
        ...


@dataclass(frozen=True)
class EnginePlan:
    """An engine that was chosen: its name for the cache, and how to open it when the first pixels arrive."""

    name: str
    open: Callable[[], Engine]


def choose_engine(backbone: Backbone, network: Path, *, embedding: str, device: str = "auto") -> EnginePlan:
    """ONNX Runtime on the CPU; torch where the setting `model.device` names a GPU, or `auto` finds one that works."""
    automatic = device == "auto"
    if automatic:
        device = accelerator_hint() if importlib.util.find_spec("torch") else "cpu"
    if device == "cpu":
        return EnginePlan(OnnxEngine.name, lambda: OnnxEngine(network))
    from photograft.features.engine_torch import TorchEngine, device_works

    if automatic and not device_works(device):
        return EnginePlan(OnnxEngine.name, lambda: OnnxEngine(network))
    engine = TorchEngine(backbone, embedding=embedding, device=device)
    return EnginePlan(engine.name, lambda: engine)
