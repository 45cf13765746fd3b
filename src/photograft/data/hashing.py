"""Hashes of files and pictures, and how the hash of a picture changes when it is mirrored or rotated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from photograft.values import DoubleArray, PixelArray

HASH_BITS = 256

Symmetry = Literal[
    "same",
    "mirrored",
    "upside down, mirrored",
    "rotated by 180 degrees",
    "rotated by 90 degrees",
    "rotated by 270 degrees",
    "rotated by 90 degrees, mirrored",
    "rotated by 270 degrees, mirrored",
]
SYMMETRIES: tuple[Symmetry, ...] = get_args(Symmetry)
"""The eight ways to lay a picture; degrees are clockwise, and rotating comes before mirroring."""


def hash_bytes(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def perceptual_hash(image: Image.Image, box: tuple[float, float, float, float] | None = None) -> str:
    """256-bit hash (64 hex digits) of an RGB picture that recompression and resizing hardly change.

    `box` is the part of the picture that counts (left, top, right, bottom), by default the whole. The hash is empty
    for a picture without coarse structure (one colour, a soft gradient), where every bit would be noise.

    It holds the signs of the low frequencies of a discrete cosine transform of the 64 x 64 grey picture (after Zauner
    2010, Implementation and Benchmarking of Perceptual Image Hash Functions, who compares with the median). The signs
    of a mirrored or rotated picture follow from them exactly (`turn_hashes`). Measured in
    docs/decisions/0006-near-duplicates.md: copies differ in at most 12 bits, different photos in 43 or more.
    """
    grey = np.asarray(image.convert("L").resize((64, 64), Image.Resampling.BICUBIC, box), dtype=np.float64)
    coefficients = _COSINES @ grey @ _COSINES.T
    if np.count_nonzero(np.abs(coefficients) >= _CLEAR) < HASH_BITS // 2:
        return ""
    return np.packbits(coefficients > 0).tobytes().hex()


def hash_rows(hashes: Sequence[str]) -> PixelArray:
    """Hashes that are not empty as bytes of shape (N, 32)."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(-1, HASH_BITS // 8)


def turn_hashes(rows_N32: PixelArray, symmetry: Symmetry) -> PixelArray:
    """The hashes, shape (N, 32), that the same pictures have when they are mirrored or rotated.

    Mirroring changes the sign of the odd frequencies along its direction, and rotating by 90 degrees is a transposition
    and a mirroring.
    """
    transposed, left_right, top_bottom = _TURNS[symmetry]
    bits_NVU = np.unpackbits(rows_N32, axis=1).reshape(-1, _SIDE, _SIDE)
    if transposed:
        bits_NVU = bits_NVU.swapaxes(1, 2)
    odd = (np.arange(_SIDE) % 2 == 0).astype(np.uint8)  # the first frequency is 1
    mask_VU = (left_right * odd)[None, :] ^ (top_bottom * odd)[:, None]
    return np.packbits((bits_NVU ^ mask_VU).reshape(-1, HASH_BITS), axis=1)


# Symmetry: rows and columns swapped first; then mirrored left to right; then top to bottom.
_TURNS: dict[Symmetry, tuple[bool, bool, bool]] = {
    "same": (False, False, False),
    "mirrored": (False, True, False),
    "upside down, mirrored": (False, False, True),
    "rotated by 180 degrees": (False, True, True),
    "rotated by 90 degrees": (True, True, False),
    "rotated by 270 degrees": (True, False, True),
    "rotated by 90 degrees, mirrored": (True, False, False),
    "rotated by 270 degrees, mirrored": (True, True, True),
}
_SIDE = 16
_CLEAR = 2**26
"""A coefficient of white noise with a standard deviation of two grey levels, times the scale of the cosines (1024)."""


def _integer_cosines(size: int, n_low: int) -> DoubleArray:
    """Rows 1 to n_low of the DCT-II matrix in whole numbers, 1024 for 1.

    With whole numbers every product and sum is exact in float64, so that the hash is the same on every machine
    whatever the order in which its BLAS adds.
    """
    frequency = np.arange(1, n_low + 1)[:, None]
    place = np.arange(size)[None, :]
    cosines: DoubleArray = np.rint(1024 * np.cos(np.pi * frequency * (2 * place + 1) / (2 * size)))
    return cosines


_COSINES = _integer_cosines(64, _SIDE)
