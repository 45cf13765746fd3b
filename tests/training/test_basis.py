from __future__ import annotations

import numpy as np
import pytest

from photograft.training.basis import make_basis


@pytest.mark.parametrize("n", [2000, 150])  # many photos; fewer photos than features
def test_the_basis_is_the_one_of_the_whole_matrix_in_double_precision(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photograft.features.matrix._BLOCK_BYTES", 200 * 4 * 61)  # 61 photos in a block
    rng = np.random.default_rng(0)
    features_ND = rng.standard_normal((n, 200), np.float32)
    features_ND[:, 3] = 1e4 + np.arange(n) % 2  # a variance that is small beside the mean
    features_ND[: n // 2, 4] += 100  # whose means differ from block to block
    weight_N = rng.uniform(0.5, 2, n).astype(np.float32)
    basis = make_basis(features_ND, weight_N)

    share_N, double_ND = weight_N / weight_N.sum(dtype=np.float64), features_ND.astype(np.float64)
    standard_ND = (double_ND - share_N @ double_ND) / double_ND.std(0)
    assert np.allclose(basis.scale_D, double_ND.std(0), rtol=1e-6)
    assert np.allclose(basis.mean_D, share_N @ double_ND, rtol=1e-6, atol=1e-6)
    gram_DD = (standard_ND * share_N[:, None]).T @ standard_ND
    rank = len(basis.eigenvalue_R)
    assert rank == min(n - 1, 200)  # the mean is taken off
    assert np.allclose(basis.eigenvalue_R, np.linalg.eigvalsh(gram_DD)[-rank:], atol=1e-4)
    assert np.abs(basis.vectors_DR * basis.eigenvalue_R @ basis.vectors_DR.T - gram_DD).max() < 1e-4
    assert np.abs(basis.rotated_NR - standard_ND @ basis.vectors_DR).max() < 1e-2
