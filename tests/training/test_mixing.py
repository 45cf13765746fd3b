"""Mixup and cutmix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from photograft.training.inputs import Values
from photograft.training.mixing import draw_mix
from photograft.training.mixing import mix as mix_drawn
from photograft.values import FloatArray


def batch(seed: int = 0) -> tuple[tuple[np.ndarray[Any, Any], ...], np.ndarray[Any, Any]]:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    maps = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None, None, None], (6, 4, 8, 8)).copy()
    vectors = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None], (6, 5)).copy()
    return (pixels, maps, vectors), np.eye(6, dtype=np.float32)


def mix(
    values: Values, share_BK: FloatArray, random: np.random.Generator, *, mixup: float, cutmix: float, turn: int
) -> tuple[Values, FloatArray]:
    """The whole batch mixed."""
    drawn = draw_mix(len(share_BK), random, mixup=mixup, cutmix=cutmix, turn=turn)
    return (
        (values, share_BK)
        if drawn is None
        else mix_drawn(values, share_BK, drawn, np.arange(len(share_BK)), drawn.other_B)
    )


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_targets_stay_shares_and_shapes_and_kinds_stay(mixup: float, cutmix: float) -> None:
    for seed in range(20):
        values, share_BK = batch()
        mixed, target = mix(values, share_BK, np.random.default_rng(seed), mixup=mixup, cutmix=cutmix, turn=seed)
        np.testing.assert_allclose(target.sum(axis=1), 1.0, rtol=1e-6)
        assert target.min() >= 0
        assert [(v.shape, v.dtype) for v in mixed] == [(v.shape, v.dtype) for v in values]
        assert values[0].tobytes() == batch()[0][0].tobytes()  # what was read is not changed in place


def test_mixup_blends_values_and_targets_by_the_same_share() -> None:
    values, share_BK = batch()
    (_, maps, vectors), target = mix(values, share_BK, np.random.default_rng(3), mixup=1.0, cutmix=0.0, turn=1)
    expected_B = target @ np.arange(6)
    np.testing.assert_allclose(vectors, np.repeat(expected_B[:, None], 5, axis=1), rtol=1e-5)
    np.testing.assert_allclose(maps.mean(axis=(1, 2, 3)), expected_B, rtol=1e-5)
    assert target.max() < 1


def test_cutmix_pastes_a_rectangle_whose_area_is_the_share() -> None:
    values, share_BK = batch()
    (pixels, maps, vectors), target = mix(values, share_BK, np.random.default_rng(5), mixup=0.0, cutmix=1.0, turn=0)
    changed = (pixels != values[0]).any(axis=(0, 3))
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    share = 1 - len(rows) * len(columns) / 256
    assert np.isclose(target[target > 0].min(), min(share, 1 - share), atol=1e-6)
    np.testing.assert_allclose(vectors[:, 0], target @ np.arange(6), rtol=1e-5)
    assert set(np.unique(maps)) <= set(range(6))


def test_vectors_alone_are_blended_by_cutmix() -> None:
    (_, _, vectors), share_BK = batch()
    (mixed,), target = mix((vectors,), share_BK, np.random.default_rng(1), mixup=0.0, cutmix=1.0, turn=0)
    np.testing.assert_allclose(mixed[:, 0], target @ np.arange(6), rtol=1e-5)


def test_both_take_turns_and_none_leaves_all_as_it_is() -> None:
    values, share_BK = batch()
    turns = [mix(values, share_BK, np.random.default_rng(2), mixup=1.0, cutmix=1.0, turn=turn)[0][1] for turn in (0, 1)]
    assert len(np.unique(turns[0][0])) == 1  # blended: each photo's map of one number stays one number
    assert len(np.unique(turns[1])) == 6
    assert mix(values, share_BK, np.random.default_rng(2), mixup=0.0, cutmix=0.0, turn=0) == (values, share_BK)


def test_cutmix_finds_the_places_of_maps_with_their_channels_last() -> None:
    maps = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None, None, None], (6, 7, 7, 32)).copy()
    windows = np.broadcast_to(np.arange(6, dtype=np.float32)[:, None, None, None], (6, 4, 49, 32)).copy()
    for seed in range(10):
        (pasted, blended), target = mix(
            (maps, windows), np.eye(6, dtype=np.float32), np.random.default_rng(seed), mixup=0.0, cutmix=1.0, turn=0
        )
        assert (pasted == pasted[..., :1]).all()  # all channels of a place are of one photo
        expected_B = target @ np.arange(6)
        np.testing.assert_allclose(pasted.mean(axis=(1, 2, 3)), expected_B, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(blended.mean(axis=(1, 2, 3)), expected_B, rtol=1e-4, atol=1e-5)
