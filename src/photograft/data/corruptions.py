"""Photos made worse on purpose, as phones and shops make them worse; in patches, as outlines, and stored turned.

Everything works on the upright pixels (px, px, 3) that a network sees, after the contract's resize: lengths are shares
of px, so that a strength means the same for every input size, and a photo of 12 megapixels is not made worse in a
detail that the resize would take away again. Where the contract stretches, a round blur is an ellipse of the photo.

The corruptions are after Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (2019, ImageNet-C), written anew. Low light and colour cast stand for its brightness and weather, haze is
even, and a small photo is enlarged smoothly, not in blocks: so phones and shops have it. Strengths are milder than its
five: 1 is seen beside the original, 2 at once, and 3 is the worst that anybody would still send.

What is random in a photo follows from its key alone. Shape letters: H, W sides, C colours, K side of a kernel.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from photograft.data.orientation import stored_turned
from photograft.values import FloatArray, PixelArray

Kind = Literal["noise", "defocus", "motion", "jpeg", "dark", "fog", "small", "cast"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

STRENGTHS: Final = (1, 2, 3)
"""Mild, middle, strong."""

TURNS: Final = (6, 3, 8)
"""EXIF orientations of photos that are stored turned by 90, 180 and 270 degrees."""

REVISION: Final = 2
"""Raise it when the same photo becomes another one."""

Key = tuple[int, ...]
"""What a photo's random numbers follow from, such as a seed and numbers from the hash of its content."""


def corrupt(pixels_HWC: PixelArray, kind: Kind, strength: int, *, key: Key) -> PixelArray:
    """The photo made worse in one way; the same arguments give the same bytes.

    Args:
        pixels_HWC: uint8 RGB, square.
        kind: What is done to it.
        strength: One of `STRENGTHS`.
        key: The photo's; noise and directions are the same at every strength.
    """
    amount = _AMOUNTS[kind][strength - 1]
    return _CORRUPTIONS[kind](pixels_HWC, amount, (*key, KINDS.index(kind)))


def shuffle_patches(pixels_HWC: PixelArray, *, key: Key, grid: int = 4) -> PixelArray:
    """The photo cut into `grid` x `grid` squares that change places: colour and texture stay, the shape is lost.

    Source: Zhang and Zhu, "Interpreting Adversarially Trained Convolutional Neural Networks" (2019), who cut 2 x 2 to
    8 x 8. The rest at the right and lower edge of a size that cannot be divided stays where it is.
    """
    side = pixels_HWC.shape[0] // grid
    places = [(slice(y * side, (y + 1) * side), slice(x * side, (x + 1) * side)) for y, x in np.ndindex(grid, grid)]
    shuffled_HWC = pixels_HWC.copy()
    for place, taken in zip(places, np.random.default_rng((*key, len(KINDS))).permutation(grid * grid), strict=True):
        shuffled_HWC[place] = pixels_HWC[places[taken]]
    return shuffled_HWC


def outline(pixels_HWC: PixelArray) -> PixelArray:
    """The photo as dark lines on white: the shape stays, colour and texture are lost.

    Stands for the silhouettes and edges of Geirhos et al., "ImageNet-trained CNNs are biased towards texture" (2019),
    which need somebody to cut out what is shown. Lines are the Sobel gradient of the smoothed grey picture; fine
    texture goes with the smoothing.
    """
    px = pixels_HWC.shape[0]
    grey = Image.fromarray(pixels_HWC).convert("L").filter(ImageFilter.GaussianBlur(_SMOOTH * px))
    value_HW = np.pad(np.asarray(grey, dtype=np.float32), 1, mode="edge")
    across_HW = value_HW[:, 2:] - value_HW[:, :-2]
    down_HW = value_HW[2:] - value_HW[:-2]
    x_HW = across_HW[:-2] + 2 * across_HW[1:-1] + across_HW[2:]
    y_HW = down_HW[:, :-2] + 2 * down_HW[:, 1:-1] + down_HW[:, 2:]
    edge_HW = np.hypot(x_HW, y_HW)
    darkest = max(float(np.quantile(edge_HW, _DARKEST)), 1.0)  # of a blank photo nothing is drawn out
    line_HW = 255 - 255 * np.minimum(edge_HW / darkest, 1)
    return np.repeat(_as_pixels(line_HW)[:, :, None], 3, axis=2)


def turned_file(pixels_HWC: PixelArray, turn: int) -> bytes:
    """A PNG file of the photo, stored turned, whose EXIF orientation says how; 1 is upright and says nothing."""
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[_ORIENTATION] = turn
    named = {"exif": exif} if turn != 1 else {}
    stored_turned(Image.fromarray(pixels_HWC), turn).save(buffer, "PNG", compress_level=1, **named)
    return buffer.getvalue()


_ORIENTATION = 274
_SMOOTH = 0.012  # of px: radius of the smoothing before lines are drawn
_DARKEST = 0.97  # quantile of the gradient that is drawn black

_AMOUNTS: dict[Kind, tuple[float, float, float]] = {
    "noise": (0.05, 0.1, 0.2),  # standard deviation, of the range of values
    "defocus": (1.5 / 224, 3 / 224, 6 / 224),  # radius of the disc, of px
    "motion": (8 / 224, 16 / 224, 32 / 224),  # length of the way, of px
    "jpeg": (30, 15, 7),  # quality
    "dark": (0.6, 0.35, 0.18),  # of the stored values: 1.5, 3.3 and 5.4 stops of light
    "fog": (0.3, 0.5, 0.7),  # weight of the veil
    "small": (0.4, 0.25, 0.125),  # of px
    "cast": (1.2, 1.5, 2.0),  # by how much red grows and blue falls, or the other way round
}

_Corruption = Callable[[PixelArray, float, Key], PixelArray]


def _noise(pixels_HWC: PixelArray, amount: float, key: Key) -> PixelArray:
    return _as_pixels(pixels_HWC + np.float32(255 * amount) * _grain(key, pixels_HWC.shape))


def _defocus(pixels_HWC: PixelArray, amount: float, _: Key) -> PixelArray:
    return _convolve(pixels_HWC, _disc(amount * pixels_HWC.shape[0]))


def _motion(pixels_HWC: PixelArray, amount: float, key: Key) -> PixelArray:
    return _convolve(
        pixels_HWC, _way(amount * pixels_HWC.shape[0], int(np.random.default_rng(key).integers(_DIRECTIONS)))
    )


def _jpeg(pixels_HWC: PixelArray, amount: float, _: Key) -> PixelArray:
    buffer = io.BytesIO()
    Image.fromarray(pixels_HWC).save(buffer, "JPEG", quality=int(amount))
    with Image.open(buffer, formats=("JPEG",)) as image:
        return np.asarray(image.convert("RGB"))


def _dark(pixels_HWC: PixelArray, amount: float, _: Key) -> PixelArray:
    return _as_pixels(pixels_HWC * np.float32(amount))


def _fog(pixels_HWC: PixelArray, amount: float, _: Key) -> PixelArray:
    return _as_pixels(pixels_HWC * np.float32(1 - amount) + np.float32(amount * 255 * _VEIL))


def _small(pixels_HWC: PixelArray, amount: float, _: Key) -> PixelArray:
    """A preview instead of the photo, enlarged as the contract enlarges small photos."""
    px = pixels_HWC.shape[0]
    small = Image.fromarray(pixels_HWC).resize((max(1, round(amount * px)),) * 2, Image.Resampling.BICUBIC)
    return np.asarray(small.resize((px, px), Image.Resampling.BICUBIC))


def _cast(pixels_HWC: PixelArray, amount: float, key: Key) -> PixelArray:
    gain = amount if np.random.default_rng(key).random() < 0.5 else 1 / amount  # lamp light, or the blue of shade
    return _as_pixels(pixels_HWC * np.array((gain, 1, 1 / gain), dtype=np.float32))


_CORRUPTIONS: dict[Kind, _Corruption] = {
    "noise": _noise,
    "defocus": _defocus,
    "motion": _motion,
    "jpeg": _jpeg,
    "dark": _dark,
    "fog": _fog,
    "small": _small,
    "cast": _cast,
}

_VEIL = 0.8  # brightness of the fog
_DIRECTIONS = 8
_FINE = 8  # points per pixel by which kernels are drawn


@lru_cache(maxsize=4)
def _grain(key: Key, shape: tuple[int, ...]) -> FloatArray:
    """The noise of one photo, which its strengths share."""
    return np.random.default_rng(key).standard_normal(shape, dtype=np.float32)


def _as_pixels(value: npt.NDArray[Any]) -> PixelArray:
    return np.asarray(np.clip(np.rint(value), 0, 255).astype(np.uint8))


def _convolve(pixels_HWC: PixelArray, kernel_KK: FloatArray) -> PixelArray:
    """The picture, mirrored at its edges, blurred by a kernel of odd side and sum 1."""
    px, reach = pixels_HWC.shape[0], kernel_KK.shape[0] // 2
    edges = ((0, 0), (reach, reach), (reach, reach))
    value_CHW = np.pad(pixels_HWC.transpose(2, 0, 1).astype(np.float32), edges, "reflect")
    # Zeros behind the picture do not reach what is kept, and the transform wants a size without large prime factors.
    size = (-(-value_CHW.shape[1] // 24) * 24,) * 2
    spectrum_CHW = np.fft.rfft2(value_CHW, s=size) * np.fft.rfft2(kernel_KK, s=size)
    kept = slice(2 * reach, 2 * reach + px)
    blurred_CHW = np.fft.irfft2(spectrum_CHW, s=size)[:, kept, kept]
    return np.ascontiguousarray(_as_pixels(blurred_CHW).transpose(1, 2, 0))


@lru_cache(maxsize=64)
def _disc(radius: float) -> FloatArray:
    """A disc as a lens out of focus draws every point."""
    radius = max(radius, 0.75)  # a smaller one would leave every pixel to itself
    reach = int(np.ceil(radius))
    fine = (np.arange((2 * reach + 1) * _FINE) + 0.5) / _FINE - reach - 0.5
    inside_FF = np.hypot(fine[:, None], fine[None]) <= radius
    kernel_KK = inside_FF.reshape(2 * reach + 1, _FINE, 2 * reach + 1, _FINE).sum(axis=(1, 3), dtype=np.float32)
    return np.asarray(kernel_KK / kernel_KK.sum())


@lru_cache(maxsize=64)
def _way(length: float, direction: int) -> FloatArray:
    """The straight way that every point takes while the shutter is open."""
    angle, reach = np.pi * direction / _DIRECTIONS, int(np.ceil(length / 2))
    step = np.linspace(-length / 2, length / 2, max(2, int(_FINE * length)) + 1)
    rows, columns = (np.rint(reach + step * part).astype(int) for part in (np.sin(angle), np.cos(angle)))
    kernel_KK = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    np.add.at(kernel_KK, (rows, columns), 1)
    return np.asarray(kernel_KK / kernel_KK.sum())
