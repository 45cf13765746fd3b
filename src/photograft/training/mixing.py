"""Mixup and cutmix on what the trainable part reads: pixels, or the maps and vectors of a frozen part.

Shape letters: B photos of a batch, K classes of all targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.training.inputs import Values
from photograft.values import DoubleArray, FloatArray, IntArray


@dataclass(frozen=True)
class Mix:
    """How a batch is mixed: with which others, and how much stays of each. `middle` is that of a pasted rectangle."""

    other_B: IntArray
    share: float
    middle: DoubleArray | None


def draw_mix(n_photos: int, random: np.random.Generator, *, mixup: float, cutmix: float, turn: int) -> Mix | None:
    """How a whole batch is mixed; None where it is not.

    Mixup (Zhang et al. 2018) blends all values by one share drawn from Beta(`mixup`, `mixup`). Cutmix (Yun et al. 2019)
    pastes a rectangle, its area from Beta(`cutmix`, `cutmix`), into pixels and maps and blends vectors by the share
    that was pasted. Where both are above 0, even turns mix and odd ones cut.
    """
    if not mixup and not cutmix:
        return None
    other_B = random.permutation(n_photos)
    cuts = cutmix > 0 and (mixup == 0 or turn % 2 == 1)
    share = float(random.beta(cutmix, cutmix) if cuts else random.beta(mixup, mixup))
    return Mix(other_B, share, random.random(2) if cuts else None)


def mix(
    values: Values, share_BK: FloatArray, drawn: Mix, own_B: IntArray, other_B: IntArray
) -> tuple[Values, FloatArray]:
    """Photos `own_B` of what was read, each with a share of `other_B`, and the shares of classes by the same one."""
    share = drawn.share
    if drawn.middle is not None:
        values, share = _paste(values, own_B, other_B, share, drawn.middle)
    else:
        values = tuple(_blend(value, own_B, other_B, share) for value in values)
    return values, share * share_BK[own_B] + np.float32(1 - share) * share_BK[other_B]


def _paste(
    values: Values, own_B: IntArray, other_B: IntArray, share: float, middle: DoubleArray
) -> tuple[Values, float]:
    # The rectangle is drawn in fractions of the picture, so that it lies at the same place in maps of every size; the
    # share that counts is that of the finest map.
    side = np.sqrt(1 - share)
    low, high = np.clip(middle - side / 2, 0, 1), np.clip(middle + side / 2, 0, 1)
    maps = [value for value in values if _height_axis(value)]
    if not maps:
        return tuple(_blend(value, own_B, other_B, share) for value in values), share
    finest = max(maps, key=lambda value: value.shape[2])
    inside = _rectangle(finest, low, high)
    share = 1 - inside.size / finest.size if inside.size else 1.0
    pasted = []
    for value in values:
        if _height_axis(value):
            changed = value[own_B]
            _rectangle(changed, low, high)[...] = _rectangle(value, low, high)[other_B]
            pasted.append(changed)
        else:
            pasted.append(_blend(value, own_B, other_B, share))
    return tuple(pasted), share


def _blend(value: npt.NDArray[Any], own_B: IntArray, other_B: IntArray, share: float) -> npt.NDArray[Any]:
    blended = share * value[own_B].astype(np.float32) + np.float32(1 - share) * value[other_B].astype(np.float32)
    return np.rint(blended).astype(value.dtype) if value.dtype == np.uint8 else blended


def _rectangle(value: npt.NDArray[Any], low: npt.NDArray[Any], high: npt.NDArray[Any]) -> npt.NDArray[Any]:
    axis = _height_axis(value)
    height, width = value.shape[axis : axis + 2]
    rows = slice(round(low[0] * height), round(high[0] * height))
    columns = slice(round(low[1] * width), round(high[1] * width))
    return value[:, rows, columns] if axis == 1 else value[:, :, rows, columns]


def _height_axis(value: npt.NDArray[Any]) -> int:
    """Where the height stands: in pixels and some maps (B, h, w, C) second, in others (B, C, h, w) third; 0 in no map.

    Photos are squares, so what tells are two equal sides; tokens and windows of a vision transformer have none.
    """
    if value.ndim != 4:
        return 0
    _, first, second, third = value.shape
    if value.dtype == np.uint8 or first == second != third:
        return 1
    return 2 if second == third else 0
