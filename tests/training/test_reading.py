"""Batches with what should come of them, for several targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.training.fits import DrawnInputs

from photograft.config.augment import AugmentConfig
from photograft.config.train import Balance, TrainConfig
from photograft.errors import ConfigError
from photograft.training.reading import Labelled, Reader
from photograft.values import Target

TARGETS = (
    Target("colour", ("a", "b", "c")),
    Target("big", ("no", "yes"), "binary"),
    Target("age", ("low", "middle", "high"), "ordinal"),
    Target("tags", ("x", "y"), "sigmoid"),
)
N = 24
COLOUR_N, BIG_N, AGE_N = np.arange(N) % 3, (np.arange(N) > 19).astype(np.int64), np.arange(N) // 8
TAGS_NK = np.stack([np.arange(N) % 2 == 0, np.arange(N) < 5], axis=1)


def make_reader(balances: tuple[Balance, ...] = ("none",) * 4, *, mixup: float = 0.0, **settings: Any) -> Reader:
    return Reader(
        DrawnInputs(),
        Labelled(np.arange(N), (COLOUR_N, BIG_N, AGE_N, TAGS_NK)),
        name="train",
        targets=TARGETS,
        balances=balances,
        config=TrainConfig(batch_size=N, **settings),
        augment=AugmentConfig(mixup=mixup),
    )


def positions(reader: Reader) -> np.ndarray[Any, Any]:
    ((_, _, (position_N,)),) = reader._jobs(0, 1)
    return position_N


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_shares_stand_target_after_target_and_are_smoothed_each_by_its_classes(smoothing: float) -> None:
    reader = make_reader(label_smoothing=smoothing)
    (batch,) = reader.step(0)
    order = positions(reader)
    own = 1 - smoothing
    expected_NK = np.concatenate(
        [
            own * np.eye(3)[COLOUR_N[order]] + smoothing / 3,
            own * np.eye(2)[BIG_N[order]] + smoothing / 2,
            own * np.eye(3)[AGE_N[order]] + smoothing / 3,
            own * TAGS_NK[order] + smoothing / 2,
        ],
        axis=1,
    )
    np.testing.assert_allclose(batch.share_BK, expected_NK, rtol=1e-6)
    assert batch.share_BK.dtype == np.float32


def test_mixing_blends_the_shares_of_all_targets_by_one_share() -> None:
    (plain,), (mixed,) = make_reader().step(0), make_reader(mixup=1.0).step(0)
    parts = np.split(mixed.share_BK, [3, 5, 8], axis=1)
    for part in parts[:3]:
        np.testing.assert_allclose(part.sum(axis=1), 1, rtol=1e-6)
    shares = {round(float(value), 5) for value in mixed.share_BK.ravel() if 0 < value < 1}
    assert len(shares) <= 2 and abs(sum(shares) - 1) < 1e-4
    assert not np.array_equal(plain.share_BK, mixed.share_BK)


def test_sampled_draws_combinations_of_the_targets_that_ask_for_it_equally_often() -> None:
    order = positions(make_reader(("none", "sampled", "sampled", "none")))
    pairs, counts = np.unique(np.stack([BIG_N[order], AGE_N[order]], axis=1), axis=0, return_counts=True)
    assert pairs.tolist() == [[0, 0], [0, 1], [0, 2], [1, 2]]
    assert counts.tolist() == [6, 6, 6, 6]
    assert sorted(positions(make_reader())) == list(range(N))


def test_no_batch_holds_a_single_photo_where_hidden_layers_normalise_them() -> None:
    def sizes(*, pairs: bool, batch_size: int) -> set[int]:
        reader = Reader(
            DrawnInputs(),
            Labelled(np.arange(N), (COLOUR_N,)),
            name="train",
            targets=TARGETS[:1],
            balances=("none",),
            config=TrainConfig(batch_size=batch_size, batchnorm="frozen"),
            augment=AugmentConfig(),
            pairs=pairs,
        )
        return {len(batch.share_BK) for number in range(reader.epoch_steps) for batch in reader.step(number)}

    assert 1 in sizes(pairs=False, batch_size=1)
    assert min(sizes(pairs=True, batch_size=N - 1)) > 1
    with pytest.raises(ConfigError, match=r"train\.batch_size"):
        sizes(pairs=True, batch_size=1)
