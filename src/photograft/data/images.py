"""The one place where a file becomes pixels, for training, prediction, verification and search alike.

Order of the steps, chosen so that a legal 50-megapixel picture stays below the memory limit of a worker:
signature -> header and pixel limit -> decode (JPEG at reduced scale) -> colour, alpha on white and whole-number
reduction in bands -> upright -> hashes -> resize and crop as the contract says.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageFile, UnidentifiedImageError

from photograft.contract import Contract
from photograft.data.hashing import perceptual_hash
from photograft.data.sniff import is_cut_short, is_unusual_variety, sniff
from photograft.errors import ImageRejected
from photograft.values import PixelArray

DECODER_VERSION = f"1+pillow{PIL.__version__}"
"""Our own revision (raise it when the same bytes give another result) and that of the decoder library."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One photo as the network sees it, and what is known about its file.

    `pixels` has shape (px, px, 3). `width` and `height` are those of the whole upright photo, `turn` is the EXIF
    orientation as stored (1 where missing or invalid). `pixel_sha256` is taken over the upright RGB picture after
    reduction, before the contract's resize, so that a lossless copy in another file format has the same one.
    """

    pixels: PixelArray
    format: str
    width: int
    height: int
    turn: int
    pixel_sha256: str
    perceptual_hash: str


def decode(data: bytes, contract: Contract) -> Decoded:
    """Turn the bytes of an image file into pixels and hashes.

    Raises:
        ImageRejected: with one verdict of the closed list and a reason, whatever the bytes are.
    """
    image_format = sniff(data)
    _allow(image_format, contract)
    size = (0, 0)
    try:
        with _pillow_limits(contract.decode.max_pixels), _open(data, image_format) as image:
            size = image.size
            return _decode_open(image, contract)
    except ImageRejected:
        raise
    except Exception as error:
        raise _rejected(error, data, image_format, contract, size) from error


def to_pixels(image: Image.Image, contract: Contract) -> PixelArray:
    """Turn a picture in memory into pixels of shape (px, px, 3), by the same steps as `decode` after opening.

    A JPEG of more than twice the contract's size is decoded at a reduced scale by `decode`, which an image that was
    decoded elsewhere was not: the two then differ by rounding.

    Raises:
        ImageRejected: if the picture is too large or cannot be read.
    """
    _check_size(image.size, contract.decode.max_pixels)
    try:
        with _pillow_limits(contract.decode.max_pixels):
            image.load()
            turn = _turn(image)
            reduced, factor = _to_reduced_rgb(image, contract)
            upright = _upright(reduced, turn)
            return _fit(upright, _extent(upright, image.width / factor, image.height / factor, turn), contract)
    except ImageRejected:
        raise
    except Exception as error:
        raise _rejected(error, b"", image.format or image.mode, contract, image.size) from error


def heif_version() -> str:
    """Version of the optional HEIF decoder; empty where it is not installed."""
    try:
        return version("pillow_heif")
    except PackageNotFoundError:
        return ""


def _decode_open(image: ImageFile.ImageFile, contract: Contract) -> Decoded:
    size = image.size
    _check_size(size, contract.decode.max_pixels)
    stored_turn = _tiff_turn(image)  # Pillow turns a TIFF upright while loading it, and forgets how it was stored
    exact_width, exact_height = float(size[0]), float(size[1])
    if image.format in ("JPEG", "MPO") and contract.decode.reduce == "integer":
        drafted = image.draft(None, (2 * contract.resize.px, 2 * contract.resize.px))
        if drafted is not None:
            _, (_, _, exact_width, exact_height) = drafted
    # load() comes before getexif(): after getexif() has raised on a damaged PNG, load() returns half a picture.
    image.load()
    turn = _turn(image)
    name = image.format or ""
    reduced, factor = _to_reduced_rgb(image, contract)
    if reduced is not image:
        image.close()  # frees up to 200 MB before the next copies are made
    upright = _upright(reduced, turn)
    extent = _extent(upright, exact_width / factor, exact_height / factor, turn)
    width, height = size[::-1] if turn >= 5 else size
    return Decoded(
        pixels=_fit(upright, extent, contract),
        format=name,
        width=width,
        height=height,
        turn=stored_turn or turn,
        pixel_sha256=_hash_pixels(upright),
        perceptual_hash=perceptual_hash(upright, extent),
    )


# ------------------------------------------------------------------ opening

# Pillow imports every one of its parsers when it is asked for one it has not loaded yet; these are the ones it gets.
_PLUGINS = {
    "JPEG": "PIL.JpegImagePlugin",
    "PNG": "PIL.PngImagePlugin",
    "WEBP": "PIL.WebPImagePlugin",
    "GIF": "PIL.GifImagePlugin",
    "BMP": "PIL.BmpImagePlugin",
    "TIFF": "PIL.TiffImagePlugin",
    "AVIF": "PIL.AvifImagePlugin",
}

_limits_lock = threading.RLock()


def _allow(image_format: str, contract: Contract) -> None:
    if image_format == "HEIF":
        _register_heif(allowed="HEIF" in contract.decode.formats)
    elif image_format not in contract.decode.formats:
        raise ImageRejected("unsupported_format", f"{image_format} is left out by the setting data.formats")


def _register_heif(*, allowed: bool) -> None:
    remedy = "install photograft[heif] and add HEIF to the setting data.formats, or save it as JPEG"
    if not allowed:
        raise ImageRejected("unsupported_format", f"HEIC/HEIF photo: {remedy}")
    if "HEIF" in Image.OPEN:
        return
    try:
        import_module("pillow_heif").register_heif_opener(thumbnails=False, decode_threads=1)
    except ImportError as error:
        raise ImageRejected("unsupported_format", f"HEIC/HEIF photo: {remedy}") from error


def _open(data: bytes, image_format: str) -> ImageFile.ImageFile:
    if image_format in _PLUGINS:
        import_module(_PLUGINS[image_format])
    return Image.open(io.BytesIO(data), formats=(image_format,))


@contextmanager
def _pillow_limits(max_pixels: int) -> Iterator[None]:
    """Set Pillow's process-wide limits for one photo and put them back, one thread at a time.

    Warnings are silenced, because a photo's verdict must not depend on the warning filters of the process.
    """
    with _limits_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = max_pixels, False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageRejected("corrupt", f"the header claims {width} x {height} pixels")
    if width * height > max_pixels:
        raise _too_many(f"{width} x {height}", max_pixels)


def _too_many(claimed: str, max_pixels: int) -> ImageRejected:
    reason = f"{claimed} pixels are more than the setting data.max_pixels allows ({max_pixels:,})"
    return ImageRejected("too_many_pixels", reason)


def _rejected(
    error: Exception, data: bytes, image_format: str, contract: Contract, size: tuple[int, int]
) -> ImageRejected:
    """The verdict for an error of the decoder."""
    if isinstance(error, MemoryError):
        return _too_much_memory(size)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        claimed = re.search(r"\d+", str(error))
        return _too_many(f"{int(claimed[0]):,}" if claimed else "its", contract.decode.max_pixels)
    if is_cut_short(data, image_format):
        return ImageRejected("truncated", "the file ends before the picture does; copy it again")
    if isinstance(error, UnidentifiedImageError):
        if is_unusual_variety(data, image_format):
            return ImageRejected(
                "unsupported_format", f"it starts like {image_format}, but is no variety that is decoded"
            )
        return ImageRejected("corrupt", f"it starts like {image_format}, but the header behind it is damaged")
    if re.search("truncated|unexpected end|not enough (image )?data", str(error), re.IGNORECASE):
        return ImageRejected("truncated", f"the file ends before the picture does; copy it again ({_sentence(error)})")
    if not _has_memory_for(size):  # libjpeg and libwebp report a lack of memory as damage
        return _too_much_memory(size)
    return ImageRejected("corrupt", f"damaged {image_format} file: {_sentence(error)}")


def _too_much_memory(size: tuple[int, int]) -> ImageRejected:
    reason = f"decoding its {size[0]} x {size[1]} pixels needs more memory than one photo may take; save it smaller"
    return ImageRejected("too_many_pixels", reason)


def _has_memory_for(size: tuple[int, int]) -> bool:
    """Whether the eight bytes per pixel that the hungriest decoders take can be reserved (not used) just now."""
    try:
        bytearray(8 * size[0] * size[1])
    except MemoryError:
        return False
    return True


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


# ------------------------------------------------------------------ colour and size

_BAND_PIXELS = 2_000_000  # pixels whose colours are converted at once: 20 MB, where a whole photo would take 500
_TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


def _to_reduced_rgb(image: Image.Image, contract: Contract) -> tuple[Image.Image, int]:
    """The whole picture as RGB, and the whole number it is reduced by: the short side keeps twice the input or more.

    Colours are converted in bands of rows before they are averaged (transparent pixels must count as white, not as
    whatever colour hides below), with the same result as for the whole picture at once.
    """
    width, height = image.size
    factor = max(1, min(width, height) // (2 * contract.resize.px)) if contract.decode.reduce == "integer" else 1
    if image.mode == "RGB" and "transparency" not in image.info:
        return (image.reduce(factor) if factor > 1 else image), factor
    limits = _value_limits(image)
    rows = max(1, _BAND_PIXELS // (width * factor)) * factor
    if rows >= height:
        rgb = _to_rgb(image, limits)
        return (rgb.reduce(factor) if factor > 1 else rgb), factor
    reduced = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        band = _to_rgb(image.crop((0, top, width, min(top + rows, height))), limits)
        reduced.paste(band.reduce(factor) if factor > 1 else band, (0, top // factor))
    return reduced, factor


def _to_rgb(image: Image.Image, limits: tuple[float, float]) -> Image.Image:
    if image.mode in _SIXTEEN_BIT or image.mode in ("I", "F"):
        return _grey_to_rgb(image, limits)
    if image.mode in _TRANSPARENT or image.has_transparency_data:
        transparent = image if image.mode == "RGBA" else image.convert("LA" if image.mode == "La" else "RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(transparent, (0, 0), transparent.convert("RGBA"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey_to_rgb(image: Image.Image, limits: tuple[float, float]) -> Image.Image:
    """Scale grey values of 16 or 32 bits to 8, never clipping them; a pixel marked as transparent becomes white."""
    values = np.asarray(image)
    low, high = limits
    with np.errstate(invalid="ignore"):
        scaled = np.nan_to_num((values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low)))
    grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def _value_limits(image: Image.Image) -> tuple[float, float]:
    """The values that become black and white.

    16-bit pictures have fixed ones. 32-bit ones (TIFF) state none: the smallest usual range that holds every value
    is taken (0 to 1 for fractions, 0 to 255, 0 to 65,535), and their own smallest and largest value where none does.
    """
    if image.mode in _SIXTEEN_BIT:
        return 0.0, 65535.0
    if image.mode not in ("I", "F"):
        return 0.0, 255.0
    extrema: Any = image.getextrema()
    low, high = float(extrema[0]), float(extrema[1])
    if not (np.isfinite(low) and np.isfinite(high)):
        return 0.0, 1.0
    for top in (1.0, 255.0, 65535.0):
        if low >= 0 and high <= top and (top > 1 or image.mode == "F"):
            return 0.0, top
    return low, max(high, low + 1)


Box = tuple[float, float, float, float]


def _extent(upright: Image.Image, exact_width: float, exact_height: float, turn: int) -> Box:
    """The rectangle that the photo really fills.

    The last column and row of a reduced picture stand for fewer pixels than the others. In an upright picture they
    may be the first ones.
    """
    width, height = (exact_height, exact_width) if turn >= 5 else (exact_width, exact_height)
    left = upright.width - width if turn in (2, 3, 6, 7) else 0.0
    top = upright.height - height if turn in (3, 4, 7, 8) else 0.0
    return left, top, left + width, top + height


def _fit(image: Image.Image, extent: Box, contract: Contract) -> PixelArray:
    """Resize and crop an upright RGB picture to (px, px, 3), in one resampling step.

    `stretch` takes the whole picture, `short_side` its central square; a center crop takes the central
    crop.px / resize.px of that. Only the rectangle that remains is ever scaled up, so that a picture of 1 x 10,000
    pixels costs no more than another one.
    """
    left, top, right, bottom = extent
    width, height = right - left, bottom - top
    if contract.resize.rule == "short_side":
        kept_width = kept_height = min(width, height)
    else:
        kept_width, kept_height = width, height
    if contract.crop.rule == "center":
        share = min(1.0, contract.crop.px / contract.resize.px)
        kept_width, kept_height = kept_width * share, kept_height * share
    left, top = left + (width - kept_width) / 2, top + (height - kept_height) / 2
    box = (left, top, min(left + kept_width, image.width), min(top + kept_height, image.height))
    return np.asarray(image.resize((contract.px, contract.px), Image.Resampling.BICUBIC, box))


def _hash_pixels(image: Image.Image) -> str:
    """SHA-256 over the size and the RGB bytes, row by row."""
    width, height = image.size
    digest = hashlib.sha256(b"%dx%d:" % image.size)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = image if rows >= height else image.crop((0, top, width, min(top + rows, height)))
        digest.update(band.tobytes())
    return digest.hexdigest()


# ------------------------------------------------------------------ orientation

_ORIENTATION = 274
_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, turn: int) -> Image.Image:
    return image.transpose(_METHODS[turn]) if turn in _METHODS else image


def _turn(image: Image.Image) -> int:
    """EXIF orientation that still has to be applied to a loaded picture; 1 where it is missing or damaged."""
    try:
        return _valid_turn(image.getexif().get(_ORIENTATION))
    except MemoryError:
        raise
    except Exception:  # damaged EXIF data raises errors of a dozen types, and says nothing about the picture
        return 1


def _tiff_turn(image: Image.Image) -> int:
    try:
        return _valid_turn(image.tag_v2.get(_ORIENTATION)) if image.format == "TIFF" else 0  # type: ignore[attr-defined]
    except Exception:
        return 1


def _valid_turn(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
