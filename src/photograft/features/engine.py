"""Which engine computes the features, chosen without importing torch where it is not needed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from photograft.errors import MissingExtraError
from photograft.features.engine_onnx import OnnxEngine
from photograft.models.catalogue import Backbone
from photograft.models.device import accelerator_hint
from photograft.values import FloatArray, PixelArray

if TYPE_CHECKING:
    from photograft.features.extract import FeatureStore


class Engine(Protocol):
    """What turns pixels into embeddings; `name` is part of the cache key, since engines differ in the last digits."""

    name: str

    def embed(self, pixels_NHWC: PixelArray) -> FloatArray:
        """Embedding (N, D) float32 of pixels (N, px, px, 3) uint8."""
        ...


@dataclass(frozen=True)
class EnginePlan:
    """The engines that may run, by preference: names for the cache, and how to open them.

    Only opening shows whether a GPU works, which costs the import of torch; `open` then gives the one that does.
    """

    openers: dict[str, Callable[[], Engine]]

    def open(self) -> Engine:
        """Open the preferred engine; its name is that of the one that really runs."""
        return next(iter(self.openers.values()))()


def choose_engine(
    backbone: Backbone, network: Path, *, embedding: str, device: str = "auto", px: int | None = None
) -> EnginePlan:
    """ONNX Runtime on the CPU; torch where the setting `model.device` names a GPU, or `auto` finds one that works.

    `px` is the side of the pixels, by which networks of timm and torchvision choose their stages. Torch is not imported
    here. Raises MissingExtraError where the setting names a GPU and torch is not installed.
    """

    def open_onnx() -> Engine:
        return OnnxEngine(network)

    def open_torch() -> Engine:
        from photograft.features.engine_torch import TorchEngine, device_works

        if automatic and not device_works(device):
            return open_onnx()
        return TorchEngine(backbone, embedding=embedding, device=device, px=px)

    automatic = device == "auto"
    installed = all(importlib.util.find_spec(module) for module in ("torch", "timm"))
    if automatic:
        device = accelerator_hint() if installed else "cpu"
    if device == "cpu":
        return EnginePlan({OnnxEngine.name: open_onnx})
    if not installed:
        raise MissingExtraError(f"model.device: {device}", "train")
    openers = dict.fromkeys(torch_names(device), open_torch)
    return EnginePlan({**openers, OnnxEngine.name: open_onnx} if automatic else openers)


def torch_names(device: str) -> tuple[str, ...]:
    """Names of the torch engines that may run on a device: bf16 where it can, as it keeps the range of fp32."""
    kinds = {"cpu": ("bf16",), "cuda": ("bf16", "fp16"), "mps": ("fp16",)}[device]
    return tuple(f"torch-{device}-{kind}" for kind in kinds)


def settle_engine(
    plan: EnginePlan, open_store: Callable[[str], FeatureStore], is_complete: Callable[[FeatureStore], bool]
) -> tuple[FeatureStore, Callable[[], Engine]]:
    """The store that features are read from and written to, and how to open the engine that fills it.

    Where one engine alone may run, it is opened when the first pixels arrive. Where several may, a store that is
    complete already is taken, by preference; only where none is, the engine is opened, and its own name decides.
    """
    for name, opener in plan.openers.items():
        store = open_store(name)
        if len(plan.openers) == 1 or is_complete(store):
            return store, opener
    engine = plan.open()
    return open_store(engine.name), lambda: engine
