"""How well photos are reconstructed, beside what needs no network: a number alone says little.

Shape letters: N photos, H and W rows and columns of pixels, C colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from photograft.metrics.intervals import bootstrap_interval
from photograft.values import DoubleArray, IntArray, PixelArray

_SHRUNK = 4


@dataclass(frozen=True)
class Error:
    """Mean squared error on colours from 0 to 1, with its 95 % interval, and as a peak signal-to-noise ratio."""

    mse: float
    low: float
    high: float

    @property
    def psnr_db(self) -> float:
        """Higher is better; at most 100."""
        return psnr_db(self.mse)


def psnr_db(mse: float) -> float:
    """Peak signal-to-noise ratio of a mean squared error on colours from 0 to 1; at most 100."""
    return -10 * math.log10(max(mse, 1e-10))


def mean_error(mse_N: DoubleArray, group_N: IntArray) -> Error:
    """The mean over photos; those of one group, which show the same picture, are drawn together for the interval."""
    limits = (0.0, math.inf)
    low, high = bootstrap_interval(lambda row_S: float(mse_N[row_S].mean()), group_N, limits=limits)
    return Error(float(mse_N.mean()), low, high)


def trivial_errors(pixels_NHWC: PixelArray) -> dict[str, DoubleArray]:
    """Errors, shape (N,), of what anybody can do: each photo's mean colour, and the photo shrunk to a quarter.

    The encoder too makes the sides a quarter as long, but keeps many values per place instead of three colours.
    """
    colour_NHWC = pixels_NHWC.astype(np.float64) / 255
    mean_NHWC = colour_NHWC.mean(axis=(1, 2), keepdims=True)
    shrunk_NHWC = np.stack([_shrunk(pixels_HWC) for pixels_HWC in pixels_NHWC]) / 255
    return {
        "mean_colour": np.square(colour_NHWC - mean_NHWC).mean(axis=(1, 2, 3)),
        "quarter": np.square(colour_NHWC - shrunk_NHWC).mean(axis=(1, 2, 3)),
    }


def _shrunk(pixels_HWC: PixelArray) -> PixelArray:
    height, width = pixels_HWC.shape[:2]
    small = (max(width // _SHRUNK, 1), max(height // _SHRUNK, 1))
    picture = Image.fromarray(pixels_HWC).resize(small, Image.Resampling.BICUBIC)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
