"""Settings of training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from photograft.config.section import Section


class TrainConfig(Section):
    """How the head is trained."""

    balance: Literal["none", "balanced"] = "none"
    """`balanced` weighs each class by the inverse of its size, so that small classes count as much as large ones."""

    strength: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """L2 penalty of the head. `auto` chooses it by cross-validation."""

    refit: Literal["train_val", "all", "none"] = "train_val"
    """What the shipped head is trained on: train and validation photos, all photos (also the test part), or train
    alone."""

    seed: int = Field(default=0, ge=0)
    """Seed of everything random in training."""
