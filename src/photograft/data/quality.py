"""How bright, how rich in contrast and how sharp a picture is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from photograft.data.orientation import Rect4
from photograft.values import IntArray


def measure(image: Image.Image, extent: Rect4) -> tuple[float, float, float]:
    """Brightness, contrast and sharpness of the rectangle `extent` of an RGB picture, rounded to three decimals.

    Brightness is the mean and contrast the standard deviation of the luminance, 0 to 255. All three are measured on
    a grey copy with a short side of 160 pixels (as it is where it is smaller), so that they do not depend on the size
    of the file, and in whole numbers, so that they do not depend on the machine.

    Sharpness compares fine with coarse detail: among tiles of 16 x 16 pixels, the tenth with the most fine detail
    is taken (a sharp subject before a blurred background is sharp), and its mean square of the Laplacian is divided by
    its mean square difference over four pixels, so that a sharp photo of low contrast is sharp. It is 0 for a picture
    of one colour, and for one with a side under eight pixels.

    Of 800 photos of flowers at a short side of 320 pixels, one lies below 0.15 and none below 0.1; half of them lie
    above 0.78. Of their copies, blurred by a Gaussian of radius 2, 99 % lie below 0.15 and 89 % below 0.1; with radius
    4 or 8 all lie below 0.06, and below 0.09 when they are saved as JPEG of quality 50 afterwards. Of copies with a
    quarter of the contrast one lies below 0.15, too.
    """
    grey = _grey(image, extent)
    sharpness = _sharpness(grey.astype(np.int16))
    n, total, squares = grey.size, int(grey.sum(dtype=np.int64)), int(np.square(grey, dtype=np.int64).sum())
    contrast = np.sqrt(max(0, n * squares - total * total)) / n
    return round(total / n, 3), round(float(contrast), 3), round(sharpness, 3)


_SHORT_SIDE = 160
_LONG_SIDE = 1280
_TILE = 16
_STEP = 4  # pixels between which coarse detail is measured
_SMALLEST = 8
_SHARPEST_SHARE = 0.1
_ROUNDING = 30  # added to the square of coarse detail: what rounding and the noise of a good camera come to


def _grey(image: Image.Image, extent: Rect4) -> npt.NDArray[np.uint8]:
    width, height = extent[2] - extent[0], extent[3] - extent[1]
    share = min(1.0, _SHORT_SIDE / min(width, height), _LONG_SIDE / max(width, height))
    factor = max(1, int(0.5 / share))  # averaging whole blocks first is fast; at least a factor of two is left
    if factor > 1:
        image = image.reduce(factor)
    size = max(1, round(width * share)), max(1, round(height * share))
    left, top, right, bottom = (edge / factor for edge in extent)
    box = left, top, min(right, image.width), min(bottom, image.height)
    return np.asarray(image.convert("L").resize(size, Image.Resampling.BOX, box))


def _sharpness(grey: npt.NDArray[np.int16]) -> float:
    height, width = grey.shape
    if min(height, width) < _SMALLEST:
        return 0.0
    # In 16 bits while that holds every value, since this runs for every photo.
    fine = np.zeros(grey.shape, np.int32)
    laplacian = 4 * grey[1:-1, 1:-1]
    for neighbour in (grey[:-2, 1:-1], grey[2:, 1:-1], grey[1:-1, :-2], grey[1:-1, 2:]):
        laplacian -= neighbour
    np.square(laplacian, out=fine[1:-1, 1:-1], dtype=np.int32)
    coarse = np.zeros(grey.shape, np.int32)
    np.square(grey[:, _STEP:] - grey[:, :-_STEP], out=coarse[:, _STEP:], dtype=np.int32)
    coarse[_STEP:] += np.square(grey[_STEP:] - grey[:-_STEP], dtype=np.int32)
    side = min(_TILE, height, width)
    fine_T, coarse_T = _tile_sums(fine, side), _tile_sums(coarse, side)
    sharpest = np.argsort(-fine_T, kind="stable")[: max(1, int(len(fine_T) * _SHARPEST_SHARE))]
    rounding = _ROUNDING * side * side * len(sharpest)
    return float(fine_T[sharpest].sum() / (coarse_T[sharpest].sum() + rounding))


def _tile_sums(values: npt.NDArray[np.int32], side: int) -> IntArray:
    """Sums over tiles of side x side pixels, shape (T,); a rest at the right and bottom is left out.

    Whole rows are added first, which is fast; a tile's sum fits into 32 bits.
    """
    rows, columns = values.shape[0] // side, values.shape[1] // side
    rows_RC = np.add.reduce(values[: rows * side].reshape(rows, side, -1), axis=1, dtype=np.int32)
    tiles_RT = rows_RC[:, : columns * side].reshape(rows, columns, side).sum(axis=2, dtype=np.int32)
    sums_T: IntArray = tiles_RT.ravel().astype(np.int64)
    return sums_T
