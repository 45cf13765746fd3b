"""The other half of the autoencoder that `pretrain` trains: from the encoder's last map back to the photo.

After the network of Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution" (ECCV 2016),
with nearest-neighbour up-sampling in the place of its transposed convolutions, which leave a checkerboard (Odena et
al., Distill 2016).

Shape letters: N photos, H and W rows and columns of pixels, C colours or channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from photograft.models.autoencoder import Norm, StyleEncoder


class Decoder(nn.Module):  # type: ignore[misc]  # torch is not analysed: it takes mypy minutes
    """Takes a map (N, 4 width, h/4, w/4) of a `StyleEncoder` and gives colours (N, 3, h, w) between 0 and 1."""

    def __init__(self, *, width: int, norm: Norm) -> None:
        super().__init__()
        self.first = _convolution(4 * width, 2 * width, norm)
        self.second = _convolution(2 * width, width, norm)
        self.colours = nn.Conv2d(width, 3, 9, padding=4, padding_mode="reflect")

    def forward(self, map_NCHW: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """A picture of `height` x `width`, which the encoder has halved twice, rounding up."""
        half_size = (-(-height // 2), -(-width // 2))
        half = self.first(functional.interpolate(map_NCHW, size=half_size, mode="nearest"))
        whole = self.second(functional.interpolate(half, size=(height, width), mode="nearest"))
        return self.colours(whole).sigmoid()


class Autoencoder(nn.Module):  # type: ignore[misc]
    """Encoder and decoder: colours (N, 3, h, w) between 0 and 1 in, their reconstruction out.

    `mean` and `std` scale the colours as they will be scaled when the encoder is a backbone.
    """

    def __init__(self, *, width: int, n_blocks: int, norm: Norm, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.encoder = StyleEncoder(width=width, n_blocks=n_blocks, norm=norm)
        self.decoder = Decoder(width=width, norm=norm)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, colour_NCHW: torch.Tensor) -> torch.Tensor:
        """The reconstruction, of the same shape."""
        height, width = colour_NCHW.shape[2:]
        return self.decoder(self.encoder((colour_NCHW - self.mean) / self.std), height, width)


def build_autoencoder(
    *, width: int, n_blocks: int, norm: Norm, mean: Sequence[float], std: Sequence[float], seed: int
) -> Autoencoder:
    """An autoencoder with random weights that the seed alone decides."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Autoencoder(width=width, n_blocks=n_blocks, norm=norm, mean=mean, std=std)


def _convolution(given: int, channels: int, norm: Norm) -> nn.Sequential:
    """Convolution, normalisation, ReLU; edges are reflected, as in the encoder."""
    return nn.Sequential(
        nn.Conv2d(given, channels, 3, padding=1, padding_mode="reflect", bias=False),
        nn.BatchNorm2d(channels) if norm == "batch" else nn.InstanceNorm2d(channels, affine=True),
        nn.ReLU(),
    )
