"""The settings of a pretraining run: what is trained, how, and what is settled on this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from photograft.config import Config
from photograft.errors import ConfigError
from photograft.models.device import return_memory
from photograft.models.own_names import OwnNetwork, is_own_name, read_own_name
from photograft.workflow.narrator import Narrator, duration
from photograft.workflow.resolve import resolve_input

if TYPE_CHECKING:
    from photograft.training.pretraining import Reconstruction

_BACKBONE, _PX = "autoencoder:32x5", 96
_ACTING = ("seed", "clip", "precision", "channels_last", "checkpoint_steps", "flip")
"""Settings of the sections train and augment that pretraining goes by."""
_JUDGING = 0.3
"""Time to judge a photo over the time to train on it."""


def settle(asked: Config) -> tuple[Config, dict[str, str], OwnNetwork]:
    """Everything that does not depend on photos or machine; gives settings, reasons, and the network.

    The section `train` comes to say how the autoencoder is trained, so that a run is described in one way.

    Raises:
        ConfigError: A setting does not fit pretraining.
    """
    own, reasons = _network(asked), {}
    model = asked.model.model_copy(update={"backbone": own.name, "graft": "scratch", "hidden": (), "pool": "own"})
    if asked.model.backbone != own.name:
        reasons["model.backbone"] = "the usual one of pretrain"
    reasons["model.graft"] = "pretraining trains everything from random weights"
    config = asked.model_copy(update={"model": model})
    if config.input.px == "auto":
        config = config.model_copy(update={"input": config.input.model_copy(update={"px": _PX})})
        reasons["input.px"] = "auto: usual for pretrain"
    config, more = resolve_input(config)
    config = config.model_copy(update={"input": config.input.model_copy(update={"crops": "whole"})})
    pretrain = asked.pretrain
    as_pretrain = {"epochs": pretrain.epochs, "batch_size": pretrain.batch_size, "lr": pretrain.lr}
    as_pretrain |= {"head_lr": pretrain.lr}
    fixed = {
        "optimizer": "adamw", "schedule": "one-cycle", "warmup": 0.25, "weight_decay": 0.05, "lr_decay": 1.0,
        "accumulate": 1, "ema": 0.0, "batchnorm": "moved", "boundary": "off", "blend": False, "evaluate_from": 1,
        "time_limit": None,
    }  # fmt: skip
    reasons |= more | {f"train.{name}": "as the section pretrain says" for name in as_pretrain}
    reasons |= {f"train.{name}": "as pretraining does it" for name in fixed}
    train = config.train.model_copy(update=as_pretrain | fixed)
    return config.model_copy(update={"train": train}), reasons, own


def without_effect(asked: Config) -> list[str]:
    """Settings of training that were changed although pretraining has its own, or none like it."""
    usual = Config()
    pairs = {"train": (asked.train, usual.train), "augment": (asked.augment, usual.augment)}
    return [
        f"{section}.{name}"
        for section, (given, default) in pairs.items()
        for name, value in given
        if value != getattr(default, name) and name not in _ACTING
    ]


def _network(asked: Config) -> OwnNetwork:
    model = asked.model
    left_out = "backbone" not in model.model_fields_set
    name = _BACKBONE if left_out else model.backbone
    own = read_own_name(name) if is_own_name(name) else None
    if own is None or own.kind != "autoencoder":
        raise ConfigError(
            f"model.backbone: pretrain trains an autoencoder, such as {_BACKBONE} or autoencoder:16x3-instance, and "
            f"not {name}; leave it out or choose the sizes of one"
        )
    if model.weights not in (None, "random"):
        raise ConfigError("model.weights: pretrain begins with random weights; leave it out")
    if model.hidden:
        raise ConfigError("model.hidden: belongs to `photograft train` with the encoder; leave it out here")
    if asked.train.precision == "fp16":
        raise ConfigError("train.precision: pretrain takes fp32 or bf16")
    return own


def settle_speed(
    task: Reconstruction, config: Config, reasons: dict[str, str], narrator: Narrator, *, goes_on: bool
) -> tuple[Reconstruction, Config, dict[str, str]]:
    """Settle what is measured on this machine, plan fewer epochs where time is short, and tell what it will take.

    A run that `goes_on` has its epochs planned.
    """
    from photograft.training.measure import has_bf16
    from photograft.training.pretraining import measure_speed

    speed = measure_speed(task, has_bf16=has_bf16(task.device))
    return_memory()  # what the slower ways took
    epochs, limit = config.pretrain.epochs, config.pretrain.time_limit
    share_judged = _JUDGING * len(task.held_N) / task.batch_size
    epoch_s = speed.step_s * (task.epoch_steps + share_judged)
    if not goes_on and limit is not None and epochs * epoch_s > 60 * limit:
        planned = max(1, int(60 * limit / epoch_s))
        reason = f"{epochs} would take longer than pretrain.time_limit, {limit:g} minutes"
        narrator.say(f"{planned} epochs are made: {reason}")
        reasons = reasons | {"pretrain.epochs": reason, "train.epochs": reason}
        epochs = planned
    for sentence in speed.reasons:
        narrator.say(sentence)
    measured = {"precision": speed.precision, "channels_last": speed.channels_last}
    reasons = reasons | {f"train.{name}": "measured on this machine" for name in measured}
    narrator.say(f"Estimate: {epochs} epochs of about {duration(epoch_s)}, {duration(epochs * epoch_s)} in all")
    train = config.train.model_copy(update={**measured, "epochs": epochs})
    pretrain = config.pretrain.model_copy(update={"epochs": epochs})
    config = config.model_copy(update={"train": train, "pretrain": pretrain})
    return replace(task, config=train), config, reasons


def with_settled(asked: Config, resolved: Config) -> Config:
    """What was asked for, with what was settled on the machine when the run began."""
    names = ("precision", "channels_last")
    train = asked.train.model_copy(update={name: getattr(resolved.train, name) for name in names})
    pretrain = asked.pretrain.model_copy(update={"epochs": resolved.pretrain.epochs})
    model = asked.model.model_copy(update={"device": resolved.model.device})
    return asked.model_copy(update={"train": train, "pretrain": pretrain, "model": model})
