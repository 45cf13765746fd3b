"""What can be seen to be wrong with single photos: their size, shape, turn, light and sharpness.

Limits hold where nearly no photo of five ordinary sets lies beyond them (flowers, dogs, faces, cloth, four styles from
photo to sketch), and a photo must also stand out from its class: white paper is no fault of a sketch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from photograft.values import BoolArray, DoubleArray, Issue, Photo

TINY_PX = 64

_BLANK_CONTRAST = 2.0
_LOW_CONTRAST = 10.0  # the lowest of the five sets: 17.6
_DARK, _BRIGHT = 20.0, 235.0  # of a thousand flowers and dogs, one lies beyond; of sketches most, of their class few
_BLURRED = 0.15  # of flowers one in 700, of dogs none; blurred by a radius of 1 % of the short side, nearly all
_ODD_SHAPE = 2.5  # long to short side; flowers and dogs: up to 2.4

_USUAL_OF = 10  # photos that a class needs for a median of its own


def check_photos(photos: Sequence[Photo]) -> Iterable[Issue]:
    """Issues of usable photos, one per kind with all its photos, worst first."""
    if not photos:
        return
    yield from _turned(photos)
    yield from _sizes(photos)
    yield from _light_and_sharpness(photos)


def _turned(photos: Sequence[Photo]) -> Iterable[Issue]:
    files: dict[str, Photo] = {}
    for photo in photos:
        if photo.turn != 1:
            files.setdefault(photo.path, photo)
    what = "stored turned, with a note (EXIF) of how to hold it"
    yield from _gather("turned", list(files.values()), what, "photograft turns them; other tools may not.")


def _sizes(photos: Sequence[Photo]) -> Iterable[Issue]:
    size_N2 = np.array([_used_size(photo) for photo in photos], dtype=np.float64)
    short_N, ratio_N = size_N2.min(axis=1), size_N2.max(axis=1) / np.maximum(size_N2.min(axis=1), 1)
    what = f"smaller than {TINY_PX} pixels on a side"
    yield from _worst(
        "tiny", photos, short_N < TINY_PX, short_N, what, "Use the original photos if these are thumbnails."
    )
    odd_N = ratio_N > max(_ODD_SHAPE, 2 * float(np.median(ratio_N)))
    what = "much longer than wide, or wider than long, than the others"
    yield from _worst("odd_shape", photos, odd_N, -ratio_N, what, "Crop to what matters, or see that nothing is lost.")


def _used_size(photo: Photo) -> tuple[int, int]:
    if photo.box is None:
        return photo.width, photo.height
    left, top, right, bottom = photo.box
    return right - left, bottom - top


def _light_and_sharpness(photos: Sequence[Photo]) -> Iterable[Issue]:
    light_N, contrast_N, sharpness_N = (_values(photos, name) for name in ("brightness", "contrast", "sharpness"))
    usual_light_N, usual_contrast_N, usual_sharpness_N = (
        _usual(photos, values_N) for values_N in (light_N, contrast_N, sharpness_N)
    )
    blank_N = contrast_N < _BLANK_CONTRAST
    dark_N = ~blank_N & (light_N < _DARK) & (light_N < usual_light_N / 4)
    bright_N = ~blank_N & (light_N > _BRIGHT) & (255 - light_N < (255 - usual_light_N) / 4)
    unseen_N = blank_N | dark_N | bright_N
    pale_N = ~unseen_N & (contrast_N < _LOW_CONTRAST) & (contrast_N < usual_contrast_N / 2)
    tiny_N = np.array([min(_used_size(photo)) < TINY_PX for photo in photos])
    blurred_N = ~unseen_N & ~tiny_N & (sharpness_N < _BLURRED) & (sharpness_N < usual_sharpness_N / 5)
    look = "Look at them, and leave out those in which nothing can be recognised."
    yield from _worst(
        "blank", photos, blank_N, contrast_N, "of one colour", "Leave them out: there is nothing to learn."
    )
    yield from _worst("dark", photos, dark_N, light_N, "very dark", look)
    yield from _worst("bright", photos, bright_N, -light_N, "overexposed, or nearly white", look)
    yield from _worst("low_contrast", photos, pale_N, contrast_N, "of very low contrast", look)
    yield from _worst("blurred", photos, blurred_N, sharpness_N, "blurred", look)


def _values(photos: Sequence[Photo], name: str) -> DoubleArray:
    return np.array([getattr(photo, name) for photo in photos], dtype=np.float64)


def _usual(photos: Sequence[Photo], values_N: DoubleArray) -> DoubleArray:
    """The median of each photo's class, or of the whole set where the class is small."""
    usual_N = np.full(len(photos), np.median(values_N))
    rows_of: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, photo in enumerate(photos):
        rows_of[photo.all_labels].append(row)
    for rows in rows_of.values():
        if len(rows) >= _USUAL_OF:
            usual_N[rows] = np.median(values_N[rows])
    return usual_N


def _worst(
    kind: str, photos: Sequence[Photo], wrong_N: BoolArray, rank_N: DoubleArray, what: str, remedy: str
) -> Iterable[Issue]:
    """One issue of the photos that are wrong, those of lowest rank first."""
    rows = np.flatnonzero(wrong_N)
    yield from _gather(kind, [photos[i] for i in rows[np.argsort(rank_N[rows], kind="stable")]], what, remedy)


def _gather(kind: str, photos: Sequence[Photo], what: str, remedy: str) -> Iterable[Issue]:
    if photos:
        names = tuple(photo.name for photo in photos)
        message = f"{names[0]} is {what}"
        if len(names) > 1:
            message = f"{len(names):,} photos are {what}, for example {names[0]}"
        yield Issue(kind, names, message, remedy)
