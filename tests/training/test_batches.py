"""Which photos make which step."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from photograft.training.batches import epoch_order, epoch_steps, n_epoch_steps, seed_of

COUNTS = st.integers(1, 200)


@given(n=COUNTS, batch_size=st.integers(1, 40), accumulate=st.integers(1, 4), epoch=st.integers(0, 99))
def test_every_photo_comes_once_per_epoch_in_batches_of_nearly_one_size(
    n: int, batch_size: int, accumulate: int, epoch: int
) -> None:
    order_N = epoch_order(n, seed=1, name="train", epoch=epoch)
    steps = epoch_steps(order_N, batch_size=batch_size, accumulate=accumulate)
    assert sorted(np.concatenate([batch for step in steps for batch in step]).tolist()) == list(range(n))
    assert len(steps) == n_epoch_steps(n, batch_size=batch_size, accumulate=accumulate)
    assert max(map(len, steps)) <= accumulate
    assert max(len(batch) for step in steps for batch in step) <= batch_size
    sizes = [sum(map(len, step)) for step in steps]
    assert max(sizes) - min(sizes) <= 1


@given(n=st.integers(2, 200), batch_size=st.integers(2, 40), accumulate=st.integers(1, 4))
def test_no_batch_is_of_one_photo_where_batchnorm_moves(n: int, batch_size: int, accumulate: int) -> None:
    steps = epoch_steps(np.arange(n), batch_size=batch_size, accumulate=accumulate, smallest=2)
    sizes = [len(batch) for step in steps for batch in step]
    assert sum(sizes) == n
    assert min(sizes) >= 2
    assert max(sizes) <= batch_size + 1


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=6), epoch=st.integers(0, 9))
def test_sampled_epochs_hold_all_classes_equally_often(sizes: list[int], epoch: int) -> None:
    label_N = np.repeat(np.arange(len(sizes)), sizes)
    order_N = epoch_order(len(label_N), seed=0, name="train", epoch=epoch, class_N=label_N)
    assert len(order_N) == len(label_N)
    counts = np.bincount(label_N[order_N], minlength=len(sizes))
    assert counts.max() - counts.min() <= 1
    seen = np.bincount(order_N, minlength=len(label_N))
    for number in range(len(sizes)):  # within a class, too, no photo comes before the others came as often
        own = seen[label_N == number]
        assert own.max() - own.min() <= 1


def test_orders_differ_by_seed_name_and_epoch_and_by_nothing_else() -> None:
    orders = [
        epoch_order(50, seed=seed, name=name, epoch=epoch).tolist()
        for seed in (0, 1)
        for name in ("train", "refit")
        for epoch in (0, 1)
    ]
    assert len({tuple(order) for order in orders}) == 8
    assert epoch_order(50, seed=0, name="train", epoch=0).tolist() == orders[0]
    assert 0 <= seed_of(0, "fold 1", 3, 4) < 2**63
