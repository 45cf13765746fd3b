from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from photograft.data.quality import measure


def measure_whole(image: Image.Image) -> tuple[float, float, float]:
    return measure(image, (0, 0, *image.size))


def detailed(side: int = 320) -> Image.Image:
    """Squares of random colours, ten to a side, under a fine grain."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 216, size=(10, 10, 3)).repeat(16, axis=0).repeat(16, axis=1)
    values = np.clip(coarse + rng.integers(-20, 21, size=(160, 160, 1)), 0, 255).astype(np.uint8)
    return Image.fromarray(values).resize((side, side), Image.Resampling.NEAREST)


def test_one_colour_has_a_brightness_and_nothing_else() -> None:
    assert measure_whole(Image.new("RGB", (300, 200), (90, 90, 90))) == (90.0, 0.0, 0.0)


def test_black_and_white_halves_have_the_largest_contrast() -> None:
    image = Image.new("RGB", (320, 320))
    image.paste("white", (0, 0, 160, 320))
    brightness, contrast, _ = measure_whole(image)
    assert (brightness, contrast) == (127.5, 127.5)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 7), (1, 10_000), (9, 9), (16_000, 20)])
def test_any_size_can_be_measured(size: tuple[int, int]) -> None:
    brightness, contrast, sharpness = measure_whole(Image.new("RGB", size, "white"))
    assert (brightness, contrast, sharpness) == (255.0, 0.0, 0.0)


def test_only_the_extent_counts() -> None:
    image = Image.new("RGB", (400, 400), "black")
    image.paste("white", (100, 100, 300, 300))
    assert measure(image, (100, 100, 300, 300)) == (255.0, 0.0, 0.0)


def test_sharpness_falls_with_blur_and_hardly_with_size_or_contrast() -> None:
    image = detailed()
    sharp = measure_whole(image)[2]
    blurred = [measure_whole(image.filter(ImageFilter.GaussianBlur(radius)))[2] for radius in (2, 4, 8)]
    assert sharp > 4 * blurred[0] > 4 * blurred[1] > 4 * blurred[2]
    assert measure_whole(image.resize((960, 960), Image.Resampling.BICUBIC))[2] == pytest.approx(sharp, rel=0.3)
    assert measure_whole(image.point(lambda value: 100 + value // 4))[2] == pytest.approx(sharp, rel=0.3)


def test_a_sharp_subject_before_a_blurred_background_is_sharp() -> None:
    image = detailed()
    portrait = image.filter(ImageFilter.GaussianBlur(6))
    portrait.paste(image.crop((100, 100, 220, 220)), (100, 100))
    assert measure_whole(portrait)[2] > measure_whole(image)[2] / 2


def test_flowers_and_their_blurred_copies_are_told_apart(shared_data: Path) -> None:
    sharp, blurred = [], []
    for file in sorted((shared_data / "flowers").rglob("*.jpg"))[::80]:
        with Image.open(file) as image:
            scale = 320 / min(image.size)
            photo = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        sharp.append(measure_whole(photo)[2])
        blurred.append(measure_whole(photo.filter(ImageFilter.GaussianBlur(2)))[2])
    assert min(sharp) > 0.1
    assert np.mean(np.array(blurred) < 0.15) > 0.9
