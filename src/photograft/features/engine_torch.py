"""Run a backbone with torch on a GPU (CUDA or MPS) in mixed precision.

Features from here only train the head; reported scores always come from the exported network in ONNX Runtime.
"""

from __future__ import annotations

import numpy as np
import torch

from photograft.errors import ConfigError
from photograft.features.engine import torch_names
from photograft.models.backbone import load_embedder
from photograft.models.catalogue import Backbone
from photograft.values import FloatArray, PixelArray

BATCH = 128
"""Photos per forward pass: enough to fill a small GPU at 320 px."""


class TorchEngine:
    """A backbone in torch: pixels (N, px, px, 3) uint8 to embedding (N, D) float32."""

    def __init__(self, backbone: Backbone, *, embedding: str, device: str, px: int | None = None) -> None:
        if not device_works(device):
            raise ConfigError(
                f"model.device: {device} was asked for, but torch {torch.__version__} finds no such device; "
                "use cpu or auto"
            )
        self._device = device
        # bf16 keeps the range of fp32; GPUs before Ampere, and MPS, only have fp16.
        bf16 = device == "cpu" or (device == "cuda" and torch.cuda.is_bf16_supported())
        self._dtype = torch.bfloat16 if bf16 else torch.float16
        self.name = torch_names(device)[0 if bf16 else -1]
        embedder = load_embedder(backbone, embedding=embedding, px=px)
        self._network = embedder.to(device, memory_format=torch.channels_last)

    def embed(self, pixels_NHWC: PixelArray) -> FloatArray:
        """Embedding of shape (N, D)."""
        parts = []
        with torch.inference_mode(), torch.autocast(self._device, dtype=self._dtype):
            for i in range(0, len(pixels_NHWC), BATCH):
                pixels = torch.from_numpy(np.ascontiguousarray(pixels_NHWC[i : i + BATCH])).to(self._device)
                parts.append(self._network(pixels)[0].float().cpu().numpy())
        return np.concatenate(parts)


def device_works(device: str) -> bool:
    """Whether this build of torch can use the device here; a driver alone is not enough."""
    return bool({"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[device])
