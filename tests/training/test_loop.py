"""The loop: resuming, gradients, targets, evaluation, what ends a fit."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from tests.training.fits import make_task
from torch import Tensor

from photograft.config.augment import AugmentConfig
from photograft.training.loop import Fit

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("one-cycle", "cosine", "step", "plateau", "constant")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_fit_resumed_at_any_step_ends_with_the_same_bytes(optimizer: str, schedule: str) -> None:
    settings = {"optimizer": optimizer, "schedule": schedule, "step_epochs": 1, "accumulate": 2, "batch_size": 4}
    check_every_step(settings, AugmentConfig(mixup=0.4, cutmix=1.0))


@pytest.mark.parametrize(
    "settings",
    [
        {"ema": 0.0, "balance": "sampled"},
        {"evaluate_steps": 2, "early_stopping": 1, "best_from": 0.4},
        {"precision": "bf16", "balance": "balanced"},
        {"precision": "fp16", "label_smoothing": 0.1},
        {"channels_last": True, "batchnorm": "frozen"},
    ],
)
def test_a_fit_resumed_at_any_step_is_the_same_under_every_setting(settings: dict[str, Any]) -> None:
    check_every_step(settings, AugmentConfig())


def check_every_step(settings: dict[str, Any], augment: AugmentConfig) -> None:
    def make() -> Fit:
        return Fit(make_task(settings={"epochs": 2, **settings}, augment=augment))

    unbroken = make()
    states = [unbroken.state()]
    states += [unbroken.state() for _ in unbroken.run()]
    expected = final(unbroken)
    for tensors, info in states:
        resumed = make()
        resumed.load_state(tensors, json.loads(json.dumps(info, allow_nan=False)))
        for _ in resumed.run():
            pass
        assert final(resumed) == expected, f"differs when resumed at step {info['step']}"


def final(fit: Fit) -> tuple[dict[str, bytes], list[tuple[Any, ...]], str]:
    """All that a fit leaves: weights and statistics, optimizer and average, records without their times."""
    tensors = {name: as_bytes(t) for name, t in fit.network.state_dict().items()}
    tensors |= {
        f"optimizer.{i}.{key}": as_bytes(t)
        for i, state in enumerate(fit._optimizer.state.values())
        for key, t in state.items()
        if isinstance(t, Tensor)
    }
    tensors |= {f"average.{name}": as_bytes(t) for name, t in (fit._average or {}).items()}
    records = [(r.epoch, r.step, r.lr, r.train_loss, r.val_loss, r.val_accuracy, r.best) for r in fit.records]
    return tensors, records, fit.ended


def as_bytes(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
