"""What is measured before a fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.training.fits import ManyTargets, make_task

from photograft.errors import ConfigError
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
    assert measured.step_s > 0 and measured.read_s > 0
    assert measured.photo_s == (measured.step_s + measured.read_s) / 22  # all photos are one step
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


@pytest.mark.parametrize(
    ("settings", "n_processes", "n_photos"),
    [
        ({"batch_size": 5}, 1, 5),  # 22 photos in steps of 5, 5, 4, 4 and 4
        ({"batch_size": 5, "accumulate": 2}, 1, 8),  # 8, 7 and 7
        ({"batch_size": 5, "accumulate": 3}, 1, 11),  # 11 and 11
        ({"batch_size": 64, "accumulate": 9}, 1, 22),
        ({"batch_size": 8}, 2, 8),  # in one process 4, 4, 4, 4, 3 and 3
        ({"batch_size": 5, "accumulate": 3}, 2, 8 * 5 / 3),  # in one 8, 7 and 7, of batches of 3 where all have 5
    ],
)
def test_the_time_of_a_step_is_that_of_all_its_photos(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], n_processes: int, n_photos: float
) -> None:
    def one_second(work: Callable[[], Any]) -> float:
        work()
        return 1.0

    monkeypatch.setattr(measuring, "_best_time", one_second)
    given = {"precision": "fp32", "channels_last": False, "batchnorm": "frozen", **settings}
    measured = measure(make_task(settings=given), n_processes=n_processes)
    assert measured.photo_s == pytest.approx(2 / n_photos)  # a second to read, one to compute
    assert measured.batch_size == settings["batch_size"]


@pytest.mark.parametrize(
    ("batch_size", "n_processes", "said"),
    [
        (16, 1, r"batches of 16 may need \S+ GB of memory: train.batch_size makes them smaller"),
        (16, 2, r"batches of 16 may need \S+ GB of memory in each of 2 processes: train.batch_size makes them smaller"),
        (9, 4, r"batches of 9 may need \S+ GB of memory in each of 4 processes: .*"),
        ("auto", 2, r"batches of 2: 32 would need more memory than 0.0 GB in each of 2 processes"),
    ],
)
def test_what_is_said_of_memory_names_whole_batches(batch_size: int | str, n_processes: int, said: str) -> None:
    given = {"precision": "fp32", "channels_last": False, "batchnorm": "frozen", "batch_size": batch_size}
    (reason,) = measure(make_task(settings=given), memory_limit=1, n_processes=n_processes).reasons
    assert re.fullmatch(said, reason)


@pytest.mark.parametrize(
    ("n_processes", "asked", "less"),
    [(1, 64, "try 32"), (2, 64, "try 32"), (4, 30, "try 16"), (1, 1, "take a later model.graft, or less input.px")],
)
def test_a_gpu_without_enough_memory_gets_advice_on_the_whole_batch(
    monkeypatch: pytest.MonkeyPatch, n_processes: int, asked: int, less: str
) -> None:
    monkeypatch.setattr(measuring, "_cuda_peak", lambda task: None)  # what a GPU says whose memory is not enough
    task = make_task(settings={"batch_size": asked, "precision": "fp32", "batchnorm": "frozen"}, device="cuda:0")
    with pytest.raises(ConfigError, match=rf"^train.batch_size={asked} does not fit .* cuda:0: {less}$"):
        measure(task, n_processes=n_processes)


@pytest.mark.parametrize(("batchnorm", "smallest"), [("moved", 2), ("frozen", 1)])
def test_batches_do_not_become_too_small_for_batchnorm(batchnorm: str, smallest: int) -> None:
    assert measure(make_task(settings={**OPEN, "batchnorm": batchnorm}), memory_limit=1).batch_size == smallest
