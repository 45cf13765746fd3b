"""What is measured before a fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.training.fits import ManyTargets, make_task

from photograft.training import measure as measuring
from photograft.training.measure import measure

OPEN = {"precision": "auto", "channels_last": "auto", "batch_size": "auto"}


def test_everything_is_chosen_and_the_network_left_as_it_was() -> None:
    task = make_task(settings=OPEN)
    before = {name: tensor.clone() for name, tensor in task.network.state_dict().items()}
    measured = measure(task)
    assert measured.precision in ("fp32", "bf16")
    assert isinstance(measured.channels_last, bool)
    assert measured.batch_size == 32
    assert measured.epoch_s >= measured.step_s > 0
    assert measured.read_s > 0
    assert 1e7 < measured.peak_bytes < 3e9
    assert any(reason.startswith("train.channels_last=true makes a step") for reason in measured.reasons)
    for name, tensor in task.network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert not task.network.training
    assert all(parameter.grad is None for parameter in task.network.parameters())


def test_a_fit_of_several_targets_is_measured_too() -> None:
    measured = measure(make_task(inputs=ManyTargets(), settings={"precision": "fp32", "channels_last": False}))
    assert measured.step_s > 0 and measured.batch_size == 8


def test_what_is_set_is_kept_without_trying_others() -> None:
    task = make_task(settings={"precision": "fp32", "channels_last": True, "batch_size": 5, "lr": "find"})
    measured = measure(task)
    assert (measured.precision, measured.channels_last, measured.batch_size) == ("fp32", True, 5)
    assert measured.reasons == ()


def test_a_batch_that_needs_too_much_memory_is_halved_until_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_resident_bytes", lambda: 10**9)  # it grows while tests run
    task = make_task(settings={**OPEN, "precision": "fp32", "channels_last": False})
    whole = measure(task).peak_bytes
    small = measure(replace(task, config=task.config.model_copy(update={"batch_size": 8}))).peak_bytes
    assert whole > small > 10**9
    for limit, batch_size in ((whole, 32), (whole - 1, 16), (small, 8), (small - 1, 4)):
        measured = measure(task, memory_limit=limit)
        assert measured.batch_size == batch_size
        assert measured.peak_bytes <= limit
        assert any("32 would need more memory" in reason for reason in measured.reasons) == (batch_size < 32)


def test_a_batch_size_that_was_asked_for_is_kept_with_a_word_on_memory() -> None:
    measured = measure(make_task(settings={"batch_size": 16}), memory_limit=1)
    assert measured.batch_size == 16
    assert any("train.batch_size makes them smaller" in reason for reason in measured.reasons)


@pytest.mark.parametrize(("batchnorm", "smallest"), [("moved", 2), ("frozen", 1)])
def test_batches_do_not_become_too_small_for_batchnorm(batchnorm: str, smallest: int) -> None:
    assert measure(make_task(settings={**OPEN, "batchnorm": batchnorm}), memory_limit=1).batch_size == smallest
