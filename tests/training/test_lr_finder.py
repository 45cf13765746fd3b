"""The learning-rate finder."""

from __future__ import annotations

import math

import pytest
import torch
from tests.training.fits import ManyTargets, TinyNetwork, make_network, make_task
from torch import nn

from photograft.errors import TrainingError
from photograft.training.loop import Fit
from photograft.training.lr_finder import find_lr


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_rate_that_is_found_trains_better_than_a_hundredth_of_it(optimizer: str) -> None:
    found = find_lr(make_task(settings={"optimizer": optimizer, "lr": "find"}), n_steps=60)
    losses = []
    for lr in (found.lr, found.lr / 100):
        fit = Fit(make_task(settings={"optimizer": optimizer, "lr": lr, "epochs": 6}))
        for _ in fit.run():
            pass
        losses.append(fit.records[-1].train_loss)
    assert 1e-5 < found.lr <= 1.0
    assert losses[0] < losses[1]


def test_the_curve_covers_the_range_and_the_network_is_left_as_it_was() -> None:
    task = make_task(settings={"lr": "find", "head_lr": 0.5})
    before = {name: tensor.clone() for name, tensor in task.network.state_dict().items()}
    found = find_lr(task, n_steps=30)
    assert found.rates[0] == pytest.approx(1e-6)
    assert list(found.rates) == sorted(found.rates)
    assert len(found.losses) == len(found.rates) <= 30
    assert all(map(math.isfinite, found.losses))
    assert "falls from" in found.reason
    for name, tensor in task.network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(parameter.grad is None for parameter in task.network.parameters())
    assert found == find_lr(task, n_steps=30)


def test_rates_are_tried_on_several_targets_together() -> None:
    found = find_lr(make_task(inputs=ManyTargets(), settings={"lr": "find"}), n_steps=30)
    assert all(map(math.isfinite, found.losses))
    assert 1e-6 < found.lr <= 1.0


def test_a_rate_stays_a_tenth_below_where_training_diverges() -> None:
    network = make_network(batchnorm=False, dropout=0.0)
    settings = {"lr": "find", "optimizer": "sgd", "clip": 0.0}
    found = find_lr(make_task(network=Steep(network), settings=settings), n_steps=60)
    assert "diverges" in found.reason
    assert found.rates[-1] < 1.0
    assert found.lr <= found.rates[-1] / 10 * 1.05  # rounded to two digits


def test_a_network_that_gives_no_numbers_is_said_to() -> None:
    network = make_network()
    with torch.no_grad():
        network.head.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"not finite even at a learning rate of 1e-06.*photograft doctor"):
        find_lr(make_task(network=network))


class Steep(TinyNetwork):
    """A network whose logits are large, so that high rates throw it off."""

    def __init__(self, inner: TinyNetwork) -> None:
        super().__init__(batchnorm=False, dropout=0.0)
        self.load_state_dict(inner.state_dict())
        self.norm = nn.Identity()

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        return 300 * super().forward(*values)
