"""The loop: resuming, gradients, targets, evaluation, what ends a fit."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.fits import DrawnInputs, ManyTargets, make_network, make_task
from torch import Tensor

from photograft.config.augment import AugmentConfig
from photograft.errors import ConfigError, ModelError, TrainingError
from photograft.metrics import links
from photograft.metrics.probability import log_loss
from photograft.metrics.softmax import softmax
from photograft.metrics.temperature import fit_temperature
from photograft.training.inputs import Values
from photograft.training.judging import judge, split_outputs
from photograft.training.loop import Fit, Step
from photograft.values import DoubleArray, IntArray, Record, Target

OPTIMIZERS = ("adamw", "adam", "sgd")
BALANCES = ("sampled", "balanced", "none", "none")
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


def test_a_fit_of_several_targets_resumed_at_any_step_is_the_same() -> None:
    check_every_step({"label_smoothing": 0.1}, AugmentConfig(mixup=0.4), inputs=ManyTargets(), balances=BALANCES)


def check_every_step(settings: dict[str, Any], augment: AugmentConfig, **more: Any) -> None:
    def make() -> Fit:
        return Fit(make_task(settings={"epochs": 2, **settings}, augment=augment, **more))

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


def test_photos_that_do_not_steer_are_judged_after_every_epoch_and_change_nothing() -> None:
    settings = {"early_stopping": 1, "schedule": "plateau", "evaluate_steps": 2}
    judging, alone = Fit(make_task(settings=settings, val_steers=False)), Fit(make_task(settings=settings, n_val=0))
    states = [judging.state(), *(judging.state() for _ in judging.run())]
    for _ in alone.run():
        pass
    same = zip(judging.network.parameters(), alone.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in same) and judging.best is None
    judged = [record for record in judging.records if record.val_loss is not None]
    assert len(judging.judged) == len(judged) > 3 and judging.judged[0].shape == (9, 3)
    for tensors, info in states:
        resumed = Fit(make_task(settings=settings, val_steers=False))
        resumed.load_state(tensors, json.loads(json.dumps(info)))
        for _ in resumed.run():
            pass
        assert all(np.array_equal(*pair) for pair in zip(resumed.judged, judging.judged, strict=True))


def test_resuming_is_exact_with_two_threads_too() -> None:
    torch.set_num_threads(2)
    check_every_step({"epochs": 1}, AugmentConfig(mixup=1.0))


def test_a_state_is_a_copy_and_one_of_another_fit_is_refused() -> None:
    fit = Fit(make_task())
    tensors, info = fit.state()
    for _ in fit.run():
        pass
    assert not torch.equal(tensors["network.head.weight"], fit.network.head.weight)
    for other in (make_task(name="fold 1"), make_task(n_train=20), make_task(settings={"epochs": 4})):
        with pytest.raises(ModelError, match="saved state of fit 'train' belongs to other photos"):
            Fit(other).load_state(tensors, info)


def test_a_state_of_other_truths_kinds_or_balances_is_refused() -> None:
    inputs = ManyTargets()
    tensors, info = Fit(make_task(inputs=inputs)).state()
    others = [make_task(inputs=inputs, balances=BALANCES)]
    for number in range(4):
        task = make_task(inputs=inputs)
        truth = [own.copy() for own in task.train.truth]
        truth[number][0] = 1 - truth[number][0]
        others.append(replace(task, train=replace(task.train, truth=tuple(truth))))
    level = Target("level", ("low", "high"))  # as many outputs as the ordinal one has
    others.append(replace(make_task(inputs=inputs), targets=(*inputs.targets[:2], level, inputs.targets[3])))
    for other in others:
        with pytest.raises(ModelError, match="saved state of fit 'train' belongs to other photos"):
            Fit(replace(other, network=make_network(n_outputs=8))).load_state(tensors, info)


def test_a_fit_that_ended_stays_ended() -> None:
    fit = Fit(make_task())
    for _ in fit.run():
        pass
    assert list(fit.run()) == []
    tensors, info = fit.state()
    assert {name.partition(".")[0] for name in tensors} == {"network"}
    again = Fit(make_task())
    again.load_state(tensors, info)
    assert list(again.run()) == []
    assert (again.records, again.best, again.ended) == (fit.records, fit.best, "epochs")
    np.testing.assert_array_equal(again.logits(np.arange(5)), fit.logits(np.arange(5)))


@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_accumulated_batches_are_one_large_batch(clip: float) -> None:
    weights = []
    for batch_size, accumulate in ((4, 2), (8, 1)):
        network = make_network(batchnorm=False, dropout=0.0)
        settings = {"batch_size": batch_size, "accumulate": accumulate, "optimizer": "sgd", "clip": clip}
        for _ in Fit(make_task(network=network, n_train=24, n_val=0, settings=settings)).run():
            pass
        weights.append(network.state_dict())
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("balance", ["none", "balanced"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_what_a_hand_computes(balance: str, smoothing: float) -> None:
    inputs = DrawnInputs()
    inputs.label_N = np.array([0] * 12 + [1] * 5 + [2] * 3)
    network = make_network(batchnorm=False, dropout=0.0)
    values = [torch.from_numpy(value).float() for value in inputs.changed(np.arange(20), epoch=0)]
    with torch.no_grad():
        log_NK = torch.log_softmax(network(*values), dim=1).double().numpy()
    target_NK = (1 - smoothing) * np.eye(3)[inputs.label_N] + smoothing / 3
    weight_K = np.array([20 / (3 * 12), 20 / (3 * 5), 20 / (3 * 3)]) if balance == "balanced" else np.ones(3)
    expected = -(weight_K * target_NK * log_NK).sum(axis=1).mean()
    settings = {"batch_size": 20, "label_smoothing": smoothing, "balance": balance}
    task = make_task(network=network, inputs=inputs, n_train=20, n_val=0, settings=settings)
    first = next(Fit(task).run())
    assert isinstance(first, Step)
    assert first.loss == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_several_targets_is_the_sum_of_their_likelihoods() -> None:
    inputs = ManyTargets()
    network = make_network(batchnorm=False, dropout=0.0, n_outputs=8)
    values = [torch.from_numpy(value).float() for value in inputs.changed(np.arange(20), epoch=0)]
    with torch.no_grad():
        logits_NM = network(*values).numpy()
    truth, expected = inputs.truth(np.arange(20)), 0.0
    for target, part_NM, own in zip(inputs.targets, split_outputs(logits_NM, inputs.targets), truth, strict=True):
        expected += links.losses(target.kind, links.probabilities(target.kind, part_NM), own).mean()
    first = next(Fit(make_task(network=network, inputs=inputs, n_train=20, n_val=0, settings={"batch_size": 20})).run())
    assert isinstance(first, Step)
    assert first.loss == pytest.approx(expected, rel=1e-5)


def test_several_targets_are_learned_and_judged_together() -> None:
    inputs = ManyTargets()
    task = make_task(inputs=inputs, settings={"epochs": 15})
    fit = Fit(task)
    for _ in fit.run():
        pass
    assert fit.best is not None and task.val is not None
    logits_NM = fit.logits(task.val.row_N)
    assert logits_NM.shape == (9, 8)
    loss, accuracy, _ = judge(logits_NM, task.val.truth, inputs.targets)
    assert (loss, accuracy) == pytest.approx((fit.best.val_loss, fit.best.val_accuracy), rel=1e-5)
    assert accuracy > 0.6


def test_the_best_weights_are_the_result_and_are_judged_calibrated_over_all_views() -> None:
    settings = {"epochs": 30, "lr": 0.5, "schedule": "constant", "optimizer": "sgd", "early_stopping": 2, "ema": 0.0}
    task = make_task(settings=settings)
    fit = Fit(task)
    assert task.val is not None
    (label_N,) = task.val.truth

    def predict() -> DoubleArray:
        logits_NK = np.zeros((9, 3))
        with torch.no_grad():
            for view in (0, 1):
                values = task.inputs.plain(task.val.row_N, view=view)
                logits_NK += fit.network(*(torch.from_numpy(value).float() for value in values)).double().numpy() / 2
        return logits_NK

    losses, calibrated = [], []
    for event in fit.run():
        if isinstance(event, Record):  # the network is in evaluation mode, and without an average it is the judged one
            losses.append(log_loss(softmax(predict()), label_N))
            calibrated.append(log_loss(softmax(predict(), temperature=fit_temperature(predict(), label_N)), label_N))
    records = fit.records
    assert [record.epoch for record in records] == list(range(1, len(records) + 1))
    np.testing.assert_allclose([record.val_loss for record in records], losses, rtol=1e-5)
    lowest = records[int(np.argmin(calibrated))]
    assert fit.best == lowest == records[-3]
    np.testing.assert_allclose(fit.logits(task.val.row_N), predict(), atol=1e-5)
    assert (predict().argmax(axis=1) == label_N).mean() == pytest.approx(lowest.val_accuracy)


def test_without_validation_photos_the_last_average_is_the_result() -> None:
    fit = Fit(make_task(n_val=0, settings={"evaluate_steps": 1, "early_stopping": 1}))
    steps = [event.step for event in fit.run() if isinstance(event, Step)]
    assert steps == list(range(1, 10))
    assert [(r.val_loss, r.val_accuracy, r.best, r.step) for r in fit.records] == [
        (None, None, False, 3),
        (None, None, False, 6),
        (None, None, False, 9),
    ]
    assert fit.best is None
    assert fit._average is not None
    assert torch.equal(fit.network.head.weight, fit._average["head.weight"])


def test_evaluations_take_place_when_they_are_asked_for() -> None:
    fit = Fit(make_task(settings={"evaluate_steps": 2, "evaluate_from": 2}))
    for _ in fit.run():
        pass
    assert [(r.step, r.val_loss is not None) for r in fit.records] == [
        (3, False),
        (4, True),
        (6, True),
        (8, True),
        (9, True),
    ]
    assert fit.records[1].epoch == pytest.approx(4 / 3)


def test_no_state_counts_as_best_below_the_floor() -> None:
    fit = Fit(make_task(settings={"best_from": 1.0, "lr": 1e-6}))
    for _ in fit.run():
        pass
    assert fit.best is None
    assert not any(record.best for record in fit.records)


def test_early_stopping_ends_after_epochs_without_a_better_loss() -> None:
    settings = {"epochs": 30, "lr": 0.5, "schedule": "constant", "optimizer": "sgd", "early_stopping": 2, "ema": 0.0}
    fit = Fit(make_task(settings=settings))
    for _ in fit.run():
        pass
    assert fit.ended == "early stopping"
    assert fit.best is not None
    assert fit.records[-1].epoch == fit.best.epoch + 2 < 30


def test_a_deadline_ends_at_an_evaluation_with_the_best_weights() -> None:
    fit = Fit(make_task(settings={"epochs": 50}, deadline=time.monotonic() - 1))
    for _ in fit.run():
        pass
    assert (fit.ended, len(fit.records), fit.step) == ("time limit", 1, 3)


def test_a_refit_follows_the_schedule_of_the_whole_fit_to_the_chosen_epoch() -> None:
    whole, part = Fit(make_task(n_val=0)), Fit(make_task(n_val=0, stop_after_epoch=2))
    rates = [[event.lr for event in fit.run() if isinstance(event, Step)] for fit in (whole, part)]
    assert rates[1] == rates[0][:6]
    assert part.ended == "epochs"
    assert [(r.epoch, r.train_loss) for r in part.records] == [(r.epoch, r.train_loss) for r in whole.records[:2]]


@pytest.mark.parametrize("batchnorm", ["moved", "frozen"])
def test_statistics_of_batchnorm_move_only_where_they_should(batchnorm: str) -> None:
    task = make_task(settings={"batchnorm": batchnorm})
    before = task.network.norm.running_mean.clone()
    for _ in Fit(task).run():
        pass
    assert torch.equal(before, task.network.norm.running_mean) == (batchnorm == "frozen")
    assert not task.network.training


def test_batches_of_one_photo_are_refused_where_batchnorm_moves() -> None:
    with pytest.raises(ConfigError, match=r"train\.batchnorm: .* two photos"):
        Fit(make_task(settings={"batch_size": 1}))


class FaultyInputs(DrawnInputs):
    """The second epoch is not made of numbers."""

    def changed(self, row_B: IntArray, *, epoch: int) -> Values:
        values = super().changed(row_B, epoch=epoch)
        if epoch == 1:
            values[0][:] = np.nan
        return values


def test_a_loss_that_is_no_number_stops_and_leaves_the_weights_before_it() -> None:
    fit = Fit(make_task(inputs=FaultyInputs()))
    states = []
    with pytest.raises(TrainingError, match=r"diverged: the loss became nan in step 4 of 9 \(epoch 2\)") as caught:
        states.extend(fit.state() for _ in fit.run())
    assert "train.lr=0.001" in str(caught.value)
    assert caught.value.exit_code == 5
    assert not prefetch_threads()
    tensors, info = states[-1]
    assert info["step"] == fit.step == 3
    assert all(torch.equal(tensors[f"network.{name}"], p) for name, p in fit.network.named_parameters())
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_gradients_that_overflow_stop_before_they_reach_the_weights() -> None:
    network = make_network(batchnorm=False, dropout=0.0)
    with torch.no_grad():
        for parameter in network.first.parameters():
            parameter.mul_(1e-20)
        for parameter in (network.second.weight, network.head.weight):
            parameter.mul_(1e20)
    fit = Fit(make_task(network=network))
    with pytest.raises(TrainingError, match=r"norm of the gradients became (inf|nan) in step 1"):
        next(fit.run())
    assert all(torch.isfinite(tensor).all() for tensor in fit.state()[0].values())


def test_an_abandoned_run_ends_its_thread_and_the_user_keeps_the_random_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit = Fit(make_task())
    run = fit.run()
    for _ in range(5):
        next(run)
    run.close()
    assert not prefetch_threads()
    assert torch.equal(torch.rand(3), expected)
    for _ in fit.run():  # a second run goes on where the first one was left
        pass
    whole = Fit(make_task())
    for _ in whole.run():
        pass
    assert final(fit) == final(whole)


def test_training_learns_and_photos_alone_equal_photos_in_a_batch() -> None:
    fit = Fit(make_task(settings={"epochs": 12, "balance": "sampled"}, augment=AugmentConfig(mixup=0.2)))
    for _ in fit.run():
        pass
    assert fit.best is not None
    assert fit.best.val_accuracy is not None
    assert fit.best.val_accuracy > 0.7
    together_NK = fit.logits(np.arange(31, 40))
    alone_NK = np.concatenate([fit.logits(np.array([row])) for row in range(31, 40)])
    np.testing.assert_allclose(together_NK, alone_NK, atol=1e-5)
    assert together_NK.dtype == np.float32
    assert fit.logits(np.zeros(0, np.int64)).shape == (0, 3)


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "photograft-prefetch"]


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
