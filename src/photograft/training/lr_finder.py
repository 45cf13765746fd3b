"""Learning-rate finder (Smith 2017): training at rising rates for some steps shows where the loss falls best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from photograft.errors import TrainingError
from photograft.training.loop import Fit, Task
from photograft.training.optim import copied, moving_tensors, put

_LOWEST, _HIGHEST = 1e-6, 1.0
_SMOOTHING = 0.9
_DIVERGED = 4.0


@dataclass(frozen=True)
class RatesTried:
    """The rate that was found, those that were tried with the smoothed loss at each, and why in a sentence."""

    lr: float
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    reason: str


def find_lr(task: Task, *, n_steps: int = 100) -> RatesTried:
    """Try rising rates from 1e-6 to 1 on a fit's first steps; the network is left as it was.

    The rate is taken two thirds into the longest stretch over which the smoothed loss falls (the "valley" of fastai),
    but never above a tenth of the one at which training diverged.

    Raises:
        TrainingError: the loss is not finite even at the lowest rate.
    """
    moving = moving_tensors(task.network)
    before = copied(moving)
    # The head keeps its usual distance: an own rate of it would not rise with the others.
    config = task.config.model_copy(update={"lr": _HIGHEST, "head_lr": "auto", "ema": 0.0})
    fit = Fit(replace(task, config=config))
    rates, losses = [], []
    smoothed, diverged = 0.0, False
    try:
        for step in range(n_steps):
            lr = _LOWEST * (_HIGHEST / _LOWEST) ** (step / (n_steps - 1))
            try:
                loss = fit.trial_step(fit.reader.step(step), step, lr=lr)
            except TrainingError:
                diverged = True
                break
            smoothed = _SMOOTHING * smoothed + (1 - _SMOOTHING) * loss
            rates.append(lr)
            losses.append(smoothed / (1 - _SMOOTHING ** (step + 1)))
            if losses[-1] > _DIVERGED * min(losses):
                diverged = True
                break
    finally:
        put(before, moving_tensors(fit.network))
        fit.network.eval()
    if not rates:
        raise TrainingError(
            f"fine-tuning ({task.name}): the loss is not finite even at a learning rate of {_LOWEST:g}. "
            "Check the network's normalisation with: photograft doctor"
        )
    return _choose(rates, losses, diverged=diverged)


def _choose(rates: Sequence[float], losses: Sequence[float], *, diverged: bool) -> RatesTried:
    start, length = _longest_fall(losses)
    lr = rates[start + length * 2 // 3]
    reason = f"the loss falls from {rates[start]:.1e} to {rates[start + length]:.1e}"
    if diverged:
        reason += f" and training diverges at {rates[-1]:.1e}"
        lr = min(lr, rates[-1] / 10)
    # Two digits: the curve does not tell more, and the number is easy to write down.
    digits = 1 - math.floor(math.log10(lr))
    return RatesTried(round(lr, digits), tuple(rates), tuple(losses), reason)


def _longest_fall(losses: Sequence[float]) -> tuple[int, int]:
    """Where the longest run of values that fall, others between them left out, begins, and how far it reaches."""
    longest = [1] * len(losses)
    began = list(range(len(losses)))
    for i in range(len(losses)):
        for j in range(i):
            if losses[i] < losses[j] and longest[j] + 1 > longest[i]:
                longest[i], began[i] = longest[j] + 1, began[j]
    end = max(range(len(losses)), key=longest.__getitem__)
    return began[end], end - began[end]
