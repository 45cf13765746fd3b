"""The contract: how a file becomes pixels, as data with a hash.

`photograft.data.images` is the only code that executes it, in training, evaluation, prediction and verification alike.
It holds no mean or standard deviation: those live inside the network's graph. Two contracts with the same hash
give the same pixels for the same file; a bundle whose contract this release does not know by name is refused.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Format = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"]

BoxSource = Literal["none", "voc", "coco", "yolo", "csv"]
BoxChoice = Literal["largest", "each", "union"]

Crops = Literal["whole", "five"]
"""Which squares of the contract's picture a network sees: all of it, or the middle and the four corners."""

FORMATS: tuple[Format, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Formats that are decoded; JPEG includes MPO. The parser of any other format never runs."""


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Decode(_Rules):
    """How the bytes of a file become an upright RGB picture."""

    formats: tuple[Format, ...] = Field(default=FORMATS, strict=False)
    max_pixels: int = Field(default=50_000_000, ge=1)
    exif: Literal["upright"] = "upright"
    alpha: Literal["white"] = "white"
    frame: Literal["first"] = "first"
    sixteen_bit: Literal["scale"] = "scale"
    reduce: Literal["integer", "none"] = "integer"


class Box(_Rules):
    """Which rectangle of the picture is used: that of an annotation, or the whole photo where there is none.

    `margin` is the share of the box's width and height that is added on each side.
    """

    source: BoxSource = "none"
    choice: BoxChoice = "largest"
    margin: float = Field(default=0.0, ge=0, le=1)
    missing: Literal["whole"] = "whole"


class Resize(_Rules):
    """How the picture gets its size: `stretch` to px x px, or the short side to px."""

    rule: Literal["stretch", "short_side"] = "stretch"
    px: int = Field(default=320, ge=16, le=4096)
    interpolation: Literal["bicubic"] = "bicubic"


class Crop(_Rules):
    """What is cut out after resizing: nothing, or the central px x px."""

    rule: Literal["none", "center"] = "none"
    px: int = Field(default=320, ge=16, le=4096)


class Contract(_Rules):
    """How a file becomes (px, px, 3) uint8 RGB pixels."""

    decode: Decode = Decode()
    box: Box = Box()
    resize: Resize = Resize()
    crop: Crop = Crop()

    @property
    def px(self) -> int:
        """Side of the square that the network sees, in pixels."""
        return self.crop.px

    @property
    def id(self) -> str:
        """SHA-256 over the canonical JSON, in hex: equal contracts, equal pixels."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json"))).hexdigest()


def make_contract(
    px: int,
    *,
    crop: str = "none",
    max_pixels: int = 50_000_000,
    formats: tuple[Format, ...] = FORMATS,
    box: Box | None = None,
) -> Contract:
    """Build the contract for an input of `px` pixels.

    `crop` "none" stretches the whole photo to a square, so that nothing at its edge is lost. "center" keeps the
    shape and cuts the central square out of a photo whose short side is px / 0.875, as ImageNet evaluation does.
    `box` says which rectangle stands for the photo; by default the whole.
    """
    resize = Resize(px=px) if crop == "none" else Resize(rule="short_side", px=round(px / 0.875))
    return Contract(
        decode=Decode(max_pixels=max_pixels, formats=tuple(formats)),
        resize=resize,
        crop=Crop(px=px) if crop == "none" else Crop(rule="center", px=px),
        box=box or Box(),
    )


def picture_px(px: int, crops: Crops) -> int:
    """Side of the picture that a contract must give so that the squares cut from it are `px` wide."""
    return px if crops == "whole" else round(px * 8 / 7)


def window_px(px: int, crops: Crops) -> int:
    """Side of the squares that are cut from a picture of `px` pixels; what `picture_px` made larger, made smaller."""
    return px if crops == "whole" else round(px * 7 / 8)


def view_names(crops: Crops, flip: bool) -> tuple[str, ...]:
    """Names of the views of a photo: its squares, then with `flip` their mirror images."""
    names = ("whole",) if crops == "whole" else tuple(f"five-{i}" for i in range(5))
    return (*names, *(f"{name}-flipped" for name in names)) if flip else names


def view_corner(view: str, px: int) -> tuple[int, int]:
    """Where a view begins in a picture of `px` pixels: from the top and from the left."""
    name = view.removesuffix("-flipped")
    if name == "whole":
        return 0, 0
    top, left = ((px - window_px(px, "five")) * halves // 2 for halves in _PLACES[name])
    return top, left


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, as UTF-8: what hashes are taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


_PLACES = dict(zip(view_names("five", False), ((1, 1), (0, 0), (0, 2), (2, 0), (2, 2)), strict=True))
"""Where the five squares lie, in halves of the margin from the top and from the left: the middle, then the corners."""
