from __future__ import annotations

import numpy as np
import pytest

from photograft.evaluation.reconstruction import mean_error, psnr_db, trivial_errors


def test_flat_photos_are_given_back_by_any_trivial_answer() -> None:
    flat = np.broadcast_to(np.array([[10, 20, 30], [200, 100, 0]], np.uint8)[:, None, None], (2, 8, 12, 3)).copy()
    for errors in trivial_errors(flat).values():
        assert errors == pytest.approx(0)


def test_fine_detail_is_lost_by_shrinking_and_large_shapes_by_the_mean_alone() -> None:
    fine, large = np.zeros((2, 32, 32, 3), np.uint8)
    fine[::2, ::2] = fine[1::2, 1::2] = 255
    large[:, 16:] = 255
    errors = trivial_errors(np.stack([fine, large]))
    assert errors["mean_colour"] == pytest.approx(0.25)  # half black, half white
    assert errors["quarter"][0] == pytest.approx(0.25, abs=0.02) and errors["quarter"][1] < 0.05


def test_the_ratio_of_known_errors() -> None:
    assert [psnr_db(mse) for mse in (1.0, 0.1, 0.01)] == pytest.approx([0, 10, 20])
    assert psnr_db(0) == 100


def test_the_interval_holds_the_mean_and_copies_make_it_wider() -> None:
    mse_N = np.random.default_rng(0).gamma(2.0, 0.01, 60)
    alone = mean_error(mse_N, np.full(60, -1))
    assert alone.low < alone.mse < alone.high and alone.mse == pytest.approx(mse_N.mean())
    copied = mean_error(np.repeat(mse_N[:15], 4), np.repeat(np.arange(15), 4))
    assert copied.high - copied.low > alone.high - alone.low
    assert mean_error(np.array([0.01]), np.array([0])).psnr_db == pytest.approx(20)
