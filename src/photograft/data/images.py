"""The one place where a file becomes pixels, for training, prediction, verification and search alike.

Order of the steps, chosen so that a legal 50-megapixel picture stays below the memory limit of a worker:
signature -> header and pixel limit -> decode (JPEG at reduced scale) -> colour, alpha on white and whole-number
reduction in bands -> upright -> hashes -> resize and crop as the contract says. With an annotation the box is taken out
of the decoded picture, and goes through the same steps; a JPEG is decoded once more where the box is so small that the
reduced scale would blur it.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import PIL
from PIL import Image, ImageFile, UnidentifiedImageError

from photograft.contract import Contract
from photograft.data.boxes import Resolved, resolve_box
from photograft.data.colour import BAND_PIXELS, reduced_rgb
from photograft.data.hashing import perceptual_hash
from photograft.data.orientation import Rect4, remaining_turn, stored_rect, tiff_turn, upright, upright_rect
from photograft.data.quality import measure
from photograft.data.sniff import is_cut_short, is_unusual_variety, sniff
from photograft.errors import ImageRejected
from photograft.values import Annotation, PixelArray, Pixels4

DECODER_VERSION = f"2+pillow{PIL.__version__}"
"""Our own revision (raise it when the same bytes give another result) and that of the decoder library."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One photo as the network sees it, and what is known about its file.

    `pixels` has shape (px, px, 3). `width` and `height` are those of the whole upright photo, `turn` is the EXIF
    orientation as stored (1 where missing or invalid). `pixel_sha256` is taken over the upright RGB picture after
    reduction, before the contract's resize, so that a lossless copy in another file format has the same one. Hashes,
    `brightness`, `contrast` and `sharpness` (see `data.quality`) are those of the whole photo, also where `pixels` show
    the `box` alone. `box_problem` says why an annotation gave no box; which one it was is
    for the caller to say.
    """

    pixels: PixelArray
    format: str
    width: int
    height: int
    turn: int
    pixel_sha256: str
    perceptual_hash: str
    brightness: float
    contrast: float
    sharpness: float
    box: Pixels4 | None = None
    box_problem: str = ""


def decode(data: bytes, contract: Contract, annotation: Annotation | None = None) -> Decoded:
    """Turn the bytes of an image file into pixels and hashes.

    The pixels are those of the box that the contract chooses from the `annotation`, unless its box source is "none";
    they are those of the whole photo where there is no annotation, or none of its boxes can be used.

    Raises:
        ImageRejected: with one verdict of the closed list and a reason, whatever the bytes are.
    """
    image_format = sniff(data)
    _allow(image_format, contract)
    size = (0, 0)
    try:
        with _pillow_limits(contract.decode.max_pixels), _open(data, image_format) as image:
            size = image.size
            return _decode_open(image, data, contract, annotation)
    except ImageRejected:
        raise
    except Exception as error:
        raise _rejected(error, data, image_format, contract, size) from error


def to_pixels(image: Image.Image, contract: Contract) -> PixelArray:
    """Turn a whole picture in memory into pixels of shape (px, px, 3), by the same steps as `decode` after opening.

    A JPEG of more than twice the contract's size is decoded at a reduced scale by `decode`, which an image that was
    decoded elsewhere was not: the two then differ by rounding.

    Raises:
        ImageRejected: if the picture is too large or cannot be read.
    """
    _check_size(image.size, contract.decode.max_pixels)
    try:
        with _pillow_limits(contract.decode.max_pixels):
            image.load()
            return _fit(*_take(image, (0, 0, *image.size), 1, remaining_turn(image), contract), contract)
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


def _decode_open(image: ImageFile.ImageFile, data: bytes, contract: Contract, annotation: Annotation | None) -> Decoded:
    size = image.size
    _check_size(size, contract.decode.max_pixels)
    stored_turn = tiff_turn(image)  # Pillow turns a TIFF upright while loading it, and forgets how it was stored
    name = image.format or ""
    scale = _load(image, _jpeg_scale(image, size, contract))
    turn = remaining_turn(image)
    width, height = size[::-1] if turn >= 5 else size
    whole, extent = _take(image, (0, 0, *size), scale, turn, contract)
    resolved = Resolved(None)
    if annotation is not None and contract.box.source != "none":
        resolved = resolve_box(annotation, width=width, height=height, turn=stored_turn or turn, rules=contract.box)
    if resolved.box is None:
        part, part_extent = whole, extent
    else:
        rect = stored_rect(resolved.box, width, height, turn)
        part, part_extent = _take_box(image, data, rect, scale, turn, contract)
    if whole is not image and part is not image:
        image.close()  # frees up to 200 MB before the next copies are made
    brightness, contrast, sharpness = measure(whole, extent)
    return Decoded(
        pixels=_fit(part, part_extent, contract),
        format=name,
        width=width,
        height=height,
        turn=stored_turn or turn,
        pixel_sha256=_hash_pixels(whole),
        perceptual_hash=perceptual_hash(whole, extent),
        brightness=brightness,
        contrast=contrast,
        sharpness=sharpness,
        box=resolved.box,
        box_problem=resolved.problem,
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


# ------------------------------------------------------------------ size

_MOST_PIXELS = 64_000_000  # of a JPEG at the scale of a box: 256 MB; a progressive one needs its coefficients beside


def _jpeg_scale(image: Image.Image, size: tuple[float, float], contract: Contract) -> int:
    """The scale at which a JPEG may be decoded so that a rectangle of this size keeps twice the input or more."""
    if image.format not in ("JPEG", "MPO") or contract.decode.reduce != "integer":
        return 1
    return max(scale for scale in (1, 2, 4, 8) if scale == 1 or min(size) >= scale * 2 * contract.resize.px)


def _load(image: ImageFile.ImageFile, scale: int) -> int:
    """Load a picture, a JPEG at 1 / `scale` of its size where it can be; gives the scale."""
    if scale > 1 and image.draft(None, (image.width // scale, image.height // scale)) is None:
        scale = 1
    # load() comes before getexif(): after getexif() has raised on a damaged PNG, load() returns half a picture.
    image.load()
    return scale


def _take_box(
    image: ImageFile.ImageFile, data: bytes, rect: Rect4, scale: int, turn: int, contract: Contract
) -> tuple[Image.Image, Rect4]:
    """As `_take`, from a JPEG decoded at the scale that the rectangle needs, as far as memory allows."""
    needed = _jpeg_scale(image, (rect[2] - rect[0], rect[3] - rect[1]), contract)
    most_pixels = _MOST_PIXELS // 2 if "progressive" in image.info else _MOST_PIXELS
    while image.width * image.height * scale**2 > most_pixels * needed**2:
        needed *= 2
    if needed >= scale:
        return _take(image, rect, scale, turn, contract)
    with _open(data, "JPEG") as finer:
        return _take(finer, rect, _load(finer, needed), turn, contract)


def _take(image: Image.Image, rect: Rect4, scale: int, turn: int, contract: Contract) -> tuple[Image.Image, Rect4]:
    """What a rectangle of the stored photo shows, upright, as RGB, reduced; and the part of it that is filled exactly.

    `image` is the photo at 1 / `scale` of its size. The short side keeps twice the input or more. The last column and
    row of a reduced picture stand for fewer pixels than the others; in an upright picture they may be the first ones.
    """
    left, top, right, bottom = (edge / scale for edge in rect)
    first_x, first_y = math.floor(left), math.floor(top)
    region = (first_x, first_y, min(math.ceil(right), image.width), min(math.ceil(bottom), image.height))
    short_side = min(region[2] - first_x, region[3] - first_y)
    factor = max(1, short_side // (2 * contract.resize.px)) if contract.decode.reduce == "integer" else 1
    reduced = reduced_rgb(image, region, factor)
    filled = (
        (left - first_x) / factor,
        (top - first_y) / factor,
        (right - first_x) / factor,
        (bottom - first_y) / factor,
    )
    return upright(reduced, turn), upright_rect(filled, *reduced.size, turn)


def _fit(image: Image.Image, extent: Rect4, contract: Contract) -> PixelArray:
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
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = image if rows >= height else image.crop((0, top, width, min(top + rows, height)))
        digest.update(band.tobytes())
    return digest.hexdigest()
