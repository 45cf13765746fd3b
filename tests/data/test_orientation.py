from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from photograft.data.orientation import stored_rect, stored_turned, upright, upright_rect


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_rectangle_turns_as_the_picture_does(turn: int) -> None:
    width, height, rect = 7, 4, (1, 0, 4, 3)
    stored = np.zeros((height, width), dtype=np.uint8)
    stored[0:3, 1:4] = 255
    turned = upright(Image.fromarray(stored), turn)
    left, top, right, bottom = (int(edge) for edge in upright_rect(rect, width, height, turn))
    expected = np.zeros((turned.height, turned.width), dtype=np.uint8)
    expected[top:bottom, left:right] = 255
    assert (np.asarray(turned) == expected).all()
    assert stored_rect((left, top, right, bottom), turned.width, turned.height, turn) == rect


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_stored_turned_is_turned_back(turn: int) -> None:
    picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    assert (np.asarray(upright(stored_turned(picture, turn), turn)) == np.asarray(picture)).all()
