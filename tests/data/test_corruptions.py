from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
from PIL import Image, ImageDraw

from photograft.contract import make_contract
from photograft.data.corruptions import (
    KINDS,
    STRENGTHS,
    TURNS,
    Kind,
    corrupt,
    outline,
    shuffle_patches,
    turned_file,
)
from photograft.data.images import decode
from photograft.values import PixelArray


def draw_photo(seed: int, *, px: int = 64) -> PixelArray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, size=(6, 6, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((px, px), Image.Resampling.BICUBIC)
    x, y = (int(place) for place in rng.integers(px // 4, px // 2, size=2))
    ImageDraw.Draw(photo).ellipse((x, y, x + px // 3, y + px // 4), fill=(250, 240, 60), outline="black")
    return np.asarray(photo)


def psnr(a: PixelArray, b: PixelArray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("px", [64, 97])
def test_a_stronger_corruption_changes_a_photo_more(kind: Kind, px: int) -> None:
    photos = [draw_photo(seed, px=px) for seed in range(6)]
    means = [
        np.mean([psnr(corrupt(photo, kind, strength, key=(0, i)), photo) for i, photo in enumerate(photos)])
        for strength in STRENGTHS
    ]
    assert means[0] > means[1] + 0.5 > means[2] + 1.5
    assert means[0] < 45


@pytest.mark.parametrize("kind", KINDS)
def test_a_corruption_follows_from_photo_and_key(kind: Kind) -> None:
    photo = draw_photo(1)
    before = photo.copy()
    made = corrupt(photo, kind, 2, key=(3, 4))
    assert made.shape == photo.shape
    assert made.dtype == np.uint8
    assert (made == corrupt(photo.copy(), kind, 2, key=(3, 4))).all()
    assert (photo == before).all()
    others = [corrupt(photo, kind, 2, key=(3, other)) for other in range(5, 15)]
    assert any((made != other).any() for other in others) == (kind in ("noise", "motion", "cast"))


def test_every_kind_is_there() -> None:
    assert get_args(Kind) == KINDS
    assert len(KINDS) == 8


@pytest.mark.parametrize("kind", ["defocus", "motion", "small", "jpeg"])
def test_what_has_no_detail_is_not_blurred(kind: Kind) -> None:
    flat = np.full((48, 48, 3), (200, 90, 30), dtype=np.uint8)
    for strength in STRENGTHS:
        assert np.abs(corrupt(flat, kind, strength, key=(0,)).astype(int) - flat).max() <= 5


def test_blur_spreads_a_point_over_a_disc_and_a_way() -> None:
    point = np.zeros((224, 224, 3), dtype=np.uint8)
    point[112, 112] = 255
    disc = corrupt(point, "defocus", 3, key=(0,))[:, :, 0]
    rows, columns = np.nonzero(disc)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (106, 118, 106, 118)
    assert abs(float(disc.sum()) - 255) < 60
    way = corrupt(point, "motion", 2, key=(1,))[:, :, 0]
    rows, columns = np.nonzero(way)
    assert 12 <= np.hypot(np.ptp(rows), np.ptp(columns)) <= 17
    assert abs(float(way.sum()) - 255) < 60


def test_blur_does_the_same_at_every_size() -> None:
    small, large = (corrupt(draw_photo(2, px=px), "defocus", 3, key=(0,)) for px in (96, 192))
    shrunk = np.asarray(Image.fromarray(large).resize((96, 96), Image.Resampling.BOX))
    assert psnr(small, shrunk) > 30


def test_light_and_colour_change_as_named() -> None:
    grey = np.full((32, 32, 3), 120, dtype=np.uint8)
    assert (corrupt(grey, "dark", 2, key=(0,)) == 42).all()
    assert (corrupt(grey, "fog", 2, key=(0,)) == 162).all()
    casts = {tuple(corrupt(grey, "cast", 1, key=(key,))[0, 0].tolist()) for key in range(20)}
    assert casts == {(144, 120, 100), (100, 120, 144)}
    noise = corrupt(grey, "noise", 2, key=(0,)).astype(float)
    assert abs(noise.mean() - 120) < 2
    assert abs(noise.std() - 25.5) < 1


def test_shuffled_patches_are_the_same_patches_elsewhere() -> None:
    photo = draw_photo(3)
    shuffled = shuffle_patches(photo, key=(1, 2))

    def patches(pixels: PixelArray) -> list[bytes]:
        return [pixels[16 * y : 16 * y + 16, 16 * x : 16 * x + 16].tobytes() for y in range(4) for x in range(4)]

    assert sorted(patches(shuffled)) == sorted(patches(photo))
    assert patches(shuffled) != patches(photo)
    assert (shuffled == shuffle_patches(photo, key=(1, 2))).all()
    assert (shuffled != shuffle_patches(photo, key=(1, 3))).any()
    odd = shuffle_patches(draw_photo(3, px=67), key=(1, 2))
    assert (odd[64:] == draw_photo(3, px=67)[64:]).all()


def test_an_outline_keeps_the_shape_and_no_colour() -> None:
    disc = Image.new("RGB", (128, 128), (40, 90, 160))
    ImageDraw.Draw(disc).ellipse((32, 32, 96, 96), fill=(200, 120, 60))
    drawn = outline(np.asarray(disc))
    assert drawn.shape == (128, 128, 3)
    assert drawn.dtype == np.uint8
    assert (drawn[:, :, 0] == drawn[:, :, 2]).all()
    assert drawn[64, 64, 0] == drawn[5, 5, 0] == 255
    assert drawn[64, 32, 0] < 60
    assert (outline(np.full((64, 64, 3), 77, dtype=np.uint8)) == 255).all()


@pytest.mark.parametrize("crop", ["none", "center"])
def test_a_photo_stored_turned_gives_the_same_pixels(crop: str) -> None:
    contract = make_contract(64, crop=crop)
    photo = draw_photo(4)
    upright = decode(turned_file(photo, 1), contract)
    assert upright.turn == 1
    if crop == "none":
        assert (upright.pixels == photo).all()
    for turn in TURNS:
        decoded = decode(turned_file(photo, turn), contract)
        assert decoded.turn == turn
        assert (decoded.pixels == upright.pixels).all()
        with Image.open(io.BytesIO(turned_file(photo, turn))) as stored:
            assert (np.asarray(stored) != photo).any()
