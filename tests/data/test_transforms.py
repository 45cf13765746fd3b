from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photograft.config.augment import AugmentConfig
from photograft.values import PixelArray

pytest.importorskip("torchvision")

from photograft.data.transforms import Augmentation, copy_key, source_px

PX = 64
OFF: dict[str, Any] = {
    "flip": "none", "rotation": 0, "crop": 1, "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0,
}  # fmt: skip
CODE = """
import hashlib, torch
from tests.data.test_transforms import all_copies
torch.set_num_threads(1)
print(hashlib.sha256(all_copies()).hexdigest())
"""


def make(**settings: Any) -> Augmentation:
    return Augmentation(AugmentConfig(**{**OFF, **settings}), PX, seed=0)


def draw_source(side: int | None = None) -> PixelArray:
    """A colourful picture without any symmetry."""
    coarse = np.random.default_rng(0).integers(40, 216, (5, 5, 3), dtype=np.uint8)
    side = side or source_px(PX)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def mean_colours(augmentation: Augmentation, source: PixelArray, n: int = 60) -> np.ndarray:
    return np.array([augmentation(source, key).mean(axis=(0, 1)) for key in range(n)])


def all_copies() -> bytes:
    """Copies that use every transform."""
    everything = make(
        flip="both",
        rotation=30,
        crop=0.4,
        brightness=0.3,
        contrast=0.3,
        saturation=0.3,
        hue=0.1,
        randaugment=9,
        erasing=0.5,
    )
    return b"".join(everything.copy(draw_source(), "photo", number).tobytes() for number in range(24))


def test_without_settings_a_copy_is_the_resized_source() -> None:
    source = draw_source()
    expected = np.asarray(Image.fromarray(source).resize((PX, PX), Image.Resampling.BICUBIC))
    for key in range(5):
        copy = make()(source, key)
        assert copy.shape == (PX, PX, 3) and copy.dtype == np.uint8 and np.array_equal(copy, expected)
    assert source_px(224) == 258


@pytest.mark.slow
def test_copies_are_the_same_in_any_process_and_under_any_number_of_threads() -> None:
    expected = all_copies()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: all_copies(), range(4))) == {expected}
    digest = subprocess.check_output([sys.executable, "-c", CODE], cwd=Path(__file__).parents[2], text=True)
    assert digest.strip() == hashlib.sha256(expected).hexdigest()


def test_copies_leave_the_global_generators_alone() -> None:
    import torch

    torch.manual_seed(1)
    np.random.seed(1)
    all_copies()
    ours = torch.rand(1), np.random.random()
    torch.manual_seed(1)
    np.random.seed(1)
    assert ours == (torch.rand(1), np.random.random())


def test_keys_differ_by_seed_content_and_number() -> None:
    keys = {copy_key(seed, content, number) for seed in range(3) for content in ("a", "b") for number in range(4)}
    assert len(keys) == 24 and copy_key(0, "a", 1) == copy_key(0, "a", 1)
    digest = hashlib.sha256(b"0/a/1").digest()  # what records on disk hang on
    assert copy_key(0, "a", 1) == int.from_bytes(digest[:16], "big")


@pytest.mark.parametrize("flip", ("horizontal", "vertical", "both"))
def test_flips_mirror_half_of_the_copies(flip: str) -> None:
    source = draw_source()
    plain = make()(source, 0)
    mirrored = {
        "none": plain, "horizontal": plain[:, ::-1], "vertical": plain[::-1], "both": plain[::-1, ::-1],
    }  # fmt: skip
    allowed = ("none", flip) if flip != "both" else tuple(mirrored)
    seen = [
        next(name for name in allowed if np.array_equal(mirrored[name], make(flip=flip)(source, k))) for k in range(200)
    ]
    for name in allowed:
        assert abs(seen.count(name) / 200 - 1 / len(allowed)) < 0.12


def test_rotation_turns_within_its_range_and_invents_no_black() -> None:
    side = 93
    source = np.full((side, side, 3), 200, np.uint8)
    source[46, 46:90] = 40  # a line from the centre to the right
    source[45:48, 20:90] = 40
    angles = []
    for key in range(60):
        copy = Augmentation(AugmentConfig(**{**OFF, "rotation": 25}), side, seed=0)(source, key).astype(float)
        assert copy.min() > 30
        weight = (200 - copy[:, :, 0]).clip(0)
        rows, columns = np.mgrid[-46:47, -46:47]
        inside = np.hypot(rows, columns) < 40
        # The direction in which the dark pixels spread.
        w, y, x = weight[inside], rows[inside], columns[inside]
        angles.append(np.degrees(0.5 * np.arctan2(2 * (w * x * y).sum(), (w * x * x).sum() - (w * y * y).sum())))
    assert max(map(abs, angles)) < 27 and max(angles) > 18 and min(angles) < -18


def test_a_crop_shows_at_least_its_share_and_keeps_shapes() -> None:
    side = 101
    ramp = np.linspace(0, 250, side)
    source = np.zeros((side, side, 3), np.uint8)
    source[..., 0] = ramp[None, :].round()
    source[..., 1] = ramp[:, None].round()
    shares = []
    for key in range(200):
        copy = make(crop=0.4)(source, key).astype(float)
        width, height = (np.ptp(copy[..., 0][0]) / 250, np.ptp(copy[..., 1][:, 0]) / 250)
        assert 1 / 1.35 < width / height < 1.35
        shares.append(width * height)
    assert 0.35 < min(shares) < 0.45 and max(shares) > 0.9 and abs(np.mean(shares) - 0.7) < 0.05


def test_brightness_contrast_and_saturation_change_by_up_to_their_factors() -> None:
    source = draw_source()
    plain = make()(source, 0).astype(float)
    bright = mean_colours(make(brightness=0.3), source).mean(axis=1) / plain.mean()
    assert 0.69 < bright.min() < 0.75 and 1.22 < bright.max() < 1.31
    spreads = [make(contrast=0.3)(source, key).std() / plain.std() for key in range(60)]
    assert 0.68 < min(spreads) < 0.78 and 1.2 < max(spreads) < 1.31
    levels = [make(contrast=0.3)(source, key).mean() for key in range(60)]
    assert np.ptp(levels) < 0.1 * plain.mean()  # contrast leaves the brightness
    chroma = [np.ptp(make(saturation=0.3)(source, key).astype(float), axis=2).mean() for key in range(60)]
    chroma = np.array(chroma) / np.ptp(plain, axis=2).mean()
    assert 0.68 < chroma.min() < 0.78 and 1.2 < chroma.max() < 1.31


def test_the_hue_turns_by_up_to_its_share_and_leaves_grey_alone() -> None:
    grey = np.full((80, 80, 3), 120, np.uint8)
    assert np.abs(mean_colours(make(hue=0.5), grey) - 120).max() <= 1
    red = np.zeros((80, 80, 3), np.uint8) + np.array([160, 90, 90], np.uint8)
    hues = []
    for colour in mean_colours(make(hue=0.1), red):
        across = (2 * colour[0] - colour[1] - colour[2], np.sqrt(3) * (colour[1] - colour[2]))
        hues.append(np.arctan2(across[1], across[0]) / (2 * np.pi))
        assert abs(colour.sum() - 340) < 3  # brightness stays
    assert -0.103 < min(hues) < -0.07 and 0.07 < max(hues) < 0.103


def test_a_third_of_the_circle_is_what_torchvision_does_too() -> None:
    from torchvision.transforms.v2 import functional as v2

    from photograft.data.transforms import _turn_hue

    picture = Image.fromarray(draw_source())
    for share in (1 / 3, -1 / 3):
        ours, theirs = np.asarray(_turn_hue(picture, share), int), np.asarray(v2.adjust_hue(picture, share), int)
        assert np.abs(ours - theirs).mean() < 3


def test_erasing_blanks_one_rectangle_with_the_mean_colour_as_often_as_it_says() -> None:
    source = draw_source()
    plain = make()(source, 0)
    n_erased = 0
    for key in range(100):
        changed = (make(erasing=0.6)(source, key) != plain).any(axis=2)
        if not changed.any():
            continue
        n_erased += 1
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert changed.sum() > 0.9 * area and 0.01 < area / PX**2 < 0.36
    assert 45 < n_erased < 75


def test_randaugment_changes_more_with_more_strength() -> None:
    source = draw_source()
    plain = make()(source, 0).astype(float)
    means = [
        np.mean([np.abs(make(randaugment=strength)(source, key) - plain).mean() for key in range(80)])
        for strength in (1, 9, 25)
    ]
    assert 0 < means[0] < means[1] < means[2]


def test_one_setting_leaves_what_the_others_draw() -> None:
    source = draw_source()
    for key in range(8):
        cropped, turned = make(crop=0.5)(source, key), make(crop=0.5, flip="horizontal")(source, key)
        assert np.array_equal(cropped, turned) or np.array_equal(cropped, turned[:, ::-1])


def test_a_picture_that_is_read_only_is_taken() -> None:
    source = np.frombuffer(draw_source().tobytes(), np.uint8).reshape(74, 74, 3)
    assert make(rotation=10, crop=0.5)(source, 3).flags.writeable
