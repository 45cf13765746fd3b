from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageDraw

from photograft.data.corruptions import KINDS, STRENGTHS
from photograft.evaluation.robustness import (
    VARIANTS,
    Robustness,
    draw_evenly,
    judge_robustness,
    photos_within,
    vary,
)
from photograft.metrics.intervals import paired_difference
from photograft.values import BoolArray, FloatArray, PixelArray

PX, N = 48, 60


def test_every_variant_is_judged_against_the_same_photos_unchanged() -> None:
    rng = np.random.default_rng(0)
    right_NV = rng.random((80, len(VARIANTS))) < 0.7
    group_N = np.arange(80) // 2
    judged = judge_robustness(right_NV, group_N)
    assert judged.n == 80
    assert judged.accuracy == right_NV[:, 0].mean()
    assert set(judged.corruptions) == {(kind, strength) for kind in KINDS for strength in STRENGTHS}
    effect = judged.corruptions["jpeg", 2]
    changed_N = right_NV[:, VARIANTS.index("jpeg 2")]
    assert effect.accuracy == changed_N.mean()
    assert (effect.drop, effect.low, effect.high) == paired_difference(right_NV[:, 0], changed_N, group_N)
    assert judged.texture[0] == pytest.approx(judged.shuffled.accuracy - judged.outlined.accuracy)
    assert judged.unread.drop == pytest.approx(judged.accuracy - right_NV[:, -1].mean())


def test_a_variant_is_made_for_every_name() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    variants = list(vary(photo, (0, 5)))
    assert len(variants) == len(VARIANTS)
    assert (variants[0] == photo).all()
    assert all(variant.shape == photo.shape and variant.dtype == np.uint8 for variant in variants)
    assert len({np.ascontiguousarray(variant).tobytes() for variant in variants}) == len(VARIANTS)
    turned = {np.ascontiguousarray(list(vary(photo, (0, key)))[-1]).tobytes() for key in range(3)}
    assert turned == {np.ascontiguousarray(np.rot90(photo, k)).tobytes() for k in (1, 2, 3)}


def test_photos_are_drawn_evenly_from_the_classes() -> None:
    classes = ["large"] * 50 + ["small"] * 5 + ["작은"] * 5
    order = draw_evenly(classes, seed=3)
    assert sorted(order) == list(range(60))
    for n in (3, 6, 9, 15):
        assert Counter(classes[i] for i in order[:n]) == dict.fromkeys(("large", "small", "작은"), n // 3)
    assert order == draw_evenly(classes, seed=3)
    assert order != draw_evenly(classes, seed=4)
    many = [str(i // 2) for i in range(240)]
    assert len({many[i] for i in draw_evenly(many, seed=0)[:120]}) == 120


def test_the_number_of_photos_follows_from_their_cost() -> None:
    numbers = [photos_within(30, cost, 5000) for cost in (0.001, 0.02, 0.0201, 0.11, 0.21, 0.35, 0.9, 1.45, 4.0)]
    assert numbers == [5000, 1500, 1400, 250, 125, 80, 30, 20, 7]
    assert all(photos_within(30, cost, 5000) * cost <= 30 for cost in np.linspace(0.01, 3, 100))
    assert photos_within(-1, 0.5, 100) <= 0
    assert photos_within(30, 0.0, 100) == 100


# ------------------------------------------------------------------ classifiers that go by what is known


def draw_set(*, colour: bool, texture: bool, shape: bool) -> tuple[list[PixelArray], BoolArray]:
    """Photos of two classes that differ in colour, in texture, or in the shape that is drawn."""
    photos, second_N = [], np.arange(N) % 2 == 1
    for i, second in enumerate(second_N):
        rng = np.random.default_rng(i)
        tint = np.array((170, 110, 90) if colour and second else (110, 110, 150) if colour else (120, 120, 120))
        grain = rng.normal(0, 25, (PX, PX, 1)) if not texture or second else np.zeros((PX, PX, 1))
        ground = np.clip(tint + grain * texture, 0, 255).astype(np.uint8)
        picture = Image.fromarray(ground)
        if shape:
            x, y = (int(place) for place in rng.integers(5, 15, size=2))
            ends = (x, y, x + 28, y + 28)
            pen = ImageDraw.Draw(picture)
            (pen.rectangle if second else pen.ellipse)(ends, fill=(40, 40, 40))
        photos.append(np.asarray(picture))
    return photos, second_N


def robustness_of(photos: list[PixelArray], second_N: BoolArray, score: object) -> Robustness:
    assert callable(score)
    score_NV = np.array([[score(np.ascontiguousarray(each)) for each in vary(p, (0, i))] for i, p in enumerate(photos)])
    cut = (score_NV[second_N, 0].mean() + score_NV[~second_N, 0].mean()) / 2
    return judge_robustness((score_NV > cut) == second_N[:, None], np.arange(N))


def redness(pixels: PixelArray) -> float:
    mean_C: FloatArray = pixels.reshape(-1, 3).mean(axis=0)
    return float(mean_C[0] / max(float(mean_C[2]), 1.0))


def roughness(pixels: PixelArray) -> float:
    grey = pixels.astype(float).mean(axis=2)
    return float(np.abs(np.diff(grey, axis=0)).mean())


def fill_of_box(pixels: PixelArray) -> float:
    """How much of its bounding box the dark part fills: a square all of it, a disc less."""
    dark = pixels.astype(float).mean(axis=2) < 80
    rows, columns = np.nonzero(dark)
    return 0.0 if not len(rows) else float(dark.sum() / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1)))


def test_a_classifier_of_colour_suffers_from_a_colour_cast_and_not_from_patches() -> None:
    judged = robustness_of(*draw_set(colour=True, texture=False, shape=False), redness)
    assert judged.accuracy == 1
    assert judged.corruptions["cast", 3].low > 0.2
    assert judged.shuffled.drop == 0
    assert judged.unread.drop == 0
    assert judged.corruptions["defocus", 3].drop == 0
    assert judged.corruptions["dark", 2].drop == 0
    assert judged.outlined.accuracy == 0.5
    assert judged.texture[1] > 0.3


def test_a_classifier_of_texture_suffers_from_blur_and_noise_and_not_from_patches_or_turns() -> None:
    judged = robustness_of(*draw_set(colour=False, texture=True, shape=False), roughness)
    assert judged.accuracy == 1
    assert judged.corruptions["defocus", 3].low > 0.2
    assert judged.corruptions["noise", 3].low > 0.2
    assert judged.corruptions["cast", 1].drop == 0
    assert judged.shuffled.drop == 0
    assert judged.unread.drop == 0


def test_a_classifier_of_shape_suffers_from_patches_and_not_from_a_colour_cast() -> None:
    judged = robustness_of(*draw_set(colour=False, texture=False, shape=True), fill_of_box)
    assert judged.accuracy == 1
    assert judged.shuffled.low > 0.2
    assert judged.corruptions["cast", 2].drop == 0
    assert judged.corruptions["small", 1].drop == 0
    assert judged.unread.drop == 0
