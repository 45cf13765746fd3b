"""Optimizer groups, learning rates, running average."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from tests.training.fits import make_task
from torch import nn
from torch.optim import lr_scheduler

from photograft.config.train import TrainConfig
from photograft.training.optim import (
    Plateau,
    build_optimizer,
    learning_rates,
    load_optimizer,
    lr_factor,
    move_average,
    optimizer_tensors,
    set_lr,
)

STEPS, EPOCH_STEPS = 40, 5


def factors(**settings: Any) -> list[float]:
    config = TrainConfig(**settings)
    return [lr_factor(config, step, n_steps=STEPS, epoch_steps=EPOCH_STEPS) for step in range(STEPS)]


def of_torch(make: Any) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the last step
            scheduler.step()
    return rates


@pytest.mark.parametrize("share", [0.25, 0.4, 0.5])
def test_one_cycle_is_that_of_torch(share: float) -> None:
    def make(optimizer: Any) -> Any:
        return lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=STEPS, pct_start=share, cycle_momentum=False)

    assert factors(schedule="one-cycle", warmup=share) == pytest.approx(of_torch(make), abs=1e-9)
    assert factors(schedule="one-cycle") == factors(schedule="one-cycle", warmup=0.25)


def test_cosine_is_that_of_torch() -> None:
    expected = of_torch(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS))
    assert factors(schedule="cosine", warmup=0.0) == pytest.approx(expected, abs=1e-9)


def test_steps_are_those_of_torch() -> None:
    expected = of_torch(lambda optimizer: lr_scheduler.StepLR(optimizer, 3 * EPOCH_STEPS, gamma=0.2))
    assert factors(schedule="step", warmup=0.0, step_epochs=3, gamma=0.2) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["cosine", "step", "plateau", "constant"])
def test_the_others_rise_linearly_first(schedule: str) -> None:
    rising = factors(schedule=schedule, warmup=0.25)[:11]
    assert rising == pytest.approx([(step + 1) / 11 for step in range(10)] + [1.0])


@pytest.mark.parametrize("n_steps", [1, 2, 3])
@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "step", "plateau", "constant"])
def test_very_short_fits_have_rates_too(schedule: str, n_steps: int) -> None:
    config = TrainConfig(schedule=schedule, warmup=0.9)
    rates = [lr_factor(config, step, n_steps=n_steps, epoch_steps=1) for step in range(n_steps)]
    assert all(0 < rate <= 1 or math.isclose(rate, 0, abs_tol=1e-9) for rate in rates)
    assert max(rates) > 0


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_plateau_is_that_of_torch(patience: int) -> None:
    losses = [1.0, 0.8, 0.9, 0.85, 0.8, 0.7, 0.71, 0.72, 0.73, 0.74, 0.6, 0.65, 0.66, 0.67, 0.68, 0.69]
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    expected = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=patience - 1, threshold=0.0, eps=0.0)
    plateau = Plateau(gamma=0.5, patience=patience)
    for loss in losses:
        expected.step(loss)
        plateau.see(loss)
        assert plateau.factor == pytest.approx(optimizer.param_groups[0]["lr"])


def test_blocks_have_their_rates_and_only_weights_decay() -> None:
    task = make_task(settings={"lr": 0.01, "lr_decay": 0.5, "weight_decay": 0.1})
    optimizer = build_optimizer(task.network, task.blocks, task.config)
    groups = {(g["block"], g["weight_decay"]): (g["lr"], [p.ndim for p in g["params"]]) for g in optimizer.param_groups}
    assert groups == {
        ("first", 0.1): (0.005, [4]),
        ("first", 0.0): (0.005, [1, 1, 1]),
        ("second", 0.1): (0.01, [4]),
        ("second", 0.0): (0.01, [1]),
        ("head", 0.1): (0.025, [2]),
        ("head", 0.0): (0.025, [1]),
    }
    assert learning_rates(["a", "b", "head"], TrainConfig(head_lr=0.3, optimizer="sgd")) == {
        "a": 0.01,
        "b": 0.01,
        "head": 0.3,
    }


def test_blocks_that_leave_a_parameter_out_are_refused() -> None:
    task = make_task()
    with pytest.raises(ValueError, match=r"head\.bias"):
        build_optimizer(task.network, [*task.blocks[:-1], ("head", ["head.weight"])], task.config)


def test_changing_the_rate_leaves_the_state_and_the_state_comes_back() -> None:
    task = make_task()
    optimizer = build_optimizer(task.network, task.blocks, task.config)
    for parameter in task.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    before = optimizer_tensors(optimizer)
    set_lr(optimizer, 0.1)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.1 * g["peak"] for g in optimizer.param_groups])
    other = build_optimizer(task.network, task.blocks, task.config)
    load_optimizer(other, before)
    for state in (optimizer_tensors(optimizer), optimizer_tensors(other)):
        assert state.keys() == before.keys()
        assert all(torch.equal(state[name], before[name]) for name in before)


def test_the_average_follows_faster_at_first_and_copies_counters() -> None:
    average = {"w": torch.zeros(1), "n": torch.tensor(0)}
    move_average(average, {"w": torch.ones(1), "n": torch.tensor(7)}, decay=0.99, step=1)
    assert average["w"].item() == pytest.approx(1 - 2 / 11)
    assert average["n"].item() == 7
    average = {"w": torch.zeros(1)}
    move_average(average, {"w": torch.ones(1)}, decay=0.9, step=1000)
    assert average["w"].item() == pytest.approx(0.1)
