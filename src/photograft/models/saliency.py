"""Integrated gradients in torch: how every pixel moved a weighted sum of the embedding.

M. Sundararajan, A. Taly & Q. Yan, Axiomatic Attribution for Deep Networks (ICML 2017): the gradient is averaged on the
straight way from an empty picture to the photo, so that the pixels' shares add up to the whole difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from photograft.models.backbone import Stack, load_embedder
from photograft.models.catalogue import Backbone
from photograft.values import DoubleArray, FloatArray, PixelArray

_AT_ONCE = 4


def load_states(frozen: Backbone | None, tuned: Sequence[Backbone], *, px: int, embedding: str) -> nn.Module:
    """States of a network side by side as they are shipped: the frozen one with its embedding, then the tuned ones."""
    if frozen is not None and not tuned:
        return load_embedder(frozen, embedding=embedding, px=px)
    before = None if frozen is None else load_embedder(frozen, embedding=embedding, px=px)
    return Stack(before, [load_embedder(each, embedding="last", px=px) for each in tuned])


def embed(network: nn.Module, pixels_NHWC: PixelArray) -> FloatArray:
    """Embeddings (N, D), to be compared with those of the exported network."""
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(np.ascontiguousarray(pixels_NHWC)))[0].numpy(), np.float32)


def integrated_gradients(
    network: nn.Module, pixels_HWC: PixelArray, empty_HWC: PixelArray, weight_D: FloatArray, *, steps: int = 16
) -> DoubleArray:
    """The share (h, w) of every pixel in `weight_D` times the embedding, compared with that of the empty picture."""
    photo, empty = (torch.from_numpy(each.astype(np.float32)) for each in (pixels_HWC, empty_HWC))
    weight = torch.from_numpy(np.ascontiguousarray(weight_D, np.float32))
    total = torch.zeros_like(photo)
    shares = (torch.arange(steps) + 0.5) / steps
    for some in shares.split(_AT_ONCE):
        between = (empty + some.view(-1, 1, 1, 1) * (photo - empty)).requires_grad_()
        (slope,) = torch.autograd.grad((network(between)[0] @ weight).sum(), between)
        total += slope.sum(0)
    return np.asarray(((photo - empty) * total / steps).sum(dim=2).numpy(), np.float64)
