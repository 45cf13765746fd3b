"""Encoder of an autoencoder for style, after the network of Johnson et al., "Perceptual Losses for Real-Time Style
Transfer and Super-Resolution" (ECCV 2016): down-sampling convolutions, then residual blocks.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Norm = Literal["batch", "instance"]


class StyleEncoder(nn.Module):  # type: ignore[misc]  # torch is not analysed: it takes mypy minutes
    """Takes normalised pixels (N, 3, h, w) and gives its last feature map (N, 4 width, h/4, w/4)."""

    def __init__(self, *, width: int, n_blocks: int, norm: Norm) -> None:
        super().__init__()
        self.stem = _convolution(3, width, norm=norm, kernel=9)
        self.down = nn.Sequential(
            _convolution(width, 2 * width, norm=norm, stride=2),
            _convolution(2 * width, 4 * width, norm=norm, stride=2),
        )
        self.residual = nn.Sequential(*(ResidualBlock(4 * width, norm=norm) for _ in range(n_blocks)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The last feature map."""
        return self.residual(self.down(self.stem(x)))


class ResidualBlock(nn.Module):  # type: ignore[misc]
    """Two 3x3 convolutions whose result is added to what came in, without ReLU behind the sum."""

    def __init__(self, channels: int, *, norm: Norm) -> None:
        super().__init__()
        first = _convolution(channels, channels, norm=norm)
        self.body = nn.Sequential(*first, *_convolution(channels, channels, norm=norm)[:2])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A map of the same shape."""
        return x + self.body(x)


def _convolution(given: int, channels: int, *, norm: Norm, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, normalisation, ReLU. Reflected edges: zeros would show as a frame in reconstructions."""
    return nn.Sequential(
        # The normalisation takes away what a bias adds.
        nn.Conv2d(given, channels, kernel, stride, kernel // 2, padding_mode="reflect", bias=False),
        nn.BatchNorm2d(channels) if norm == "batch" else nn.InstanceNorm2d(channels, affine=True),
        nn.ReLU(),
    )
