"""What reaches the BatchNorm layers of a network, beside what they saw when it was trained.

Shape letters: N photos, C channels, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from photograft.models.backbone import Embedder, load_embedder
from photograft.models.catalogue import Backbone
from photograft.values import DoubleArray, FloatArray, PixelArray

_BATCH = 16


@dataclass(frozen=True)
class Moments:
    """One BatchNorm layer: mean and mean square of its input per photo, and the statistics stored with its weights.

    `variance_C` has the layer's own small constant `epsilon` added, as the layer divides by it.
    """

    layer: str
    input_NC: DoubleArray
    square_NC: DoubleArray
    mean_C: DoubleArray
    variance_C: DoubleArray
    epsilon: float


class OpenNetwork:
    """A backbone whose pixels may be scaled in any way."""

    def __init__(self, backbone: Backbone, *, px: int) -> None:
        self._trunk = load_embedder(backbone, px=px).trunk.to(memory_format=torch.channels_last)
        self._layers = {
            name: module
            for name, module in self._trunk.named_modules()
            if isinstance(module, _BatchNorm) and module.running_mean is not None
        }

    def run(
        self, pixels_NHWC: PixelArray, mean: Sequence[float], std: Sequence[float], *, watch: bool
    ) -> tuple[FloatArray, list[Moments]]:
        """Embedding (N, D) of pixels (N, px, px, 3); with `watch` also what reached each BatchNorm layer."""
        embedder = Embedder(self._trunk, mean, std).eval()
        embeddings: list[FloatArray] = []
        seen: dict[str, list[tuple[DoubleArray, DoubleArray]]] = {name: [] for name in self._layers}
        hooks = [
            layer.register_forward_pre_hook(_note_moments(seen[name]))
            for name, layer in (self._layers.items() if watch else ())
        ]
        with torch.inference_mode():
            for i in range(0, len(pixels_NHWC), _BATCH):
                pixels = torch.from_numpy(np.ascontiguousarray(pixels_NHWC[i : i + _BATCH]))
                embeddings.append(embedder(pixels)[0].numpy())
        for hook in hooks:
            hook.remove()
        return np.concatenate(embeddings), [
            _moments(name, self._layers[name], parts) for name, parts in seen.items() if _is_whole(parts, pixels_NHWC)
        ]


def _note_moments(parts: list[tuple[DoubleArray, DoubleArray]]) -> Callable[..., None]:
    def hook(_module: nn.Module, given: Any) -> None:
        x = given[0]
        places = tuple(range(2, x.ndim))
        mean, square = (x.mean(places), x.square().mean(places)) if places else (x, x.square())
        parts.append((mean.double().numpy(), square.double().numpy()))

    return hook


def _is_whole(parts: list[tuple[DoubleArray, DoubleArray]], pixels_NHWC: PixelArray) -> bool:
    """Whether the layer ran once per photo: some are not used, some mix photos with places."""
    return sum(len(part) for part, _ in parts) == len(pixels_NHWC)


def _moments(name: str, layer: nn.Module, parts: list[tuple[DoubleArray, DoubleArray]]) -> Moments:
    return Moments(
        name,
        np.concatenate([mean_NC for mean_NC, _ in parts]),
        np.concatenate([square_NC for _, square_NC in parts]),
        layer.running_mean.double().numpy(),
        layer.running_var.double().numpy() + layer.eps,
        layer.eps,
    )
