from __future__ import annotations

import io

import numpy as np
from PIL import Image

from photograft.data.contact_sheet import contact_sheet


def test_a_sheet_shows_originals_at_the_left_and_their_copies_beside() -> None:
    plain = [np.full((50, 50, 3), (250 - 100 * i, 0, 0), np.uint8) for i in range(2)]
    copies = [[np.full((40, 40, 3), (0, 250 - 60 * k, 100 * i), np.uint8) for k in range(3)] for i in range(2)]
    sheet = Image.open(io.BytesIO(contact_sheet(plain, copies, px=32, kind="PNG")))
    pixels = np.asarray(sheet.convert("RGB"))
    tall, wide = pixels.shape[0] / 2, pixels.shape[1] / 4
    for i in range(2):
        shown = [tuple(int(c) for c in pixels[int((i + 0.5) * tall), int((k + 0.5) * wide)]) for k in range(4)]
        assert shown == [(250 - 100 * i, 0, 0), *((0, 250 - 60 * k, 100 * i) for k in range(3))]


def test_a_sheet_is_a_jpeg_by_default_also_without_copies() -> None:
    sheet = Image.open(io.BytesIO(contact_sheet([np.zeros((9, 9, 3), np.uint8)], [[]])))
    assert sheet.format == "JPEG" and sheet.height >= 128
