"""What a file is, judged by its first bytes alone: no parser runs before this has said which one may.

The extension plays no part. Formats that photograft does not decode are still known by name, so that the
verdict can say "a Photoshop file" instead of "not an image".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from photograft.errors import ImageRejected


def sniff(data: bytes) -> str:
    """Name of the decodable format (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF or HEIF) that `data` claims to be.

    Raises:
        ImageRejected: ``empty``, ``unsupported_format`` or ``not_an_image``, with a reason that names what it is.
    """
    if not data:
        raise ImageRejected("empty", "the file has no bytes")
    for signature in DECODABLE:
        if signature.matches(data):
            return signature.name
    if data[4:8] == b"ftyp":
        return _sniff_iso_media(data)
    for signature in UNSUPPORTED:
        if signature.matches(data):
            raise ImageRejected("unsupported_format", f"{signature.name} is not decoded; save it as JPEG or PNG")
    if data[4:6] in (b"\x11\xaf", b"\x12\xaf"):
        raise ImageRejected("unsupported_format", "FLI/FLC animation is not decoded; save it as JPEG or PNG")
    if data[:1] == b"\x0a" and data[1:2] in (b"\x00", b"\x02", b"\x03", b"\x05"):
        raise ImageRejected("unsupported_format", "PCX is not decoded; save it as JPEG or PNG")
    raise ImageRejected("not_an_image", _describe_other(data))


def is_cut_short(data: bytes, image_format: str) -> bool:
    """Whether the container itself says that it should hold more bytes than there are (WEBP, AVIF, HEIF)."""
    if image_format == "WEBP":
        return len(data) < 12 or struct.unpack("<I", data[4:8])[0] + 8 > len(data)
    if image_format in ("AVIF", "HEIF"):
        return _boxes_end_after(data)
    return False


def is_unusual_variety(data: bytes, image_format: str) -> bool:
    """Whether a file that Pillow cannot identify has a whole header, but of a variety that is not decoded.

    Examples are JPEG with 12 bits per sample, PNG with a colour type or depth that does not exist, and TIFF with an
    unknown sample layout. Otherwise the file is simply damaged.
    """
    if image_format == "JPEG":
        return _jpeg_precision(data) not in (None, 8)
    if image_format == "PNG":
        return len(data) >= PNG_HEADER_BYTES
    return image_format == "TIFF"


@dataclass(frozen=True, slots=True)
class Signature:
    """Bytes that a format has at `offset`."""

    name: str
    magic: bytes
    offset: int = 0

    def matches(self, data: bytes) -> bool:
        """Whether `data` holds the bytes."""
        return data.startswith(self.magic, self.offset)


PNG_HEADER_BYTES = 33  # signature (8) and a whole IHDR chunk (25)

DECODABLE = (
    Signature("JPEG", b"\xff\xd8\xff"),
    Signature("PNG", b"\x89PNG\r\n\x1a\n"),
    Signature("WEBP", b"WEBP", 8),
    Signature("GIF", b"GIF87a"),
    Signature("GIF", b"GIF89a"),
    Signature("BMP", b"BM"),
    Signature("TIFF", b"II*\x00"),
    Signature("TIFF", b"MM\x00*"),
    Signature("TIFF", b"II+\x00"),
    Signature("TIFF", b"MM\x00+"),
)

UNSUPPORTED = (
    Signature("Windows icon (ICO)", b"\x00\x00\x01\x00"),
    Signature("Windows cursor (CUR)", b"\x00\x00\x02\x00"),
    Signature("Photoshop (PSD)", b"8BPS"),
    Signature("PostScript (EPS)", b"%!PS"),
    Signature("PostScript (EPS)", b"\xc5\xd0\xd3\xc6"),
    Signature("PDF", b"%PDF"),
    *(Signature("Netpbm (PPM)", b"P" + kind + space) for kind in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"F", b"f")
      for space in (b"\n", b" ", b"\t", b"\r")),
    Signature("SGI", b"\x01\xda"),
    Signature("DirectDraw surface (DDS)", b"DDS "),
    Signature("Blizzard texture (BLP)", b"BLP1"),
    Signature("Blizzard texture (BLP)", b"BLP2"),
    Signature("Apple icon (ICNS)", b"icns"),
    Signature("QOI", b"qoif"),
    Signature("JPEG 2000", b"\x00\x00\x00\x0cjP  "),
    Signature("JPEG 2000", b"\xff\x4f\xff\x51"),
    Signature("JPEG XL", b"\x00\x00\x00\x0cJXL "),
    Signature("JPEG XL", b"\xff\x0a"),
    Signature("McIDAS", b"\x00\x00\x00\x00\x00\x00\x00\x04"),
    Signature("OpenEXR", b"\x76\x2f\x31\x01"),
    Signature("Radiance HDR", b"#?RADIANCE"),
    Signature("FITS", b"SIMPLE  ="),
    Signature("GIMP (XCF)", b"gimp xcf"),
    Signature("Sun raster", b"\x59\xa6\x6a\x95"),
    Signature("DPX", b"SDPX"),
    Signature("DPX", b"XPDS"),
    Signature("X pixmap (XPM)", b"/* XPM */"),
    Signature("Windows metafile (WMF)", b"\xd7\xcd\xc6\x9a"),
    Signature("camera raw (RAF)", b"FUJIFILMCCD-RAW"),
    Signature("camera raw (RW2)", b"IIU\x00"),
    Signature("camera raw (ORF)", b"IIRO"),
)  # fmt: skip

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_AVIF_BRANDS = (b"avif", b"avis")


def _sniff_iso_media(data: bytes) -> str:
    """AVIF or HEIF; the same container also holds MP4 video and camera raw files."""
    length = max(16, min(int.from_bytes(data[:4], "big"), 256))
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, length, 4))]
    if brands[0] not in _HEIF_BRANDS and any(b in _AVIF_BRANDS for b in brands):
        return "AVIF"
    if any(b in _HEIF_BRANDS for b in brands) or brands[0] in (b"mif1", b"msf1"):
        return "HEIF"
    if brands[0] == b"crx ":
        raise ImageRejected("unsupported_format", "camera raw (CR3) is not decoded; export it as JPEG")
    raise ImageRejected("not_an_image", "this is a video (MP4 or QuickTime), not a photo")


def _describe_other(data: bytes) -> str:
    """Say what a file that is no image is, where its first bytes tell."""
    if data.startswith(b"version https://git-lfs"):
        return "this is a Git LFS pointer, not the photo itself: run `git lfs pull`"
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    # A standalone SVG begins with an XML declaration; a bare <svg> is a piece of a web page and may hold scripts.
    if start.startswith(b"<?xml") and b"<svg" in data.lower():
        raise ImageRejected("unsupported_format", "SVG is a drawing, not a photo; export it as PNG")
    if start.startswith(b"<svg"):
        return "this is SVG markup, not a photo"
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")):
        return "this is a web page or XML, not a photo; the download may have failed"
    if data.startswith(b"PK"):
        return "this is a ZIP archive, not a photo: unpack it first"
    return "the first bytes belong to no known image format"


def _boxes_end_after(data: bytes) -> bool:
    """Whether a top-level box of an ISO media file reaches behind the end of the file."""
    start = 0
    while start + 8 <= len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        if size == 1:
            size = int.from_bytes(data[start + 8 : start + 16], "big")
        if size == 0:  # "to the end of the file"
            return False
        if size < 8:
            return False
        start += size
    return start > len(data)


def _jpeg_precision(data: bytes) -> int | None:
    """Bits per sample from the frame header of a JPEG; None where there is no such header."""
    start = 2
    while start + 5 <= len(data) and data[start] == 0xFF:
        marker = data[start + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[start + 4]
        start += 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    return None
