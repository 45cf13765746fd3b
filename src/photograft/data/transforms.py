"""Changed copies of photos for training: the random transforms of torchvision, drawn from a number alone.

The transforms are the functions of torchvision.transforms.v2, with parameters drawn here: its classes draw them from
torch's global generator, which other threads use as well. They run on Pillow pictures: on tensors every operation waits
for torch's threads, which takes ten times as long on a busy machine, and sums depend on the number of threads.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import final

import numpy as np
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as v2

from photograft.config.augment import AugmentConfig
from photograft.values import PixelArray

_RATIO = 1.25
"""Largest ratio of the sides of a crop. Photos are stretched to squares already: more would change shapes too much."""
_LEVELS = 30


@final
class Augmentation:
    """Changes photos as the settings say; the same key gives the same bytes in any process and thread."""

    def __init__(self, config: AugmentConfig, px: int, *, seed: int) -> None:
        self.config = config
        self.px = px
        self.seed = seed

    def copy(self, source_HWC: PixelArray, content: str, number: int) -> PixelArray:
        """Changed copy `number` of the photo with this content: (s, s, 3) uint8 to (px, px, 3)."""
        return self(source_HWC, copy_key(self.seed, content, number))

    def __call__(self, source_HWC: PixelArray, key: int) -> PixelArray:
        """The picture (s, s, 3) uint8, changed to (px, px, 3) by what `key` draws.

        Every setting draws from a stream of its own, so that changing one leaves what the others do as it is.
        """
        config = self.config
        draw = {name: np.random.default_rng((key, i)) for i, name in enumerate(_STREAMS)}
        picture = Image.fromarray(source_HWC)
        if config.rotation:
            picture = _rotate(picture, draw["rotation"].uniform(-config.rotation, config.rotation))
        picture = _crop(picture, self.px, config.crop, draw["crop"])
        across, down = draw["flip"].random(2) < 0.5
        if across and config.flip in ("horizontal", "both"):
            picture = v2.horizontal_flip(picture)
        if down and config.flip in ("vertical", "both"):
            picture = v2.vertical_flip(picture)
        picture = _jitter(picture, config, draw["colour"])
        if config.randaugment:
            picture = _randaugment(picture, config.randaugment, draw["randaugment"])
        if config.erasing and draw["erasing"].random() < config.erasing:
            _erase(picture, draw["erasing"])
        return np.array(picture)


_STREAMS = ("rotation", "crop", "flip", "colour", "randaugment", "erasing")


def source_px(px: int) -> int:
    """Side of the picture that copies of `px` pixels are cut from: somewhat larger, so that crops stay sharp."""
    return round(px * 1.15)


def copy_key(seed: int, content: str, number: int) -> int:
    """The key of a photo's changed copy: free of the order and the number of photos."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{content}/{number}".encode()).digest()[:16])


def _rotate(picture: Image.Image, degrees: float) -> Image.Image:
    """Turn the picture. Its corners are filled with its mirror image rather than with black, which is no photo."""
    side = picture.width
    margin = math.ceil(side * (math.sqrt(2) - 1) / 2)
    padded = v2.pad(picture, [margin], padding_mode="reflect")
    turned = v2.rotate(padded, degrees, interpolation=InterpolationMode.BILINEAR)
    upright: Image.Image = v2.center_crop(turned, [side, side])
    return upright


def _crop(picture: Image.Image, px: int, smallest: float, rng: np.random.Generator) -> Image.Image:
    """A random part of at least the share `smallest` of the area, resized as the contract resizes.

    The share is uniform and the ratio of the sides log-uniform, as in RandomResizedCrop (Szegedy et al. 2015,
    arXiv:1409.4842), within what fits into the picture.
    """
    side = picture.width
    area = rng.uniform(smallest, 1)
    largest = min(math.log(_RATIO), -math.log(area))
    ratio = math.exp(largest * (2 * rng.random() - 1))
    width, height = (side * min(1.0, math.sqrt(a)) for a in (area * ratio, area / ratio))
    left, top = rng.random(2) * (side - width, side - height)
    box = (left, top, min(side, left + width), min(side, top + height))
    return picture.resize((px, px), Image.Resampling.BICUBIC, box=box)


def _jitter(picture: Image.Image, config: AugmentConfig, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast and saturation in random order, then the hue."""
    order, factors, turn = rng.permutation(3), rng.uniform(-1, 1, size=3), rng.uniform(-1, 1)
    changes = (
        (v2.adjust_brightness, config.brightness),
        (v2.adjust_contrast, config.contrast),
        (v2.adjust_saturation, config.saturation),
    )
    for i in order:
        change, by = changes[i]
        if by:
            picture = change(picture, 1 + by * float(factors[i]))
    return _turn_hue(picture, config.hue * float(turn)) if config.hue else picture


def _turn_hue(picture: Image.Image, share: float) -> Image.Image:
    """Turn the colours about the grey axis: at 1.4 ms, the way through HSV would take longer than all the rest."""
    sine, rest = math.sin(2 * math.pi * share) / math.sqrt(3), (1 - math.cos(2 * math.pi * share)) / 3
    own, one, other = 1 - 2 * rest, rest - sine, rest + sine
    return picture.convert("RGB", (own, one, other, 0, other, own, one, 0, one, other, own, 0))


def _erase(picture: Image.Image, rng: np.random.Generator) -> None:
    """Blank a rectangle with the picture's mean colour, its size as in Zhong et al. 2017 (arXiv:1708.04896)."""
    px = picture.width
    area, ratio = rng.uniform(0.02, 0.33), math.exp(rng.uniform(-math.log(3), math.log(3)))
    height, width = (min(px, max(1, round(px * math.sqrt(a)))) for a in (area / ratio, area * ratio))
    top, left = (int(rng.integers(px - length + 1)) for length in (height, width))
    mean = np.asarray(picture).mean(axis=(0, 1))
    picture.paste((int(mean[0]), int(mean[1]), int(mean[2])), (left, top, left + width, top + height))


def _randaugment(picture: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """Two of fourteen changes (Cubuk et al. 2019, arXiv:1909.13719), with the ranges of torchvision's RandAugment."""
    for i in rng.integers(len(_CHANGES), size=2):
        sign = -1.0 if rng.random() < 0.5 else 1.0
        picture = _CHANGES[i](picture, strength / _LEVELS, sign)
    return picture


def _move(picture: Image.Image, *, across: float = 0.0, down: float = 0.0) -> Image.Image:
    moved: Image.Image = v2.affine(picture, 0.0, [round(across), round(down)], 1.0, [0.0, 0.0])
    return moved


def _shear(picture: Image.Image, *, across: float = 0.0, down: float = 0.0) -> Image.Image:
    degrees = [math.degrees(math.atan(across)), math.degrees(math.atan(down))]
    sheared: Image.Image = v2.affine(picture, 0.0, [0, 0], 1.0, degrees, center=[0, 0])
    return sheared


_Change = Callable[[Image.Image, float, float], Image.Image]
_CHANGES: tuple[_Change, ...] = (
    lambda picture, level, sign: picture,
    lambda picture, level, sign: _shear(picture, across=0.3 * level * sign),
    lambda picture, level, sign: _shear(picture, down=0.3 * level * sign),
    lambda picture, level, sign: _move(picture, across=150 / 331 * picture.width * level * sign),
    lambda picture, level, sign: _move(picture, down=150 / 331 * picture.height * level * sign),
    lambda picture, level, sign: v2.rotate(picture, 30 * level * sign),
    lambda picture, level, sign: v2.adjust_brightness(picture, 1 + 0.9 * level * sign),
    lambda picture, level, sign: v2.adjust_saturation(picture, 1 + 0.9 * level * sign),
    lambda picture, level, sign: v2.adjust_contrast(picture, 1 + 0.9 * level * sign),
    lambda picture, level, sign: v2.adjust_sharpness(picture, 1 + 0.9 * level * sign),
    lambda picture, level, sign: v2.posterize(picture, 8 - round(4 * level)),
    lambda picture, level, sign: v2.solarize(picture, 255 * (1 - level)),
    lambda picture, level, sign: v2.autocontrast(picture),
    lambda picture, level, sign: v2.equalize(picture),
)
