from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from photograft.data.hashing import perceptual_hash
from photograft.retrieval.copies import NEAR, SAME_FILE, SAME_PICTURE, Picture, find_copies
from photograft.retrieval.rows import IndexRow
from photograft.values import FloatArray, IntArray

PICTURES = [
    Image.fromarray(np.random.default_rng(n).integers(0, 256, (18, 24, 3), np.uint8)).resize((320, 240), 3)
    for n in range(4)
]
ROWS = [
    IndexRow(0, f"{n}.jpg", sha256=f"{n}" * 64, pixel_sha256=f"pixels {n}", perceptual_hash=perceptual_hash(picture))
    for n, picture in enumerate(PICTURES)
]


def alike(numbers: IntArray) -> FloatArray:
    """Every photo is as the network sees the picture."""
    return np.ones(len(numbers), np.float32)


def unlike(numbers: IntArray) -> FloatArray:
    """None is."""
    return np.zeros(len(numbers), np.float32)


def test_equal_bytes_and_equal_pixels_are_copies_whatever_the_network_says() -> None:
    rows = [*ROWS, IndexRow(0, "unhashed.png", sha256="f" * 64)]
    asked = Picture("2" * 64, "pixels 1", "")
    assert find_copies(asked, rows, unlike) == [(2, SAME_FILE), (1, SAME_PICTURE)]
    assert find_copies(Picture(), rows, alike) == []


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        (None, NEAR),
        (Image.Transpose.FLIP_LEFT_RIGHT, f"{NEAR}, mirrored"),
        (Image.Transpose.ROTATE_180, f"{NEAR}, rotated by 180 degrees"),
        (Image.Transpose.ROTATE_90, f"{NEAR}, rotated by 90 degrees"),
        (Image.Transpose.ROTATE_270, f"{NEAR}, rotated by 90 degrees"),
    ],
)
def test_smaller_and_turned_pictures_are_found(turn: Image.Transpose | None, kind: str) -> None:
    picture = PICTURES[3].resize((160, 120))
    picture = picture if turn is None else picture.transpose(turn)
    asked = Picture("e" * 64, "other pixels", perceptual_hash(picture))
    assert find_copies(asked, ROWS, alike) == [(3, kind)]
    confirmed = turn in (None, Image.Transpose.FLIP_LEFT_RIGHT)
    assert find_copies(asked, ROWS, unlike) == ([] if confirmed else [(3, kind)])
